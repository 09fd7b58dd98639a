package partition

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/taskhub"
)

// TestMessagesOfAPurgedInstance: the content of a large message goes with its instance. The message is deleted at the next look,
// and is no dead letter. One whose content is gone while its instance is there is kept as ever.
func TestMessagesOfAPurgedInstance(t *testing.T) { inVirtualTime(t, testMessagesOfAPurgedInstance) }

func testMessagesOfAPurgedInstance(t *testing.T) {
	s := slowScene(t, goWaiter)
	for _, id := range []string{"purged", "there"} {
		s.start("Waiter", id, "")
		s.awaitStatus(id, history.Running)
	}
	s.cleanUp()
	s.stop(s.part)
	large := strings.Repeat("large ", 20_000)
	for _, id := range []string{"purged", "there"} {
		if err := s.hub.Client().RaiseEvent(context.Background(), id, "Other", large); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.hub.Client().Purge(context.Background(), "purged", taskhub.PurgeUnfinished()); err != nil {
		t.Fatal(err)
	}
	s.deleteMessageBlobs("there")
	s.run(goWaiter)
	time.Sleep(time.Minute)
	if n := s.messages(s.hub.Queues().Control(0)); n != 1 {
		t.Errorf("%d messages are left", n)
	}
	s.raise("there", "Go", "on")
	after(t, time.Minute, "the other one ends", func() bool { is, _ := s.status("there"); return is == history.Completed })
	after(t, 12*time.Hour, "what cannot be explained is a dead letter", func() bool { return len(s.letters()) == 1 })
	s.cleanUp()
}

func (s *scene) deleteMessageBlobs(id string) {
	s.t.Helper()
	container := s.hub.Account().Blobs().ServiceClient().NewContainerClient(s.hub.Names().LargeMessageContainer())
	pager := container.NewListBlobsFlatPager(nil)
	for pager.More() {
		page, err := pager.NextPage(context.Background())
		if err != nil {
			s.t.Fatal(err)
		}
		for _, b := range page.Segment.BlobItems {
			if !strings.HasPrefix(*b.Name, id+"/message-") {
				continue
			}
			if _, err := container.NewBlobClient(*b.Name).Delete(context.Background(), nil); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// TestPurged: a work item is for nobody when its instance is gone, or began after the work item was put.
func TestPurged(t *testing.T) {
	t.Parallel()
	s, c := stage(t), newCounter(t)
	a := c.activity("A")
	s.deaf = true
	s.run(caller(a), a)
	large := `"` + strings.Repeat("large ", 20_000) + `"`
	s.start("Caller", "i", large)
	s.awaitStatus("i", history.Running)
	q := s.hub.Queues().WorkItems()
	eventually(t, "there is a work item", func() bool { return s.messages(q) == 1 })
	receive := func() *queues.Delivery {
		t.Helper()
		batch, err := q.Receive(within(t), 1, time.Second)
		if err != nil || len(batch) != 1 {
			t.Fatalf("%d work items, %v", len(batch), err)
		}
		if _, err := q.SetVisibility(within(t), batch[0].Receipt(), 0); err != nil {
			t.Fatal(err)
		}
		return batch[0]
	}
	expect := func(when string, d *queues.Delivery, want bool) {
		t.Helper()
		if got, err := Purged(within(t), s.hub.Tables(), d); err != nil || got != want {
			t.Errorf("%s: %v, %v", when, got, err)
		}
	}
	expect("readable", receive(), false)
	s.deleteMessageBlobs("i")
	d := receive()
	expect("its content is gone", d, false)
	s.stop(s.part)
	if _, err := s.hub.Client().Purge(within(t), "i", taskhub.PurgeUnfinished()); err != nil {
		t.Fatal(err)
	}
	expect("its instance is gone", d, true)
	if _, err := s.hub.Client().StartOrchestration(within(t), durable.StartRequest{Name: "Caller", InstanceID: "i"}); err != nil {
		t.Fatal(err)
	}
	expect("another run may be its own", d, false)
	d.InsertedAt = d.InsertedAt.Add(-time.Hour)
	expect("another run came later", d, true)
}

// TestChildRowsAreInserted: no status row of a sub-orchestration is written unconditionally. Such a request, held back by the
// network, would write over what is newer, or bring a purged row back.
func TestChildRowsAreInserted(t *testing.T) { inVirtualTime(t, testChildRowsAreInserted) }

func testChildRowsAreInserted(t *testing.T) {
	kid := durable.NewOrchestrator("Kid", func(*durable.Context, durable.Void) (string, error) { return "done", nil })
	parent := durable.NewOrchestrator("Parent", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return durable.CallSubOrchestration[string](ctx, "Kid", nil, durable.WithInstanceID("kid")).Await()
	})
	s := stage(t)
	s.begin("Parent", "i")
	var mu sync.Mutex
	refusals, loose := 1, 0
	s.faults.set(func(req *http.Request) error {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "Instances") && refusals > 0:
			refusals--
			return errInjected
		case (req.Method == http.MethodPatch || req.Method == http.MethodPut) && strings.Contains(req.URL.Path, "Instances(") && req.Header.Get("If-Match") == "":
			loose++
		}
		return nil
	}, nil)
	s.run(parent, kid)
	s.awaitStatus("i", history.Completed)
	after(t, time.Hour, "the row of the child is there", func() bool { is, _ := s.status("kid"); return is == history.Completed })
	if loose != 0 {
		t.Errorf("%d writes had no condition", loose)
	}
}
