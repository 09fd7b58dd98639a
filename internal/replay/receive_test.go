package replay_test

import (
	"slices"
	"testing"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

// receiveAll registers receivers, named or "*" for any, and tells what each one got.
func receiveAll(t *testing.T, first []string, come []history.Event, then []string) []string {
	t.Helper()
	var got []string
	def := define(func(s *replay.Session, _ *string) (*string, error) {
		var receivers []*replay.Receiver
		register := func(names []string) {
			for _, name := range names {
				r := &replay.Receiver{To: &replay.Promise{}}
				s.Receive(r, name, name == "*")
				receivers = append(receivers, r)
			}
		}
		register(first)
		c := schedule(s, "A")
		s.Await(&c.Promise)
		register(then)
		for _, r := range receivers {
			value := "-"
			if r.To.Done() {
				value = *r.Event.Input
			}
			got = append(got, value)
		}
		return nil, nil
	})
	advance(t, newSession(t, def), nil, events(append(come, completed(0, ""))...))
	return got
}

func TestReceivers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		first       []string
		come        []history.Event
		then        []string
		want        []string
		description string
	}{
		{name: "last waiter first", first: []string{"a", "a", "a"}, come: []history.Event{raised("a", "1"), raised("a", "2")}, want: []string{"-", "2", "1"}},
		{name: "kept in order", come: []history.Event{raised("a", "1"), raised("a", "2")}, then: []string{"a", "a", "a"}, want: []string{"1", "2", "-"}},
		{name: "without case", first: []string{"Straße"}, come: []history.Event{raised("STRAßE", "1"), raised("x", "2")}, then: []string{"X"}, want: []string{"1", "2"}},
		{name: "own name before any", first: []string{"*", "a"}, come: []history.Event{raised("a", "1"), raised("b", "2")}, want: []string{"2", "1"}},
		{name: "any takes the oldest", come: []history.Event{raised("z", "1"), raised("a", "2"), raised("z", "3")}, then: []string{"*", "*", "*"}, want: []string{"1", "2", "3"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := receiveAll(t, tt.first, tt.come, tt.then); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestStopReceiving(t *testing.T) {
	t.Parallel()
	var got []bool
	def := define(func(s *replay.Session, _ *string) (*string, error) {
		r := make([]replay.Receiver, 4)
		for i := range r {
			r[i].To = &replay.Promise{}
		}
		s.Receive(&r[0], "a", false)
		s.Receive(&r[1], "a", false)
		s.Receive(&r[2], "", true)
		s.Receive(&r[3], "", true)
		s.StopReceiving(&r[1])
		s.StopReceiving(&r[3])
		s.StopReceiving(&r[3])
		s.AwaitAll([]*replay.Promise{r[0].To, r[2].To})
		for i := range r {
			got = append(got, r[i].To.Done())
		}
		return nil, nil
	})
	out := advance(t, newSession(t, def), nil, events(raised("a", "1"), raised("b", "2"))).Outcome
	if out == nil || !slices.Equal(got, []bool{true, false, true, false}) {
		t.Errorf("done: %v, ended %+v", got, out)
	}
}
