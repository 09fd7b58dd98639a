package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/leases"
)

const (
	defaultConn = "embedded:"
	// fromEnvironment as connection string means the one in connVariable: arguments can be read by every user of the machine.
	fromEnvironment = "-"
	connVariable    = "TASKHUB_BENCH_CONN"

	maxInput = 1_000_000
)

type options struct {
	conn, hub, workload, fleet string
	fresh                      bool // the hub is made for this run and deleted after it
	mode                       *leases.Mode
	input, n, concurrency      int
	workers, partitions        int
	seconds, settle            time.Duration // for idle
	maxPoll                    time.Duration
	mark, cpuProfile           string
	memProfile                 string
	child                      bool
}

func parse(args []string) (options, error) {
	var o options
	var mode string
	var seconds, settle float64
	var maxPoll int
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.conn, "conn", defaultConn, "connection string; - takes it from the environment variable "+connVariable)
	f.StringVar(&o.hub, "hub", "", "task hub, which stays afterwards; a fresh one by default, which is deleted afterwards")
	f.StringVar(&o.workload, "workload", "chain", workloadNames())
	f.IntVar(&o.input, "input", 5, "size of each orchestration: activities, children, events, or milliseconds of a timer")
	f.IntVar(&o.n, "n", 200, "orchestrations; for idle and local, those that wait meanwhile, none by default")
	f.IntVar(&o.concurrency, "concurrency", 50, "orchestrations in flight")
	f.IntVar(&o.workers, "workers", 1, "worker processes; with 1 the worker is in this process")
	f.IntVar(&o.partitions, "partitions", 4, "partitions of the hub")
	f.StringVar(&o.fleet, "fleet", "go", "kind of fleet: go or mixed")
	f.StringVar(&mode, "mode", "safe", "partition manager: safe, legacy or table")
	f.Float64Var(&seconds, "seconds", 60, "how long idle and local are watched")
	f.Float64Var(&settle, "settle", -1, "seconds that idle and local wait before they count, so that pauses between polls have grown; twice the longest pause by default")
	f.IntVar(&maxPoll, "maxpoll", 0, "longest pause between two looks at an idle queue, in milliseconds; the worker's default by default")
	f.StringVar(&o.mark, "mark", "", "URL that gets a POST right before the first start")
	f.StringVar(&o.cpuProfile, "cpuprofile", "", "file for a profile of this process")
	f.StringVar(&o.memProfile, "memprofile", "", "file for a profile of what this process allocates")
	f.BoolVar(&o.child, "child", false, "used by bench itself for its worker processes")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("%q is not a flag", f.Arg(0))
	}
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if watched(o.workload) && !given["n"] {
		o.n = 0
	}
	o.seconds, o.settle, o.maxPoll = inSeconds(seconds), inSeconds(settle), time.Duration(maxPoll)*time.Millisecond
	parsed, err := leases.ParseMode(mode)
	if err != nil {
		return o, fmt.Errorf("--mode: %w", err)
	}
	o.mode = &parsed
	if err := o.check(); err != nil {
		return o, err
	}
	o.fill()
	return o, nil
}

func inSeconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func (o *options) check() error {
	least := 1
	if watched(o.workload) {
		least = 0
	}
	switch {
	case !watched(o.workload) && workloads[o.workload] == nil:
		return fmt.Errorf("--workload %q is not one of %s", o.workload, workloadNames())
	case o.n < least || o.concurrency < 1 || o.workers < 1:
		return fmt.Errorf("--n must be at least %d, --concurrency and --workers at least 1", least)
	case o.input < 0 || o.input > maxInput:
		return fmt.Errorf("--input must be 0 to %d", maxInput)
	case o.partitions < 1 || o.partitions > 16:
		return errors.New("--partitions must be 1 to 16")
	case o.workload == local && o.fleet != "go":
		return errors.New("--workload local is of a Go fleet: in a mixed one nothing is known to a worker alone")
	case o.fleet != "mixed" && o.fleet != "go":
		return fmt.Errorf("--fleet %q is not one of go, mixed", o.fleet)
	case o.seconds <= 0:
		return errors.New("--seconds must be more than 0")
	case o.maxPoll < 0:
		return errors.New("--maxpoll must not be negative")
	case o.conn == "":
		return errors.New("--conn is empty: leave it out for the embedded storage, or give a connection string")
	}
	return nil
}

func (o *options) fill() {
	const defaultMaxPoll = 5 * time.Second // the worker's
	if o.settle < 0 {
		o.settle = 2 * max(o.maxPoll, defaultMaxPoll)
		if o.maxPoll > 0 {
			o.settle = 2 * o.maxPoll
		}
	}
	if o.hub == "" {
		o.hub, o.fresh = freshHub(), true
	}
	if o.conn == fromEnvironment {
		o.conn = os.Getenv(connVariable)
	}
}

func workloadNames() string {
	names := []string{idle, local}
	for name := range workloads {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func freshHub() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return "Bench" + hex.EncodeToString(b[:])
}
