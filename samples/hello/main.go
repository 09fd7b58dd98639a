// Command hello runs a worker and a client in one process: an orchestration greets three cities, one after another, and its output is printed.
//
//	go run ./samples/hello [--conn "$AzureWebJobsStorage"] [--hub TaskHub]
//	go run ./samples/hello --account mystorage
//	go run ./samples/hello --listen 127.0.0.1:7071
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

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// Hello greets a city.
var Hello = durable.NewActivity("Hello", func(_ context.Context, city string) (string, error) {
	return "Hello " + city + "!", nil
})

// Cities greets three cities. Whatever happens to the process between two greetings, it goes on with the next one.
var Cities = durable.NewOrchestrator("Orchestrator", func(ctx *durable.Context, _ durable.Void) ([]string, error) {
	var greetings []string
	for _, city := range []string{"Tokyo", "Seattle", "London"} {
		greeting, err := Hello.Call(ctx, city).Await()
		if err != nil {
			return nil, err
		}
		greetings = append(greetings, greeting)
	}
	return greetings, nil
})

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "hello:", err)
		os.Exit(1)
	}
}

// run greets the cities, on the hub that the arguments name.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("hello", flag.ContinueOnError)
	conn := flags.String("conn", "embedded:", "connection `string` of the storage account")
	account := flags.String("account", "", "`name` of a storage account to use with your Azure sign-in or managed identity instead")
	name := flags.String("hub", "TaskHub", "`name` of the task hub")
	listen := flags.String("listen", "", "`address` at which to take starts over HTTP, such as 127.0.0.1:7071, instead of starting one run")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	cfg := taskhub.Config{Name: *name, Connection: *conn, Logger: log}
	if *account != "" {
		if cfg.Credential, err = azidentity.NewDefaultAzureCredential(nil); err != nil {
			return err
		}
		cfg.Connection, cfg.AccountName = "", *account
	}
	hub, err := taskhub.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hub.Close()) }()

	w, err := worker.New(hub, worker.Config{})
	if err != nil {
		return err
	}
	if err := w.Register(Cities, Hello); err != nil {
		return err
	}
	if *listen != "" {
		return serve(ctx, hub, w, *listen, out)
	}
	if err := w.Start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Stop(context.WithoutCancel(ctx))) }()

	instance, err := Cities.Start(ctx, hub.Client(), durable.Void{})
	if err != nil {
		return err
	}
	greetings, err := instance.Wait(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(greetings)
}
