package arch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestImportsGoDownwards is the rule itself.
func TestImportsGoDownwards(t *testing.T) {
	t.Parallel()
	root, module := thisModule(t)
	if err := Check(root, module, Rooms()); err != nil {
		t.Errorf("%v", err)
	}
}

// TestTable checks the table against itself: it names only rooms that it has, and going down never comes back up.
func TestTable(t *testing.T) {
	t.Parallel()
	rooms := Rooms()
	state := map[string]int{} // 1: being visited, 2: done
	var visit func(room string, way []string)
	visit = func(room string, way []string) {
		way = append(way, room)
		switch state[room] {
		case 1:
			t.Errorf("the table goes in a circle: %s", strings.Join(way, " -> "))
			return
		case 2:
			return
		}
		state[room] = 1
		for _, below := range rooms[room].May {
			if rules, ok := rooms[below]; !ok {
				t.Errorf("%s may import %s, which is not in the table", room, below)
			} else if rules.Anything {
				t.Errorf("%s may import %s, which may import everything", room, below)
			}
			visit(below, way)
		}
		state[room] = 2
	}
	for room := range rooms {
		visit(room, nil)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	rooms := map[string]Rules{
		"top": {Anything: true}, "middle": {May: []string{"ground", "internal/base"}}, "ground": {}, "internal/base": {}, "samples/*": {May: []string{"middle", "samples/internal"}}, "samples/internal": {},
	}
	tests := []struct {
		name, file, source string
		want               string // "" = no error
	}{
		{"downwards", "middle/a.go", `package middle; import _ "m/ground"`, ""},
		{"to a subfolder of a room below", "middle/a.go", `package middle; import _ "m/internal/base/sub"`, ""},
		{"within the room", "middle/a.go", `package middle; import _ "m/middle/sub"`, ""},
		{"outside the module", "ground/a.go", `package ground; import _ "mm/middle"; import _ "fmt"`, ""},
		{"anything", "top/a.go", `package top; import _ "m/samples/hello"`, ""},
		{"a sample", "samples/hello/a.go", `package main; import _ "m/middle"`, ""},
		{"a sample with a subfolder of its own", "samples/hello/a.go", `package main; import _ "m/samples/hello/fake"`, ""},
		{"what samples share", "samples/hello/a.go", `package main; import _ "m/samples/internal/fake"`, ""},
		{"another module", "module/a.go", `package module; import _ "m/top"`, ""},
		{"a test", "ground/a_test.go", `package ground; import _ "m/top"`, ""},
		{"test data", "ground/testdata/a.go", `package ground; import _ "m/top"`, ""},
		{"upwards", "ground/a.go", "package ground\nimport _ \"m/middle\"", "ground/a.go:2: ground must not import m"},
		{"upwards from a subfolder", "middle/x/y/a.go", `package y; import _ "m/top"`, "middle must not import top: of this module it may import ground, internal/base"},
		{"sideways", "samples/hello/a.go", `package main; import _ "m/samples/other"`, "samples/hello must not import samples/other"},
		{"below what is allowed", "samples/hello/a.go", `package main; import _ "m/ground"`, "samples/hello must not import ground"},
		{"an unknown room", "cellar/a.go", `package cellar`, "cellar/a.go: the room cellar is not in the table of internal/arch: add it to the table"},
		{"an import of an unknown room", "middle/a.go", `package middle; import _ "m/internal/new"`, "the room internal/new is not in the table"},
		{"not Go", "middle/a.go", `package`, "reading the imports of middle/a.go"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			writeFile(t, filepath.Join(root, "module", "go.mod"), "module m/module")
			writeFile(t, filepath.Join(root, filepath.FromSlash(tt.file)), tt.source)
			err := Check(root, "m", rooms)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("unexpected error: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func writeFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func thisModule(t *testing.T) (root, module string) {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	root, module, err = moduleRoot(here)
	if err != nil {
		t.Fatal(err)
	}
	return root, module
}
