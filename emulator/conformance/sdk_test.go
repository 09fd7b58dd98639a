package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	bloblease "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"
	blobsas "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/queueerror"
)

// sdk has the Azure SDKs for Go on a target, and a fresh name for what a case
// makes.
type sdk struct {
	blobs  *azblob.Client
	queues *azqueue.ServiceClient
	tables *aztables.ServiceClient
	name   string
	// transport is for clients that a case makes itself.
	transport policy.Transporter
}

func newSDK(t *testing.T, g *target) *sdk {
	t.Helper()
	options := azcore.ClientOptions{Transport: g.client, Retry: policy.RetryOptions{MaxRetries: -1}}
	out := &sdk{name: newVars()["id"], transport: g.client}
	var err error
	if out.blobs, err = azblob.NewClientFromConnectionString(g.conn, &azblob.ClientOptions{ClientOptions: options}); err != nil {
		t.Fatal(err)
	}
	if out.queues, err = azqueue.NewServiceClientFromConnectionString(g.conn, &azqueue.ClientOptions{ClientOptions: options}); err != nil {
		t.Fatal(err)
	}
	if out.tables, err = aztables.NewServiceClientFromConnectionString(g.conn, &aztables.ClientOptions{ClientOptions: options}); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestGoSDKs runs whole pieces of work through the SDKs.
func TestGoSDKs(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		run  func(*testing.T, *sdk)
	}{
		{"a queue's life", sdkQueue},
		{"many messages", sdkManyMessages},
		{"entities of every type", sdkEntity},
		{"a query of many pages", sdkPages},
		{"transactions and their errors", sdkTransactions},
		{"large and small blobs", sdkBlobs},
		{"streams of unknown length", sdkStream},
		{"leases on blobs and containers", sdkLeases},
		{"listings in pages and folders", sdkListings},
		{"shared access signatures", sdkSignatures},
		{"service properties", sdkProperties},
	}
	all := targets(t)
	for _, c := range cases {
		for _, target := range all {
			t.Run(c.name+"/"+target.name, func(t *testing.T) { c.run(t, newSDK(t, target)) })
		}
	}
}

func ptr[T any](v T) *T { return &v }

// must fails the test on an error and passes the value on.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func refused(t *testing.T, err error, status int, code string) {
	t.Helper()
	var e *azcore.ResponseError
	if !errors.As(err, &e) || e.StatusCode != status || e.ErrorCode != code {
		t.Fatalf("want %d %s, got %v", status, code, err)
	}
}

func (s *sdk) queue(t *testing.T) *azqueue.QueueClient {
	t.Helper()
	q := s.queues.NewQueueClient("q-" + s.name)
	must(q.Create(t.Context(), nil))(t)
	t.Cleanup(func() { _, _ = q.Delete(context.Background(), nil) })
	return q
}

func (s *sdk) table(t *testing.T) *aztables.Client {
	t.Helper()
	name := "T" + s.name
	must(s.tables.CreateTable(t.Context(), name, nil))(t)
	t.Cleanup(func() { _, _ = s.tables.DeleteTable(context.Background(), name, nil) })
	return s.tables.NewClient(name)
}

func (s *sdk) container(t *testing.T) *container.Client {
	t.Helper()
	name := "c-" + s.name
	must(s.blobs.CreateContainer(t.Context(), name, nil))(t)
	t.Cleanup(func() { _, _ = s.blobs.DeleteContainer(context.Background(), name, nil) })
	return s.blobs.ServiceClient().NewContainerClient(name)
}

func sdkQueue(t *testing.T, s *sdk) {
	ctx := t.Context()
	q := s.queue(t)
	const text = "<ä> & \"quotes\" \U0001F600\ttab"
	put := must(q.EnqueueMessage(ctx, text, &azqueue.EnqueueMessageOptions{TimeToLive: ptr(int32(-1))}))(t).Messages[0]
	if put.ExpirationTime.Year() != 9999 || *put.PopReceipt == "" {
		t.Errorf("put %v %q", put.ExpirationTime, *put.PopReceipt)
	}
	peeked := must(q.PeekMessage(ctx, nil))(t).Messages
	if len(peeked) != 1 || *peeked[0].MessageText != text || *peeked[0].DequeueCount != 0 {
		t.Errorf("peeked %+v", peeked)
	}
	got := must(q.DequeueMessage(ctx, &azqueue.DequeueMessageOptions{VisibilityTimeout: ptr(int32(60))}))(t).Messages[0]
	if *got.MessageText != text || *got.DequeueCount != 1 || time.Until(*got.TimeNextVisible) > 61*time.Second || time.Until(*got.TimeNextVisible) < 50*time.Second {
		t.Errorf("received %+v", got)
	}
	_, err := q.DeleteMessage(ctx, *put.MessageID, *put.PopReceipt, nil)
	refused(t, err, http.StatusBadRequest, string(queueerror.PopReceiptMismatch))
	upd := must(q.UpdateMessage(ctx, *got.MessageID, *got.PopReceipt, "second", &azqueue.UpdateMessageOptions{VisibilityTimeout: ptr(int32(0))}))(t)
	again := must(q.DequeueMessage(ctx, nil))(t).Messages[0]
	if *again.MessageText != "second" || *again.DequeueCount != 2 {
		t.Errorf("received %+v", again)
	}
	_, err = q.DeleteMessage(ctx, *got.MessageID, *upd.PopReceipt, nil)
	refused(t, err, http.StatusBadRequest, string(queueerror.PopReceiptMismatch))
	must(q.DeleteMessage(ctx, *again.MessageID, *again.PopReceipt, nil))(t)
	_, err = q.DeleteMessage(ctx, *again.MessageID, *again.PopReceipt, nil)
	refused(t, err, http.StatusNotFound, string(queueerror.MessageNotFound))
}

func sdkManyMessages(t *testing.T, s *sdk) {
	ctx := t.Context()
	q := s.queue(t)
	for i := range 70 {
		must(q.EnqueueMessage(ctx, strconv.Itoa(i), nil))(t)
	}
	if n := must(q.GetProperties(ctx, nil))(t).ApproximateMessagesCount; *n != 70 {
		t.Errorf("%d messages", *n)
	}
	var order []string
	for range 3 {
		got := must(q.DequeueMessages(ctx, &azqueue.DequeueMessagesOptions{NumberOfMessages: ptr(int32(32))}))(t)
		for _, m := range got.Messages {
			order = append(order, *m.MessageText)
		}
	}
	if len(order) != 70 {
		t.Fatalf("%d messages received", len(order))
	}
	for i, text := range order {
		if text != strconv.Itoa(i) {
			t.Fatalf("message %s is at %d", text, i)
		}
	}
	must(q.ClearMessages(ctx, nil))(t)
	if n := must(q.GetProperties(ctx, nil))(t).ApproximateMessagesCount; *n != 0 {
		t.Errorf("%d messages after clearing", *n)
	}
}

func sdkEntity(t *testing.T, s *sdk) {
	ctx := t.Context()
	table := s.table(t)
	when := time.Date(2026, 6, 1, 12, 34, 57, 123456700, time.UTC)
	in := aztables.EDMEntity{Entity: aztables.Entity{PartitionKey: "p", RowKey: "r"}, Properties: map[string]any{
		"String": "text ü \U0001F600", "Int32": int32(-7), "Int64": aztables.EDMInt64(1 << 60), "Double": 1.25, "Bool": true,
		"Time": aztables.EDMDateTime(when), "Bytes": aztables.EDMBinary{0, 1, 255}, "GUID": aztables.EDMGUID("12345678-1234-1234-1234-1234567890ab"),
	}}
	added := must(table.AddEntity(ctx, must(json.Marshal(in))(t), nil))(t)
	got := must(table.GetEntity(ctx, "p", "r", nil))(t)
	var out aztables.EDMEntity
	if err := json.Unmarshal(got.Value, &out); err != nil {
		t.Fatal(err)
	}
	for name, want := range in.Properties {
		if fmt.Sprint(out.Properties[name]) != fmt.Sprint(want) {
			t.Errorf("%s is %v, not %v", name, out.Properties[name], want)
		}
	}
	if out.ETag != string(added.ETag) || got.ETag != added.ETag {
		t.Errorf("ETags %s, %s and %s", out.ETag, got.ETag, added.ETag)
	}
	merge := []byte(`{"PartitionKey":"p","RowKey":"r","String":"other"}`)
	updated := must(table.UpdateEntity(ctx, merge, &aztables.UpdateEntityOptions{IfMatch: &added.ETag, UpdateMode: aztables.UpdateModeMerge}))(t)
	_, err := table.UpdateEntity(ctx, merge, &aztables.UpdateEntityOptions{IfMatch: &added.ETag, UpdateMode: aztables.UpdateModeReplace})
	refused(t, err, http.StatusPreconditionFailed, "UpdateConditionNotSatisfied")
	_, err = table.DeleteEntity(ctx, "p", "r", &aztables.DeleteEntityOptions{IfMatch: &added.ETag})
	refused(t, err, http.StatusPreconditionFailed, "UpdateConditionNotSatisfied")
	must(table.DeleteEntity(ctx, "p", "r", &aztables.DeleteEntityOptions{IfMatch: &updated.ETag}))(t)
	_, err = table.GetEntity(ctx, "p", "r", nil)
	refused(t, err, http.StatusNotFound, "ResourceNotFound")
}

func sdkPages(t *testing.T, s *sdk) {
	ctx := t.Context()
	table := s.table(t)
	const partitions, rows = 3, 800
	for p := range partitions {
		for from := 0; from < rows; from += 100 {
			actions := make([]aztables.TransactionAction, 100)
			for i := range actions {
				actions[i] = aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd,
					Entity: fmt.Appendf(nil, `{"PartitionKey":"p%d","RowKey":"%05d","N":%d,"Even":%v}`, p, from+i, from+i, i%2 == 0)}
			}
			must(table.SubmitTransaction(ctx, actions, nil))(t)
		}
	}
	for filter, want := range map[string]int{"": partitions * rows, "PartitionKey eq 'p1'": rows, "Even eq true": partitions * rows / 2,
		"N ge 700 and PartitionKey ne 'p0'": 200, "PartitionKey gt 'p0' and RowKey lt '00010'": 20, "Even and not (N lt 790)": 15} {
		n, last := 0, ""
		for pager := table.NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter}); pager.More(); {
			page := must(pager.NextPage(ctx))(t)
			if len(page.Entities) > 1000 {
				t.Errorf("a page of %d", len(page.Entities))
			}
			for _, body := range page.Entities {
				var e aztables.Entity
				if err := json.Unmarshal(body, &e); err != nil {
					t.Fatal(err)
				}
				if key := e.PartitionKey + e.RowKey; key <= last {
					t.Fatalf("%s comes after %s", key, last)
				} else {
					last = key
				}
				n++
			}
		}
		if n != want {
			t.Errorf("%q: %d entities, want %d", filter, n, want)
		}
	}
}

func sdkTransactions(t *testing.T, s *sdk) {
	ctx := t.Context()
	table := s.table(t)
	add := func(key string) aztables.TransactionAction {
		return aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: []byte(`{"PartitionKey":"p","RowKey":"` + key + `","V":1}`)}
	}
	must(table.SubmitTransaction(ctx, []aztables.TransactionAction{add("1"), add("2")}, nil))(t)
	_, err := table.SubmitTransaction(ctx, []aztables.TransactionAction{add("3"), add("4"), add("2")}, nil)
	// The SDK gives the batch's answer as its error.
	if err == nil || !strings.Contains(err.Error(), "HTTP/1.1 409") || !strings.Contains(err.Error(), `"value":"2:The specified entity already exists`) {
		t.Errorf("the error does not tell the operation: %v", err)
	}
	_, err = table.GetEntity(ctx, "p", "3", nil)
	refused(t, err, http.StatusNotFound, "ResourceNotFound")
	got := must(table.GetEntity(ctx, "p", "1", nil))(t)
	stale := azcore.ETag(`W/"datetime'2020-01-01T00%3A00%3A00.0000000Z'"`)
	replace := aztables.TransactionAction{ActionType: aztables.TransactionTypeUpdateReplace, IfMatch: &stale, Entity: []byte(`{"PartitionKey":"p","RowKey":"1","W":2}`)}
	_, err = table.SubmitTransaction(ctx, []aztables.TransactionAction{add("5"), replace}, nil)
	if err == nil || !strings.Contains(err.Error(), "HTTP/1.1 412") || !strings.Contains(err.Error(), `"value":"1:The update condition`) {
		t.Errorf("a stale ETag: %v", err)
	}
	replace.IfMatch = &got.ETag
	remove := aztables.TransactionAction{ActionType: aztables.TransactionTypeDelete, Entity: []byte(`{"PartitionKey":"p","RowKey":"2"}`)}
	must(table.SubmitTransaction(ctx, []aztables.TransactionAction{add("5"), replace, remove}, nil))(t)
	page := must(table.NewListEntitiesPager(nil).NextPage(ctx))(t)
	if len(page.Entities) != 2 || strings.Contains(string(page.Entities[0]), `"V"`) {
		t.Errorf("%s", page.Entities)
	}
}

func sdkBlobs(t *testing.T, s *sdk) {
	ctx := t.Context()
	c := s.container(t)
	for _, size := range []int{0, 1, 4096, 1 << 20, 9<<20 + 17} {
		body := make([]byte, size)
		for i := range body {
			body[i] = byte(i * 31)
		}
		b := c.NewBlockBlobClient(fmt.Sprintf("size/%d", size))
		must(b.UploadBuffer(ctx, body, &blockblob.UploadBufferOptions{BlockSize: 2 << 20, Concurrency: 4, HTTPHeaders: &blob.HTTPHeaders{BlobContentType: ptr("application/x-test")},
			Metadata: map[string]*string{"size": ptr(strconv.Itoa(size))}}))(t)
		got := must(b.DownloadStream(ctx, nil))(t)
		text := must(io.ReadAll(got.Body))(t)
		if !bytes.Equal(text, body) || *got.ContentType != "application/x-test" || *got.ContentLength != int64(size) {
			t.Errorf("%d bytes come back as %d", size, len(text))
		}
		if size > 100 {
			part := must(b.DownloadStream(ctx, &blob.DownloadStreamOptions{Range: blob.HTTPRange{Offset: int64(size) / 3, Count: 57}}))(t)
			if text := must(io.ReadAll(part.Body))(t); !bytes.Equal(text, body[size/3:size/3+57]) {
				t.Errorf("a range of %d bytes differs", size)
			}
			buffer := make([]byte, size)
			must(b.DownloadBuffer(ctx, buffer, &blob.DownloadBufferOptions{BlockSize: 1 << 20, Concurrency: 3}))(t)
			if !bytes.Equal(buffer, body) {
				t.Errorf("%d bytes differ when downloaded in parallel", size)
			}
		}
	}
	b := c.NewBlockBlobClient("conditions")
	first := must(b.Upload(ctx, streaming.NopCloser(strings.NewReader("1")), nil))(t)
	_, err := b.Upload(ctx, streaming.NopCloser(strings.NewReader("2")), &blockblob.UploadOptions{AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: ptr(azcore.ETagAny)}}})
	refused(t, err, http.StatusConflict, string(bloberror.BlobAlreadyExists))
	must(b.Upload(ctx, streaming.NopCloser(strings.NewReader("2")), &blockblob.UploadOptions{AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: first.ETag}}}))(t)
	_, err = b.Delete(ctx, &blob.DeleteOptions{AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: first.ETag}}})
	refused(t, err, http.StatusPreconditionFailed, string(bloberror.ConditionNotMet))
	must(b.Delete(ctx, nil))(t)
	_, err = b.GetProperties(ctx, nil)
	refused(t, err, http.StatusNotFound, string(bloberror.BlobNotFound))
}

func sdkStream(t *testing.T, s *sdk) {
	ctx := t.Context()
	b := s.container(t).NewBlockBlobClient("stream")
	body := bytes.Repeat([]byte("0123456789abcdef"), 300_000)
	must(b.UploadStream(ctx, bytes.NewReader(body), &blockblob.UploadStreamOptions{BlockSize: 1 << 20, Concurrency: 2}))(t)
	list := must(b.GetBlockList(ctx, blockblob.BlockListTypeAll, nil))(t)
	if len(list.CommittedBlocks) != 5 || len(list.UncommittedBlocks) != 0 {
		t.Errorf("%d committed and %d uncommitted blocks", len(list.CommittedBlocks), len(list.UncommittedBlocks))
	}
	got := must(b.DownloadStream(ctx, nil))(t)
	if text := must(io.ReadAll(got.Body))(t); !bytes.Equal(text, body) {
		t.Errorf("%d bytes", len(text))
	}
}

func sdkLeases(t *testing.T, s *sdk) {
	ctx := t.Context()
	c := s.container(t)
	b := c.NewBlockBlobClient("b")
	must(b.Upload(ctx, streaming.NopCloser(strings.NewReader("x")), nil))(t)
	mine := must(bloblease.NewBlobClient(b, &bloblease.BlobClientOptions{LeaseID: ptr("33333333-3333-4333-8333-333333333333")}))(t)
	other := must(bloblease.NewBlobClient(b, nil))(t)
	must(mine.AcquireLease(ctx, 30, nil))(t)
	must(mine.AcquireLease(ctx, 15, nil))(t)
	_, err := other.AcquireLease(ctx, -1, nil)
	refused(t, err, http.StatusConflict, string(bloberror.LeaseAlreadyPresent))
	must(mine.RenewLease(ctx, nil))(t)
	_, err = b.SetMetadata(ctx, nil, nil)
	refused(t, err, http.StatusPreconditionFailed, string(bloberror.LeaseIDMissing))
	must(b.SetMetadata(ctx, nil, &blob.SetMetadataOptions{AccessConditions: &blob.AccessConditions{LeaseAccessConditions: &blob.LeaseAccessConditions{LeaseID: mine.LeaseID()}}}))(t)
	must(mine.ChangeLease(ctx, "44444444-4444-4444-8444-444444444444", nil))(t)
	must(other.BreakLease(ctx, &bloblease.BlobBreakOptions{BreakPeriod: ptr(int32(0))}))(t)
	must(other.AcquireLease(ctx, -1, nil))(t)
	must(other.ReleaseLease(ctx, nil))(t)
	cl := must(bloblease.NewContainerClient(c, nil))(t)
	must(cl.AcquireLease(ctx, -1, nil))(t)
	if p := must(c.GetProperties(ctx, nil))(t); *p.LeaseState != bloblease.StateTypeLeased || *p.LeaseDuration != bloblease.DurationTypeInfinite {
		t.Errorf("%v %v", *p.LeaseState, *p.LeaseDuration)
	}
	_, err = c.Delete(ctx, nil)
	refused(t, err, http.StatusPreconditionFailed, string(bloberror.LeaseIDMissing))
	must(cl.ReleaseLease(ctx, nil))(t)
}

func sdkListings(t *testing.T, s *sdk) {
	ctx := t.Context()
	c := s.container(t)
	for i := range 25 {
		must(c.NewBlockBlobClient(fmt.Sprintf("dir%d/file %02d", i%3, i)).Upload(ctx, streaming.NopCloser(strings.NewReader("x")), nil))(t)
	}
	var pages []int
	for pager := c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{MaxResults: ptr(int32(10))}); pager.More(); {
		pages = append(pages, len(must(pager.NextPage(ctx))(t).Segment.BlobItems))
	}
	if fmt.Sprint(pages) != "[10 10 5]" {
		t.Errorf("pages of %v", pages)
	}
	var prefixes []string
	for pager := c.NewListBlobsHierarchyPager("/", &container.ListBlobsHierarchyOptions{MaxResults: ptr(int32(2))}); pager.More(); {
		for _, p := range must(pager.NextPage(ctx))(t).Segment.BlobPrefixes {
			prefixes = append(prefixes, *p.Name)
		}
	}
	if fmt.Sprint(prefixes) != "[dir0/ dir1/ dir2/]" {
		t.Errorf("folders %v", prefixes)
	}
	var names []string
	for pager := s.blobs.NewListContainersPager(&azblob.ListContainersOptions{Prefix: ptr("c-" + s.name)}); pager.More(); {
		for _, item := range must(pager.NextPage(ctx))(t).ContainerItems {
			names = append(names, *item.Name)
		}
	}
	if len(names) != 1 {
		t.Errorf("containers %v", names)
	}
}

func sdkSignatures(t *testing.T, s *sdk) {
	ctx := t.Context()
	c := s.container(t)
	b := c.NewBlockBlobClient("signed")
	must(b.Upload(ctx, streaming.NopCloser(strings.NewReader("x")), nil))(t)
	address := must(b.GetSASURL(blobsas.BlobPermissions{Read: true}, time.Now().Add(time.Hour), &blob.GetSASURLOptions{StartTime: ptr(time.Now().Add(-time.Minute))}))(t)
	open := must(blob.NewClientWithNoCredential(address, &blob.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: s.transport, Retry: policy.RetryOptions{MaxRetries: -1}}}))(t)
	must(open.GetProperties(ctx, nil))(t)
	_, err := open.Delete(ctx, nil)
	refused(t, err, http.StatusForbidden, string(bloberror.AuthorizationPermissionMismatch))
}

func sdkProperties(t *testing.T, s *sdk) {
	ctx := t.Context()
	if p := must(s.queues.GetServiceProperties(ctx, nil))(t); p.HourMetrics == nil {
		t.Error("no hour metrics for queues")
	}
	if p := must(s.blobs.ServiceClient().GetProperties(ctx, nil))(t); p.HourMetrics == nil {
		t.Error("no hour metrics for blobs")
	}
	if p := must(s.tables.GetProperties(ctx, nil))(t); p.Logging == nil {
		t.Error("no logging for tables")
	}
	if info := must(s.blobs.ServiceClient().GetAccountInfo(ctx, nil))(t); info.AccountKind == nil {
		t.Error("no account kind")
	}
}
