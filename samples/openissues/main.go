// Command openissues counts the open issues of all repositories of a GitHub organization, side by side, and writes the list to a blob.
//
//	go run ./samples/openissues [--conn "$AzureWebJobsStorage"] [--org Azure-Samples] [--hub TaskHub] [--github https://api.github.com]
//
// Without --github it reads from a local server with 936 made-up repositories.
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

	"github.com/go-taskhub/taskhub/samples/internal/github"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "openissues:", err)
		os.Exit(1)
	}
}

// result is what is printed.
type result struct {
	InstanceID string `json:"instanceId"`
	Blob       string `json:"blob"` // container and name
}

// run writes the list for the organization, on the hub and from the GitHub that the arguments name.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("openissues", flag.ContinueOnError)
	conn := flags.String("conn", "embedded:", "connection `string` of the storage account")
	name := flags.String("hub", "TaskHub", "`name` of the task hub")
	organization := flags.String("org", "Azure-Samples", "`name` of the organization")
	address := flags.String("github", "", "`URL` of GitHub's API, used with the token in GITHUB_TOKEN; defaults to a local server with made-up data")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	client, stop, err := github.Open(ctx, *address, os.Getenv("GITHUB_TOKEN"))
	if err != nil {
		return err
	}
	defer stop()

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
	if err := w.Register(bind(client, hub.Account().Blobs())...); err != nil {
		return err
	}
	if err := w.Start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Stop(context.WithoutCancel(ctx))) }()

	instance, err := Workflow.Start(ctx, hub.Client(), *organization)
	if err != nil {
		return err
	}
	id, err := instance.Wait(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(result{InstanceID: id, Blob: container + "/" + blobName(id)})
}
