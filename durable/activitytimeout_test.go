package durable_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
)

func TestTimeoutsOf(t *testing.T) {
	t.Parallel()
	tagged := func(tags map[string]string) *history.TaskScheduled {
		return &history.TaskScheduled{Tags: history.NewTags(tags)}
	}
	worker := durable.ActivityTimeouts{StartToClose: time.Hour, Heartbeat: time.Minute}
	cases := map[string]struct {
		call       *history.TaskScheduled
		definition durable.ActivityTimeouts
		want       durable.ActivityTimeouts
	}{
		"worker":     {&history.TaskScheduled{}, durable.ActivityTimeouts{}, worker},
		"definition": {&history.TaskScheduled{}, durable.ActivityTimeouts{Heartbeat: time.Second}, durable.ActivityTimeouts{StartToClose: time.Hour, Heartbeat: time.Second}},
		"call":       {tagged(map[string]string{"taskhub.startToClose": "3s"}), durable.ActivityTimeouts{StartToClose: time.Second}, durable.ActivityTimeouts{StartToClose: 3 * time.Second, Heartbeat: time.Minute}},
		"nonsense":   {tagged(map[string]string{"taskhub.startToClose": "soon", "taskhub.heartbeatTimeout": "-1s"}), durable.ActivityTimeouts{}, worker},
	}
	for name, c := range cases {
		if got := durable.TimeoutsOf(c.call, c.definition, worker); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestTimeoutsMustBePositive(t *testing.T) {
	t.Parallel()
	run := func(context.Context, int) (int, error) { return 0, nil }
	for _, d := range []time.Duration{0, -time.Second} {
		for _, opt := range []durable.ActivityDefinitionOption{durable.WithStartToClose(d), durable.WithHeartbeatTimeout(d)} {
			if err := durable.NewActivity("A", run, opt).Validate(); !errors.Is(err, durable.ErrInvalidDefinition) || !strings.Contains(err.Error(), "must be positive") {
				t.Errorf("%v is accepted: %v", d, err)
			}
		}
	}
	if err := durable.DeclareActivity[int, int]("A", durable.WithStartToClose(-1)).With(run, durable.WithStartToClose(time.Second)).Validate(); err != nil {
		t.Errorf("the option of With does not replace the definition's: %v", err)
	}
}

func TestHeartbeatDetails(t *testing.T) {
	t.Parallel()
	var said *string
	info := durable.ActivityInfoValue{Name: "A", Heartbeat: func(_ context.Context, details *string) error { said = details; return nil }}
	ctx := durable.WithActivityInfo(t.Context(), info)
	if _, found, err := durable.HeartbeatDetails[int](ctx); found || err != nil {
		t.Errorf("details of nobody: %v %v", found, err)
	}
	if err := durable.Heartbeat(ctx, map[string]int{"row": 7}); err != nil {
		t.Fatal(err)
	}
	call := durable.WithHeartbeat(&history.TaskScheduled{Tags: history.NewTags(map[string]string{"team": "blue"})}, said)
	if team, _ := call.Tags.Get("team"); team != "blue" {
		t.Error("a heartbeat removes the tags of the call")
	}
	info.Details = durable.HeartbeatOf(call)
	next := durable.WithActivityInfo(t.Context(), info)
	if got, found, err := durable.HeartbeatDetails[map[string]int](next); !found || err != nil || got["row"] != 7 {
		t.Errorf("the next attempt reads %v, %v, %v", got, found, err)
	}
	var payload *durable.PayloadError
	if _, _, err := durable.HeartbeatDetails[int](next); !errors.As(err, &payload) {
		t.Errorf("details of another type give %v", err)
	}
	var large *durable.HeartbeatTooLargeError
	if err := durable.Heartbeat(ctx, strings.Repeat("x", durable.MaxHeartbeatDetails)); !errors.As(err, &large) {
		t.Errorf("large details give %v", err)
	}
	if _, _, err := durable.HeartbeatDetails[int](t.Context()); !errors.Is(err, durable.ErrNotActivity) {
		t.Errorf("a foreign context gives %v", err)
	}
}
