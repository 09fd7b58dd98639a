// Command smsverification verifies phone numbers: it sends a code, and waits for a limited time until somebody answers with it.
//
//	go run ./samples/smsverification [--listen 127.0.0.1:7071] [--smtp localhost:25] [--conn "$AzureWebJobsStorage"] [--hub TaskHub]
//
// It serves the HTTP start of the orchestrator and the management API until it is stopped. SMS are printed, and without --smtp mails too.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/httpapi"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "smsverification:", err)
		os.Exit(1)
	}
}

// run serves verifications until ctx ends, on the hub that the arguments name.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("smsverification", flag.ContinueOnError)
	conn := flags.String("conn", "embedded:", "connection `string` of the storage account")
	name := flags.String("hub", "TaskHub", "`name` of the task hub")
	listen := flags.String("listen", httpapi.DefaultAddress, "`address` to listen at")
	server := flags.String("smtp", "", "`address` of an SMTP server that takes the mails; defaults to printing them")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	out = &console{out: out}
	email := printed(out, "Mail")
	if *server != "" {
		email = mailed(*server)
	}

	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	hub, err := taskhub.Open(ctx, taskhub.Config{
		Name: *name, Connection: *conn, Logger: log,
		ErrorStyle: durable.SerializedExceptions, // Output then has the text of a failure alone, see functionTexts
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hub.Close()) }()
	w, err := worker.New(hub, worker.Config{Interceptors: []durable.Interceptor{functionTexts{}}})
	if err != nil {
		return err
	}
	if err := w.Register(bind(printed(out, "SMS"), email)...); err != nil {
		return err
	}
	return serve(ctx, hub, w, *listen, out)
}

// serve runs the worker and an HTTP server until ctx ends.
func serve(ctx context.Context, hub *taskhub.Hub, w *worker.Worker, address string, out io.Writer) error {
	api := httpapi.Handler(hub, httpapi.Config{})
	server, err := api.Listen(ctx, httpapi.ListenConfig{Address: address, Handler: routes(api, hub.Client())})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "listening on http://%s\ncurl -d '\"+4930123456,name@example.org\"' http://%[1]s/orchestrators/%s\n", server.Address(), PhoneVerification.Name())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return w.Run(ctx) })
	group.Go(func() error { return server.Run(ctx) })
	return group.Wait()
}

// routes are the HTTP start, and the management API that its answers lead to.
func routes(api *httpapi.API, client durable.Client) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orchestrators/"+PhoneVerification.Name(), start(api, client))
	mux.Handle("/api/", http.StripPrefix("/api", mux)) // Durable Functions puts api/ in front
	mux.Handle("/", api)
	return mux
}

// start starts a verification. The request's body is its input, a text in JSON.
func start(api *httpapi.API, client durable.Client) http.HandlerFunc {
	const maxInput = 1 << 10
	return func(w http.ResponseWriter, r *http.Request) {
		var to string
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxInput)).Decode(&to); err != nil || to == "" {
			http.Error(w, `The body must be a text in JSON, such as "+4930123456,name@example.org".`, http.StatusBadRequest)
			return
		}
		verification, err := PhoneVerification.Start(r.Context(), client, to)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		api.CreateCheckStatusResponse(w, r, verification.InstanceID())
	}
}
