// Command faultproxy stands between storage clients and a storage emulator on this machine. It passes everything on unchanged, counts, writes a log,
// and disturbs what it is told to.
//
//	go run ./internal/faultproxy --listen 20000 --target 10000 [--control 20003] [--log FILE] [--bodies] [--seed N]
//	    [--rate 0.02 --kinds 503,lost,delay:200ms] [--rule '{"operation":"^queue\\.put$","nth":3,"times":1,"fault":"lost"}']...
//
// --listen and --target are the first of three ports each, for blob, queue and table, on 127.0.0.1. When all is ready it prints one line that begins
// with "proxy ready". The control port (by default the one after the three) answers GET /counts, POST /reset, GET, POST and DELETE /rules and
// DELETE /rules/{id}. It ends with SIGINT or SIGTERM and prints the counts as a line of JSON.
//
// Kinds of faults: a status to refuse with (503, 429, 500 …), reset, lost, truncate, delay:TIME, delay-answer:TIME, hang, hang-answer, duplicate.
// A rule takes operation, resource and agent (regular expressions), nth, times, rate, after and for (times since it was added), fault, code, retryAfter.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/go-taskhub/taskhub/internal/faultproxy/proxy"
)

func main() { os.Exit(status()) }

func status() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(os.Stderr, "faultproxy:", err)
		return 1
	}
	return 0
}

type options struct {
	listen, target, control int
	log                     string
	bodies                  bool
	seed                    uint64
	rules                   []proxy.Rule
}

func parse(args []string) (options, error) {
	var o options
	var rate float64
	var kinds string
	flags := flag.NewFlagSet("faultproxy", flag.ContinueOnError)
	flags.IntVar(&o.listen, "listen", 0, "first of the three `ports` to listen on: blob, queue, table")
	flags.IntVar(&o.target, "target", 0, "first of the three `ports` to forward to")
	flags.IntVar(&o.control, "control", 0, "control `port`; defaults to the one after the three")
	flags.StringVar(&o.log, "log", "", "`file` that gets one line of JSON for every operation; - is standard output")
	flags.BoolVar(&o.bodies, "bodies", false, "log the bodies too")
	flags.Uint64Var(&o.seed, "seed", 0, "`number` that makes the choices by rate repeatable")
	flags.Float64Var(&rate, "rate", 0, "`share` of all operations that is disturbed, 0 to 1")
	flags.StringVar(&kinds, "kinds", "503", "`kinds` of faults that --rate spreads evenly, separated by commas")
	flags.Func("rule", "a `rule` as JSON; may be given more than once", func(text string) error {
		r, err := proxy.ParseRule([]byte(text))
		o.rules = append(o.rules, r)
		return err
	})
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	const maxPort = 65535
	switch {
	case flags.NArg() > 0:
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.listen < 1 || o.target < 1 || o.listen+3 > maxPort || o.target+2 > maxPort:
		return options{}, errors.New("--listen and --target need a port number each")
	case rate < 0 || rate > 1:
		return options{}, fmt.Errorf("--rate is between 0 and 1, not %v", rate)
	}
	if o.control == 0 {
		o.control = o.listen + 3
	}
	spread, err := spreadRules(rate, kinds)
	o.rules = append(o.rules, spread...)
	return o, err
}

// spreadRules makes rules that disturb the share rate of all operations, evenly by the kinds. As each rule is asked only about what those before it
// let pass, its own rate is higher.
func spreadRules(rate float64, kinds string) ([]proxy.Rule, error) {
	if rate == 0 {
		return nil, nil
	}
	names := strings.Split(kinds, ",")
	share := rate / float64(len(names))
	var rules []proxy.Rule
	for i, name := range names {
		f, err := proxy.ParseFault(strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		rules = append(rules, proxy.Rule{Rate: min(share/(1-share*float64(i)), 1), Fault: f})
	}
	return rules, nil
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	cfg := proxy.Config{Target: proxy.PortsFrom(o.target), Listen: proxy.PortsFrom(o.listen), Seed: o.seed, Bodies: o.bodies,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	log, closeLog, err := openLog(o.log, out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeLog()) }()
	cfg.Log = log
	p, err := proxy.New(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	for _, r := range o.rules {
		if _, err := p.AddRule(r); err != nil {
			return err
		}
	}
	stopControl, err := serveControl(ctx, o.control, p)
	if err != nil {
		return err
	}
	defer stopControl()
	a := p.Addresses()
	fmt.Fprintf(out, "proxy ready blob=%s queue=%s table=%s control=127.0.0.1:%d\n", a.Blob, a.Queue, a.Table, o.control)
	<-ctx.Done()
	return json.NewEncoder(out).Encode(p.Counts().Summary())
}

// openLog returns the writer of the log, nil when there is none, and what ends it.
func openLog(name string, out io.Writer) (io.Writer, func() error, error) {
	switch name {
	case "":
		return nil, func() error { return nil }, nil
	case "-":
		return out, func() error { return nil }, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the log: %w", err)
	}
	return f, f.Close, nil
}

func serveControl(ctx context.Context, port int, p *proxy.Proxy) (stop func(), err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, fmt.Errorf("listening for control: %w", err)
	}
	const headTime = 10 * time.Second
	server := &http.Server{Handler: p.Control(), ReadHeaderTimeout: headTime}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // ends with Close
	}()
	return func() {
		_ = server.Close()
		<-done
	}, nil
}
