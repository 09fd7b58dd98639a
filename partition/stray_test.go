package partition

import (
	"testing"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/tables"
)

// TestRowThatWasWrittenLate: a row of the active list whose request was given up arrives when its owner has long deleted it.
// The owner, which lives, finds it when it reads the list.
func TestRowThatWasWrittenLate(t *testing.T) { inGoFleet(t, testRowThatWasWrittenLate) }

func testRowThatWasWrittenLate(t *testing.T) {
	s := newScene(t, durable.NewOrchestrator("Nothing", func(*durable.Context, durable.Void) (string, error) { return "done", nil }))
	s.start("Nothing", "i", "")
	s.awaitStatus("i", history.Completed)
	late := tables.ActiveRow{Queue: s.hub.Queues().Control(0).Name(), Owner: s.part.active.owner, InstanceID: "i"}
	if err := s.hub.Tables().PutActive(within(t), []tables.ActiveRow{late}); err != nil {
		t.Fatal(err)
	}
	if err := s.part.takeOverOnce(within(t)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the row is gone", func() bool { return len(s.active()) == 0 })
}
