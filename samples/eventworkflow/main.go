// Command eventworkflow serves three addresses: one starts a workflow, one finds it again by its input, and one ends it by an event.
//
//	go run ./samples/eventworkflow [--listen 127.0.0.1:7071] [--conn "$AzureWebJobsStorage"] [--hub TaskHub]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/httpapi"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "eventworkflow:", err)
		os.Exit(1)
	}
}

// run serves workflows until ctx ends, on the hub that the arguments name.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("eventworkflow", flag.ContinueOnError)
	conn := flags.String("conn", "embedded:", "connection `string` of the storage account")
	name := flags.String("hub", "TaskHub", "`name` of the task hub")
	listen := flags.String("listen", httpapi.DefaultAddress, "`address` to listen at")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}

	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	hub, err := taskhub.Open(ctx, taskhub.Config{Name: *name, Connection: *conn, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hub.Close()) }()
	w, err := worker.New(hub, worker.Config{})
	if err != nil {
		return err
	}
	if err := w.Register(Workflow); err != nil {
		return err
	}

	api := httpapi.Handler(hub, httpapi.Config{})
	site := &site{api: api, client: hub.Client()}
	server, err := api.Listen(ctx, httpapi.ListenConfig{Address: *listen, Handler: site.routes()})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "listening on http://%s\ncurl -X POST http://%[1]s/start/demo\n", server.Address())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return w.Run(ctx) })
	group.Go(func() error { return server.Run(ctx) })
	return group.Wait()
}
