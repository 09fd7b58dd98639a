package partition

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
)

// blocking is an orchestrator that waits for something outside the durable API, each time it runs.
func blocking(runs *atomic.Int32, until <-chan struct{}) durable.Registrable {
	return durable.NewOrchestrator("Blocking", func(*durable.Context, durable.Void) (string, error) {
		runs.Add(1)
		<-until
		return "done", nil
	})
}

// TestStuckCodeRunsOnce: code that does not end is not run again beside itself. Its instance fails all the same.
func TestStuckCodeRunsOnce(t *testing.T) { inVirtualTime(t, testStuckCodeRunsOnce) }

func testStuckCodeRunsOnce(t *testing.T) {
	var runs atomic.Int32
	release := make(chan struct{})
	defer close(release)
	s := slowScene(t, blocking(&runs, release), goWaiter)
	s.start("Blocking", "i", "")
	after(t, 24*time.Hour, "it fails", func() bool { is, _ := s.status("i"); return is == history.Failed })
	if n := runs.Load(); n != 1 {
		t.Errorf("the code runs %d times at once", n)
	}
	if n := len(s.letters()); n != 1 {
		t.Errorf("%d dead letters", n)
	}
	s.cleanUp()
}

// TestStuckCodeThatEnds: once the code has ended it is run again.
func TestStuckCodeThatEnds(t *testing.T) { inVirtualTime(t, testStuckCodeThatEnds) }

func testStuckCodeThatEnds(t *testing.T) {
	var runs atomic.Int32
	release := make(chan struct{})
	s := slowScene(t, blocking(&runs, release))
	s.start("Blocking", "i", "")
	after(t, time.Hour, "it is tried", func() bool { return runs.Load() > 0 })
	time.Sleep(3 * time.Minute)
	if n := runs.Load(); n != 1 {
		t.Errorf("the code runs %d times at once", n)
	}
	close(release)
	after(t, time.Hour, "it ends", func() bool { is, _ := s.status("i"); return is == history.Completed })
	if n := runs.Load(); n != 2 {
		t.Errorf("the code has run %d times", n)
	}
	s.cleanUp()
}
