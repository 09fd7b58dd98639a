package httpapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/taskhub"
)

func TestServer(t *testing.T) {
	t.Parallel()
	s := newSite(t, Config{})
	server, err := s.api.Listen(t.Context(), ListenConfig{Address: "localhost:0", StopTimeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	s.send(get, "http://"+server.Address()+base+"/instances", "").want(t, http.StatusOK, "[]")

	// A request under way does not hold up the end.
	broken := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		r, err := http.NewRequestWithContext(t.Context(), post, "http://"+server.Address()+base+"/orchestrators/Nobody/x?timeout=100&pollingInterval=1", nil)
		close(started)
		if err == nil {
			var response *http.Response
			if response, err = http.DefaultTransport.RoundTrip(r); err == nil {
				err = response.Body.Close()
			}
		}
		broken <- err
	}()
	<-started
	for s.do(get, "/instances/x", "").status != http.StatusAccepted {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := <-broken; err == nil {
		t.Error("the wait was answered")
	}
}

func TestListenErrors(t *testing.T) {
	t.Parallel()
	s := newSiteWithoutHub(t, Config{})
	for _, address := range []string{":0", "0.0.0.0:0", "[::]:0"} {
		if _, err := s.api.Listen(t.Context(), ListenConfig{Address: address}); !errors.Is(err, ErrNoKeys) || !strings.Contains(err.Error(), s.hub.Name()) {
			t.Errorf("%s: %v", address, err)
		}
	}
	server, err := Handler(s.hub, Config{Keys: map[string]string{"a": "key"}}).Listen(t.Context(), ListenConfig{Address: "0.0.0.0:0"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.api.Listen(t.Context(), ListenConfig{Address: "127.0.0.1" + server.Address()[strings.LastIndex(server.Address(), ":"):]}); err == nil {
		t.Error("a port that is in use was opened")
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if err := server.Run(t.Context()); err == nil {
		t.Error("a closed server runs")
	}
}

// TestTimeouts: a body that does not come is given up, a wait that is longer than that is not.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	s := newSite(t, Config{Timeout: 300 * time.Millisecond})
	server, err := s.api.Listen(t.Context(), ListenConfig{Address: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	for _, input := range []string{"", "1"} {
		s.send(post, "http://"+server.Address()+base+"/orchestrators/Nobody?timeout=0.9&pollingInterval=0.1", input).want(t, http.StatusAccepted, `"id":"`)
	}

	body, hold := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), post, "http://"+server.Address()+base+"/orchestrators/Nobody/slow", body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		if response.StatusCode != http.StatusBadRequest {
			t.Errorf("status %d for a body that does not come", response.StatusCode)
		}
		_ = response.Body.Close()
	}
	_ = hold.Close()
	if _, err := s.hub.Client().GetInstance(t.Context(), "slow"); !errors.Is(err, taskhub.ErrInstanceNotFound) {
		t.Errorf("%v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
