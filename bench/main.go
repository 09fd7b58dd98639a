// Command bench measures a hub: how many orchestrations a second, how long each takes, and how many storage calls it
// costs.
//
//	go run ./bench --workload chain --input 5 --n 200 --concurrency 50
//
// It prints one JSON line. With one worker, worker and client share this process; with more, each worker is a process
// of its own and this one is the client. Calls are all requests between the first start and the last completion, of
// the client and of the workers, polls of idle queues and lease renewals included.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

type options struct {
	conn, hub, workload, fleet string
	input, n, concurrency      int
	workers, partitions        int
	child                      bool
}

func main() { os.Exit(status()) }

func status() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.child {
		return runChild(ctx, o)
	}
	result, err := measure(ctx, o)
	if err != nil {
		return err
	}
	line, err := json.Marshal(result)
	if err != nil {
		return err
	}
	fmt.Println(string(line))
	if result.Bad > 0 {
		return fmt.Errorf("%d of %d orchestrations did not end as they should", result.Bad, o.n)
	}
	return nil
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.conn, "conn", defaultConn, "connection string")
	f.StringVar(&o.hub, "hub", "", "task hub; a fresh one by default, which is deleted afterwards")
	f.StringVar(&o.workload, "workload", "chain", "empty, chain or fanout")
	f.IntVar(&o.input, "input", 5, "activities of each orchestration")
	f.IntVar(&o.n, "n", 200, "orchestrations")
	f.IntVar(&o.concurrency, "concurrency", 50, "orchestrations in flight")
	f.IntVar(&o.workers, "workers", 1, "worker processes; with 1 the worker is in this process")
	f.IntVar(&o.partitions, "partitions", 4, "partitions of the hub")
	f.StringVar(&o.fleet, "fleet", "mixed", "kind of fleet; mixed is the only one so far")
	f.BoolVar(&o.child, "child", false, "used by bench itself for its worker processes")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("%q is not a flag", f.Arg(0))
	case workloads[o.workload] == nil:
		return o, fmt.Errorf("--workload %q is not one of empty, chain, fanout", o.workload)
	case o.n < 1 || o.concurrency < 1 || o.workers < 1 || o.input < 0:
		return o, fmt.Errorf("--n, --concurrency and --workers must be at least 1, --input not negative")
	case o.fleet != "mixed":
		return o, fmt.Errorf("--fleet %s is not supported; use mixed", o.fleet)
	}
	if o.hub == "" {
		o.hub = freshHub()
	}
	return o, nil
}
