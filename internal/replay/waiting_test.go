package replay_test

import (
	"reflect"
	"testing"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

func TestWaiting(t *testing.T) {
	t.Parallel()
	def := define(func(s *replay.Session, _ *string) (*string, error) {
		r := make([]replay.Receiver, 4)
		for i := range r {
			r[i].To = &replay.Promise{}
		}
		s.Receive(&r[0], "Approve", false)
		s.Receive(&r[1], "gone", false)
		s.Receive(&r[2], "Reject", false)
		s.StopReceiving(&r[1])
		s.Await(r[0].To)
		s.Receive(&r[3], "", true)
		s.Await(r[2].To)
		return nil, nil
	})
	s := replay.NewSession(replay.Config{Definition: def})
	defer s.Unload()
	steps := []struct {
		event history.Event
		want  replay.Waiting
	}{
		{&history.ExecutionStarted{Name: "O", Instance: history.Instance{InstanceID: "i"}}, replay.Waiting{Events: []string{"Approve", "Reject"}}},
		{&history.EventRaised{Name: "z"}, replay.Waiting{Events: []string{"Approve", "Reject"}, Kept: []string{"z"}}},
		{&history.EventRaised{Name: "a"}, replay.Waiting{Events: []string{"Approve", "Reject"}, Kept: []string{"z", "a"}}},
		{&history.EventRaised{Name: "APPROVE"}, replay.Waiting{Events: []string{"Reject"}, Kept: []string{"a"}}},
		{&history.ExecutionSuspended{}, replay.Waiting{Events: []string{"Reject"}, Kept: []string{"a"}, Suspended: true}},
		{&history.ExecutionResumed{}, replay.Waiting{Events: []string{"Reject"}, Kept: []string{"a"}}},
		{&history.EventRaised{Name: "reject"}, replay.Waiting{}},
	}
	for i, step := range steps {
		if _, err := s.Advance(nil, []history.Event{&history.OrchestratorStarted{}, step.event}); err != nil {
			t.Fatal(err)
		}
		for range 2 { // asking changes nothing
			if got := s.Waiting(); !reflect.DeepEqual(got, step.want) {
				t.Errorf("after event %d: %+v, want %+v", i, got, step.want)
			}
		}
	}
}
