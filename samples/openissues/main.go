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
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-taskhub/taskhub/samples/internal/githubfake"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

func main() { os.Exit(status()) }

func status() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(os.Stderr, "openissues:", err)
		return 1
	}
	return 0
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
	g, stop, err := connect(ctx, *address)
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
	if err := w.Register(bind(g, hub.Account().Blobs())...); err != nil {
		return err
	}
	if err := w.Start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopWorker(w)) }()

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

// connect returns the GitHub at an address, or a local one when there is no address, and what ends it.
func connect(ctx context.Context, address string) (*github, func(), error) {
	const requestTime = 30 * time.Second
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 100}
	g := &github{baseURL: address, http: &http.Client{Transport: transport, Timeout: requestTime}}
	if address != "" {
		g.token = os.Getenv("GITHUB_TOKEN")
		return g, transport.CloseIdleConnections, nil
	}
	url, stop, err := githubfake.New(githubfake.Config{}).Listen(ctx)
	g.baseURL = url
	return g, func() {
		transport.CloseIdleConnections()
		stop()
	}, err
}

func stopWorker(w *worker.Worker) error {
	const patience = 30 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return w.Stop(ctx)
}
