package taskhub

import (
	"fmt"
	"testing"

	"github.com/go-taskhub/taskhub/durable"
)

// A client that was opened before the hub was made sends to the queues that the hub has got.
func TestOpenedBeforeTheHubWasMade(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	early := openHub(t, cfg)
	if err := early.Client().Terminate(t.Context(), "nobody", ""); err == nil {
		t.Error("there is no hub yet")
	}
	cfg.Partitions = 16
	late, err := Create(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	for i := range 8 {
		id := fmt.Sprint("order-", i)
		mustStart(t, late, durable.StartRequest{InstanceID: id})
		if err := early.Client().RaiseEvent(t.Context(), id, "Go", i); err != nil {
			t.Fatal(err)
		}
		if messages := received(t, late, id); len(messages) != 2 {
			t.Errorf("%s: %d messages in its queue, want the start and the event", id, len(messages))
		}
	}
	if early.Partitions() != 16 {
		t.Errorf("%d partitions", early.Partitions())
	}
}
