package main

import (
	"bytes"
	"testing"

	"github.com/go-taskhub/taskhub/internal/testkit"
)

func TestHello(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--conn", testkit.Conn(t), "--hub", testkit.Hub(t)}, &out); err != nil {
		t.Fatal(err)
	}
	if want := `["Hello Tokyo!","Hello Seattle!","Hello London!"]` + "\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}

func TestBadArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--nope"}, {"--conn", ""}, {"--conn", "UseDevelopmentStorage=true", "--hub", "a/b"}} {
		if err := run(t.Context(), args, &bytes.Buffer{}); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}
