package interop

import (
	"fmt"
	"time"

	"github.com/go-taskhub/taskhub/history"
)

// flaws names what is wrong with the history of an instance that has ended: every decision has an id of its own and one
// answer, answers come after decisions, episodes begin and end, and the end is the last of it all. With copies, a second
// answer is none of them.
func flaws(events []history.Event, copies bool) []string {
	c := &checker{decided: map[int32]history.Kind{}, answers: map[int32]int{}, copies: copies}
	for i, e := range events {
		c.event(i, e)
	}
	return c.finish(len(events))
}

type checker struct {
	found   []string
	decided map[int32]history.Kind
	answers map[int32]int
	copies  bool
	starts  int
	open    bool // an episode has begun
	ended   int  // rows that say it has ended
	last    history.Kind
}

func (c *checker) flaw(format string, args ...any) {
	c.found = append(c.found, fmt.Sprintf(format, args...))
}

func (c *checker) event(i int, e history.Event) {
	if c.ended > 0 && e.Kind() != history.KindOrchestratorCompleted {
		c.flaw("row %d: %v after the end", i, e.Kind())
	}
	c.last = e.Kind()
	switch e := e.(type) {
	case *history.OrchestratorStarted:
		if c.open {
			c.flaw("row %d: an episode begins in another", i)
		}
		c.open = true
	case *history.OrchestratorCompleted:
		c.open = false
	case *history.ExecutionStarted:
		c.starts++
	case *history.TaskScheduled, *history.SubOrchestrationCreated, *history.TimerCreated, *history.EventSent:
		c.decide(i, e)
	case *history.TaskCompleted:
		c.answer(i, e.TaskScheduledID, history.KindTaskScheduled)
	case *history.TaskFailed:
		c.answer(i, e.TaskScheduledID, history.KindTaskScheduled)
	case *history.SubOrchestrationCompleted:
		c.answer(i, e.TaskScheduledID, history.KindSubOrchestrationCreated)
	case *history.SubOrchestrationFailed:
		c.answer(i, e.TaskScheduledID, history.KindSubOrchestrationCreated)
	case *history.TimerFired:
		c.answer(i, e.TimerID, history.KindTimerCreated)
	case *history.ExecutionCompleted:
		c.ended++
		c.decide(i, e)
	}
}

func (c *checker) decide(i int, e history.Event) {
	id := e.Common().EventID
	if _, twice := c.decided[id]; twice || id < 0 {
		c.flaw("row %d: %v with the id %d, which is taken", i, e.Kind(), id)
	}
	c.decided[id] = e.Kind()
}

func (c *checker) answer(i int, id int32, of history.Kind) {
	if kind, ok := c.decided[id]; !ok || kind != of {
		c.flaw("row %d: %v for %d, which nobody asked for", i, c.last, id)
	}
	if c.answers[id]++; c.answers[id] > 1 && !c.copies {
		c.flaw("row %d: %v for %d once more", i, c.last, id)
	}
}

func (c *checker) finish(rows int) []string {
	switch {
	case rows == 0:
		c.flaw("there is no history")
	case c.starts != 1:
		c.flaw("it has started %d times", c.starts)
	case c.ended != 1 || c.last != history.KindOrchestratorCompleted || c.open:
		c.flaw("it has ended %d times, the last row is %v", c.ended, c.last)
	}
	return c.found
}

// unanswered are the tasks and children of a history that nobody answered.
func unanswered(events []history.Event) []string {
	c := &checker{decided: map[int32]history.Kind{}, answers: map[int32]int{}}
	for i, e := range events {
		c.event(i, e)
	}
	var open []string
	for id, kind := range c.decided {
		if (kind == history.KindTaskScheduled || kind == history.KindSubOrchestrationCreated) && c.answers[id] == 0 {
			open = append(open, fmt.Sprintf("%v %d", kind, id))
		}
	}
	return open
}

// wellFormed checks the history of an instance and of its sub-orchestrations.
func (p *pair) wellFormed(id string, copies bool) {
	p.t.Helper()
	events, err := p.client.History(p.within(time.Minute), id)
	if err != nil {
		p.t.Errorf("the history of %q: %v", id, err)
		return
	}
	found := flaws(events, copies)
	if s, ok := events[len(events)-2].(*history.ExecutionCompleted); ok && s.Status == history.Completed {
		found = append(found, unanswered(events)...)
	}
	if len(found) > 0 {
		export, _ := p.client.ExportHistory(p.within(time.Minute), id)
		p.t.Errorf("the history of %q is not well-formed: %v\n%s", id, found, export)
	}
	for _, e := range events {
		if child, ok := e.(*history.SubOrchestrationCreated); ok && child.InstanceID != nil {
			p.wellFormed(*child.InstanceID, copies)
		}
	}
}
