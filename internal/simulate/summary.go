package main

import (
	"fmt"
	"io"
	"time"

	"github.com/go-taskhub/taskhub/internal/simulate/cluster"
	"github.com/go-taskhub/taskhub/taskhub"
)

// summary adds up outcomes.
type summary struct {
	seeds, failed, steps, workers, instances, activities, violations int

	began   time.Time
	virtual time.Duration
	fleets  map[taskhub.Fleet]int
	faults  map[cluster.Kind]int
}

func newSummary() *summary {
	return &summary{began: time.Now(), fleets: map[taskhub.Fleet]int{}, faults: map[cluster.Kind]int{}}
}

func (t *summary) add(o *cluster.Outcome) {
	t.seeds++
	t.fleets[o.Fleet]++
	t.steps += o.Steps
	t.workers += o.Workers
	t.instances += o.Instances
	t.activities += o.Activities
	t.virtual += o.Virtual
	t.violations += len(o.Violations)
	if len(o.Violations) > 0 {
		t.failed++
	}
	for k, n := range o.Faults {
		t.faults[k] += n
	}
}

func (t *summary) print(w io.Writer) {
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
	p("%d seeds (%d in a Go fleet, %d in a mixed one) in %v: %d failed, %d violations\n",
		t.seeds, t.fleets[taskhub.FleetGo], t.fleets[taskhub.FleetMixed], time.Since(t.began).Round(time.Second), t.failed, t.violations)
	p("%d worker processes, %d instances, %d runs of activities, %d storage calls, %v of virtual time\n",
		t.workers, t.instances, t.activities, t.steps, t.virtual.Round(time.Minute))
	for _, k := range cluster.Kinds() {
		p("%8d  %s\n", t.faults[k], k)
	}
}
