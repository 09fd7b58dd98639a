package github

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/samples/internal/githubfake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open connects a client to a server that handles requests.
func open(t *testing.T, handler http.Handler) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	client, stop, err := Open(t.Context(), server.URL, "secret")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		server.Close()
	})
	return client
}

func TestLocalServer(t *testing.T) {
	t.Parallel()
	client, stop, err := Open(t.Context(), "", "secret")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	all, err := client.Repositories(t.Context(), "acme")
	if err != nil || len(all) != 936 || client.token != "" {
		t.Fatalf("%d repositories, %v; the token was kept: %t", len(all), err, client.token != "")
	}
	if at, err := client.LastCommit(t.Context(), "acme", all[0].Name); err != nil || at.IsZero() || at.After(time.Date(2026, 6, 2, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("last commit at %v, %v", at, err)
	}
}

func TestEmptyRepository(t *testing.T) {
	t.Parallel()
	client := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"message":"Git Repository is empty."}`, http.StatusConflict)
	}))
	if at, err := client.LastCommit(t.Context(), "acme", "new"); err != nil || !at.IsZero() {
		t.Errorf("%v, %v", at, err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	limited := open(t, githubfake.New(githubfake.Config{Limit: 1}))
	_, err := limited.Repositories(t.Context(), "acme")
	if !durable.IsPermanent(err) || !strings.Contains(err.Error(), "rate limit exceeded") || !strings.Contains(err.Error(), "lifted at") {
		t.Errorf("beyond the limit: %v", err)
	}
	small := open(t, githubfake.New(githubfake.Config{Repositories: 1}))
	var refused *StatusError
	if _, err := small.OpenIssues(t.Context(), "acme", "none"); !durable.IsPermanent(err) || !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		t.Errorf("no such repository: %v", err)
	}
	broken := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	if _, err := broken.Repositories(t.Context(), "acme"); durable.IsPermanent(err) || !errors.As(err, &refused) || refused.Status != http.StatusBadGateway {
		t.Errorf("broken: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := small.Repositories(ended, "acme"); !errors.Is(err, context.Canceled) || durable.IsPermanent(err) {
		t.Errorf("canceled: %v", err)
	}
}

func TestTokenIsSent(t *testing.T) {
	t.Parallel()
	client := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte("[]"))
	}))
	if all, err := client.Repositories(t.Context(), "acme"); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
}
