package replay_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

func TestLiveAndColdDecideTheSame(t *testing.T) {
	t.Parallel()
	def := chain("A", "B")
	live := newSession(t, def)
	turn := advance(t, live, nil, events())
	if got := names(turn.Actions); !slices.Equal(got, []string{"A"}) {
		t.Fatalf("first episode decided %v", got)
	}
	turn = advance(t, live, nil, []history.Event{begin(epoch), completed(0, "1")})
	if got := names(turn.Actions); !slices.Equal(got, []string{"B"}) {
		t.Fatalf("second episode decided %v", got)
	}
	cold := newSession(t, def)
	turn = advance(t, cold, events(scheduled(0, "A")), []history.Event{begin(epoch), completed(0, "1")})
	if got := names(turn.Actions); !slices.Equal(got, []string{"B"}) {
		t.Fatalf("after a reload, second episode decided %v", got)
	}
	turn = advance(t, cold, nil, []history.Event{begin(epoch), completed(1, "2")})
	if turn.Outcome == nil || turn.Outcome.Status != history.Completed || *turn.Outcome.Result != "2" || turn.Outcome.EventID != 2 {
		t.Fatalf("ended with %+v", turn.Outcome)
	}
}

// Decisions that were made but not committed are made again by a reload.
func TestUncommittedDecisionsComeBack(t *testing.T) {
	t.Parallel()
	def := define(func(s *replay.Session, _ *string) (*string, error) {
		calls := []*replay.Promise{}
		for i := range 5 {
			calls = append(calls, &schedule(s, fmt.Sprint("T", i)).Promise)
		}
		s.AwaitAll(calls)
		return nil, nil
	})
	s := newSession(t, def)
	turn := advance(t, s, events(scheduled(0, "T0"), scheduled(1, "T1")), nil)
	if got := names(turn.Actions); !slices.Equal(got, []string{"T2", "T3", "T4"}) {
		t.Fatalf("decided %v", got)
	}
	if got := names(turn.Committed); !slices.Equal(got, []string{"T0", "T1"}) {
		t.Fatalf("to redrive: %v", got)
	}
	turn = advance(t, s, nil, []history.Event{begin(epoch), completed(0, "")})
	if len(turn.Actions) != 0 || turn.Committed != nil {
		t.Fatalf("decided %v again, redrives %v", names(turn.Actions), names(turn.Committed))
	}
}

func TestRedriveListsOpenAndOneWayActions(t *testing.T) {
	t.Parallel()
	def := define(func(s *replay.Session, _ *string) (*string, error) {
		first := schedule(s, "Done")
		schedule(s, "Open")
		s.Decide(&replay.SendEvent{InstanceID: "x", Name: "Hi"}, nil)
		canceled := setTimer(s, time.Hour)
		s.Abandon(canceled.id)
		s.Await(&first.Promise)
		s.Await(&replay.Promise{})
		return nil, nil
	})
	s := newSession(t, def)
	target := "x"
	turn := advance(t, s, events(scheduled(0, "Done"), scheduled(1, "Open"),
		&history.EventSent{Base: base(2), Name: "Hi", InstanceID: &target}, timerCreated(3), completed(0, "")), nil)
	if got := names(turn.Committed); !slices.Equal(got, []string{"Open", "event Hi"}) {
		t.Fatalf("to redrive: %v", got)
	}
	for id, want := range []replay.ActionState{replay.Done, replay.Open, replay.Done, replay.Done, replay.Unknown} {
		if _, state, _ := s.Lookup(int32(id)); state != want {
			t.Errorf("Lookup(%d) is %v, want %v", id, state, want)
		}
	}
	if kind, _, at := s.Lookup(3); kind != history.KindTimerCreated || !at.Equal(epoch.Add(time.Hour)) {
		t.Errorf("Lookup(3) is %v due %v", kind, at)
	}
}

func TestDuplicatesAndStrangersAreIgnored(t *testing.T) {
	t.Parallel()
	s := newSession(t, chain("A", "B"))
	advance(t, s, nil, events())
	turn := advance(t, s, nil, []history.Event{
		begin(epoch), completed(0, "1"), completed(0, "again"), completed(17, "stranger"), timerFired(1), timerFired(-100), started(),
	})
	if got := names(turn.Actions); !slices.Equal(got, []string{"B"}) || turn.IgnoredDuplicates != 5 {
		t.Fatalf("decided %v, ignored %d", got, turn.IgnoredDuplicates)
	}
}

func TestSplitTimerIsNobodys(t *testing.T) {
	t.Parallel()
	s := newSession(t, chain("A"))
	turn := advance(t, s, events(timerCreated(-100), timerFired(-100), scheduled(0, "A"), completed(0, "x"), ended(1, history.Completed)), nil)
	if turn.Outcome == nil || turn.Outcome.Status != history.Completed {
		t.Fatalf("ended with %+v", turn.Outcome)
	}
}

// A rewind turns rows of failed work into rows that say nothing; the decision is
// made again under its old number.
func TestRewoundHistoryLeavesHoles(t *testing.T) {
	t.Parallel()
	gone := func(id int32) history.Event { return &history.GenericEvent{Base: base(id)} }
	def := define(func(s *replay.Session, _ *string) (*string, error) {
		a, b := schedule(s, "A"), schedule(s, "B")
		s.AwaitAll([]*replay.Promise{&a.Promise, &b.Promise})
		_, err := a.Result()
		return nil, err
	})
	s := newSession(t, def)
	turn := advance(t, s, events(gone(0), scheduled(1, "B"), completed(1, ""), gone(-1), gone(2)), []history.Event{begin(epoch), gone(-1)})
	if len(turn.Actions) != 1 || turn.Actions[0].ActionID() != 0 || turn.Outcome != nil {
		t.Fatalf("decided %v, ended %+v", names(turn.Actions), turn.Outcome)
	}
	turn = advance(t, s, nil, []history.Event{begin(epoch), completed(0, "")})
	if turn.Outcome == nil || turn.Outcome.EventID != 2 {
		t.Fatalf("ended with %+v", turn.Outcome)
	}
}

func TestSuspendParksEventsAndWithholdsActions(t *testing.T) {
	t.Parallel()
	suspend, resume := &history.ExecutionSuspended{Base: base(-1)}, &history.ExecutionResumed{Base: base(-1)}
	later := epoch.Add(time.Hour)
	var seen time.Time
	def := define(func(s *replay.Session, _ *string) (*string, error) {
		for _, name := range []string{"A", "B"} {
			c := schedule(s, name)
			s.Await(&c.Promise)
		}
		seen = s.Now()
		return nil, nil
	})
	s := newSession(t, def)
	turn := advance(t, s, nil, events(suspend))
	if !turn.Suspended || len(turn.Actions) != 0 {
		t.Fatalf("suspended %v, decided %v", turn.Suspended, names(turn.Actions))
	}
	turn = advance(t, s, nil, []history.Event{begin(epoch), suspend, resume})
	if turn.Suspended || !slices.Equal(names(turn.Actions), []string{"A"}) {
		t.Fatalf("resumed: suspended %v, decided %v", turn.Suspended, names(turn.Actions))
	}
	turn = advance(t, s, nil, []history.Event{begin(epoch), suspend, completed(0, ""), completed(0, "twice")})
	if !turn.Suspended || len(turn.Actions) != 0 {
		t.Fatalf("a suspended execution went on: %v", names(turn.Actions))
	}
	turn = advance(t, s, nil, []history.Event{begin(later), resume})
	if !slices.Equal(names(turn.Actions), []string{"B"}) || turn.IgnoredDuplicates != 1 {
		t.Fatalf("decided %v, ignored %d", names(turn.Actions), turn.IgnoredDuplicates)
	}
	turn = advance(t, s, nil, []history.Event{begin(later), completed(1, "")})
	if turn.Outcome == nil || !seen.Equal(later) {
		t.Fatalf("ended %+v at %v", turn.Outcome, seen)
	}
	// The same from the history.
	cold := newSession(t, def)
	turn = advance(t, cold, events(suspend, begin(epoch), suspend, resume, scheduled(0, "A"), begin(epoch), suspend, completed(0, ""),
		begin(later), resume, scheduled(1, "B"), begin(later), completed(1, ""), ended(2, history.Completed)), nil)
	if turn.Outcome == nil || turn.Outcome.Status != history.Completed {
		t.Fatalf("cold: %+v", turn.Outcome)
	}
}

func TestTerminate(t *testing.T) {
	t.Parallel()
	reason := "enough"
	terminate := &history.ExecutionTerminated{Base: base(-1), Input: &reason}
	s := newSession(t, chain("A"))
	turn := advance(t, s, nil, events(terminate, completed(0, "late")))
	if turn.Outcome == nil || turn.Outcome.Status != history.Terminated || *turn.Outcome.Result != reason || turn.Outcome.EventID != 1 {
		t.Fatalf("ended with %+v", turn.Outcome)
	}
	suspended := newSession(t, chain("A"))
	turn = advance(t, suspended, nil, events(&history.ExecutionSuspended{Base: base(-1)}, terminate))
	if turn.Outcome == nil || turn.Outcome.Status != history.Terminated || turn.Suspended {
		t.Fatalf("suspended and terminated: %+v", turn)
	}
}

func TestContinueAsNewCarriesEvents(t *testing.T) {
	t.Parallel()
	input := "2"
	newDef := func(drop bool) *replay.Definition {
		return define(func(s *replay.Session, _ *string) (*string, error) {
			r := replay.Receiver{To: &replay.Promise{}}
			s.Receive(&r, "go", false)
			s.Await(r.To)
			return nil, fmt.Errorf("wrapped: %w", &replay.ContinueError{Input: &input, DropEvents: drop})
		})
	}
	suspend := &history.ExecutionSuspended{Base: base(-1)}
	fresh := events(raised("Other", "1"), raised("more", "2"), raised("other", "3"), raised("GO", "x"), suspend, raised("late", "4"))
	turn := advance(t, newSession(t, newDef(false)), nil, fresh)
	out := turn.Outcome
	if out == nil || out.Status != history.ContinuedAsNew || *out.NewInput != input || out.CarrySuspend != suspend {
		t.Fatalf("ended with %+v", out)
	}
	var carried []string
	for _, e := range out.Carry {
		carried = append(carried, e.Name+*e.Input)
	}
	if want := []string{"Other1", "more2", "other3", "late4"}; !slices.Equal(carried, want) {
		t.Fatalf("carried %v, want %v", carried, want)
	}
	if turn := advance(t, newSession(t, newDef(true)), nil, fresh); len(turn.Outcome.Carry) != 0 {
		t.Fatalf("carried %d events that were to be dropped", len(turn.Outcome.Carry))
	}
	// Terminated in the same episode: the end wins.
	turn = advance(t, newSession(t, newDef(false)), nil, append(fresh, &history.ExecutionTerminated{Base: base(-1)}))
	if turn.Outcome.Status != history.Terminated || turn.Outcome.EventID != 0 {
		t.Fatalf("ended with %+v", turn.Outcome)
	}
}

func TestMarkers(t *testing.T) {
	t.Parallel()
	def := define(func(s *replay.Session, _ *string) (*string, error) {
		a := schedule(s, "A")
		s.Await(&a.Promise)
		name := "old"
		if s.Patched("p") {
			name = "new"
		}
		c := schedule(s, name)
		s.Await(&c.Promise)
		return nil, nil
	})
	fresh := []history.Event{begin(epoch), completed(0, "")}
	turn := advance(t, newSession(t, def), events(scheduled(0, "A")), fresh)
	if got := names(turn.Actions); !slices.Equal(got, []string{"marker taskhub:patched:p", "new"}) {
		t.Fatalf("a new execution decided %v", got)
	}
	marker := turn.Actions[0].Event()
	// The new path again, although the marker's row follows the event.
	committed := slices.Concat(events(scheduled(0, "A")), fresh, []history.Event{marker, scheduled(1, "new")})
	if turn = advance(t, newSession(t, def), committed, nil); turn.Outcome != nil || len(turn.Actions) != 0 {
		t.Fatalf("with the marker: %v, %+v", names(turn.Actions), turn.Outcome)
	}
	// The old path for an execution that had passed the point before.
	committed = slices.Concat(events(scheduled(0, "A")), fresh, []history.Event{scheduled(1, "old")})
	if turn = advance(t, newSession(t, def), committed, nil); turn.Outcome != nil || len(turn.Actions) != 0 {
		t.Fatalf("without the marker: %v, %+v", names(turn.Actions), turn.Outcome)
	}
}

// The end that the history holds is told apart from what the code would do today.
func TestRecordedEnd(t *testing.T) {
	t.Parallel()
	s := newSession(t, chain("A"))
	turn := advance(t, s, events(scheduled(0, "A"), ended(1, history.Failed)), nil)
	if turn.Recorded == nil || turn.Outcome != turn.Recorded {
		t.Fatalf("ended from outside: %+v, recorded %+v", turn.Outcome, turn.Recorded)
	}
	s = newSession(t, chain("A"))
	turn = advance(t, s, events(scheduled(0, "A"), ended(1, history.Completed)), nil)
	var d *replay.DivergenceError
	if turn.Recorded == nil || turn.Outcome == nil || !errors.As(turn.Outcome.Err, &d) {
		t.Fatalf("the code still waits: %+v, recorded %+v", turn.Outcome, turn.Recorded)
	}
}

func TestErrorStyles(t *testing.T) {
	t.Parallel()
	def := define(func(*replay.Session, *string) (*string, error) { return nil, errors.New("boom") })
	out := advance(t, newSession(t, def), nil, events()).Outcome
	if out.Status != history.Failed || *out.Result != "boom" || out.Failure == nil || out.Failure.ErrorMessage != "boom" {
		t.Fatalf("failure details: %+v", out)
	}
	out = advance(t, newSession(t, def, func(c *replay.Config) { c.Errors = replay.Exceptions }), nil, events()).Outcome
	if *out.Result != "boom" || out.Failure != nil {
		t.Fatalf("exceptions: %+v", out)
	}
}

func TestOneWayActionsAtTheEnd(t *testing.T) {
	t.Parallel()
	def := define(func(s *replay.Session, _ *string) (*string, error) {
		s.Decide(&replay.SendEvent{InstanceID: "x", Name: "Bye"}, nil)
		setTimer(s, time.Hour) // abandoned: it must not hold the execution
		return nil, nil
	})
	turn := advance(t, newSession(t, def), nil, events())
	if got := names(turn.Actions); !slices.Equal(got, []string{"event Bye", "timer"}) || turn.Outcome == nil || turn.Outcome.EventID != 2 {
		t.Fatalf("decided %v, ended %+v", got, turn.Outcome)
	}
}

func TestChildren(t *testing.T) {
	t.Parallel()
	def := define(func(s *replay.Session, _ *string) (*string, error) {
		s.Decide(&replay.CreateSubOrchestration{Name: "Child"}, &call{})
		s.Decide(&replay.CreateSubOrchestration{Name: "Child", InstanceID: "mine", Tags: history.NewTags(map[string]string{"a": "2"})}, &call{})
		return nil, nil
	})
	start := started().(*history.ExecutionStarted)
	start.Tags = history.NewTags(map[string]string{"a": "1", "b": "1", replay.FireAndForgetTag: ""})
	turn := advance(t, newSession(t, def), nil, []history.Event{begin(epoch), start})
	derived, mine := turn.Actions[0].(*replay.CreateSubOrchestration), turn.Actions[1].(*replay.CreateSubOrchestration)
	if derived.InstanceID != "e1:0" || mine.InstanceID != "mine" {
		t.Errorf("ids %q and %q", derived.InstanceID, mine.InstanceID)
	}
	if got := fmt.Sprint(derived.Tags.Map(), mine.Tags.Map()); got != "map[a:1 b:1] map[a:2 b:1]" {
		t.Errorf("tags %v", got)
	}
	if derived.OneWay() || mine.OneWay() {
		t.Error("children inherited the mark of their parent")
	}
}
