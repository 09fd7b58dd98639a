// Command downloadsamples downloads the repositories of a GitHub organization, with the dates of their last commits, into a database.
//
//	go run ./samples/downloadsamples [--org Azure-Samples] [--github https://api.github.com] [--db samples.db] [--conn "$AzureWebJobsStorage"] [--hub TaskHub] [--daily]
//
// Without --github it reads from a local server with 936 made-up repositories, without --db it keeps the database in memory.
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
	"time"

	"github.com/go-taskhub/taskhub/samples/internal/github"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "downloadsamples:", err)
		os.Exit(1)
	}
}

// result is what is printed.
type result struct {
	InstanceID string `json:"instanceId"`
	summary
}

// run downloads once, on the hub and from the GitHub that the arguments name.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("downloadsamples", flag.ContinueOnError)
	conn := flags.String("conn", "embedded:", "connection `string` of the storage account")
	name := flags.String("hub", "TaskHub", "`name` of the task hub")
	organization := flags.String("org", "Azure-Samples", "`name` of the organization")
	address := flags.String("github", "", "`URL` of GitHub's API, used with the token in GITHUB_TOKEN; defaults to a local server with made-up data")
	file := flags.String("db", ":memory:", "`file` of the database, created if it is missing; by default it is in memory")
	everyDay := flags.Bool("daily", false, "download at 7:00 UTC every day until interrupted, instead of once now")
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
	db, err := openDatabase(ctx, *file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()

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
	if err := w.Register(bind(client, db)...); err != nil {
		return err
	}
	if *everyDay {
		return errors.Join(w.RegisterSchedules(daily(*organization)), w.Run(ctx))
	}
	if err := w.Start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopWorker(w)) }()

	instance, err := MainDownload.Start(ctx, hub.Client(), *organization)
	if err != nil {
		return err
	}
	id, err := instance.Wait(ctx)
	if err != nil {
		return err
	}
	saved, err := db.summary(ctx, id)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(result{InstanceID: id, summary: saved})
}

func stopWorker(w *worker.Worker) error {
	const patience = 30 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return w.Stop(ctx)
}
