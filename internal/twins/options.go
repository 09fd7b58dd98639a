package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// options are the flags of all verbs, as the .NET peer has them.
type options struct {
	conn, hub, mode, errorStyle, fleet       string
	worker, onlyActivities, onlyOrchs        string
	name, id, input, event, data, reason, op string
	appLease                                 string
	partitions, activities, orchestrations   int
	seconds, delay, wait, maxPoll            float64
	verbose, entities, extended              bool
	given                                    map[string]bool
}

func parse(name string, args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("twins "+name, flag.ContinueOnError)
	f.StringVar(&o.conn, "conn", "", "connection string")
	f.StringVar(&o.hub, "hub", "TaskHub", "task hub")
	f.StringVar(&o.mode, "mode", "safe", "partition manager: safe, legacy or table")
	f.StringVar(&o.errorStyle, "errors", "details", "details or exceptions")
	f.StringVar(&o.fleet, "fleet", "", "kinds of workers that run the hub: go or mixed (default what the hub is, mixed on a new one)")
	f.IntVar(&o.partitions, "partitions", 0, "partitions of a hub to be created; 0 for 4")
	f.StringVar(&o.worker, "worker", "", "name of the worker")
	f.Float64Var(&o.seconds, "seconds", 60, "how long the worker runs")
	f.StringVar(&o.onlyActivities, "only-activities", "", "host these activities and no orchestrators")
	f.StringVar(&o.onlyOrchs, "only-orchestrations", "", "host these orchestrators, or all of them, and no activities")
	f.StringVar(&o.name, "name", "", "orchestrator to start")
	f.StringVar(&o.id, "id", "", "instance")
	f.StringVar(&o.input, "input", "", "input as JSON")
	f.Float64Var(&o.delay, "delay", 0, "seconds until the start")
	f.StringVar(&o.event, "event", "", "name of the event")
	f.StringVar(&o.data, "data", "", "the event's payload as JSON")
	f.StringVar(&o.reason, "reason", "", "why")
	f.StringVar(&o.op, "op", "", "operation of an entity")
	f.Float64Var(&o.wait, "wait", 60, "how many seconds to wait")
	f.Float64Var(&o.maxPoll, "maxpoll", 5000, "longest pause between two looks at a queue, in milliseconds")
	f.IntVar(&o.activities, "activities", 0, "how many activities run at a time; 0 for the worker's default")
	f.IntVar(&o.orchestrations, "orchestrations", 0, "how many orchestrations are advanced at a time; 0 for the worker's default")
	f.StringVar(&o.appLease, "applease", "true", "whether the worker takes the hub's app lease: true or false")
	f.BoolVar(&o.entities, "entities", false, "host the peer's entities, too; not supported yet")
	f.BoolVar(&o.extended, "extended", false, "keep orchestrations in memory between episodes, which a Go worker always does")
	f.BoolVar(&o.verbose, "verbose", false, "log everything")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("%q is not a flag", f.Arg(0))
	}
	o.given = map[string]bool{}
	f.Visit(func(f *flag.Flag) { o.given[f.Name] = true })
	return o, o.check()
}

// errEntities answers what is about entities.
var errEntities = errors.New("entities are not supported yet")

// check refuses what cannot be done before anything is opened.
func (o options) check() error {
	switch {
	case o.fleet != "" && o.fleet != string(worker.FleetGo) && o.fleet != string(worker.FleetMixed):
		return fmt.Errorf("--fleet %q is neither go nor mixed", o.fleet)
	case o.appLease != "true" && o.appLease != "false":
		return fmt.Errorf("--applease %q is neither true nor false", o.appLease)
	case o.entities:
		return fmt.Errorf("--entities: %w", errEntities)
	}
	return nil
}

// workerConfig is the configuration of a worker.
func (o options) workerConfig() worker.Config {
	return worker.Config{
		Fleet: worker.Fleet(o.fleet), ID: o.worker, MaxPoll: time.Duration(o.maxPoll * float64(time.Millisecond)), MaxActivities: o.activities,
		MaxOrchestrations: o.orchestrations, DisableAppLease: o.appLease == "false", Logger: o.logger(),
	}
}

// fleetOf is the fleet to run the hub for: a new hub is to be one that the .NET peer can join.
func (o options) fleetOf(ctx context.Context, hub *taskhub.Hub) (worker.Fleet, error) {
	if o.fleet != "" {
		return worker.Fleet(o.fleet), nil
	}
	stored, err := hub.Fleet(ctx)
	return cmp.Or(stored, worker.FleetMixed), err
}

// json is a flag's JSON text, nil when the flag was not given.
func (o options) json(flag, value string) *string {
	if !o.given[flag] {
		return nil
	}
	return &value
}

func (o options) open(ctx context.Context) (*taskhub.Hub, error) {
	mode, err := leases.ParseMode(o.mode)
	if err != nil {
		return nil, err
	}
	style := durable.FailureDetails
	switch o.errorStyle {
	case "details":
	case "exceptions":
		style = durable.SerializedExceptions
	default:
		return nil, fmt.Errorf("--errors %q is neither details nor exceptions", o.errorStyle)
	}
	return taskhub.Open(ctx, taskhub.Config{
		Name: o.hub, Connection: o.conn, Partitions: o.partitions, LeaseMode: &mode, ErrorStyle: style, Logger: o.logger(),
	})
}

func (o options) logger() *slog.Logger {
	level := slog.LevelWarn
	if o.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
