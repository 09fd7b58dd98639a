package main

import (
	"encoding/json"
	"runtime"
	"runtime/debug"
	"testing"
)

func TestNewBuild(t *testing.T) {
	t.Parallel()
	platform := runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
	stamped := &debug.BuildInfo{
		Main: debug.Module{Version: "v1.2.3"},
		Settings: []debug.BuildSetting{
			{Key: "-race", Value: "true"}, {Key: "vcs.revision", Value: "0123abc"}, {Key: "vcs.time", Value: "2026-06-01T12:34:56Z"}, {Key: "vcs.modified", Value: "true"},
		},
	}
	for name, test := range map[string]struct {
		info              *debug.BuildInfo
		version, revision string
		want              string
	}{
		"nothing known":         {nil, "", "", "taskhub (devel), " + platform},
		"installed by version":  {&debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, "", "", "taskhub v1.2.3, " + platform},
		"built in a repository": {stamped, "", "", "taskhub v1.2.3, revision 0123abc of 2026-06-01T12:34:56Z with local changes, " + platform},
		"linker's version":      {stamped, "v9", "", "taskhub v9, revision 0123abc of 2026-06-01T12:34:56Z with local changes, " + platform},
		"linker's revision":     {stamped, "v9", "fff", "taskhub v9, revision fff, " + platform},
		"linker alone":          {nil, "v9", "fff", "taskhub v9, revision fff, " + platform},
	} {
		if got := newBuild(test.info, test.version, test.revision).String(); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	b := build{Version: "v1.2.3", Revision: "0123abc", Time: "2026-06-01T12:34:56Z", Modified: true, Go: "go1.26", OS: "linux", Arch: "amd64"}
	c := console{build: b}
	for _, args := range [][]string{{"version"}, {"version", "-o", "text"}, {"--version"}} {
		o := c.do(t, args...)
		o.wantSuccess(t)
		if want := "taskhub v1.2.3, revision 0123abc of 2026-06-01T12:34:56Z with local changes, go1.26 linux/amd64\n"; o.out != want {
			t.Errorf("%q: %q", args, o.out)
		}
	}
	o := c.do(t, "version", "-o", "json")
	o.wantSuccess(t)
	var got build
	if err := json.Unmarshal([]byte(o.out), &got); err != nil || got != b {
		t.Errorf("%+v, %v", got, err)
	}
}
