package proxy

import (
	"fmt"
	"regexp"
	"sync"
	"time"
)

// Rule picks operations and says what happens to them. Of several rules the first that picks an operation decides.
type Rule struct {
	// Operation is a regular expression for Operation.Name, such as `^queue\.put$`. Defaults to every operation.
	Operation string
	// Resource is a regular expression for Operation.Resource, such as `-control-00/messages$`. Defaults to every resource.
	Resource string
	// Agent is a regular expression for the client's User-Agent. Defaults to every client.
	Agent string
	// Nth is the first matching operation that may be picked, counted from 1. Defaults to 1.
	Nth int
	// Times is how many operations are picked at most. Defaults to 0, no bound.
	Times int
	// Rate is the share of matching operations that are picked, above 0 and at most 1. Defaults to 1.
	Rate float64
	// After and For bound the rule in time, counted from when it was added: it sleeps for After, then works for For. Both default to no bound.
	After, For time.Duration
	// Fault is what happens.
	Fault Fault
}

// ActiveRule is a rule at work in a Proxy.
type ActiveRule struct {
	id    int
	rule  Rule
	seed  uint64
	added time.Time

	operation, resource, agent *regexp.Regexp // nil matches everything

	mu      sync.Mutex
	matched int
	picked  int
	changed chan struct{} // closed and replaced whenever picked grows

	removed chan struct{} // closed by Remove
	remove  func()
}

func newActiveRule(r Rule, id int, seed uint64, now time.Time) (*ActiveRule, error) {
	var err error
	if r.Fault, err = r.Fault.withDefaults(); err != nil {
		return nil, err
	}
	switch {
	case r.Rate < 0 || r.Rate > 1:
		return nil, fmt.Errorf("a rule's rate is between 0 and 1, not %v", r.Rate)
	case r.Nth < 0 || r.Times < 0 || r.After < 0 || r.For < 0:
		return nil, fmt.Errorf("a rule's counts and times must not be negative")
	}
	a := &ActiveRule{id: id, rule: r, seed: seed, added: now, changed: make(chan struct{}), removed: make(chan struct{})}
	for _, e := range []struct {
		text string
		to   **regexp.Regexp
	}{{r.Operation, &a.operation}, {r.Resource, &a.resource}, {r.Agent, &a.agent}} {
		if e.text == "" {
			continue
		}
		if *e.to, err = regexp.Compile(e.text); err != nil {
			return nil, fmt.Errorf("a rule's expression: %w", err)
		}
	}
	return a, nil
}

// ID returns the number of the rule in its proxy.
func (a *ActiveRule) ID() int { return a.id }

// Picked returns how many operations the rule has picked.
func (a *ActiveRule) Picked() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.picked
}

// Changed returns how many operations the rule has picked and a channel that is closed when it picks the next one.
func (a *ActiveRule) Changed() (int, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.picked, a.changed
}

// Remove takes the rule out of its proxy and lets go what it holds back. It may be called more than once.
func (a *ActiveRule) Remove() { a.remove() }

func (a *ActiveRule) picks(op Operation, now time.Time) bool {
	if !matches(a.operation, op.Name) || !matches(a.resource, op.Resource) || !matches(a.agent, op.Agent) {
		return false
	}
	age := now.Sub(a.added)
	if age < a.rule.After || a.rule.For > 0 && age >= a.rule.After+a.rule.For {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.matched++
	if a.matched < a.rule.Nth || a.rule.Times > 0 && a.picked >= a.rule.Times || !a.draw() {
		return false
	}
	a.picked++
	close(a.changed)
	a.changed = make(chan struct{})
	return true
}

func matches(e *regexp.Regexp, text string) bool { return e == nil || e.MatchString(text) }

// draw decides by rate. The draw depends on the seed, the rule and the number of the match alone, so a run can be repeated.
func (a *ActiveRule) draw() bool {
	if a.rule.Rate == 0 || a.rule.Rate == 1 {
		return true
	}
	return uniform(a.seed, uint64(a.id), uint64(a.matched)) < a.rule.Rate
}
