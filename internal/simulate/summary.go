package main

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/go-taskhub/taskhub/internal/simulate/cluster"
	"github.com/go-taskhub/taskhub/taskhub"
)

// summary adds up outcomes.
type summary struct {
	failed int
	began  time.Time
	fleets map[taskhub.Fleet]*sums
}

// sums are those of one kind of fleet.
type sums struct {
	seeds, steps, workers, instances, activities, violations int

	virtual time.Duration
	faults  map[cluster.Kind]int
}

func newSums() *sums { return &sums{faults: map[cluster.Kind]int{}} }

func newSummary() *summary {
	return &summary{began: time.Now(), fleets: map[taskhub.Fleet]*sums{taskhub.FleetGo: newSums(), taskhub.FleetMixed: newSums()}}
}

func (t *summary) add(o *cluster.Outcome) {
	if len(o.Violations) > 0 {
		t.failed++
	}
	s := t.fleets[o.Fleet]
	s.seeds++
	s.steps += o.Steps
	s.workers += o.Workers
	s.instances += o.Instances
	s.activities += o.Activities
	s.virtual += o.Virtual
	s.violations += len(o.Violations)
	for k, n := range o.Faults {
		s.faults[k] += n
	}
}

func (t *summary) seeds() int {
	return t.fleets[taskhub.FleetGo].seeds + t.fleets[taskhub.FleetMixed].seeds
}

func (t *summary) faults(k cluster.Kind) int {
	return t.fleets[taskhub.FleetGo].faults[k] + t.fleets[taskhub.FleetMixed].faults[k]
}

// print writes a table in Markdown, as the documentation has it.
func (t *summary) print(w io.Writer) {
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
	p("%d seeds in %v, %d failed\n\n", t.seeds(), time.Since(t.began).Round(time.Second), t.failed)
	p("| | Go fleet | mixed fleet | together |\n|---|---|---|---|\n")
	pure, mixed := t.fleets[taskhub.FleetGo], t.fleets[taskhub.FleetMixed]
	row := func(title string, of func(*sums) int) {
		p("| %s | %s | %s | %s |\n", title, thousands(of(pure)), thousands(of(mixed)), thousands(of(pure)+of(mixed)))
	}
	row("seeds", func(s *sums) int { return s.seeds })
	row("violations", func(s *sums) int { return s.violations })
	row("worker processes", func(s *sums) int { return s.workers })
	row("instances", func(s *sums) int { return s.instances })
	row("runs of activities", func(s *sums) int { return s.activities })
	row("storage calls", func(s *sums) int { return s.steps })
	row("hours of virtual time", func(s *sums) int { return int(s.virtual.Hours() + 0.5) })
	for _, k := range cluster.Kinds() {
		row(string(k), func(s *sums) int { return s.faults[k] })
	}
}

// thousands writes a number with its digits in groups.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return thousands(n/1000) + fmt.Sprintf(",%03d", n%1000)
}
