package durabletest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

// Up to everyEpisode rows the history is replayed after every episode. A longer one is replayed when it has grown by a
// twentieth, which keeps the cost of a run in proportion to the length of its history.
const (
	everyEpisode = 1000
	growth       = 20
)

// divergence is where code, replayed from its own history, did not repeat itself.
type divergence struct {
	event           int   // row of the history
	decision        int32 // -1 when it is about something else
	expected, found string
}

// replay takes the orchestrator out of memory and runs it again from its history, as a worker does after a restart. What
// it decides must be what it has decided; end is how it has ended, nil while it goes on. The new session replaces the old
// one, so that whatever comes next also meets code that was restarted.
func (in *instance) replay(end *replay.Outcome) *divergence {
	if in.env.cfg.SkipReplay || in.env.problem != nil {
		return nil
	}
	if n := len(in.rows); end == nil && n > everyEpisode && n < in.checked+in.checked/growth {
		return nil
	}
	in.unload()
	in.session, in.checked = in.newSession(), len(in.rows)
	turn, err := in.advance(in.session, in.rows, nil)
	if err != nil {
		return nil
	}
	return in.compare(turn, end)
}

// compare finds the first difference between a replay of all rows and what is known of the execution.
func (in *instance) compare(turn *replay.Turn, end *replay.Outcome) *divergence {
	var d *replay.DivergenceError
	if turn.Outcome != nil && errors.As(turn.Outcome.Err, &d) {
		return &divergence{event: d.Event, decision: d.EventID, expected: d.Expected, found: d.Found}
	}
	if len(turn.Actions) > 0 {
		a := turn.Actions[0]
		return &divergence{len(in.rows), a.ActionID(), "nothing more was decided", "decided to " + intent(a)}
	}
	for _, a := range turn.Committed {
		if d := in.compareDecision(a); d != nil {
			return d
		}
	}
	if !samePointee(in.custom, turn.CustomStatus) && !in.samePayload(in.custom, turn.CustomStatus) {
		return &divergence{
			len(in.rows) - 1, -1, "the custom status was set to " + show(in.custom), "set it to " + show(turn.CustomStatus),
		}
	}
	return in.compareEnds(end, turn.Outcome)
}

func (in *instance) compareEnds(was, is *replay.Outcome) *divergence {
	d := &divergence{event: len(in.rows), decision: -1}
	switch {
	case was == nil && is == nil:
		return nil
	case was == nil:
		d.expected, d.found = "the orchestrator goes on", "ended "+ending(is)
	case is == nil:
		d.expected, d.found = "the orchestrator ended "+ending(was), "goes on waiting"
	case was.Status != is.Status:
		d.expected, d.found = "the orchestrator ended "+ending(was), "ended "+ending(is)
	case was.Status == history.Completed && !in.samePayload(was.Result, is.Result):
		d.expected, d.found = "the output was "+show(was.Result), "returned "+show(is.Result)
	case was.Status == history.ContinuedAsNew && !in.samePayload(was.NewInput, is.NewInput):
		d.expected, d.found = "it continued as new with the input "+show(was.NewInput), "continued with "+show(is.NewInput)
	default:
		return nil
	}
	return d
}

// ending says how an execution ended, for error texts.
func ending(out *replay.Outcome) string {
	switch {
	case out.Status == history.Failed && out.Err != nil:
		return fmt.Sprintf("(%v: %v)", out.Status, out.Err)
	case out.Status == history.Failed:
		return fmt.Sprintf("(%v: %s)", out.Status, deref(out.Result))
	default:
		return fmt.Sprintf("(%v)", out.Status)
	}
}

// compareDecision compares a decision in all it says, not only in kind and name as a worker does.
func (in *instance) compareDecision(is replay.Action) *divergence {
	was := in.decisions[is.ActionID()]
	if was == nil {
		return nil
	}
	expected, found := in.details(was, is)
	if expected == "" {
		return nil
	}
	return &divergence{in.rowOf(is.ActionID()), is.ActionID(), expected, found}
}

// details describes what differs between two decisions of the same kind and name; "" when nothing does.
func (in *instance) details(was, is replay.Action) (expected, found string) {
	what := func(subject, a, b string) (string, string) {
		return subject + " with " + a, "did so with " + b
	}
	switch was := was.(type) {
	case *replay.ScheduleTask:
		if is, ok := is.(*replay.ScheduleTask); ok && !in.sameArgument(was.Input, is.Input) {
			return what(fmt.Sprintf("activity %q was called", was.Name), "the input "+show(was.Input), show(is.Input))
		}
	case *replay.CreateTimer:
		if is, ok := is.(*replay.CreateTimer); ok && !was.FireAt.Equal(is.FireAt) {
			return "a timer was set for " + stamp(was.FireAt), "set it for " + stamp(is.FireAt)
		}
	case *replay.CreateSubOrchestration:
		is, ok := is.(*replay.CreateSubOrchestration)
		subject := fmt.Sprintf("sub-orchestration %q was started", was.Name)
		switch {
		case ok && was.InstanceID != is.InstanceID:
			return what(subject, "the instance id "+show(&was.InstanceID), show(&is.InstanceID))
		case ok && !in.samePayload(was.Input, is.Input):
			return what(subject, "the input "+show(was.Input), show(is.Input))
		case ok && !maps.Equal(was.Tags.Map(), is.Tags.Map()):
			return what(subject, fmt.Sprintf("the tags %v", was.Tags.Map()), fmt.Sprint(is.Tags.Map()))
		}
	case *replay.SendEvent:
		is, ok := is.(*replay.SendEvent)
		subject := fmt.Sprintf("event %q was sent", was.Name)
		switch {
		case ok && was.InstanceID != is.InstanceID:
			return subject + " to instance " + show(&was.InstanceID), "sent it to " + show(&is.InstanceID)
		case ok && !in.samePayload(was.Input, is.Input):
			return what(subject, "the value "+show(was.Input), show(is.Input))
		}
	}
	return "", ""
}

// samePayload compares serialized values. Converters other than JSON may write one value in several ways.
func (in *instance) samePayload(a, b *string) bool {
	if samePointee(a, b) {
		return true
	}
	c := in.env.cfg.Environment.Converter
	if a == nil || b == nil || c == nil {
		return false
	}
	var x, y any
	return c.Unmarshal([]byte(*a), &x) == nil && c.Unmarshal([]byte(*b), &y) == nil && reflect.DeepEqual(x, y)
}

// sameArgument is samePayload for inputs of activities.
func (in *instance) sameArgument(a, b *string) bool {
	return samePointee(a, b) || in.samePayload(argument(a), argument(b))
}

// argument takes the input of an activity out of the array it is written in.
func argument(raw *string) *string {
	var list []json.RawMessage
	if raw == nil || json.Unmarshal([]byte(*raw), &list) != nil || len(list) != 1 {
		return raw
	}
	if string(list[0]) == "null" {
		return nil
	}
	return history.String(string(list[0]))
}

func (in *instance) rowOf(id int32) int {
	return slices.IndexFunc(in.rows, func(e history.Event) bool { return e.Common().EventID == id })
}

// diverged fails the test, and the instance as a worker would.
func (in *instance) diverged(d *divergence) {
	in.env.t.Helper()
	err := &durable.NonDeterminismError{
		Event: d.event, EventID: d.decision, Expected: d.expected, Found: d.found, Cause: "the code depends on something that differs between runs",
	}
	number := ""
	if d.decision >= 0 {
		number = fmt.Sprintf(", decision %d", d.decision)
	}
	err.Text = fmt.Sprintf("orchestrator %q (instance %q) is not deterministic. It was run again from its history, as after a restart, and did "+
		"not repeat itself: the history says that %s (event %d%s), but the code, replayed, %s. Likely cause: it depends on something that "+
		"differs between runs, such as time.Now, random numbers, the order of a map, a variable outside the function, the environment, or I/O. "+
		"What to do: use ctx.Now, ctx.NewUUID and ctx.Rand, sort the keys of maps, and leave the rest to activities.",
		in.name(), in.id, d.expected, d.event, number, d.found)
	in.env.t.Errorf("%v", err)
	out := &replay.Outcome{EventID: in.nextID(), Status: history.Failed, Result: &err.Text, Err: err}
	if in.env.cfg.Errors == durable.FailureDetails {
		out.Failure = durable.FailureOf(err)
	}
	in.end(out)
}

// nextID is the number of the decision that would come next.
func (in *instance) nextID() int32 {
	next := int32(0)
	for id := range in.decisions {
		next = max(next, id+1)
	}
	return next
}

// intent says in words what a decision is.
func intent(a replay.Action) string {
	switch a := a.(type) {
	case *replay.ScheduleTask:
		return fmt.Sprintf("call activity %q with %s", a.Name, show(a.Input))
	case *replay.CreateTimer:
		return "set a timer for " + stamp(a.FireAt)
	case *replay.CreateSubOrchestration:
		return fmt.Sprintf("start sub-orchestration %q", a.Name)
	case *replay.SendEvent:
		return fmt.Sprintf("send event %q", a.Name)
	default:
		return "leave a mark in the history"
	}
}

// show quotes a serialized value, shortened, in error texts.
func show(raw *string) string {
	const most = 200
	if raw == nil {
		return "null"
	}
	if len(*raw) <= most {
		return *raw
	}
	return fmt.Sprintf("%s… (%d bytes)", (*raw)[:most], len(*raw))
}
