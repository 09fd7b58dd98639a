package taskhub

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/go-taskhub/taskhub/internal/testkit"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// testConfig is for a hub that nothing else uses.
func testConfig(t *testing.T) Config {
	t.Helper()
	return Config{Name: testkit.Hub(t), Account: testkit.Account(t)}
}

// openHub opens a hub and deletes it after the test.
func openHub(t *testing.T, cfg Config) *Hub {
	t.Helper()
	h, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Delete(context.Background()); err != nil {
			t.Error(err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// newHubForTest makes a fresh hub.
func newHubForTest(t *testing.T) *Hub {
	t.Helper()
	h := openHub(t, testConfig(t))
	if err := h.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}
