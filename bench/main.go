// Command bench measures a hub: how many orchestrations a second, how long each takes, and how many storage calls it
// costs.
//
//	go run ./bench --workload chain --input 5 --n 200 --concurrency 50
//
// It prints one JSON line. With one worker, worker and client share this process; with more, each worker is a process
// of its own and this one is the client. Calls are all requests between the first start and the last completion, of
// the client and of the workers, polls of idle queues and lease renewals included. README.md describes the workloads.
//
//	go run ./bench compare --conn CONNECTION [--peer COMMAND]
//
// runs the same work on this module and on the .NET library, through a proxy that counts, and prints tables; compare.sh
// does that with an Azurite of its own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(status()) }

func status() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 && args[0] == "compare" {
		return compare(ctx, args[1:], out)
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.child {
		return runChild(ctx, o, os.Stdin, out)
	}
	stopProfile, err := startProfile(o.cpuProfile)
	if err != nil {
		return err
	}
	defer stopProfile()
	stopMemory, err := startMemoryProfile(o.memProfile)
	if err != nil {
		return err
	}
	defer stopMemory()
	return measure(ctx, o, out)
}
