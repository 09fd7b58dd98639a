package check

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// parseDockerfile reads a Dockerfile as BuildKit does; what its linter has to say is an error.
func parseDockerfile(text []byte) (stages []instructions.Stage, args []instructions.ArgCommand, err error) {
	file, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return nil, nil, err
	}
	var complaints []string
	for _, w := range file.Warnings {
		complaints = append(complaints, w.Short)
	}
	lint := linter.New(&linter.Config{Warn: func(rule, _, _, message string, _ []parser.Range) {
		complaints = append(complaints, rule+": "+message)
	}})
	stages, args, err = instructions.Parse(file.AST, lint)
	if err == nil && len(complaints) > 0 {
		err = fmt.Errorf("the linter says %q", complaints)
	}
	return stages, args, err
}

func TestDockerfile(t *testing.T) {
	t.Parallel()
	text := read(t, "Dockerfile")
	stages, _, err := parseDockerfile(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(stages) != 2 || stages[1].BaseName != "scratch" {
		t.Fatalf("there are %d stages, want one that builds, and one from scratch", len(stages))
	}
	if err := checkImage(stages[1]); err != nil {
		t.Error(err)
	}
	defaults := map[string]string{}
	var builds string
	for _, c := range stages[0].Commands {
		switch c := c.(type) {
		case *instructions.ArgCommand:
			for _, a := range c.Args {
				defaults[a.Key] = a.ValueString()
			}
		case *instructions.RunCommand:
			builds += strings.Join(c.CmdLine, " ") + "\n"
		}
	}
	for _, part := range []string{"CGO_ENABLED=0", "-trimpath", "-X main.version=$VERSION", `"$COMMAND"`} {
		if !strings.Contains(builds, part) {
			t.Errorf("the build has no %s:\n%s", part, builds)
		}
	}
	if defaults["COMMAND"] != program {
		t.Errorf("what is built is %q, want %s", defaults["COMMAND"], program)
	}
	for _, command := range []string{program, "./cmd/taskhub"} {
		if _, err := os.Stat(filepath.Join("..", "..", command, "main.go")); err != nil || !strings.Contains(string(text), "COMMAND="+command) {
			t.Errorf("%s is no command, or the file does not say how to build it (%v)", command, err)
		}
	}
}

// checkImage says what is wrong with the stage that becomes the image.
func checkImage(stage instructions.Stage) error {
	var user, listen string
	var entry []string
	shell := true
	for _, c := range stage.Commands {
		switch c := c.(type) {
		case *instructions.UserCommand:
			user = c.User
		case *instructions.EntrypointCommand:
			entry, shell = c.CmdLine, c.PrependShell
		case *instructions.EnvCommand:
			for _, kv := range c.Env {
				if kv.Key == "TASKHUB_LISTEN" {
					listen = kv.Value
				}
			}
		case *instructions.RunCommand, *instructions.ShellCommand, *instructions.HealthCheckCommand, *instructions.VolumeCommand:
			return fmt.Errorf("%s has no place in an image without a shell", c.Name())
		}
	}
	switch {
	case user != "65532:65532":
		return fmt.Errorf("the user is %q, want a number that is not 0", user)
	case shell || len(entry) != 1 || entry[0] != "/program":
		return fmt.Errorf("the entry point is %q, by a shell: %v", entry, shell)
	case listen != fmt.Sprintf(":%d", healthPort):
		return fmt.Errorf("probes are answered at %q", listen)
	}
	return nil
}

// TestMistypedDockerfile: what is mistyped, or weakens the image, is noticed.
func TestMistypedDockerfile(t *testing.T) {
	t.Parallel()
	text := read(t, "Dockerfile")
	for from, to := range map[string]string{
		"ENTRYPOINT [":            "ENTRYPIONT [",
		`ENTRYPOINT ["/program"]`: "ENTRYPOINT /program",
		"USER 65532:65532":        "USER root",
		"FROM scratch":            "FROM scratch\nRUN true",
		"FROM --platform=$BUILDPLATFORM docker.io/library/golang:${GO_VERSION} AS build": "FROM --plattform=linux golang AS build",
		"EXPOSE 8080": "HEALTHCHECK CMD true",
		"COPY . .":    "COPY .",
	} {
		stages, _, err := parseDockerfile(change(t, text, from, to))
		if err == nil && len(stages) > 0 {
			err = checkImage(stages[len(stages)-1])
		}
		if err == nil {
			t.Errorf("%q instead of %q: no error", to, from)
		}
	}
}
