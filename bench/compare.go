package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/internal/faultproxy/proxy"
)

// comparison is what compare was asked for.
type comparison struct {
	conn, peer      string
	workloads       []string
	chains          int
	seconds, settle time.Duration
	maxPoll         time.Duration
	executable      string // this program
	details         bool
}

// job is one measurement: the same work for every system. Sizes are flags of bench and of the peer alike.
type job struct {
	title, workload, program string // program is the orchestrator's name at the peer
	input                    string // as JSON
	n, inFlight              int
}

func (c *comparison) jobs() []job {
	all := map[string][]job{
		"empty": {{"empty", "empty", "Empty", `"x"`, c.chains, 50}},
		"chain": {
			{"chain of 5", "chain", "Chain", "5", c.chains, c.chains},
			{"chain of 5, one at a time", "chain", "Chain", "5", min(c.chains, 20), 1},
			{"chain of 3, one at a time", "chain", "Chain", "3", min(c.chains, 50), 1},
		},
		"fanout": {{"fan-out of 1,000", "fanout", "FanOut", "1000", 2, 1}},
	}
	var jobs []job
	for _, name := range c.workloads {
		jobs = append(jobs, all[name]...)
	}
	return jobs
}

// compare measures this module and the .NET library with the same work, each through a proxy of its own that counts.
func compare(ctx context.Context, args []string, out io.Writer) error {
	c, err := parseComparison(args)
	if err != nil {
		return err
	}
	done := c.work(ctx) // what was measured before an interruption is printed too
	printWork(out, done)
	if slices.Contains(c.workloads, "chain") && ctx.Err() == nil {
		const inFlight = 50
		perSecond, err := ceilingOf(ctx, c.conn, c.chains, inFlight, 5)
		if err != nil {
			return fmt.Errorf("the storage by itself: %w", err)
		}
		fmt.Fprintf(out, "The storage by itself takes the writes of %s chains of 5 a second (%d in flight, no engine, no proxy, %d calls each).\n\n",
			rate(perSecond), inFlight, callsOfCeiling)
	}
	if c.details {
		printOperations(out, done)
	}
	bad := failures(done)
	if slices.Contains(c.workloads, idle) && ctx.Err() == nil {
		rested := c.idle(ctx)
		printIdle(out, rested, c.seconds)
		bad = append(bad, failures(rested)...)
	}
	return errors.Join(append(bad, ctx.Err())...)
}

// work measures one job after the other on one system after the other.
func (c *comparison) work(ctx context.Context) []outcome {
	var done []outcome
	for _, j := range c.jobs() {
		for _, s := range c.systems() {
			o := c.measure(ctx, s, j)
			if ctx.Err() != nil {
				return done
			}
			c.progress("%s", o)
			done = append(done, o)
		}
	}
	return done
}

func failures(outcomes []outcome) (errs []error) {
	for _, o := range outcomes {
		if o.err != nil {
			errs = append(errs, fmt.Errorf("%s, %s: %w", o.system.name, o.job.title, o.err))
		}
	}
	return errs
}

func (c *comparison) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench compare: "+format+"\n", args...)
}

func parseComparison(args []string) (*comparison, error) {
	c := &comparison{}
	var names string
	var seconds, settle float64
	f := flag.NewFlagSet("bench compare", flag.ContinueOnError)
	f.StringVar(&c.conn, "conn", "", "connection string of an emulator on this machine; - takes it from the environment variable "+connVariable)
	f.StringVar(&c.peer, "peer", os.Getenv("DTFX_PEER"), "command of the .NET test program; without it only this module is measured")
	f.StringVar(&names, "workloads", "empty,chain,fanout,idle", "what to measure, separated by commas")
	f.IntVar(&c.chains, "n", 500, "orchestrations of empty and chain")
	f.Float64Var(&seconds, "seconds", 120, "how long idle is watched")
	f.Float64Var(&settle, "settle", 75, "seconds that idle waits before it counts")
	f.DurationVar(&c.maxPoll, "maxpoll", 30*time.Second, "longest pause between two looks at an idle queue")
	f.BoolVar(&c.details, "details", false, "print the calls by operation too")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	c.seconds, c.settle = inSeconds(seconds), inSeconds(settle)
	c.workloads = strings.Split(names, ",")
	if c.conn == fromEnvironment {
		c.conn = os.Getenv(connVariable)
	}
	known := []string{"empty", "chain", "fanout", idle}
	for _, name := range c.workloads {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("--workloads: %q is not one of %s", name, strings.Join(known, ", "))
		}
	}
	switch {
	case f.NArg() > 0:
		return nil, fmt.Errorf("%q is not a flag", f.Arg(0))
	case c.conn == "":
		return nil, errors.New("--conn is missing: the connection string of Azurite or \"taskhub dev\", with its endpoints")
	case c.chains < 1 || seconds <= 0 || settle < 0 || c.maxPoll <= 0:
		return nil, errors.New("--n, --seconds and --maxpoll must be more than 0, --settle not negative")
	}
	if _, err := proxy.TargetOf(c.conn); err != nil {
		return nil, fmt.Errorf("--conn: %w", err)
	}
	var err error
	c.executable, err = os.Executable()
	return c, err
}

// system is something that runs orchestrations.
type system struct {
	name, fleet, mode string // no fleet: the .NET library
}

func (s system) net() bool { return s.fleet == "" }

// systems are what works is measured on: the .NET library with its default partition manager, and both fleets.
func (c *comparison) systems() []system {
	all := []system{{"mixed", "mixed", "safe"}, {"Go", "go", "safe"}}
	if c.peer != "" {
		all = append([]system{{".NET", "", "table"}}, all...)
	}
	return all
}

// idlers are the systems that idle is measured on.
func (c *comparison) idlers() []system {
	all := []system{{"mixed, lease blobs", "mixed", "safe"}, {"mixed, table manager", "mixed", "table"}, {"Go, lease blobs", "go", "safe"}, {"Go, table manager", "go", "table"}}
	if c.peer != "" {
		all = append([]system{{".NET, lease blobs", "", "safe"}, {".NET, table manager", "", "table"}}, all...)
	}
	return all
}

// outcome is what one system made of one job.
type outcome struct {
	system  system
	job     job
	Seconds float64 `json:"seconds"`
	Rate    float64 `json:"perSecond"`
	P50     float64 `json:"p50ms"`
	P99     float64 `json:"p99ms"`
	Bad     int     `json:"bad"`
	calls   map[string]int64
	err     error
}

func (o outcome) total() (n int64) {
	for _, k := range o.calls {
		n += k
	}
	return n
}

func (o outcome) each() float64 { return float64(o.total()) / float64(o.job.n) }

func (o outcome) String() string {
	if o.err != nil {
		return fmt.Sprintf("%s, %s: %v", o.system.name, o.job.title, o.err)
	}
	return fmt.Sprintf("%s, %s: %.1f a second, %.1f calls each", o.system.name, o.job.title, o.Rate, o.each())
}

func operations(counts proxy.Counts) map[string]int64 {
	calls := make(map[string]int64, len(counts))
	for name, c := range counts {
		calls[name] = int64(c.Calls)
	}
	return calls
}

func sortedKeys(m map[string]int64) []string { return slices.Sorted(maps.Keys(m)) }
