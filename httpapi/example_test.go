package httpapi_test

import (
	"context"
	"log/slog"
	"net/http"
	"os"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/httpapi"
	"github.com/go-taskhub/taskhub/taskhub"
)

// A program that serves the API, and starts orchestrations in a handler of its own.
func ExampleHandler() {
	ctx := context.Background()
	hub, err := taskhub.Open(ctx, taskhub.Config{Name: "Orders", Connection: os.Getenv("AzureWebJobsStorage")})
	if err != nil {
		slog.Error("open the hub", slog.Any("error", err))
		return
	}
	defer hub.Close()
	api := httpapi.Handler(hub, httpapi.Config{Keys: map[string]string{"ops": os.Getenv("OPS_KEY")}})

	mux := http.NewServeMux()
	mux.Handle("/", api)
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		started, err := hub.Client().Start(r.Context(), durable.StartRequest{Name: "Checkout"})
		if err != nil {
			http.Error(w, "the order was not taken", http.StatusServiceUnavailable)
			return
		}
		api.WaitForCompletionOrCreateCheckStatusResponse(w, r, started.InstanceID)
	})
	server, err := api.Listen(ctx, httpapi.ListenConfig{Address: ":8080", Handler: mux})
	if err != nil {
		slog.Error("listen", slog.Any("error", err))
		return
	}
	if err := server.Run(ctx); err != nil {
		slog.Error("serve", slog.Any("error", err))
	}
}
