package durable_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memHub is a task hub in memory with a clock of its own: time jumps to whatever is
// due next. It implements durable.Client, and waiting for an instance is what makes
// it run.
type memHub struct {
	env        durable.Environment
	errors     replay.ErrorStyle
	reload     bool // replay every episode from stored rows
	now        time.Time
	log        *slog.Logger
	orchs      map[string]*replay.Definition
	activities map[string]durable.ActivityHandler
	instances  map[string]*memInstance
	queue      []*memMessage
	serial     int
	attempts   map[string]int
	setupErr   error
}

type memMessage struct {
	due       time.Time
	serial    int
	instance  string
	execution string // "" for the current one
	event     history.Event
	task      *memTask
}

// memTask is a call of an activity on its way.
type memTask struct {
	action *replay.ScheduleTask
	from   *memInstance
}

type memInstance struct {
	id, execution string
	generation    int
	rows          []history.Event
	session       *replay.Session
	started       *history.ExecutionStarted
	created       time.Time
	custom        *string
	outcome       *replay.Outcome
	suspended     bool
	episodes      int
}

// newHub returns a hub on which everything given is registered.
func newHub(things ...durable.Registrable) *memHub { return hubWith(nil, things...) }

func hubWith(configure func(*memHub), things ...durable.Registrable) *memHub {
	h := &memHub{
		now: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), log: slog.New(slog.DiscardHandler),
		orchs: map[string]*replay.Definition{}, activities: map[string]durable.ActivityHandler{},
		instances: map[string]*memInstance{}, attempts: map[string]int{},
	}
	if configure != nil {
		configure(h)
	}
	for _, r := range things {
		if err := r.Validate(); err != nil {
			h.setupErr = err
			continue
		}
		if r.Kind() == durable.KindActivity {
			h.activities[r.Name()] = h.env.Handler(r)
		} else {
			h.orchs[r.Name()+"@"+r.Version()] = h.env.Definition(r)
		}
	}
	return h
}

func (h *memHub) Converter() durable.Converter { return h.env.Converter }

func (h *memHub) Close() {
	for _, in := range h.instances {
		if in.session != nil {
			in.session.Unload()
		}
	}
}

func (h *memHub) put(m *memMessage) {
	h.serial++
	m.serial = h.serial
	if m.due.Before(h.now) {
		m.due = h.now
	}
	h.queue = append(h.queue, m)
}

func (h *memHub) StartOrchestration(_ context.Context, req durable.StartRequest) (durable.Started, error) {
	if h.setupErr != nil {
		return durable.Started{}, h.setupErr
	}
	id := req.InstanceID
	if id == "" {
		id = fmt.Sprintf("instance-%d", len(h.instances)+1)
	}
	h.start(id, &history.ExecutionStarted{Name: req.Name, Version: &req.Version, Input: req.Input, Tags: tags(req.Tags)}, req.StartAt)
	return durable.Started{InstanceID: id, ExecutionID: h.instances[id].execution}, nil
}

func tags(m map[string]string) *history.Tags {
	if len(m) == 0 {
		return nil
	}
	return history.NewTags(m)
}

func (h *memHub) start(id string, e *history.ExecutionStarted, at time.Time) {
	in := &memInstance{id: id, created: h.now, started: e}
	h.instances[id] = in
	h.nextExecution(in)
	e.Instance = history.Instance{InstanceID: id, ExecutionID: history.String(in.execution)}
	e.EventID, e.Timestamp = -1, h.now
	h.put(&memMessage{due: at, instance: id, event: e})
}

func (h *memHub) nextExecution(in *memInstance) {
	in.generation++
	in.execution = fmt.Sprintf("%s.%d", in.id, in.generation)
	in.rows, in.outcome = nil, nil
	if in.session != nil {
		in.session.Unload()
		in.session = nil
	}
}

var errStalled = errors.New("nothing is left to do, and the instance still waits")

func (h *memHub) WaitForCompletion(ctx context.Context, id, _ string) (*durable.Instance, error) {
	for ctx.Err() == nil {
		if in := h.instances[id]; in != nil && in.outcome != nil {
			return h.GetInstance(ctx, id)
		}
		if !h.step() {
			return nil, fmt.Errorf("instance %q: %w", id, errStalled)
		}
	}
	return nil, ctx.Err()
}

// settle runs until nothing is due before the time.
func (h *memHub) settle(until time.Time) {
	for {
		next := h.nextDue()
		if next == nil || next.due.After(until) {
			h.now = until
			return
		}
		h.step()
	}
}

func (h *memHub) GetInstance(_ context.Context, id string) (*durable.Instance, error) {
	in := h.instances[id]
	if in == nil {
		return nil, fmt.Errorf("no instance %q", id)
	}
	out := &durable.Instance{
		InstanceID: id, ExecutionID: in.execution, Name: in.started.Name, Version: *in.started.Version, Status: history.Running,
		Input: in.started.Input, CustomStatus: in.custom, CreatedAt: in.created, Tags: map[string]string{},
	}
	if in.started.Tags != nil {
		out.Tags = in.started.Tags.Map()
	}
	switch {
	case in.outcome != nil:
		out.Status, out.Output, out.Failure = in.outcome.Status, in.outcome.Result, in.outcome.Failure
	case in.suspended:
		out.Status = history.Suspended
	}
	return out, nil
}

func (h *memHub) RaiseEvent(_ context.Context, id, name string, payload any) error {
	return h.raiseAt(h.now, id, name, payload)
}

func (h *memHub) raiseAt(at time.Time, id, name string, payload any) error {
	converter := h.env.Converter
	if converter == nil {
		converter = durable.JSON()
	}
	text, err := converter.Marshal(payload)
	if err != nil {
		return err
	}
	h.send(at, id, &history.EventRaised{Name: name, Input: history.String(string(text))})
	return nil
}

func (h *memHub) Terminate(_ context.Context, id, reason string) error {
	h.send(h.now, id, &history.ExecutionTerminated{Input: &reason})
	return nil
}

func (h *memHub) send(at time.Time, id string, e history.Event) {
	*e.Common() = history.Base{EventID: -1, Timestamp: h.now}
	h.put(&memMessage{due: at, instance: id, event: e})
}

func (h *memHub) nextDue() *memMessage {
	if len(h.queue) == 0 {
		return nil
	}
	return slices.MinFunc(h.queue, func(a, b *memMessage) int {
		if c := a.due.Compare(b.due); c != 0 {
			return c
		}
		return a.serial - b.serial
	})
}

// step handles what is due next.
func (h *memHub) step() bool {
	m := h.nextDue()
	if m == nil {
		return false
	}
	h.queue = slices.DeleteFunc(h.queue, func(q *memMessage) bool { return q == m })
	h.now = m.due
	if m.task != nil {
		h.runActivity(m.task)
		return true
	}
	in := h.instances[m.instance]
	if in == nil || in.outcome != nil || m.execution != "" && m.execution != in.execution {
		return true
	}
	h.episode(in, m.event)
	return true
}

func (h *memHub) runActivity(task *memTask) {
	a, in := task.action, task.from
	key := fmt.Sprint(in.execution, a.ID)
	h.attempts[key]++
	info := durable.ActivityInfoValue{
		Name: a.Name, InstanceID: in.id, ExecutionID: in.execution, TaskID: a.ID, Attempt: h.attempts[key], ScheduledAt: h.now,
	}
	answer := func(e history.Event) {
		*e.Common() = history.Base{EventID: -1, Timestamp: h.now}
		h.put(&memMessage{instance: in.id, execution: in.execution, event: e})
	}
	handler := h.activities[a.Name]
	if handler == nil {
		answer(h.taskFailed(a.ID, fmt.Errorf("no activity %q", a.Name)))
		return
	}
	output, err := handler(durable.WithActivityInfo(context.Background(), info), a.Input)
	if err != nil {
		answer(h.taskFailed(a.ID, err))
		return
	}
	answer(&history.TaskCompleted{TaskScheduledID: a.ID, Result: output})
}

func (h *memHub) taskFailed(id int32, err error) *history.TaskFailed {
	e := &history.TaskFailed{TaskScheduledID: id, Reason: history.String(err.Error())}
	if h.errors == replay.FailureDetails {
		e.Failure = durable.FailureOf(err)
	}
	return e
}

func (h *memHub) sessionOf(in *memInstance) (*replay.Session, []history.Event) {
	if in.session != nil && !h.reload {
		return in.session, nil
	}
	if in.session != nil {
		in.session.Unload()
	}
	def := h.orchs[in.started.Name+"@"+*in.started.Version]
	if def == nil {
		def = &replay.Definition{Name: in.started.Name, Run: func(*replay.Session, *string) (*string, error) {
			return nil, fmt.Errorf("no orchestrator %q", in.started.Name)
		}}
	}
	in.session = replay.NewSession(replay.Config{
		Definition: def, Instance: history.Instance{InstanceID: in.id, ExecutionID: &in.execution}, Logger: h.log, Errors: h.errors,
	})
	return in.session, in.rows
}

func (h *memHub) episode(in *memInstance, e history.Event) {
	in.episodes++
	session, committed := h.sessionOf(in)
	fresh := []history.Event{&history.OrchestratorStarted{Base: history.Base{EventID: -1, Timestamp: h.now}}, e}
	turn, err := session.Advance(committed, fresh)
	if err != nil {
		panic(err)
	}
	written := len(in.rows)
	in.rows = append(in.rows, fresh...)
	for _, a := range turn.Actions {
		row := a.Event()
		row.Common().Timestamp = h.now
		in.rows = append(in.rows, row)
	}
	in.custom, in.suspended = turn.CustomStatus, turn.Suspended
	if turn.Outcome != nil {
		in.rows = append(in.rows, turn.Outcome.Event())
	}
	in.rows = append(in.rows, &history.OrchestratorCompleted{Base: history.Base{EventID: -1}})
	in.rows = append(in.rows[:written:written], roundTrip(in.rows[written:])...)
	for _, a := range turn.Actions {
		h.dispatch(in, a)
	}
	if turn.Outcome != nil {
		h.finish(in, turn.Outcome)
	}
}

// roundTrip writes rows as a table holds them and reads them again.
func roundTrip(rows []history.Event) []history.Event {
	out := make([]history.Event, len(rows))
	for i, e := range rows {
		row, err := history.EncodeRow(e)
		if err == nil {
			out[i], err = history.DecodeRow(row)
		}
		if err != nil {
			panic(err)
		}
	}
	return out
}

func (h *memHub) dispatch(in *memInstance, a replay.Action) {
	switch a := a.(type) {
	case *replay.ScheduleTask:
		h.put(&memMessage{task: &memTask{a, in}})
	case *replay.CreateTimer:
		h.put(&memMessage{due: a.FireAt, instance: in.id, execution: in.execution,
			event: &history.TimerFired{Base: history.Base{EventID: -1, Timestamp: h.now}, TimerID: a.ID, FireAt: a.FireAt}})
	case *replay.SendEvent:
		h.send(h.now, a.InstanceID, &history.EventRaised{Name: a.Name, Input: a.Input})
	case *replay.CreateSubOrchestration:
		start := &history.ExecutionStarted{Name: a.Name, Version: &a.Version, Input: a.Input, Tags: a.Tags}
		if !a.OneWay() {
			start.Parent = &history.ParentInstance{
				Name: in.started.Name, Version: in.started.Version, TaskScheduleID: a.ID,
				Instance: history.Instance{InstanceID: in.id, ExecutionID: history.String(in.execution)},
			}
		}
		h.start(a.InstanceID, start, h.now)
	}
}

func (h *memHub) finish(in *memInstance, out *replay.Outcome) {
	if out.Status == history.ContinuedAsNew {
		h.continueAsNew(in, out)
		return
	}
	in.outcome = out
	parent := in.started.Parent
	if parent == nil {
		return
	}
	var answer history.Event = &history.SubOrchestrationCompleted{TaskScheduledID: parent.TaskScheduleID, Result: out.Result}
	if out.Status != history.Completed {
		answer = &history.SubOrchestrationFailed{TaskScheduledID: parent.TaskScheduleID, Reason: out.Result, Failure: out.Failure}
	}
	*answer.Common() = history.Base{EventID: -1, Timestamp: h.now}
	h.put(&memMessage{instance: parent.Instance.InstanceID, execution: *parent.Instance.ExecutionID, event: answer})
}

func (h *memHub) continueAsNew(in *memInstance, out *replay.Outcome) {
	next := *in.started
	next.Input = out.NewInput
	if out.NewVersion != nil {
		next.Version = out.NewVersion
	}
	in.started = &next
	h.nextExecution(in)
	next.Instance.ExecutionID = history.String(in.execution)
	h.put(&memMessage{instance: in.id, execution: in.execution, event: &next})
	for _, e := range out.Carry {
		h.put(&memMessage{instance: in.id, execution: in.execution, event: e})
	}
}

// story lists what an instance's history says, without bookkeeping.
func (h *memHub) story(id string) []string {
	var out []string
	for _, e := range h.instances[id].rows {
		n := e.Common().EventID
		switch e := e.(type) {
		case *history.TaskScheduled:
			out = append(out, fmt.Sprintf("%d call %s", n, e.Name))
		case *history.TaskCompleted:
			out = append(out, fmt.Sprintf("%d done", e.TaskScheduledID))
		case *history.TaskFailed:
			out = append(out, fmt.Sprintf("%d failed", e.TaskScheduledID))
		case *history.SubOrchestrationCreated:
			out = append(out, fmt.Sprintf("%d start %s", n, e.Name))
		case *history.SubOrchestrationCompleted:
			out = append(out, fmt.Sprintf("%d done", e.TaskScheduledID))
		case *history.SubOrchestrationFailed:
			out = append(out, fmt.Sprintf("%d failed", e.TaskScheduledID))
		case *history.TimerCreated:
			out = append(out, fmt.Sprintf("%d timer %v", n, e.FireAt.Sub(h.instances[id].created)))
		case *history.TimerFired:
			out = append(out, fmt.Sprintf("%d fired", e.TimerID))
		case *history.EventSent:
			out = append(out, fmt.Sprintf("%d send %s", n, e.Name))
		case *history.EventRaised:
			out = append(out, "event "+e.Name)
		case *history.ExecutionCompleted:
			out = append(out, fmt.Sprintf("%d %v", n, e.Status))
		}
	}
	return out
}

// eachWay runs a test on live sessions and on sessions that replay every episode.
func eachWay(t *testing.T, test func(t *testing.T, configure func(*memHub))) {
	t.Helper()
	for _, reload := range []bool{false, true} {
		name := "live"
		if reload {
			name = "replayed"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, func(h *memHub) {
				h.reload = reload
				t.Cleanup(h.Close)
			})
		})
	}
}

// run starts an orchestrator and waits for it.
func run[I, O any](t *testing.T, h *memHub, o *durable.Orchestrator[I, O], input I, opts ...durable.StartOption) (O, error) {
	t.Helper()
	r, err := o.Start(context.Background(), h, input, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return r.Wait(context.Background())
}

func wantStory(t *testing.T, h *memHub, id string, want ...string) {
	t.Helper()
	if got := h.story(id); !slices.Equal(got, want) {
		t.Errorf("history of %q:\n got %s\nwant %s", id, strings.Join(got, ", "), strings.Join(want, ", "))
	}
}

// lines is a log that keeps messages only.
type lines struct{ w io.Writer }

func (l lines) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l.w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}}))
}
