// Command service is a worker as it runs on servers: its settings come from the environment, an orchestrator of containers can ask how it is, and it
// ends in order when it is told to. The manifests in deploy run it.
//
//	AzureWebJobsStorage=UseDevelopmentStorage=true go run ./samples/service
//	AzureWebJobsStorage__accountName=mystorage TASKHUB_HUB=Orders go run ./samples/service
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

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "service:", err)
		os.Exit(1)
	}
}

// settings are what the program is told. Flags count more than the environment. Nothing stands in for a missing account: a worker that starts on an
// empty storage of its own, because a variable is mistyped, would be worse than one that does not start.
type settings struct {
	conn, account, suffix string
	hub, listen           string
	level                 slog.Level
}

func readSettings(args []string, getenv func(string) string, usage io.Writer) (settings, error) {
	var s settings
	level := getenv("TASKHUB_LOG")
	flags := flag.NewFlagSet("service", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.StringVar(&s.conn, "conn", getenv("AzureWebJobsStorage"), "connection `string` of the storage account (default: the variable AzureWebJobsStorage)")
	flags.StringVar(&s.account, "account", getenv("AzureWebJobsStorage__accountName"),
		"`name` of a storage account to use with a managed or workload identity instead (default: the variable AzureWebJobsStorage__accountName)")
	flags.StringVar(&s.suffix, "endpoint-suffix", orElse(getenv("TASKHUB_ENDPOINT_SUFFIX"), "core.windows.net"), "`domain` of --account (variable TASKHUB_ENDPOINT_SUFFIX)")
	flags.StringVar(&s.hub, "hub", orElse(getenv("TASKHUB_HUB"), "TaskHub"), "`name` of the task hub (variable TASKHUB_HUB)")
	flags.StringVar(&s.listen, "listen", orElse(getenv("TASKHUB_LISTEN"), "127.0.0.1:8080"), "`address` at which /healthz and /livez answer (variable TASKHUB_LISTEN)")
	flags.StringVar(&level, "log", orElse(level, "info"), "least `level` of log records: debug, info, warn or error (variable TASKHUB_LOG)")
	for _, name := range []string{"conn", "account"} { // what -help prints must not have a secret in it
		flags.Lookup(name).DefValue = ""
	}
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if s.conn != "" && s.account != "" {
		return s, errors.New("a connection string and an account's name are both given: give one of AzureWebJobsStorage and AzureWebJobsStorage__accountName")
	}
	if err := s.level.UnmarshalText([]byte(level)); err != nil {
		return s, fmt.Errorf("log level %q is not debug, info, warn or error", level)
	}
	return s, nil
}

func orElse(value, standard string) string {
	if value == "" {
		return standard
	}
	return value
}

// run hosts the orchestrators until ctx ends, and then drains.
func run(ctx context.Context, args []string, getenv func(string) string, out, logs io.Writer) (err error) {
	s, err := readSettings(args, getenv, logs)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(logs, &slog.HandlerOptions{Level: s.level}))
	hub, err := open(ctx, s, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hub.Close()) }()
	w, err := worker.New(hub, worker.Config{StopTimeout: drain, Logger: log})
	if err != nil {
		return err
	}
	if err := w.Register(Greetings, Greet); err != nil {
		return err
	}
	return serve(ctx, w, s.listen, out)
}

// open opens the hub: with the connection string, else as the identity that the machine, the container or the pod has.
func open(ctx context.Context, s settings, log *slog.Logger) (*taskhub.Hub, error) {
	cfg := taskhub.Config{Name: s.hub, Connection: s.conn, Application: "taskhub-service", Logger: log}
	if s.account != "" {
		credential, err := azidentity.NewDefaultAzureCredential(nil)
		if err != nil {
			return nil, err
		}
		cfg.Credential, cfg.AccountName = credential, s.account
		cfg.BlobEndpoint, cfg.QueueEndpoint, cfg.TableEndpoint = endpoint(s, "blob"), endpoint(s, "queue"), endpoint(s, "table")
	}
	return taskhub.Open(ctx, cfg)
}

func endpoint(s settings, service string) string {
	return "https://" + s.account + "." + service + "." + s.suffix
}
