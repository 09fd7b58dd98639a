package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/worker"
)

const (
	// drain is how long the worker may take to hand back what it has in hand. Whoever stops the process has to wait longer: the manifests
	// allow a minute.
	drain = 30 * time.Second
	// goodbye is how long answers under way may take once the worker has ended.
	goodbye = 5 * time.Second
)

// serve answers probes while the worker runs, and while it drains.
func serve(ctx context.Context, w *worker.Worker, address string, out io.Writer) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("the address of the probes: %w; choose another one with TASKHUB_LISTEN", err)
	}
	fmt.Fprintf(out, "listening on http://%s\n", listener.Addr())
	server := &http.Server{Handler: probes(w), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	group, running := errgroup.WithContext(context.WithoutCancel(ctx))
	group.Go(func() error {
		defer shutDown(server)
		worked, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(running, cancel)() // without its server the worker ends, too
		err := w.Run(worked)
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			return nil // told to end before it had started
		}
		return err
	})
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	return group.Wait()
}

func shutDown(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		_ = server.Close() // whoever still reads has had the time
	}
}

// probes answer two questions. /healthz: does the worker work, and if not, why? That decides whether a new version may replace the next worker, and whom
// to call. /livez: does the process answer at all? Only then does a restart help; a worker that cannot reach its storage would only lose what it
// has in memory.
func probes(w *worker.Worker) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/healthz", w.HealthHandler())
	mux.HandleFunc("GET /livez", func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(rw, "ok\n") // whoever asked may have gone
	})
	return mux
}
