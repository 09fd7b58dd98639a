package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-taskhub/taskhub/emulator"
)

func TestConnectionErrors(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(t.TempDir(), "missing")
	for name, test := range map[string]struct {
		flag     []string
		variable string
		want     []string
	}{
		"none":                {nil, "", []string{"--conn", "AzureWebJobsStorage", "UseDevelopmentStorage=true"}},
		"blank variable":      {nil, "  ", []string{"no storage account is given"}},
		"empty flag":          {[]string{"--conn", ""}, "UseDevelopmentStorage=true", []string{"--conn is empty"}},
		"memory":              {[]string{"--conn", "embedded:"}, "", []string{`--conn is "embedded:"`, "memory", "embedded:DIR", "taskhub dev"}},
		"memory, variable":    {nil, "embedded: ", []string{`AzureWebJobsStorage is "embedded:"`}},
		"missing directory":   {[]string{"--conn", "embedded:" + missing}, "", []string{missing, "no directory", "check the path"}},
		"a file":              {[]string{"--conn", "embedded:" + file}, "", []string{file, "is not a directory"}},
		"faulty flag":         {[]string{"--conn", "Nonsense"}, "", []string{"--conn: storage connection string"}},
		"faulty variable":     {nil, "UseDevelopmentStorage=maybe", []string{"AzureWebJobsStorage: storage connection string: UseDevelopmentStorage"}},
		"flag beats variable": {[]string{"--conn", "Nonsense"}, "UseDevelopmentStorage=true", []string{"--conn: storage connection string"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := console{env: map[string]string{connectionVariable: test.variable}}
			for _, verb := range []string{"list", "delete Hub --yes"} {
				c.do(t, append(append([]string{"hub"}, strings.Fields(verb)...), test.flag...)...).wantError(t, exitUsage, test.want...)
			}
		})
	}
	if _, err := os.Stat(missing); !os.IsNotExist(err) {
		t.Errorf("a directory was made: %v", err)
	}
}

func TestNothingListens(t *testing.T) {
	t.Parallel()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := socket.Addr().String()
	if err := socket.Close(); err != nil {
		t.Fatal(err)
	}
	endpoint := "http://" + address + "/" + emulator.DevelopmentAccount
	conn := "DefaultEndpointsProtocol=http;AccountName=" + emulator.DevelopmentAccount + ";AccountKey=" + emulator.DevelopmentKey +
		";BlobEndpoint=" + endpoint + ";QueueEndpoint=" + endpoint + ";TableEndpoint=" + endpoint
	o := do(t, "hub", "list", "--conn", conn)
	o.wantError(t, exitFailure, address, `start "taskhub dev" or Azurite`)
	if strings.Contains(o.err, emulator.DevelopmentKey) {
		t.Errorf("the key is shown: %s", o.err)
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := console{context: ctx}.do(t, "hub", "list", "--conn", emptyAccount(t))
	if o.wantError(t, exitInterrupted); o.err != "taskhub: interrupted\n" {
		t.Errorf("%q", o.err)
	}
}

// The storage of a directory that nobody has.
func TestEmbeddedDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "storage")
	do(t, "hub", "create", "Orders", "--conn", "embedded:"+filepath.Join(dir, "below")).wantError(t, exitFailure, "there is no directory", dir, "check the path")
	conn := []string{"--conn", "embedded:" + dir}
	hub := func(args ...string) outcome { return do(t, append(append([]string{"hub"}, args...), conn...)...) }
	hub("create", "Orders").wantSuccess(t)
	o := hub("list")
	o.wantSuccess(t)
	if o.out != "NAME     PARTITIONS\nOrders   4\n" {
		t.Errorf("%q", o.out)
	}
	hub("delete", "Orders", "--yes").wantSuccess(t)
	if o := hub("list", "-o", "json"); o.out != "[]\n" {
		t.Errorf("%q", o.out)
	}
}

// damage puts something else in the place of a directory's journal.
func damage(t *testing.T, dir string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "journal-00000000000000000001.log"), []byte(strings.Repeat("something else ", 10)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestEmbeddedDirectoryHeld(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server, err := emulator.New(emulator.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"list", "create Hub", "delete Hub --yes"} {
		do(t, append(append([]string{"hub"}, strings.Fields(verb)...), "--conn", "embedded:"+dir)...).wantError(t, exitFailure, dir, "in use by process", "taskhub dev", "connection string")
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	damage(t, dir)
	do(t, "hub", "list", "--conn", "embedded:"+dir).wantError(t, exitFailure, "move the directory away")
}
