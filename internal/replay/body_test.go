package replay_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

func TestUnloadEndsBodiesAndRunsDefers(t *testing.T) {
	t.Parallel()
	var defers []string
	def := define(func(s *replay.Session, _ *string) (*string, error) {
		s.Go(func() {
			defer func() { defers = append(defers, "coroutine") }()
			s.Await(&replay.Promise{})
		})
		defer func() {
			_ = recover() // user code that swallows panics must not survive
			c := schedule(s, "Never")
			if s.Await(&c.Promise) || !s.Unloading() {
				t.Error("a wait in a deferred function went on")
			}
			defers = append(defers, "orchestrator")
		}()
		for {
			s.Await(&replay.Promise{})
		}
	})
	s := replay.NewSession(replay.Config{Definition: def})
	advance(t, s, nil, events())
	s.Unload()
	s.Unload()
	if want := []string{"coroutine", "orchestrator"}; !slices.Equal(defers, want) {
		t.Errorf("deferred functions ran: %v", defers)
	}
	if _, err := s.Advance(nil, []history.Event{begin(epoch)}); !errors.Is(err, replay.ErrUnloaded) {
		t.Errorf("Advance after Unload: %v", err)
	}
}

func TestUnloadBeforeTheFirstEvent(t *testing.T) {
	t.Parallel()
	s := replay.NewSession(replay.Config{Definition: chain("A")})
	s.Unload()
}

func TestPanics(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	tests := map[string]struct {
		run  func(s *replay.Session) error
		text string
		is   error
	}{
		"value":     {func(*replay.Session) error { panic("ouch") }, "panic: ouch", nil},
		"error":     {func(*replay.Session) error { panic(broken) }, "panic: broken", broken},
		"nil deref": {func(*replay.Session) error { var p *int; *p = 1; return nil }, "panic: runtime error", nil},
		"goexit":    {func(*replay.Session) error { runtime.Goexit(); return nil }, "runtime.Goexit", nil},
		"coroutine": {func(s *replay.Session) error {
			s.Go(func() { panic("inside") })
			s.Await(&replay.Promise{})
			return nil
		}, "panic: inside", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			def := define(func(s *replay.Session, _ *string) (*string, error) { return nil, tt.run(s) })
			out := advance(t, newSession(t, def), nil, events()).Outcome
			if out == nil || out.Status != history.Failed || !strings.Contains(*out.Result, tt.text) {
				t.Fatalf("ended with %+v", out)
			}
			var p *replay.PanicError
			if !errors.As(out.Err, &p) || !strings.Contains(p.Stack, "body_test.go") {
				t.Errorf("no stack of the panic in %v", out.Err)
			}
			if tt.is != nil && !errors.Is(out.Err, tt.is) {
				t.Errorf("%v is not %v", out.Err, tt.is)
			}
		})
	}
}

func TestForeignGoroutinePanics(t *testing.T) {
	t.Parallel()
	said := make(chan any, 3)
	var leaked *replay.Session
	def := define(func(s *replay.Session, _ *string) (*string, error) {
		leaked = s
		done := make(chan struct{})
		go func() { // while the body itself is running
			defer close(done)
			defer func() { said <- recover() }()
			s.Enter("Call")
		}()
		<-done
		s.Await(&replay.Promise{})
		return nil, nil
	})
	s := newSession(t, def)
	advance(t, s, nil, events())
	func() { // while the body is parked
		defer func() { said <- recover() }()
		leaked.Await(&replay.Promise{})
	}()
	s.Unload()
	func() { // after its end
		defer func() { said <- recover() }()
		leaked.Enter("Call")
	}()
	for range 3 {
		if text := fmt.Sprint(<-said); !strings.Contains(text, "outside its orchestrator") {
			t.Errorf("a foreign goroutine got %q", text)
		}
	}
}

// manualClock makes timers that fire when told to.
type manualClock struct{ timers chan chan time.Time }

func (c *manualClock) NewTimer(time.Duration) (<-chan time.Time, func()) {
	fire := make(chan time.Time, 1)
	c.timers <- fire
	return fire, func() {}
}

func TestStuckBody(t *testing.T) {
	t.Parallel()
	clock := &manualClock{timers: make(chan chan time.Time, 10)}
	release, blocked := make(chan struct{}), make(chan struct{})
	var after atomic.Bool
	def := define(func(s *replay.Session, _ *string) (*string, error) {
		s.Go(func() { s.Await(&replay.Promise{}) })
		c := schedule(s, "A")
		s.Await(&c.Promise)
		close(blocked)
		<-release // what an orchestrator must not do
		schedule(s, "B")
		after.Store(true)
		return nil, nil
	})
	s := replay.NewSession(replay.Config{
		Definition: def, Clock: clock, StuckAfter: 7 * time.Second, Instance: history.Instance{InstanceID: "i1"},
	})
	advance(t, s, nil, events())
	go func() {
		<-blocked
		for fire := range clock.timers {
			fire <- time.Time{}
		}
	}()
	_, err := s.Advance(nil, []history.Event{begin(epoch), completed(0, "")})
	var stuck *replay.StuckError
	if !errors.As(err, &stuck) {
		t.Fatalf("Advance: %v", err)
	}
	if stuck.InstanceID != "i1" || stuck.Orchestrator != "Test" || stuck.After != 7*time.Second || !strings.Contains(stuck.Stack, "TestStuckBody") {
		t.Errorf("%+v", stuck)
	}
	if _, again := s.Advance(nil, []history.Event{begin(epoch)}); !errors.Is(again, err) {
		t.Errorf("Advance of a broken session: %v", again)
	}
	s.Unload() // must not wait for the body
	close(release)
	close(clock.timers)
	if err := goleak.Find(goleak.IgnoreCurrent()); err != nil {
		t.Error(err)
	}
	if after.Load() {
		t.Error("a body that was given up went on")
	}
}

func TestUnloadDoesNotWaitForDefersForEver(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	def := define(func(s *replay.Session, _ *string) (*string, error) {
		defer func() { <-release }()
		s.Await(&replay.Promise{})
		return nil, nil
	})
	s := replay.NewSession(replay.Config{Definition: def, StuckAfter: 10 * time.Millisecond})
	advance(t, s, nil, events())
	s.Unload()
}

// Bodies that become ready together resume in the order they were started.
func TestReadyBodiesResumeInOrder(t *testing.T) {
	t.Parallel()
	const count = 100
	var order []int
	def := define(func(s *replay.Session, _ *string) (*string, error) {
		var gate replay.Promise
		waiting := make([]replay.Promise, count)
		for i := range count {
			s.Go(func() {
				s.Await(&gate)
				order = append(order, i)
				waiting[i].Settle(nil, nil)
			})
		}
		c := schedule(s, "A")
		s.Await(&c.Promise)
		gate.Settle(nil, nil)
		all := make([]*replay.Promise, count)
		for i := range waiting {
			all[i] = &waiting[i]
		}
		s.AwaitAll(all)
		return nil, nil
	})
	s := newSession(t, def)
	advance(t, s, nil, events())
	if out := advance(t, s, nil, []history.Event{begin(epoch), completed(0, "")}).Outcome; out == nil {
		t.Fatal("did not end")
	}
	if !slices.IsSorted(order) || len(order) != count {
		t.Errorf("resumed in order %v", order)
	}
}

func TestSessionsInParallel(t *testing.T) {
	t.Parallel()
	for i := range 20 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			s := newSession(t, chain("A", "B", "C"))
			advance(t, s, nil, events())
			for id := range int32(3) {
				advance(t, s, nil, []history.Event{begin(epoch), completed(id, "x")})
			}
		})
	}
}
