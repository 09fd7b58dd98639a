package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/samples/internal/github"
	"github.com/go-taskhub/taskhub/samples/internal/githubfake"
)

// serve runs a GitHub for a test and returns its address.
func serve(t *testing.T, cfg githubfake.Config) (string, *githubfake.Server) {
	t.Helper()
	server := githubfake.New(cfg)
	url, stop, err := server.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return url, server
}

func TestOpenIssues(t *testing.T) {
	t.Parallel()
	conn := testkit.Conn(t)
	repositories := 130 // two pages, and more than a transaction takes
	if testkit.InProcess() {
		repositories = 936
	}
	address, server := serve(t, githubfake.Config{Repositories: repositories})
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--conn", conn, "--hub", testkit.Hub(t), "--org", "acme", "--github", address}, &out); err != nil {
		t.Fatal(err)
	}
	used, refused := server.Requests()
	var printed result
	if err := json.Unmarshal(out.Bytes(), &printed); err != nil || printed.Blob != container+"/"+printed.InstanceID+".json" {
		t.Fatalf("printed %q, %v", out.String(), err)
	}
	saved := download(t, conn, printed.InstanceID+".json")
	if len(saved) != repositories || used < repositories+(repositories+99)/100 || refused != 0 {
		t.Fatalf("saved %d repositories with %d requests, %d of them refused", len(saved), used, refused)
	}
	g, stop, err := github.Open(t.Context(), address, "")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	listed, err := g.Repositories(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range listed {
		if saved[i].ID != r.ID || saved[i].Name != r.Name {
			t.Fatalf("place %d: saved %+v, want %+v", i, saved[i], r)
		}
		if i%100 != 0 {
			continue
		}
		if n, err := g.OpenIssues(t.Context(), "acme", r.Name); err != nil || n != saved[i].OpenIssues {
			t.Errorf("%s: saved %d open issues, want %d, %v", r.Name, saved[i].OpenIssues, n, err)
		}
	}
}

func download(t *testing.T, conn, name string) (saved []OpenIssues) {
	t.Helper()
	blobs, err := azblob.NewClientFromConnectionString(conn, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := blobs.DownloadStream(t.Context(), container, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &saved); err != nil {
		t.Fatal(err)
	}
	return saved
}

// TestUnknownOrganization checks that what cannot succeed fails at once, with GitHub's own words.
func TestUnknownOrganization(t *testing.T) {
	t.Parallel()
	conn := testkit.Conn(t)
	address, server := serve(t, githubfake.Config{Organizations: []string{"acme"}})
	err := run(t.Context(), []string{"--conn", conn, "--hub", testkit.Hub(t), "--org", "nobody", "--github", address}, &bytes.Buffer{})
	var failed *durable.InstanceError
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), "404 Not Found") {
		t.Errorf("got %v", err)
	}
	if used, _ := server.Requests(); used != 1 {
		t.Errorf("GitHub was asked %d times", used)
	}
}
