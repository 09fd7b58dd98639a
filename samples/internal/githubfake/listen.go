package githubfake

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Listen serves the API on a free port of 127.0.0.1. It returns the base URL and what ends it.
func (s *Server) Listen(ctx context.Context) (baseURL string, stop func(), err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("starting the local GitHub: %w", err)
	}
	const headTime = 10 * time.Second
	server := &http.Server{Handler: s, ReadHeaderTimeout: headTime}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // ends with Close
	}()
	return "http://" + l.Addr().String(), func() {
		_ = server.Close()
		<-done
	}, nil
}
