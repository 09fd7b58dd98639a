package storage

import (
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
)

// TestUnanswered: what was sent and got no answer is remembered, whatever became of later attempts.
func TestUnanswered(t *testing.T) {
	t.Parallel()
	dial := refuse(&net.OpError{Op: "dial", Err: errors.New("connection refused")})
	for name, c := range map[string]struct {
		answers []func(*http.Request) (*http.Response, error)
		want    bool
	}{
		"refused":                    {[]func(*http.Request) (*http.Response, error){answer(503, "")}, false},
		"never sent":                 {[]func(*http.Request) (*http.Response, error){dial}, false},
		"sent":                       {[]func(*http.Request) (*http.Response, error){dial, answer(201, putAnswer)}, false},
		"late":                       {[]func(*http.Request) (*http.Response, error){hang, answer(503, "")}, true},
		"lost":                       {[]func(*http.Request) (*http.Response, error){refuse(io.ErrUnexpectedEOF), answer(403, "")}, true},
		"late, and then carried out": {[]func(*http.Request) (*http.Response, error){hang, answer(201, putAnswer)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a, _ := openScript(t, Config{Jitter: fullDelay}, c.answers...)
				ctx, unanswered := WithUnanswered(t.Context())
				_ = putMessage(ctx, a)
				if unanswered.Any() != c.want {
					t.Errorf("unanswered is %v", unanswered.Any())
				}
			})
		})
	}
}
