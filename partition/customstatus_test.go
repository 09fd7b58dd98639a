package partition

import (
	"testing"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
)

// TestCustomStatusIsCleared: a custom status set to nothing disappears, and one that is not touched survives the next
// generation.
func TestCustomStatusIsCleared(t *testing.T) { inBothFleets(t, testCustomStatusIsCleared) }

func testCustomStatusIsCleared(t *testing.T) {
	o := durable.NewOrchestrator("Shower", func(ctx *durable.Context, n int) (int, error) {
		if n == 0 {
			if err := durable.SetCustomStatus(ctx, "busy"); err != nil {
				return 0, err
			}
		}
		if _, err := durable.WaitForEvent[int](ctx, "E").Await(); err != nil {
			return 0, err
		}
		if n == 0 {
			return 0, durable.ContinueAsNew(ctx, 1)
		}
		if err := durable.SetCustomStatus[any](ctx, nil); err != nil {
			return 0, err
		}
		_, err := durable.WaitForEvent[int](ctx, "E").Await()
		return n, err
	})
	s := newScene(t, o)
	shown := func() string {
		in, err := s.hub.Client().GetInstance(within(t), "i")
		if err != nil {
			return err.Error()
		}
		return deref(in.CustomStatus)
	}
	s.start("Shower", "i", "0")
	eventually(t, "it shows", func() bool { return shown() == `"busy"` })
	s.raise("i", "E", 0)
	eventually(t, "the second generation runs", func() bool { return s.generation("i") == 1 })
	if text := shown(); text != `"busy"` {
		t.Errorf("the second generation shows %s", text)
	}
	s.raise("i", "E", 1)
	eventually(t, "it is cleared", func() bool { text := shown(); return text == "" || text == "null" })
	s.raise("i", "E", 2)
	s.awaitStatus("i", history.Completed)
}
