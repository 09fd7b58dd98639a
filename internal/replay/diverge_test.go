package replay_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

// TestDivergence changes an orchestrator under a running instance in every way that
// a history can show.
func TestDivergence(t *testing.T) {
	t.Parallel()
	target := "x"
	sent := func(id int32, name string) history.Event {
		return &history.EventSent{Base: base(id), Name: name, InstanceID: &target}
	}
	child := func(id int32, name string) history.Event {
		return &history.SubOrchestrationCreated{Base: base(id), Name: name}
	}
	tests := []struct {
		name     string
		def      *replay.Definition
		history  []history.Event
		event    int
		id       int32
		expected string
		found    string
	}{
		{"nothing decided", chain(), events(scheduled(0, "A")), 2, 0, `activity "A" was called`, "ended (Completed) before it"},
		{"missing", chain("A"), events(scheduled(0, "A"), scheduled(1, "B")), 3, 1, `activity "B" was called`,
			`has made no such decision by then; its last one was number 0, to call activity "A"`},
		{"hole", chain("A"), events(scheduled(0, "A"), scheduled(7, "B")), 3, 7, `activity "B" was called`, "has made only 1 decisions"},
		{"other name", chain("A"), events(scheduled(0, "B")), 2, 0, `activity "B" was called`, `decided to call activity "A" there`},
		{"timer instead", chain("A"), events(timerCreated(0)), 2, 0, "a timer was set", `decided to call activity "A" there`},
		{"child instead", chain("A"), events(child(0, "A")), 2, 0, `sub-orchestration "A" was started`, `decided to call activity "A"`},
		{"event instead", chain("A"), events(sent(0, "A")), 2, 0, `event "A" was sent`, `decided to call activity "A"`},
		{"twice", chain("A"), events(scheduled(0, "A"), scheduled(0, "A")), 3, 0, `activity "A" was called`, "made that decision only once"},
		{"ended early", chain("A"), events(scheduled(0, "A"), completed(0, ""), timerCreated(1)), 4, 1, "a timer was set",
			"ended (Completed) before it"},
		{"still waits", chain("A", "B"), events(scheduled(0, "A"), completed(0, ""), ended(1, history.Completed)), 4, 1,
			"the orchestrator ended (Completed)", "still waits"},
		{"no decision at all", define(func(s *replay.Session, _ *string) (*string, error) {
			s.Await(&replay.Promise{})
			return nil, nil
		}), events(sent(0, "A")), 2, 0, `event "A" was sent`, "has made no decision by then"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			turn := advance(t, newSession(t, tt.def), tt.history, []history.Event{begin(epoch), completed(0, "")})
			if turn.Outcome == nil || turn.Outcome.Status != history.Failed || len(turn.Actions) > 0 {
				t.Fatalf("ended with %+v and %v", turn.Outcome, names(turn.Actions))
			}
			var d *replay.DivergenceError
			if !errors.As(turn.Outcome.Err, &d) {
				t.Fatalf("failed with %v", turn.Outcome.Err)
			}
			if d.Event != tt.event || d.EventID != tt.id || d.Expected != tt.expected || !strings.Contains(d.Found, tt.found) {
				t.Errorf("event %d, id %d, expected %q, found %q", d.Event, d.EventID, d.Expected, d.Found)
			}
			for _, part := range []string{"Test", "Likely cause", "What to do"} {
				if !strings.Contains(*turn.Outcome.Result, part) {
					t.Errorf("the text lacks %q: %s", part, *turn.Outcome.Result)
				}
			}
		})
	}
}

func TestNamesMatchWithoutCase(t *testing.T) {
	t.Parallel()
	turn := advance(t, newSession(t, chain("sAY")), events(scheduled(0, "Say"), completed(0, "x"), ended(1, history.Completed)), nil)
	if turn.Outcome.Status != history.Completed {
		t.Fatalf("ended with %+v", turn.Outcome)
	}
}

// A changed end is told too: the number of the recorded end is that of a decision.
func TestDecisionAddedAtTheEnd(t *testing.T) {
	t.Parallel()
	def := define(func(s *replay.Session, _ *string) (*string, error) {
		s.Decide(&replay.SendEvent{InstanceID: "x", Name: "Bye"}, nil)
		return nil, nil
	})
	turn := advance(t, newSession(t, def), events(ended(0, history.Completed)), nil)
	var d *replay.DivergenceError
	if turn.Outcome == nil || !errors.As(turn.Outcome.Err, &d) || !strings.Contains(d.Found, `send event "Bye"`) {
		t.Fatalf("ended with %+v", turn.Outcome)
	}
	if turn.Recorded == nil || turn.Recorded.Status != history.Completed || len(turn.Actions) > 0 {
		t.Fatalf("recorded %+v, decided %v", turn.Recorded, names(turn.Actions))
	}
}
