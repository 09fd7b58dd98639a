package replay_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// epoch is when the tests' executions begin.
var epoch = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// call is a task of the tests' orchestrators.
type call struct {
	replay.Promise
	id int32
}

func (c *call) Resolve(_ int32, answer history.Event) {
	switch e := answer.(type) {
	case *history.TaskCompleted:
		c.Settle(e.Result, nil)
	case *history.TaskFailed:
		c.Settle(nil, errors.New(*e.Reason))
	case *history.SubOrchestrationCompleted:
		c.Settle(e.Result, nil)
	case *history.TimerFired:
		c.Settle(nil, nil)
	}
}

func schedule(s *replay.Session, name string) *call {
	c := &call{}
	if !s.Enter("Call") {
		return c
	}
	c.id = s.Decide(&replay.ScheduleTask{Name: name}, c)
	return c
}

func setTimer(s *replay.Session, d time.Duration) *call {
	c := &call{}
	c.id = s.Decide(&replay.CreateTimer{FireAt: s.Now().Add(d)}, c)
	return c
}

// define makes an orchestrator of a function.
func define(run func(s *replay.Session, input *string) (*string, error)) *replay.Definition {
	return &replay.Definition{Name: "Test", Run: run}
}

// chain calls activities one after another and returns the last result.
func chain(names ...string) *replay.Definition {
	return define(func(s *replay.Session, _ *string) (*string, error) {
		var last *string
		for _, name := range names {
			c := schedule(s, name)
			s.Await(&c.Promise)
			value, err := c.Result()
			if err != nil {
				return nil, err
			}
			last = value
		}
		return last, nil
	})
}

func newSession(t testing.TB, def *replay.Definition, edit ...func(*replay.Config)) *replay.Session {
	cfg := replay.Config{Definition: def, Logger: slog.New(slog.DiscardHandler)}
	for _, e := range edit {
		e(&cfg)
	}
	s := replay.NewSession(cfg)
	t.Cleanup(s.Unload)
	return s
}

func advance(t testing.TB, s *replay.Session, committed, fresh []history.Event) *replay.Turn {
	t.Helper()
	turn, err := s.Advance(committed, fresh)
	if err != nil {
		t.Fatalf("Advance: %v", err)
	}
	return turn
}

func base(id int32) history.Base { return history.Base{EventID: id} }

func begin(at time.Time) history.Event {
	return &history.OrchestratorStarted{Base: history.Base{EventID: -1, Timestamp: at}}
}

func started() history.Event {
	execution := "e1"
	return &history.ExecutionStarted{Base: base(-1), Name: "Test", Instance: history.Instance{InstanceID: "i1", ExecutionID: &execution}}
}

func scheduled(id int32, name string) history.Event {
	return &history.TaskScheduled{Base: base(id), Name: name}
}

func completed(id int32, result string) history.Event {
	return &history.TaskCompleted{Base: base(-1), TaskScheduledID: id, Result: &result}
}

func timerCreated(id int32) history.Event { return &history.TimerCreated{Base: base(id)} }

func timerFired(id int32) history.Event { return &history.TimerFired{Base: base(-1), TimerID: id} }

func raised(name, value string) history.Event {
	return &history.EventRaised{Base: base(-1), Name: name, Input: &value}
}

func ended(id int32, status history.Status) history.Event {
	return &history.ExecutionCompleted{Base: base(id), Status: status}
}

func events(list ...history.Event) []history.Event {
	return append([]history.Event{begin(epoch), started()}, list...)
}

func names(actions []replay.Action) []string {
	var out []string
	for _, a := range actions {
		switch a := a.(type) {
		case *replay.ScheduleTask:
			out = append(out, a.Name)
		case *replay.CreateTimer:
			out = append(out, "timer")
		case *replay.CreateSubOrchestration:
			out = append(out, "child "+a.Name)
		case *replay.SendEvent:
			out = append(out, "event "+a.Name)
		case *replay.RecordMarker:
			out = append(out, "marker "+a.Data)
		}
	}
	return out
}
