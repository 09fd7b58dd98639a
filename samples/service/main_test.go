package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/samples/internal/sampletest"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
)

// environment is what the program reads its settings from.
type environment map[string]string

func (e environment) get(name string) string { return e[name] }

// TestService runs the program as the manifests do, asks it how it is, gives it work, and stops it.
func TestService(t *testing.T) {
	t.Parallel()
	conn, hubName := testkit.Conn(t), testkit.Hub(t)
	env := environment{"AzureWebJobsStorage": conn, "TASKHUB_HUB": hubName, "TASKHUB_LOG": "warn"}
	p := sampletest.Run(t, func(ctx context.Context, args []string, out io.Writer) error {
		return run(ctx, args, env.get, out, io.Discard)
	})
	if status, body := p.Do(http.MethodGet, "/livez", ""); status != http.StatusOK {
		t.Errorf("/livez: %d %s", status, body)
	}
	status, body := p.Do(http.MethodGet, "/healthz", "")
	for deadline := time.Now().Add(2 * time.Minute); status != http.StatusOK && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		status, body = p.Do(http.MethodGet, "/healthz", "")
	}
	var health struct {
		Healthy bool
		Hub     string
	}
	if err := json.Unmarshal([]byte(body), &health); err != nil || !health.Healthy || health.Hub != hubName {
		t.Errorf("/healthz says %s (%v)", body, err)
	}

	hub, err := taskhub.Open(t.Context(), taskhub.Config{Name: hubName, Connection: conn})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := hub.Close(); err != nil {
			t.Error(err)
		}
	}()
	instance, err := Greetings.Start(t.Context(), hub.Client(), []string{"Ada", "Grace"})
	if err != nil {
		t.Fatal(err)
	}
	greetings, err := instance.Wait(t.Context())
	if want := []string{"Hello Ada!", "Hello Grace!"}; err != nil || !slices.Equal(greetings, want) {
		t.Errorf("got %q, %v, want %q", greetings, err, want)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		env  environment
		args []string
		want string // part of the error
	}{
		"no account":                 {nil, nil, storage.ErrNoConnection.Error()},
		"mistyped variable":          {environment{"AzureWebJobStorage": "embedded:"}, nil, storage.ErrNoConnection.Error()},
		"two accounts":               {environment{"AzureWebJobsStorage": "embedded:", "AzureWebJobsStorage__accountName": "acct"}, nil, "both given"},
		"an account that is none":    {environment{"AzureWebJobsStorage__accountName": "https://acct"}, nil, "AccountName"},
		"a hub that is none":         {environment{"AzureWebJobsStorage": "embedded:", "TASKHUB_HUB": "a-b"}, nil, `"a-b"`},
		"a level that is none":       {environment{"AzureWebJobsStorage": "embedded:", "TASKHUB_LOG": "loud"}, nil, `"loud"`},
		"an address that is none":    {environment{"AzureWebJobsStorage": "embedded:", "TASKHUB_LISTEN": "nowhere"}, nil, "TASKHUB_LISTEN"},
		"an argument":                {environment{"AzureWebJobsStorage": "embedded:"}, []string{"stray"}, `"stray"`},
		"a flag that is none":        {nil, []string{"--nope"}, "nope"},
		"a flag before its variable": {environment{"AzureWebJobsStorage": "embedded:", "TASKHUB_HUB": "Fine"}, []string{"--hub", "a-b"}, `"a-b"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := run(t.Context(), tt.args, tt.env.get, io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// TestHelpShowsNoSecret: the usage shows defaults, and those of the account are secrets.
func TestHelpShowsNoSecret(t *testing.T) {
	t.Parallel()
	var usage strings.Builder
	env := environment{"AzureWebJobsStorage": "AccountName=a;AccountKey=c2VjcmV0"}
	if err := run(t.Context(), []string{"-help"}, env.get, io.Discard, &usage); err == nil {
		t.Error("no error")
	}
	if text := usage.String(); strings.Contains(text, "c2VjcmV0") || !strings.Contains(text, "AzureWebJobsStorage") {
		t.Errorf("the usage is\n%s", text)
	}
}
