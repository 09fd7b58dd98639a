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

// TestCustomStatusOfADeadOwner: the owner dies after the commit and before it has written the custom status, which no message
// and no history has. The next one writes it, whatever became of the instance in the meantime, and keeps it.
func TestCustomStatusOfADeadOwner(t *testing.T) { inVirtualTime(t, testCustomStatusOfADeadOwner) }

func testCustomStatusOfADeadOwner(t *testing.T) {
	for then, want := range map[string]history.Status{"waits": history.Running, "ends": history.Completed, "goes on": history.Running} {
		o := durable.NewOrchestrator("Shower", func(ctx *durable.Context, generation int) (int, error) {
			if _, err := durable.WaitForEvent[int](ctx, "E").Await(); err != nil {
				return 0, err
			}
			if generation == 0 {
				if err := durable.SetCustomStatus(ctx, "set"); err != nil {
					return 0, err
				}
			}
			switch {
			case then == "goes on" && generation == 0:
				return 0, durable.ContinueAsNew(ctx, 1)
			case then != "ends":
				_, err := durable.WaitForEvent[int](ctx, "E").Await()
				return generation, err
			}
			return generation, nil
		})
		s := stage(t)
		shown := func() string {
			in, err := s.hub.Client().GetInstance(within(t), "i")
			if err != nil {
				return err.Error()
			}
			return deref(in.CustomStatus)
		}
		s.run(o)
		s.start("Shower", "i", "0")
		s.awaitStatus("i", history.Running)
		s.clean()
		dead := s.dieAt(1, statusWrite, false)
		s.raise("i", "E", 0)
		s.succeed(dead, o)
		eventually(t, "the next owner writes it when the instance "+then, func() bool { is, _ := s.status("i"); return is == want && shown() == `"set"` })
		for is, _ := s.status("i"); is != history.Completed; is, _ = s.status("i") { // a third owner does not clear it
			s.clean()
			s.crash()
			s.run(o)
			before := len(s.history("i").Records)
			s.raise("i", "E", 0)
			eventually(t, "it goes on", func() bool { return len(s.history("i").Records) > before })
			s.clean()
		}
		if text := shown(); text != `"set"` {
			t.Errorf("when the instance %s, in the end it shows %s", then, text)
		}
		s.whole("i")
		s.stop(s.part)
	}
}
