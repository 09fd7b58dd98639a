// Command twins is the Go twin of the .NET peer: the same orchestrators and activities under the same names, the same
// verbs and flags, so that either can take the other's place in a test.
//
//	go run ./internal/twins worker --conn C --hub H --seconds 60
//	go run ./internal/twins start --conn C --hub H --name HelloSequence --id o-1
//	go run ./internal/twins wait --conn C --hub H --id o-1 --wait 60
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sort"
	"strings"
	"syscall"
)

// verb is one sub-command.
type verb func(ctx context.Context, o options) error

var verbs = map[string]verb{
	"worker": runWorker, "start": start, "wait": wait, "state": state, "query": query, "raise": raise,
	"terminate": terminate, "suspend": suspend, "resume": resume, "rewind": rewind, "purge": purge,
	"signal": signalEntity, "entity": showEntity,
}

// errNotEnded makes wait exit with 1 without a further word.
var errNotEnded = errors.New("the instance has not ended")

func main() { os.Exit(status()) }

func status() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:]); {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errNotEnded):
	default:
		fmt.Fprintln(os.Stderr, "twins:", err)
	}
	return 1
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 || verbs[args[0]] == nil {
		return errors.New("the first argument is one of " + strings.Join(verbNames(), ", "))
	}
	o, err := parse(args[0], args[1:])
	if err != nil {
		return err
	}
	return verbs[args[0]](ctx, o)
}

func verbNames() []string {
	names := make([]string, 0, len(verbs))
	for name := range verbs {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
