package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/samples/internal/githubfake"
)

// serve runs a GitHub for a test.
func serve(t *testing.T, cfg githubfake.Config) (*github, *githubfake.Server) {
	t.Helper()
	server := githubfake.New(cfg)
	url, stop, err := server.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
	})
	return &github{baseURL: url, http: &http.Client{Transport: transport}}, server
}

func TestOpenIssues(t *testing.T) {
	t.Parallel()
	conn := testkit.Conn(t)
	g, server := serve(t, githubfake.Config{})
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--conn", conn, "--hub", testkit.Hub(t), "--org", "acme", "--github", g.baseURL}, &out); err != nil {
		t.Fatal(err)
	}
	used, refused := server.Requests()
	var printed result
	if err := json.Unmarshal(out.Bytes(), &printed); err != nil || printed.Blob != container+"/"+printed.InstanceID+".json" {
		t.Fatalf("printed %q, %v", out.String(), err)
	}
	saved := download(t, conn, printed.InstanceID+".json")
	if len(saved) != 936 || used < 936+10 || refused != 0 {
		t.Fatalf("saved %d repositories with %d requests, %d of them refused", len(saved), used, refused)
	}
	repositories, err := g.repositories(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range repositories {
		if saved[i].ID != r.ID || saved[i].Name != r.Name {
			t.Fatalf("place %d: saved %+v, want %+v", i, saved[i], r)
		}
		if i%100 != 0 {
			continue
		}
		if n, err := g.openIssues(t.Context(), "acme", r.Name); err != nil || n != saved[i].OpenIssues {
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
	g, server := serve(t, githubfake.Config{Organizations: []string{"acme"}})
	err := run(t.Context(), []string{"--conn", conn, "--hub", testkit.Hub(t), "--org", "nobody", "--github", g.baseURL}, &bytes.Buffer{})
	var failed *durable.InstanceError
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), "404 Not Found") {
		t.Errorf("got %v", err)
	}
	if used, _ := server.Requests(); used != 1 {
		t.Errorf("GitHub was asked %d times", used)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	limited, _ := serve(t, githubfake.Config{Limit: 1})
	if _, err := limited.repositories(t.Context(), "acme"); !durable.IsPermanent(err) || !strings.Contains(err.Error(), "rate limit exceeded") || !strings.Contains(err.Error(), "lifted at") {
		t.Errorf("beyond the limit: %v", err)
	}
	g, _ := serve(t, githubfake.Config{Repositories: 1})
	if _, err := g.openIssues(t.Context(), "acme", "none"); !durable.IsPermanent(err) {
		t.Errorf("no such repository: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.repositories(ended, "acme"); !errors.Is(err, context.Canceled) || durable.IsPermanent(err) {
		t.Errorf("canceled: %v", err)
	}
}
