package history_test

import (
	"fmt"
	"time"

	"github.com/go-taskhub/taskhub/history"
)

// A client asks an orchestration to end: the text that goes into the queue.
func ExampleMarshalEnvelope() {
	text, err := history.MarshalEnvelope(&history.Envelope{
		ActivityID:     "5406d369-4369-4673-afae-6671a2fa1e57",
		SequenceNumber: 1,
		Message: &history.Message{
			Target: history.Instance{InstanceID: "order-42"},
			Event: &history.ExecutionTerminated{
				Base:  history.Base{EventID: -1, Timestamp: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)},
				Input: history.String("no longer needed"),
			},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	envelope, err := history.UnmarshalEnvelope(text)
	if err != nil {
		fmt.Println(err)
		return
	}
	event := envelope.Message.Event
	fmt.Println(event.Kind(), event.Common().EventID, history.FormatTime(event.Common().Timestamp))
	// Output: ExecutionTerminated -1 2026-06-01T12:00:00Z
}

// A history as .NET prints it.
func ExampleMarshalExport() {
	text, err := history.MarshalExport([]history.Event{
		&history.TimerFired{
			Base:    history.Base{EventID: -1, IsPlayed: true, Timestamp: time.Date(2026, 6, 1, 12, 0, 0, 500, time.UTC)},
			TimerID: 2, FireAt: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC),
		},
	})
	fmt.Println(string(text), err)
	// Output: [{"EventType":11,"TimerId":2,"FireAt":"2026-06-01T12:00:00Z","EventId":-1,"IsPlayed":true,"Timestamp":"2026-06-01T12:00:00.0000005Z"}] <nil>
}

// A message that cannot be read tells which part of it is at fault.
func ExampleDecodeError() {
	_, err := history.UnmarshalEnvelope([]byte(`{"TaskMessage":{"Event":{
		"$type":"DurableTask.Core.History.TimerFiredEvent","TimerId":"two"}}}`))
	fmt.Println(err)
	// Output: cannot read queue message: TaskMessage.Event.TimerId: is a string where a whole number is needed
}
