package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/httpapi"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// serve runs the worker and an HTTP server until ctx ends.
func serve(ctx context.Context, hub *taskhub.Hub, w *worker.Worker, address string, out io.Writer) error {
	api := httpapi.Handler(hub, httpapi.Config{})
	server, err := api.Listen(ctx, httpapi.ListenConfig{Address: address, Handler: routes(api, hub.Client())})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "listening on http://%s\ncurl -X POST http://%[1]s/orchestrators/%s\n", server.Address(), Cities.Name())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return w.Run(ctx) })
	group.Go(func() error { return server.Run(ctx) })
	return group.Wait()
}

// routes are the HTTP start, and the management API that its answers lead to.
func routes(api *httpapi.API, client durable.Client) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orchestrators/{functionName}", start(api, client))
	mux.HandleFunc("POST /orchestrators/{functionName}", start(api, client))
	mux.Handle("/api/", http.StripPrefix("/api", mux)) // Durable Functions puts api/ in front
	mux.Handle("/", api)
	return mux
}

// start starts the orchestrator that the path names, with the request's body as its input.
func start(api *httpapi.API, client durable.Client) http.HandlerFunc {
	const maxInput = 1 << 20
	return func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("functionName")
		if name != Cities.Name() {
			http.Error(w, fmt.Sprintf("There is no orchestrator %q here.", name), http.StatusNotFound)
			return
		}
		var input any
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxInput)).Decode(&input); err != nil && err != io.EOF {
			http.Error(w, "The body is no JSON: "+err.Error(), http.StatusBadRequest)
			return
		}
		run, err := durable.Start[any](r.Context(), client, name, input)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		api.CreateCheckStatusResponse(w, r, run.InstanceID())
	}
}
