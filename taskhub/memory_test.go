package taskhub

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/queues"
)

// allocated measures the memory that something takes in all, in bytes. Tests that use it do not run beside others.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestLargeInputIsNotCopied passes a large input through a start, a read and a worker's receive. A start needs the message
// as JSON, reading a message and what is in it: one copy that is given up, and one that stays.
func TestLargeInputIsNotCopied(t *testing.T) { //nolint:paralleltest // it measures
	if raceDetector {
		t.Skip("the race detector copies what the program does not")
	}
	h := newHubForTest(t)
	const size = 24 << 20
	big := `"` + strings.Repeat("0123456789abcdef", size/16) + `"`
	taken := allocated(func() { mustStart(t, h, durable.StartRequest{InstanceID: "big", Input: &big}) })
	if taken > size*3/2 {
		t.Errorf("starting with %d MiB takes %d MiB", size>>20, taken>>20)
	}
	taken = allocated(func() {
		if in, err := h.Client().Get(t.Context(), "big"); err != nil || *in.Input != big {
			t.Error("another input was read", err)
		}
	})
	if taken > size*5/2 {
		t.Errorf("reading %d MiB takes %d MiB", size>>20, taken>>20)
	}
	taken = allocated(func() {
		got, err := h.Queues().ControlFor("big").Receive(t.Context(), queues.MaxReceive, time.Minute)
		if err != nil || len(got) != 1 || *got[0].Envelope.Message.Event.(*history.ExecutionStarted).Input != big {
			t.Error("another message was received", err)
		}
	})
	if taken > size*5/2 {
		t.Errorf("receiving %d MiB takes %d MiB", size>>20, taken>>20)
	}
}
