package testkit_test

import (
	"testing"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/storage"
)

func TestHub(t *testing.T) {
	t.Parallel()
	a, b := testkit.Hub(t), testkit.Hub(t)
	if _, err := layout.NewNames(a); err != nil || a == b {
		t.Errorf("%s, %s: %v", a, b, err)
	}
}

// What one test stores is seen through each way of opening the account.
func TestAccounts(t *testing.T) {
	t.Parallel()
	first := testkit.Account(t)
	name := testkit.Hub(t)
	if _, err := first.Tables().CreateTable(t.Context(), name, nil); err != nil {
		t.Fatal(storage.Explain(err, "create table"))
	}
	second, err := storage.Open(storage.Config{ConnectionString: testkit.Conn(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	for _, account := range []*storage.Account{second, testkit.Open(t, storage.Config{MaxRetries: 1})} {
		if _, err := account.Tables().CreateTable(t.Context(), name, nil); !storage.HasCode(err, storage.CodeTableAlreadyExists) {
			t.Errorf("the table is not there: %v", storage.Explain(err, ""))
		}
	}
}

func TestShared(t *testing.T) {
	t.Parallel()
	if path := testkit.Shared(t, "golden", "README.md"); path == "" {
		t.Error("no path")
	}
	t.Run("missing", func(t *testing.T) {
		testkit.Shared(t, "no such thing")
		t.Error("not skipped")
	})
}
