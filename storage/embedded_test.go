package storage_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/emulator"
	"github.com/go-taskhub/taskhub/storage"
)

func openEmbedded(t *testing.T, conn string) *storage.Account {
	t.Helper()
	account, err := storage.Open(storage.Config{ConnectionString: conn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = account.Close() })
	return account
}

func TestEmbeddedMemory(t *testing.T) {
	t.Parallel()
	a, b := openEmbedded(t, "embedded:"), openEmbedded(t, " embedded: \n")
	if a.Name() != emulator.DevelopmentAccount {
		t.Errorf("account %s", a.Name())
	}
	table := newTable(t, a)
	ctx, tags := storage.CaptureETags(t.Context())
	if _, err := table.SubmitTransaction(ctx, []aztables.TransactionAction{{ActionType: aztables.TransactionTypeAdd, Entity: entity(t, "o'p", "r", "1")}}, nil); err != nil || tags.At(0) == "" {
		t.Errorf("%v, ETag %q", err, tags.At(0))
	}
	// Another one has other data.
	if _, err := b.Queues().CreateQueue(t.Context(), "only-here", nil); err != nil {
		t.Error(err)
	}
	if _, err := a.Queues().NewQueueClient("only-here").GetProperties(t.Context(), nil); !storage.HasCode(err, storage.CodeQueueNotFound) {
		t.Errorf("the queue of the other storage: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	_, err := a.Queues().NewQueueClient("q").GetProperties(t.Context(), nil)
	if text := storage.Explain(err, "look").Error(); !errors.Is(err, emulator.ErrClosed) || !strings.Contains(text, "the account was closed") || a.Counts().Retries != 0 {
		t.Errorf("after Close: %s", text)
	}
}

func TestEmbeddedDisk(t *testing.T) {
	t.Parallel()
	conn := "embedded:" + t.TempDir()
	a := openEmbedded(t, conn)
	if _, err := a.Queues().CreateQueue(t.Context(), "kept", nil); err != nil {
		t.Fatal(err)
	}
	if again, err := storage.Open(storage.Config{ConnectionString: conn}); err == nil {
		t.Errorf("opened twice: %v", again)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := openEmbedded(t, conn).Queues().NewQueueClient("kept").GetProperties(t.Context(), nil); err != nil {
		t.Errorf("after opening it again: %v", storage.Explain(err, ""))
	}
	var wrong *storage.ConfigError
	if _, err := storage.Open(storage.Config{ConnectionString: "embedded:", Transport: http.DefaultClient}); !errors.As(err, &wrong) || wrong.Field != "Transport" {
		t.Errorf("embedded storage and transport: %v", err)
	}
}
