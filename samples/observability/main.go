// Command observability runs a worker that reports to OpenTelemetry: metrics for Prometheus at an address, and traces and metrics
// to an OTLP endpoint. It starts a few orders, so that there is something to see.
//
//	go run . [--metrics 127.0.0.1:9464] [--otlp http://127.0.0.1:4318] [--orders 5] [--conn "$AzureWebJobsStorage"] [--hub TaskHub]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/telemetry"
	"github.com/go-taskhub/taskhub/worker"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "observability:", err)
		os.Exit(1)
	}
}

// Keys of log records.
const (
	keyError = "error"
	keyOrder = "order"
)

type options struct {
	conn, hub, metrics, otlp string
	orders                   int
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("observability", flag.ContinueOnError)
	flags.StringVar(&o.conn, "conn", "embedded:", "connection `string` of the storage account")
	flags.StringVar(&o.hub, "hub", "TaskHub", "`name` of the task hub")
	flags.StringVar(&o.metrics, "metrics", "127.0.0.1:9464", "`address` at which Prometheus finds /metrics")
	flags.StringVar(&o.otlp, "otlp", "", "`URL` of an OTLP collector that takes HTTP, such as http://127.0.0.1:4318; none if empty")
	flags.IntVar(&o.orders, "orders", 5, "how many orders to start")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if o.orders < 0 {
		return o, fmt.Errorf("--orders is %d; it may not be negative", o.orders)
	}
	return o, nil
}

// run works until ctx ends.
func run(ctx context.Context, args []string, out, logTo io.Writer) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	p, err := newProviders(ctx, o.otlp)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.shutDown()) }() // last, so that it sends what the worker did at its end
	tel, err := telemetry.New(telemetry.Config{TracerProvider: p.traces, MeterProvider: p.metrics})
	if err != nil {
		return err
	}
	log := slog.New(telemetry.LogHandler(slog.NewTextHandler(logTo, nil)))
	hub, err := taskhub.Open(ctx, taskhub.Config{Name: o.hub, Connection: o.conn, Logger: log, Telemetry: tel})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hub.Close()) }()
	stop, err := serve(ctx, o.metrics, p, out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	w, err := worker.New(hub, worker.Config{})
	if err != nil {
		return err
	}
	order, items := program(log)
	if err := w.Register(items...); err != nil {
		return err
	}
	var orders sync.WaitGroup
	defer orders.Wait()
	orders.Go(func() { place(ctx, order, hub, o.orders, log, out) })
	return w.Run(ctx)
}

// serve serves /metrics.
func serve(ctx context.Context, address string, p *providers, out io.Writer) (stop func() error, err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--metrics %s: %w", address, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	_, _ = fmt.Fprintf(out, "metrics at http://%s/metrics\n", listener.Addr())
	return func() error {
		err := server.Close()
		if e := <-served; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
		return err
	}, nil
}

// place starts orders below a span of its own, as a web server's request would be, and tells how they end.
func place(ctx context.Context, order *durable.Orchestrator[int, string], hub *taskhub.Hub, count int, log *slog.Logger, out io.Writer) {
	for n := range count {
		run, err := order.Start(ctx, hub.Client(), n)
		var receipt string
		if err == nil {
			receipt, err = run.Wait(ctx)
		}
		if err != nil {
			if ctx.Err() == nil {
				log.ErrorContext(ctx, "an order failed", slog.Any(keyError, err))
			}
			continue
		}
		_, _ = fmt.Fprintln(out, receipt)
	}
}
