// Command chaining runs a chain of four activities, each of which works on what the one before it made.
//
//	go run ./samples/chaining [--input "the quick brown fox"] [--conn "$AzureWebJobsStorage"] [--hub TaskHub]
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "chaining:", err)
		os.Exit(1)
	}
}

// run sends the text through the chain, on the hub that the arguments name.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("chaining", flag.ContinueOnError)
	conn := flags.String("conn", "embedded:", "connection `string` of the storage account")
	name := flags.String("hub", "TaskHub", "`name` of the task hub")
	input := flags.String("input", "the quick brown fox", "`text` that goes into the chain")
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
	if err := w.Register(Chaining, F1, F2, F3, F4); err != nil {
		return err
	}
	if err := w.Start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Stop(context.WithoutCancel(ctx))) }()

	instance, err := Chaining.Start(ctx, hub.Client(), *input)
	if err != nil {
		return err
	}
	result, err := instance.Wait(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(result)
}
