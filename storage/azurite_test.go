package storage_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/storage"
)

func newTable(t *testing.T, account *storage.Account) *aztables.Client {
	t.Helper()
	name := testkit.Hub(t)
	if _, err := account.Tables().CreateTable(t.Context(), name, nil); err != nil {
		t.Fatal(storage.Explain(err, "create table"))
	}
	return account.Tables().NewClient(name)
}

func entity(t *testing.T, partition, row, value string) []byte {
	t.Helper()
	b, err := json.Marshal(map[string]string{"PartitionKey": partition, "RowKey": row, "Value": value})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTransactionETags(t *testing.T) {
	t.Parallel()
	account := testkit.Account(t)
	table := newTable(t, account)
	var actions []aztables.TransactionAction
	for i := range 5 {
		actions = append(actions, aztables.TransactionAction{
			ActionType: aztables.TransactionTypeInsertReplace, Entity: entity(t, "p", fmt.Sprint(i), "x"),
		})
	}
	actions = append(actions, aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: entity(t, "p", "sentinel", "x")})
	before := account.Counts()
	ctx, tags := storage.CaptureETags(t.Context())
	if _, err := table.SubmitTransaction(ctx, actions, nil); err != nil {
		t.Fatal(storage.Explain(err, "commit"))
	}
	if got := account.Counts().Sub(before); got.Total() != 1 || got.Calls["table.batch"] != 1 || got.BytesSent == 0 || got.BytesReceived == 0 {
		t.Errorf("counted %+v", got)
	}
	if tags.Len() != len(actions) {
		t.Fatalf("%d ETags for %d operations", tags.Len(), len(actions))
	}
	for i := range actions {
		row := fmt.Sprint(i)
		if i == 5 {
			row = "sentinel"
		}
		got, err := table.GetEntity(t.Context(), "p", row, nil)
		if err != nil {
			t.Fatal(err)
		}
		if string(got.ETag) != tags.At(i) || tags.At(i) == "" {
			t.Errorf("row %s has ETag %s, captured %q", row, got.ETag, tags.At(i))
		}
	}
	if tags.At(-1) != "" || tags.At(6) != "" {
		t.Error("an ETag outside of the transaction")
	}

	// The captured tag guards the next commit.
	next := []aztables.TransactionAction{
		{ActionType: aztables.TransactionTypeInsertReplace, Entity: entity(t, "p", "9", "x")},
		{ActionType: aztables.TransactionTypeUpdateMerge, Entity: entity(t, "p", "sentinel", "y"), IfMatch: new(azcore.ETag(tags.At(5)))},
	}
	if _, err := table.SubmitTransaction(t.Context(), next, nil); err != nil {
		t.Fatal(storage.Explain(err, "second commit"))
	}
	ctx, tags = storage.CaptureETags(t.Context())
	_, err := table.SubmitTransaction(ctx, next, nil)
	if !storage.IsPreconditionFailed(err) || !storage.HasCode(err, storage.CodeUpdateConditionNotMet) || tags.Len() != 0 {
		t.Errorf("commit with an old ETag: %v, %d tags", err, tags.Len())
	}
	var failed *storage.TransactionError
	if !errors.As(err, &failed) {
		t.Errorf("error %T, want *TransactionError", err)
	}
	if text := storage.Explain(err, "commit").Error(); strings.Contains(text, "\n") || !strings.Contains(text, "412 UpdateConditionNotSatisfied") {
		t.Errorf("explained as %q", text)
	}
}

func TestTransactionFailures(t *testing.T) {
	t.Parallel()
	account := testkit.Account(t)
	table := newTable(t, account)
	if _, err := table.AddEntity(t.Context(), entity(t, "p", "taken", "x"), nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		action aztables.TransactionAction
		code   string
		is     func(error) bool
	}{
		{"insert of what is there", aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: entity(t, "p", "taken", "x")},
			storage.CodeEntityAlreadyExists, storage.IsConflict},
		{"merge of what is missing", aztables.TransactionAction{ActionType: aztables.TransactionTypeUpdateMerge, Entity: entity(t, "p", "no", "x"), IfMatch: to.Ptr(azcore.ETagAny)},
			storage.CodeResourceNotFound, storage.IsNotFound},
		{"delete of what is missing", aztables.TransactionAction{ActionType: aztables.TransactionTypeDelete, Entity: entity(t, "p", "no", "x")},
			storage.CodeResourceNotFound, storage.IsNotFound},
		{"wrong ETag", aztables.TransactionAction{ActionType: aztables.TransactionTypeUpdateReplace, Entity: entity(t, "p", "taken", "x"), IfMatch: to.Ptr(azcore.ETag(`W/"datetime'2020-01-01T00%3A00%3A00.0000000Z'"`))},
			storage.CodeUpdateConditionNotMet, storage.IsPreconditionFailed},
	} {
		_, err := table.SubmitTransaction(t.Context(), []aztables.TransactionAction{
			{ActionType: aztables.TransactionTypeInsertReplace, Entity: entity(t, "p", "other", "x")}, c.action,
		}, nil)
		if !c.is(err) || !storage.HasCode(err, c.code) {
			t.Errorf("%s: %v", c.name, storage.Explain(err, ""))
		}
		if _, err := table.GetEntity(t.Context(), "p", "other", nil); !storage.IsNotFound(err) {
			t.Errorf("%s: part of the transaction was applied: %v", c.name, err)
		}
	}
	_, err := account.Tables().NewClient(testkit.Hub(t)).SubmitTransaction(t.Context(), []aztables.TransactionAction{
		{ActionType: aztables.TransactionTypeInsertReplace, Entity: entity(t, "p", "r", "x")},
	}, nil)
	if !storage.IsNotFound(err) || !storage.HasCode(err, storage.CodeTableNotFound) {
		t.Errorf("missing table: %v", storage.Explain(err, ""))
	}
}

func TestSingleWriteETags(t *testing.T) {
	t.Parallel()
	account := testkit.Account(t)
	table := newTable(t, account)
	for _, write := range []func(context.Context) error{
		func(ctx context.Context) error {
			_, err := table.AddEntity(ctx, entity(t, "p", "r", "1"), nil)
			return err
		},
		func(ctx context.Context) error {
			_, err := table.UpsertEntity(ctx, entity(t, "p", "r", "2"), &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeMerge})
			return err
		},
		func(ctx context.Context) error {
			_, err := table.UpdateEntity(ctx, entity(t, "p", "r", "3"), &aztables.UpdateEntityOptions{UpdateMode: aztables.UpdateModeReplace, IfMatch: to.Ptr(azcore.ETagAny)})
			return err
		},
	} {
		ctx, tags := storage.CaptureETags(t.Context())
		if err := write(ctx); err != nil {
			t.Fatal(err)
		}
		got, err := table.GetEntity(t.Context(), "p", "r", nil)
		if err != nil {
			t.Fatal(err)
		}
		if tags.At(0) == "" || tags.At(0) != string(got.ETag) {
			t.Errorf("captured %q, the row has %q", tags.At(0), got.ETag)
		}
	}
	counts := account.Counts()
	for name, want := range map[string]int64{"table.insert": 1, "table.merge": 1, "table.replace": 1, "table.get": 3, "table.create-table": 1} {
		if counts.Calls[name] != want {
			t.Errorf("%d calls of %s, want %d", counts.Calls[name], name, want)
		}
	}
	_, err := table.AddEntity(t.Context(), entity(t, "p", "r", "1"), nil)
	if !storage.IsConflict(err) || !storage.HasCode(err, storage.CodeEntityAlreadyExists) || storage.InDoubt(err) {
		t.Errorf("second insert: %v", err)
	}
}

// Quotes and other unusual characters in partition keys survive single requests and transactions alike.
func TestTransactionKeys(t *testing.T) {
	t.Parallel()
	account := testkit.Account(t)
	table := newTable(t, account)
	for _, key := range []string{"o'brien", "''", "50%", "a+b c", "日本😀", "^À", "@Counter@k1", "a:1", "x%27y"} {
		if _, err := table.AddEntity(t.Context(), entity(t, key, "a", "1"), nil); err != nil {
			t.Errorf("%s: insert: %v", key, storage.Explain(err, ""))
			continue
		}
		ctx, tags := storage.CaptureETags(t.Context())
		_, err := table.SubmitTransaction(ctx, []aztables.TransactionAction{
			{ActionType: aztables.TransactionTypeUpdateMerge, Entity: entity(t, key, "a", "it's"), IfMatch: to.Ptr(azcore.ETagAny)},
			{ActionType: aztables.TransactionTypeInsertReplace, Entity: entity(t, key, "b'c", "2")},
			{ActionType: aztables.TransactionTypeAdd, Entity: entity(t, key, "d", "3")},
		}, nil)
		if err != nil {
			t.Errorf("%s: transaction: %v", key, storage.Explain(err, ""))
			continue
		}
		for i, row := range []string{"a", "b'c", "d"} {
			got, err := table.GetEntity(t.Context(), key, row, nil)
			if err != nil || string(got.ETag) != tags.At(i) {
				t.Errorf("%s, %s: ETag %s, captured %s: %v", key, row, got.ETag, tags.At(i), err)
			}
		}
		_, err = table.SubmitTransaction(t.Context(), []aztables.TransactionAction{
			{ActionType: aztables.TransactionTypeDelete, Entity: entity(t, key, "a", "")},
			{ActionType: aztables.TransactionTypeDelete, Entity: entity(t, key, "b'c", "")},
			{ActionType: aztables.TransactionTypeDelete, Entity: entity(t, key, "d", "")},
		}, nil)
		if err != nil {
			t.Errorf("%s: delete: %v", key, storage.Explain(err, ""))
		}
	}
}

func TestRequestBodies(t *testing.T) {
	t.Parallel()
	account := testkit.Account(t)
	queue := account.Queues().NewQueueClient(strings.ToLower(testkit.Hub(t)))
	if _, err := queue.Create(t.Context(), nil); err != nil {
		t.Fatal(storage.Explain(err, "create queue"))
	}
	body := []byte(`<QueueMessage><MessageText>{"a":"&lt;b&gt;"}</MessageText></QueueMessage>`)
	put, err := queue.EnqueueMessage(storage.WithRequestBody(t.Context(), body), "", nil)
	if err != nil {
		t.Fatal(storage.Explain(err, "put"))
	}
	m := put.Messages[0]
	if _, err := queue.UpdateMessage(storage.WithRequestBody(t.Context(), nil), *m.MessageID, *m.PopReceipt, "", &azqueue.UpdateMessageOptions{VisibilityTimeout: to.Ptr[int32](0)}); err != nil {
		t.Fatal(storage.Explain(err, "update"))
	}
	got, err := queue.DequeueMessages(t.Context(), nil)
	if err != nil || len(got.Messages) != 1 || *got.Messages[0].MessageText != `{"a":"<b>"}` {
		t.Fatalf("got %+v, %v", got.Messages, err)
	}
	var answer []byte
	empty, err := queue.PeekMessages(storage.WithResponseBody(t.Context(), &answer), nil)
	if err != nil || len(empty.Messages) != 0 || !strings.Contains(string(answer), "<QueueMessagesList") {
		t.Errorf("answer %q, %v", answer, err)
	}
	answer = nil
	_, err = account.Queues().NewQueueClient("missing-queue").PeekMessages(storage.WithResponseBody(t.Context(), &answer), nil)
	if !storage.HasCode(err, storage.CodeQueueNotFound) || answer != nil {
		t.Errorf("answer %q, %v", answer, err)
	}
	for name, want := range map[string]int64{"queue.create-queue": 1, "queue.put": 1, "queue.update": 1, "queue.get": 1, "queue.peek": 2} {
		if n := account.Counts().Calls[name]; n != want {
			t.Errorf("%d calls of %s, want %d", n, name, want)
		}
	}
}

// The key in the test's connection string makes a shared access signature, with which all three services are used.
func TestSharedAccessSignature(t *testing.T) {
	t.Parallel()
	settings := map[string]string{}
	for part := range strings.SplitSeq(testkit.Conn(t), ";") {
		name, value, _ := strings.Cut(part, "=")
		settings[name] = value
	}
	key, err := base64.StdEncoding.DecodeString(settings["AccountKey"])
	if err != nil || len(key) == 0 || settings["TableEndpoint"] == "" {
		t.Skip("needs a connection string with key and endpoints")
	}
	query := url.Values{"sv": {"2022-11-02"}, "ss": {"bqt"}, "srt": {"sco"}, "sp": {"rwdlacup"}, "se": {"2090-01-01T00:00:00Z"}, "spr": {"https,http"}}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s\n%s\n%s\n%s\n\n%s\n\n%s\n%s\n\n", settings["AccountName"], query.Get("sp"), query.Get("ss"), query.Get("srt"), query.Get("se"), query.Get("spr"), query.Get("sv"))
	query.Set("sig", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	account, err := storage.Open(storage.Config{ConnectionString: fmt.Sprintf("SharedAccessSignature=%s;BlobEndpoint=%s;QueueEndpoint=%s;TableEndpoint=%s",
		query.Encode(), settings["BlobEndpoint"], settings["QueueEndpoint"], settings["TableEndpoint"])})
	if err != nil {
		t.Fatal(err)
	}
	defer account.Close()
	table := newTable(t, account)
	if _, err := table.SubmitTransaction(t.Context(), []aztables.TransactionAction{
		{ActionType: aztables.TransactionTypeAdd, Entity: entity(t, "o'p", "r", "1")},
	}, nil); err != nil {
		t.Error(storage.Explain(err, "transaction"))
	}
	name := strings.ToLower(testkit.Hub(t))
	queue := account.Queues().NewQueueClient(name)
	if _, err := queue.Create(t.Context(), nil); err != nil {
		t.Error(storage.Explain(err, "create queue"))
	}
	if _, err := queue.EnqueueMessage(t.Context(), "x", nil); err != nil {
		t.Error(storage.Explain(err, "put"))
	}
	if _, err := account.Blobs().CreateContainer(t.Context(), name, nil); err != nil {
		t.Error(storage.Explain(err, "create container"))
	}
	if _, err := account.Blobs().UploadBuffer(t.Context(), name, "a/b c", []byte("x"), nil); err != nil {
		t.Error(storage.Explain(err, "upload"))
	}
}

// A wrong key is one clear error for each service.
func TestWrongKey(t *testing.T) {
	t.Parallel()
	var parts []string
	for part := range strings.SplitSeq(testkit.Conn(t), ";") {
		if strings.HasPrefix(part, "AccountKey=") {
			part = "AccountKey=" + base64.StdEncoding.EncodeToString([]byte("wrong"))
		}
		parts = append(parts, part)
	}
	account, err := storage.Open(storage.Config{ConnectionString: strings.Join(parts, ";")})
	if err != nil {
		t.Fatal(err)
	}
	defer account.Close()
	_, table := account.Tables().CreateTable(t.Context(), testkit.Hub(t), nil)
	_, queue := account.Queues().CreateQueue(t.Context(), "queue", nil)
	_, container := account.Blobs().CreateContainer(t.Context(), "container", nil)
	for service, err := range map[string]error{"table": table, "queue": queue, "blob": container} {
		text := storage.Explain(err, "create").Error()
		if !storage.IsUnauthorized(err) || strings.Contains(text, "\n") || !strings.Contains(text, "the "+service+" service") || !strings.Contains(text, "check that AccountKey belongs to this account") {
			t.Errorf("%s: %s", service, text)
		}
	}
}
