package partition

import (
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/go-taskhub/taskhub/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func message(id string, e history.Event, sequence int64, inserted time.Time) *item {
	env := &history.Envelope{
		ActivityID: "11111111-2222-4333-8444-555555555555", SequenceNumber: sequence,
		Message: &history.Message{Event: e, Target: history.Instance{InstanceID: id}},
	}
	return newItem(env, 1, inserted)
}

func TestDerivedIDs(t *testing.T) {
	t.Parallel()
	in := history.String("1")
	id := messageID("e", 3, history.KindTaskScheduled, "i", "Say", in)
	if again := messageID("e", 3, history.KindTaskScheduled, "i", "Say", in); again != id {
		t.Error("the same decision gives two ids")
	}
	others := map[string]string{
		"execution": messageID("f", 3, history.KindTaskScheduled, "i", "Say", in),
		"event":     messageID("e", 4, history.KindTaskScheduled, "i", "Say", in),
		"kind":      messageID("e", 3, history.KindEventRaised, "i", "Say", in),
		"target":    messageID("e", 3, history.KindTaskScheduled, "j", "Say", in),
		"name":      messageID("e", 3, history.KindTaskScheduled, "i", "Said", in),
		"input":     messageID("e", 3, history.KindTaskScheduled, "i", "Say", history.String("2")),
		"split":     messageID("e", 3, history.KindTaskScheduled, "iS", "ay", in),
	}
	for what, other := range others {
		if other == id {
			t.Errorf("another %s gives the same id", what)
		}
	}
	if len(id) != 36 || id[14] != '8' {
		t.Errorf("%s is not a UUID of version 8", id)
	}
	if n := len(childExecutionID("e", 1, "i", "n", nil)); n != 32 {
		t.Errorf("an execution id has %d characters", n)
	}
	if nextExecutionID("e", 1) == nextExecutionID("e", 2) {
		t.Error("two generations have one id")
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	event := func() history.Event { return &history.EventRaised{Name: "e"} }
	items := []*item{
		message("i", event(), 5, at.Add(time.Second)),
		message("i", event(), 9, at),
		message("i", event(), 2, at),
		message("i", &history.ExecutionStarted{}, 7, at.Add(2*time.Second)),
	}
	order(items)
	got := []int64{}
	for _, it := range items {
		got = append(got, it.envelope.SequenceNumber)
	}
	if want := [4]int64{7, 2, 9, 5}; [4]int64(got) != want {
		t.Errorf("the order is %v, want %v", got, want)
	}
}

func TestTimersFireOnTheInstant(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		fired := make(chan time.Duration, 8)
		timers := newTimers(func(*item) { fired <- time.Since(began) })
		go timers.run()
		for _, ms := range []int{700, 20, 1500, 20} {
			timers.add(began.Add(time.Duration(ms)*time.Millisecond), message("a", &history.TimerFired{}, 1, began))
		}
		timers.add(began.Add(time.Second), message("b", &history.TimerFired{}, 1, began))
		if removed := timers.remove("b"); len(removed) != 0 {
			t.Errorf("a timer without a message gave %d messages back", len(removed))
		}
		for _, want := range []int64{20, 20, 700, 1500} {
			if got := <-fired; got.Milliseconds() != want {
				t.Errorf("a timer of %v ms fired after %v", want, got)
			}
		}
		timers.stop()
		timers.stop()
		synctest.Wait()
		if len(fired) != 0 || len(timers.byInstance) != 0 {
			t.Error("a removed timer fired, or something was left behind")
		}
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	for deliveries, want := range map[int64]time.Duration{0: 2 * time.Second, 1: 2 * time.Second, 2: 4 * time.Second, 9: 512 * time.Second, 10: 10 * time.Minute, 1 << 40: 10 * time.Minute} {
		if got := backoff(deliveries); got != want {
			t.Errorf("after %d deliveries the delay is %v, want %v", deliveries, got, want)
		}
	}
}

func TestPollerGrowsToItsCeiling(t *testing.T) {
	t.Parallel()
	p := newPoller(time.Second)
	last := time.Duration(0)
	for range 12 {
		last = p.next()
		if last > 1200*time.Millisecond {
			t.Errorf("a pause of %v with a ceiling of 1 s", last)
		}
	}
	if last < 800*time.Millisecond {
		t.Errorf("the pause ends up at %v, want about 1 s", last)
	}
	p.reset()
	if d := p.next(); d > 2*minPoll {
		t.Errorf("the first pause after a message is %v", d)
	}
	if d := newPoller(time.Millisecond).next(); d > 2*time.Millisecond {
		t.Errorf("a ceiling of 1 ms gives %v", d)
	}
}

// TestCopiesAreKnown: an event is known by its message's id, and by its content on rows that .NET wrote.
func TestCopiesAreKnown(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 6, 1, 12, 0, 0, 1700, time.UTC)
	raised := func(name string) *history.EventRaised {
		return &history.EventRaised{Base: history.Base{EventID: -1, Timestamp: at}, Name: name, Input: history.String("1")}
	}
	st := &state{consumed: map[identity]struct{}{}}
	st.consumed[message("i", raised("Go"), 1, at).identity()] = struct{}{}
	if !st.consumedBefore(message("i", raised("other text"), 2, at)) {
		t.Error("a message with a known id was not recognised")
	}
	net := &state{consumed: map[identity]struct{}{contentIdentity(raised("Go")): {}}}
	if !net.consumedBefore(message("i", raised("GO"), 1, at)) {
		t.Error("a copy of an event on a row of .NET was not recognised")
	}
	if net.consumedBefore(message("i", raised("Stop"), 1, at)) {
		t.Error("another event was taken for a copy")
	}
}
