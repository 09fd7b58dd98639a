package tables

import (
	"runtime"
	"strings"
	"testing"

	"github.com/go-taskhub/taskhub/history"
)

// allocated measures the memory that something takes in all, in bytes. Tests that use it do not run beside others.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestLargeValuesAreNotCopied stores and loads a value and looks at how much memory that takes beside the value itself.
func TestLargeValuesAreNotCopied(t *testing.T) { //nolint:paralleltest // it measures
	if raceDetector {
		t.Skip("the race detector copies what the program does not")
	}
	s := newStore(t)
	const size = 24 << 20
	big := strings.Repeat("0123456789abcdef", size/16)
	id := "large"
	taken := allocated(func() {
		mustCommit(t, s, Commit{InstanceID: id, ExecutionID: "e", Records: []Record{{Event: started(id, "e", &big)}}})
	})
	if taken > size/2 { // blocks of what is compressed
		t.Errorf("storing %d MiB takes %d MiB", size>>20, taken>>20)
	}
	taken = allocated(func() {
		h := mustLoad(t, s, id)
		if start, ok := h.Records[0].Event.(*history.ExecutionStarted); !ok || *start.Input != big {
			t.Error("another value was loaded")
		}
	})
	if taken > size*3/2 {
		t.Errorf("loading %d MiB takes %d MiB", size>>20, taken>>20)
	}
}
