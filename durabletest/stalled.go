package durabletest

import (
	"fmt"
	"strings"

	"github.com/go-taskhub/taskhub/internal/replay"
)

// stalled makes the error of an instance that waits when nothing is left to happen.
func (env *Env) stalled(in *instance) error {
	e := &StalledError{
		InstanceID: in.id, Orchestrator: in.name(), At: env.now, After: env.now.Sub(in.created), Waits: env.waits(in, 0), Suspended: in.suspended,
	}
	if s := in.load(); s != nil {
		e.Kept = s.Waiting().Kept
	}
	return e
}

// waits says what an instance waits for: answers, in the order of the decisions, then events.
func (env *Env) waits(in *instance, depth int) []string {
	const deepest = 10
	s := in.load()
	if s == nil || depth > deepest {
		return nil
	}
	var list []string
	for id := range in.nextID() {
		if _, state, _ := s.Lookup(id); state == replay.Open {
			list = append(list, env.waitsFor(in.decisions[id], depth))
		}
	}
	return append(list, eventsAwaited(s.Waiting())...)
}

func (env *Env) waitsFor(a replay.Action, depth int) string {
	text := awaited(a)
	call, ok := a.(*replay.CreateSubOrchestration)
	if !ok {
		return text
	}
	child := env.instances[call.InstanceID]
	switch {
	case child == nil || child.over():
		return text
	case child.suspended:
		return text + ", which is suspended"
	}
	if waits := env.waits(child, depth+1); len(waits) > 0 {
		text += ", which waits for " + strings.Join(waits, " and ")
	}
	return text
}

// awaited names what answers a decision.
func awaited(a replay.Action) string {
	switch a := a.(type) {
	case *replay.ScheduleTask:
		return fmt.Sprintf("activity %q", a.Name)
	case *replay.CreateSubOrchestration:
		return fmt.Sprintf("sub-orchestration %q (instance %q)", a.Name, a.InstanceID)
	case *replay.CreateTimer:
		return "a timer that is due at " + stamp(a.FireAt)
	default:
		return "nothing"
	}
}

// eventsAwaited names the events that an execution waits for.
func eventsAwaited(w replay.Waiting) []string {
	var list []string
	for _, name := range w.Events {
		list = append(list, fmt.Sprintf("event %q", name))
	}
	if w.AnyEvent {
		list = append(list, "an event of any name")
	}
	return list
}
