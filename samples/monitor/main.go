// Command monitor watches a job until it has ended or a deadline has come, and tells somebody.
//
//	go run ./samples/monitor [--url https://…] [--pause 1s] [--deadline 1m] [--conn "$AzureWebJobsStorage"] [--hub TaskHub]
//
// Without --url it watches a job of its own, which is done after five looks.
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

	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "monitor:", err)
		os.Exit(1)
	}
}

// run watches a job, on the hub that the arguments name.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	const looksOfOwnJob = 5
	flags := flag.NewFlagSet("monitor", flag.ContinueOnError)
	conn := flags.String("conn", "embedded:", "connection `string` of the storage account")
	name := flags.String("hub", "TaskHub", "`name` of the task hub")
	url := flags.String("url", "", `where a job tells its state, as {"state": "running", "progress": 40}; defaults to a job of the program's own`)
	pause := flags.Duration("pause", time.Second, "time between two looks, in whole seconds")
	deadline := flags.Duration("deadline", time.Minute, "time after which the monitor gives up")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if *pause < time.Second || *pause%time.Second != 0 {
		return fmt.Errorf("--pause %v: must be one or more whole seconds", *pause)
	}
	if *url == "" {
		var stop func()
		if *url, stop, err = startJob(ctx, looksOfOwnJob); err != nil {
			return err
		}
		defer stop()
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
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	if err := w.Register(bind(client, out)...); err != nil {
		return err
	}
	if err := w.Start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Stop(context.WithoutCancel(ctx))) }()

	watch := Watch{URL: *url, PauseSeconds: int(*pause / time.Second), Deadline: time.Now().Add(*deadline)}
	instance, err := Monitor.Start(ctx, hub.Client(), watch)
	if err != nil {
		return err
	}
	report, err := instance.Wait(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(report)
}
