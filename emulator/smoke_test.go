package emulator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"github.com/go-taskhub/taskhub/emulator"
)

// clients are the SDK clients of one connection.
type clients struct {
	blobs  *azblob.Client
	queues *azqueue.ServiceClient
	tables *aztables.ServiceClient

	conn      string
	transport policy.Transporter
}

func newClients(tb testing.TB, conn string, transport policy.Transporter) clients {
	tb.Helper()
	options := azcore.ClientOptions{Transport: transport, Retry: policy.RetryOptions{MaxRetries: -1}}
	c := clients{conn: conn, transport: transport}
	var err error
	if c.blobs, err = azblob.NewClientFromConnectionString(conn, &azblob.ClientOptions{ClientOptions: options}); err != nil {
		tb.Fatal(err)
	}
	if c.queues, err = azqueue.NewServiceClientFromConnectionString(conn, &azqueue.ClientOptions{ClientOptions: options}); err != nil {
		tb.Fatal(err)
	}
	if c.tables, err = aztables.NewServiceClientFromConnectionString(conn, &aztables.ClientOptions{ClientOptions: options}); err != nil {
		tb.Fatal(err)
	}
	return c
}

func newServer(tb testing.TB, config emulator.Config) *emulator.Server {
	tb.Helper()
	s, err := emulator.New(config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func TestGoSDKsInProcess(t *testing.T) {
	t.Parallel()
	s := newServer(t, emulator.Config{})
	smoke(t, newClients(t, s.ConnectionString(), s.Transport()))
}

func TestGoSDKsOverListener(t *testing.T) {
	t.Parallel()
	s := newServer(t, emulator.Config{})
	l, err := s.Listen(t.Context(), emulator.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	smoke(t, newClients(t, l.ConnectionString(), nil))
}

func smoke(t *testing.T, c clients) {
	t.Helper()
	ctx := t.Context()
	smokeBlobs(ctx, t, c.blobs)
	smokeQueues(ctx, t, c.queues)
	smokeTables(ctx, t, c.tables)
}

func smokeBlobs(ctx context.Context, t *testing.T, c *azblob.Client) {
	t.Helper()
	if _, err := c.CreateContainer(ctx, "things", nil); err != nil {
		t.Fatal(err)
	}
	body := bytes.Repeat([]byte("0123456789"), 1_000_000)
	if _, err := c.UploadBuffer(ctx, "things", "a/b c+d.txt", body, &azblob.UploadBufferOptions{BlockSize: 3 << 20}); err != nil {
		t.Fatal(err)
	}
	got, err := c.DownloadStream(ctx, "things", "a/b c+d.txt", &azblob.DownloadStreamOptions{Range: azblob.HTTPRange{Offset: 5, Count: 7_000_000}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(got.Body)
	if err != nil || !bytes.Equal(text, body[5:7_000_005]) {
		t.Fatalf("%d bytes, %v", len(text), err)
	}
	for pager := c.NewListBlobsFlatPager("things", nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(page.Segment.BlobItems); n != 1 || *page.Segment.BlobItems[0].Name != "a/b c+d.txt" {
			t.Fatalf("%d blobs", n)
		}
	}
	if _, err := c.DeleteBlob(ctx, "things", "a/b c+d.txt", nil); err != nil {
		t.Fatal(err)
	}
}

func smokeQueues(ctx context.Context, t *testing.T, c *azqueue.ServiceClient) {
	t.Helper()
	q := c.NewQueueClient("work")
	if _, err := q.Create(ctx, nil); err != nil {
		t.Fatal(err)
	}
	const text = "<a> & \"b\"\r\n\U0001F600"
	if _, err := q.EnqueueMessage(ctx, text, nil); err != nil {
		t.Fatal(err)
	}
	got, err := q.DequeueMessages(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Messages) != 1 || *got.Messages[0].MessageText != text || *got.Messages[0].DequeueCount != 1 {
		t.Fatalf("received %+v", got.Messages)
	}
	m := got.Messages[0]
	upd, err := q.UpdateMessage(ctx, *m.MessageID, *m.PopReceipt, "second", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.DeleteMessage(ctx, *m.MessageID, *upd.PopReceipt, nil); err != nil {
		t.Fatal(err)
	}
}

func smokeTables(ctx context.Context, t *testing.T, c *aztables.ServiceClient) {
	t.Helper()
	if _, err := c.CreateTable(ctx, "People", nil); err != nil {
		t.Fatal(err)
	}
	tbl := c.NewClient("People")
	// aztables.EDMEntity doubles the quotes of keys in bodies, so plain JSON.
	const body = `{"PartitionKey":"p'1","RowKey":"r 1","N":1,"L":"1099511627776","L@odata.type":"Edm.Int64","B":"AQI=","B@odata.type":"Edm.Binary"}`
	if _, err := tbl.AddEntity(ctx, []byte(body), nil); err != nil {
		t.Fatal(err)
	}
	got, err := tbl.GetEntity(ctx, "p'1", "r 1", nil)
	if err != nil {
		t.Fatal(err)
	}
	var back aztables.EDMEntity
	if err := json.Unmarshal(got.Value, &back); err != nil {
		t.Fatal(err)
	}
	if back.Properties["L"] != aztables.EDMInt64(1<<40) || back.ETag == "" && got.ETag == "" {
		t.Fatalf("read %s", got.Value)
	}
	var actions []aztables.TransactionAction
	for _, key := range []string{"1", "2", "3"} {
		body := []byte(`{"PartitionKey":"p'1","RowKey":"` + key + `","N":2}`)
		actions = append(actions, aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: body})
	}
	if _, err := tbl.SubmitTransaction(ctx, actions, nil); err != nil {
		t.Fatal(err)
	}
	filter := "PartitionKey eq 'p''1' and N eq 2"
	n := 0
	for pager := tbl.NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter}); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.Entities)
	}
	if n != 3 {
		t.Fatalf("%d entities", n)
	}
}
