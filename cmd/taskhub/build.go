package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// A build without the go command's own information, from an archive of the sources for example, says what it is with
//
//	go build -ldflags "-X main.version=v1.2.3 -X main.revision=0123abc"
var version, revision string

// build says which taskhub this is.
type build struct {
	Version string `json:"version"`
	// Revision is the commit, empty when the compiler did not know it. Time is its time, and Modified says that there were
	// changes beside it.
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

// newBuild reads what the compiler recorded, nil for nothing. What the linker was told counts more.
func newBuild(info *debug.BuildInfo, version, revision string) build {
	b := build{Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if info != nil {
		b.Version = info.Main.Version
		b.readSettings(info.Settings)
	}
	if revision != "" && revision != b.Revision {
		b.Revision, b.Time, b.Modified = revision, "", false
	}
	b.Version = cmp.Or(version, b.Version, "(devel)")
	return b
}

func (b *build) readSettings(settings []debug.BuildSetting) {
	for _, setting := range settings {
		switch setting.Key {
		case "vcs.revision":
			b.Revision = setting.Value
		case "vcs.time":
			b.Time = setting.Value
		case "vcs.modified":
			b.Modified = setting.Value == "true"
		}
	}
}

// String is the form for people, one line.
func (b build) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "taskhub %s", b.Version)
	if b.Revision != "" {
		fmt.Fprintf(&text, ", revision %s", b.Revision)
		if b.Time != "" {
			fmt.Fprintf(&text, " of %s", b.Time)
		}
		if b.Modified {
			text.WriteString(" with local changes")
		}
	}
	fmt.Fprintf(&text, ", %s %s/%s", b.Go, b.OS, b.Arch)
	return text.String()
}
