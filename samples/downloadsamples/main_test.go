package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/samples/internal/github"
	"github.com/go-taskhub/taskhub/samples/internal/githubfake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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

func TestProgram(t *testing.T) {
	t.Parallel()
	repositories := 130 // two pages, and more than a transaction takes
	if testkit.InProcess() {
		repositories = 936
	}
	address, server := serve(t, githubfake.Config{Repositories: repositories})
	file := filepath.Join(t.TempDir(), "samples.db")
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--conn", testkit.Conn(t), "--hub", testkit.Hub(t), "--org", "acme", "--github", address, "--db", file}, &out); err != nil {
		t.Fatal(err)
	}
	if used, refused := server.Requests(); used < repositories+2*((repositories+99)/100) || refused != 0 {
		t.Errorf("%d requests, %d refused", used, refused)
	}
	var printed result
	if err := json.Unmarshal(out.Bytes(), &printed); err != nil || printed.InstanceID == "" || printed.RunID != 1 || printed.Samples != repositories || printed.Languages != 8 {
		t.Fatalf("printed %s, %v", out.String(), err)
	}

	client, stop, err := github.Open(t.Context(), address, "")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	listed, err := client.Repositories(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	db := open(t, file)
	for _, r := range listed[:50] {
		committed, err := client.LastCommit(t.Context(), "acme", r.Name)
		if err != nil {
			t.Fatal(err)
		}
		var name, last string
		err = db.db.QueryRowContext(t.Context(), "SELECT name, last_commit FROM samples WHERE run_id = 1 AND repository_id = ?", r.ID).Scan(&name, &last)
		if err != nil || name != r.Name || last != committed.UTC().Format(time.RFC3339) {
			t.Errorf("%s, last commit %v: saved as %s, %s, %v", r.Name, committed, name, last, err)
		}
	}
}

func open(t *testing.T, file string) *database {
	t.Helper()
	db, err := openDatabase(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.close() })
	return db
}

// TestUnknownOrganization checks that the failure of a child's activity arrives at the program, in GitHub's own words.
func TestUnknownOrganization(t *testing.T) {
	t.Parallel()
	address, server := serve(t, githubfake.Config{Organizations: []string{"acme"}})
	err := run(t.Context(), []string{"--conn", testkit.Conn(t), "--hub", testkit.Hub(t), "--org", "nobody", "--github", address}, &bytes.Buffer{})
	var failed *durable.InstanceError
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), "404 Not Found") {
		t.Errorf("got %v", err)
	}
	if used, _ := server.Requests(); used < 2 || used > 4 { // a retry policy would ask eight times
		t.Errorf("GitHub was asked %d times by two orchestrations", used)
	}
}

func TestBadArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--nope"}, {"stray"}, {"--conn", ""}, {"--hub", "a/b"}, {"--db", filepath.Join(t.TempDir(), "no", "such", "folder.db")}} {
		if err := run(t.Context(), args, &bytes.Buffer{}); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

// TestWrittenTwice checks that activities which run twice leave what they leave after one run.
func TestWrittenTwice(t *testing.T) {
	t.Parallel()
	db := open(t, ":memory:")
	for range 2 {
		id, err := db.createRun(t.Context(), "i", "acme")
		if err != nil || id != 1 {
			t.Fatalf("run %d, %v", id, err)
		}
		samples := []Sample{{RepositoryID: 1, Name: "a", LastCommit: time.Now()}, {RepositoryID: 2, Name: "b", TooOld: true}}
		if err := errors.Join(db.saveSamples(t.Context(), id, samples), db.saveLanguages(t.Context(), id, map[string]int{"Go": 2})); err != nil {
			t.Fatal(err)
		}
	}
	if id, err := db.createRun(t.Context(), "another", "acme"); err != nil || id != 2 {
		t.Errorf("run %d, %v", id, err)
	}
	if got, err := db.summary(t.Context(), "i"); got != (summary{1, 2, 1, 1}) {
		t.Errorf("%+v, %v", got, err)
	}
	var last sql.NullString
	if err := db.db.QueryRowContext(t.Context(), "SELECT last_commit FROM samples WHERE name = 'b'").Scan(&last); err != nil || last.Valid {
		t.Errorf("no commit is saved as %+v, %v", last, err)
	}
}

// TestAllOrNothing checks that a run whose samples cannot all be saved has none of them.
func TestAllOrNothing(t *testing.T) {
	t.Parallel()
	db := open(t, ":memory:")
	if err := db.saveSamples(t.Context(), 7, []Sample{{RepositoryID: 1, Name: "of a run that is not there"}}); err == nil {
		t.Fatal("no error")
	}
	var n int
	if err := db.db.QueryRowContext(t.Context(), "SELECT count(*) FROM samples").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d samples, %v", n, err)
	}
}
