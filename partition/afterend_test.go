package partition

import (
	"testing"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/tables"
)

// TestEventForAnEndWithoutARow: an owner died that had brought the instance through its generations to the end, and the status row
// still shows the start of the first one. An event that comes then is for nobody: it does not wait for a start that was already.
func TestEventForAnEndWithoutARow(t *testing.T) { inVirtualTime(t, testEventForAnEndWithoutARow) }

func testEventForAnEndWithoutARow(t *testing.T) {
	twice := durable.NewOrchestrator("Twice", func(ctx *durable.Context, generation int) (string, error) {
		if generation == 0 {
			return "", durable.ContinueAsNew(ctx, 1)
		}
		return "done", nil
	})
	s := stage(t)
	s.run(twice)
	s.start("Twice", "i", "0")
	s.awaitStatus("i", history.Completed)
	s.clean()
	s.crash()
	h := s.history("i")
	if h.StartID == h.ExecutionID {
		t.Fatal("it has only one generation")
	}
	pending := history.Pending
	before := tables.InstanceUpdate{InstanceID: "i", Hub: s.hub.Names().Hub(), ExecutionID: &h.StartID, Status: &pending}
	if _, err := s.hub.Tables().MergeInstance(within(t), before, ""); err != nil {
		t.Fatal(err)
	}
	s.run(twice)
	s.raise("i", "E", 0)
	s.clean()
	if after := s.history("i"); after.ETag != h.ETag {
		t.Error("the event has changed the history")
	}
}
