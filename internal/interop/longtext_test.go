package interop

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/history"
)

// TestLongTextsInRows: texts that just fit into a column come back from both tables as they went in, in whatever way their
// bytes fall into the packets of the network.
func TestLongTextsInRows(t *testing.T) {
	t.Parallel()
	inFleets(t, longTextsInRows)
}

func longTextsInRows(b *bench) {
	t := b.t
	b.worker()
	texts := map[string]string{}
	for i := range 12 {
		unit := []string{"世", "é", "😀", "\u2028"}[i%4]
		const units = 30_000
		value := quoted(strings.Repeat("a", i) + strings.Repeat(unit, (units-i)/len([]rune(unit))/map[bool]int{true: 2, false: 1}[unit == "😀"]))
		texts[fmt.Sprint("long-", i)] = value
	}
	for id, value := range texts {
		b.start("WaitForever", id, value)
	}
	for id, value := range texts {
		b.await(id, history.Running)
		if err := b.client.RaiseEventText(within(t, time.Minute), id, "Go", &value); err != nil {
			t.Fatal(err)
		}
	}
	for id, value := range texts {
		in := b.await(id, history.Completed)
		events, err := b.client.History(within(t, time.Minute), id)
		if err != nil {
			t.Fatal(err)
		}
		same := func(what string, got *string, want string) {
			if text(got) != want {
				t.Errorf("%s: %s of %d bytes became %d bytes", id, what, len(want), len(text(got)))
			}
		}
		same("the input of the status row", in.Input, value)
		same("the output of the status row", in.Output, `"Go=`+value[1:])
		for _, e := range events {
			switch e := e.(type) {
			case *history.ExecutionStarted:
				same("the input in the history", e.Input, value)
			case *history.EventRaised:
				same("the event in the history", e.Input, value)
			case *history.ExecutionCompleted:
				same("the result in the history", e.Result, `"Go=`+value[1:])
			}
		}
	}
}

// TestLongTextsInMessages is the same for messages that just fit into a queue.
func TestLongTextsInMessages(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.start("EventCounter", "counter", "24")
	var want []string
	for i := range 24 {
		value := strings.Repeat("a", i) + strings.Repeat("世", 14_000)
		want = append(want, "E:"+value)
		if err := b.client.RaiseEvent(within(t, time.Minute), "counter", "E", value); err != nil {
			t.Fatal(err)
		}
	}
	b.worker()
	in := b.await("counter", history.Completed)
	var got string
	if err := json.Unmarshal([]byte(text(in.Output)), &got); err != nil {
		t.Fatal(err)
	}
	for event := range strings.SplitSeq(got, ",") {
		if !slices.Contains(want, event) {
			t.Errorf("an event of %d bytes has become another, with %d spoiled characters", len(event), strings.Count(event, "\ufffd"))
		}
	}
}
