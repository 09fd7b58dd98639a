package emulator_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/queueerror"
	"go.uber.org/goleak"

	"github.com/go-taskhub/taskhub/emulator"
)

func ptr[T any](v T) *T { return &v }

// TestVirtualTime lets days pass in a synctest bubble: visibility, expiry and
// leases follow the bubble's clock, in memory and on disk.
func TestVirtualTime(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"", t.TempDir()} {
		synctest.Test(t, func(t *testing.T) {
			s, err := emulator.New(emulator.Config{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			c := newClients(t, s.ConnectionString(), s.Transport())
			virtualQueue(t, c.queues.NewQueueClient("work"))
			virtualLease(t, c.blobs)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func virtualQueue(t *testing.T, q *azqueue.QueueClient) {
	t.Helper()
	ctx := t.Context()
	received := func() int {
		t.Helper()
		got, err := q.DequeueMessages(ctx, &azqueue.DequeueMessagesOptions{VisibilityTimeout: ptr(int32(60)), NumberOfMessages: ptr(int32(32))})
		if err != nil {
			t.Fatal(err)
		}
		return len(got.Messages)
	}
	if _, err := q.Create(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := q.EnqueueMessage(ctx, "soon", &azqueue.EnqueueMessageOptions{VisibilityTimeout: ptr(int32(3600)), TimeToLive: ptr(int32(2 * 3600))}); err != nil {
		t.Fatal(err)
	}
	if _, err := q.EnqueueMessage(ctx, "for ever", &azqueue.EnqueueMessageOptions{VisibilityTimeout: ptr(int32(7 * 24 * 3600)), TimeToLive: ptr(int32(-1))}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Hour - time.Millisecond)
	if n := received(); n != 0 {
		t.Fatalf("%d messages a moment too early", n)
	}
	time.Sleep(time.Millisecond)
	if n := received(); n != 1 {
		t.Fatalf("%d messages after an hour", n)
	}
	time.Sleep(59 * time.Second)
	if n := received(); n != 0 {
		t.Fatal("visible too early again")
	}
	time.Sleep(time.Second)
	if n := received(); n != 1 {
		t.Fatal("not visible again")
	}
	time.Sleep(time.Hour)
	if n := received(); n != 0 {
		t.Fatal("an expired message was received")
	}
	time.Sleep(7 * 24 * time.Hour)
	if n := received(); n != 1 {
		t.Fatal("the lasting message is gone")
	}
}

func virtualLease(t *testing.T, c *azblob.Client) {
	t.Helper()
	ctx := t.Context()
	if _, err := c.CreateContainer(ctx, "things", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UploadBuffer(ctx, "things", "b", []byte("x"), nil); err != nil {
		t.Fatal(err)
	}
	b := c.ServiceClient().NewContainerClient("things").NewBlobClient("b")
	first, err := lease.NewBlobClient(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	second, err := lease.NewBlobClient(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.AcquireLease(ctx, 15, nil); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Second)
	if _, err := first.RenewLease(ctx, nil); err != nil {
		t.Fatal(err)
	}
	time.Sleep(14 * time.Second)
	if _, err := second.AcquireLease(ctx, 15, nil); !bloberror.HasCode(err, bloberror.LeaseAlreadyPresent) {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	if _, err := second.AcquireLease(ctx, 60, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := first.RenewLease(ctx, nil); !bloberror.HasCode(err, bloberror.LeaseIDMismatchWithLeaseOperation) {
		t.Fatal(err)
	}
}

// TestOwnClock moves a clock by hand. Without the default clock the dates of
// signatures are not compared with it.
func TestOwnClock(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	s := newServer(t, emulator.Config{Clock: func() time.Time { return time.Unix(now.Load(), 0) }})
	q := newClients(t, s.ConnectionString(), s.Transport()).queues.NewQueueClient("work")
	if _, err := q.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	put, err := q.EnqueueMessage(t.Context(), "x", &azqueue.EnqueueMessageOptions{VisibilityTimeout: ptr(int32(100))})
	if err != nil {
		t.Fatal(err)
	}
	if !put.Messages[0].InsertionTime.Equal(time.Unix(0, 0)) {
		t.Errorf("inserted %v", put.Messages[0].InsertionTime)
	}
	now.Store(100)
	got, err := q.DequeueMessages(t.Context(), nil)
	if err != nil || len(got.Messages) != 1 {
		t.Fatalf("%+v, %v", got.Messages, err)
	}
	// Under a clock that stands still, no two versions share an ETag.
	c := newClients(t, s.ConnectionString(), s.Transport())
	if _, err := c.tables.CreateTable(t.Context(), "T", nil); !hasCode(err, "OutOfRangeInput") {
		t.Fatal(err)
	}
	if _, err := c.tables.CreateTable(t.Context(), "Tab", nil); err != nil {
		t.Fatal(err)
	}
	seen := make(map[azcore.ETag]bool)
	for range 100 {
		got, err := c.tables.NewClient("Tab").UpsertEntity(t.Context(), []byte(`{"PartitionKey":"p","RowKey":"r"}`), nil)
		if err != nil || seen[got.ETag] {
			t.Fatalf("ETag %s, %v", got.ETag, err)
		}
		seen[got.ETag] = true
	}
}

func hasCode(err error, code string) bool {
	var e *azcore.ResponseError
	return errors.As(err, &e) && e.ErrorCode == code
}

// TestConcurrentRequests has 10,000 requests under way at one time.
func TestConcurrentRequests(t *testing.T) {
	t.Parallel()
	s := newServer(t, emulator.Config{})
	c := newClients(t, s.ConnectionString(), s.Transport())
	q := c.queues.NewQueueClient("work")
	if _, err := q.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.tables.CreateTable(t.Context(), "Work", nil); err != nil {
		t.Fatal(err)
	}
	table := c.tables.NewClient("Work")
	const n = 10_000
	var start, done sync.WaitGroup
	var failed atomic.Int64
	start.Add(1)
	for i := range n {
		done.Go(func() {
			start.Wait()
			var err error
			if i%2 == 0 {
				_, err = q.EnqueueMessage(t.Context(), "x", nil)
			} else {
				_, err = table.AddEntity(t.Context(), fmt.Appendf(nil, `{"PartitionKey":"%d","RowKey":"%d"}`, i%100, i), nil)
			}
			if err != nil {
				failed.Add(1)
			}
		})
	}
	start.Done()
	done.Wait()
	if failed.Load() > 0 {
		t.Errorf("%d of %d requests failed", failed.Load(), n)
	}
	got, err := q.GetProperties(t.Context(), nil)
	if err != nil || *got.ApproximateMessagesCount != n/2 {
		t.Errorf("%v messages, %v", got.ApproximateMessagesCount, err)
	}
	rows := 0
	for pager := table.NewListEntitiesPager(nil); pager.More(); {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rows += len(page.Entities)
	}
	if rows != n/2 {
		t.Errorf("%d rows", rows)
	}
}

// TestExclusiveReceipt lets many receivers empty a queue: every message is
// received once.
func TestExclusiveReceipt(t *testing.T) {
	t.Parallel()
	s := newServer(t, emulator.Config{})
	q := newClients(t, s.ConnectionString(), s.Transport()).queues.NewQueueClient("work")
	if _, err := q.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	const n = 500
	for i := range n {
		if _, err := q.EnqueueMessage(t.Context(), fmt.Sprint(i), nil); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	var received sync.Map
	var count atomic.Int64
	for range 16 {
		all.Go(func() {
			for {
				got, err := q.DequeueMessages(t.Context(), &azqueue.DequeueMessagesOptions{NumberOfMessages: ptr(int32(7))})
				if err != nil {
					t.Error(err)
					return
				}
				if len(got.Messages) == 0 {
					return
				}
				for _, m := range got.Messages {
					if _, twice := received.LoadOrStore(*m.MessageText, true); twice {
						t.Errorf("message %s was received twice", *m.MessageText)
					}
					count.Add(1)
				}
			}
		})
	}
	all.Wait()
	if count.Load() != n {
		t.Errorf("%d messages", count.Load())
	}
}

// TestIncrements has many writers who read, add one and replace with If-Match:
// no increment is lost.
func TestIncrements(t *testing.T) {
	t.Parallel()
	s := newServer(t, emulator.Config{})
	c := newClients(t, s.ConnectionString(), s.Transport())
	if _, err := c.tables.CreateTable(t.Context(), "Count", nil); err != nil {
		t.Fatal(err)
	}
	table := c.tables.NewClient("Count")
	if _, err := table.AddEntity(t.Context(), []byte(`{"PartitionKey":"p","RowKey":"r","N":0}`), nil); err != nil {
		t.Fatal(err)
	}
	increment := func() error {
		for {
			got, err := table.GetEntity(t.Context(), "p", "r", nil)
			if err != nil {
				return err
			}
			var e aztables.EDMEntity
			if err := e.UnmarshalJSON(got.Value); err != nil {
				return err
			}
			n, _ := e.Properties["N"].(int32)
			_, err = table.UpdateEntity(t.Context(), fmt.Appendf(nil, `{"PartitionKey":"p","RowKey":"r","N":%d}`, n+1),
				&aztables.UpdateEntityOptions{IfMatch: ptr(azcore.ETag(e.ETag)), UpdateMode: aztables.UpdateModeReplace})
			if !hasCode(err, "UpdateConditionNotSatisfied") {
				return err
			}
		}
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				if err := increment(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	got, err := table.GetEntity(t.Context(), "p", "r", nil)
	if err != nil || !strings.Contains(string(got.Value), `"N":400`) {
		t.Errorf("%s, %v", got.Value, err)
	}
}

func TestHostStyleAddresses(t *testing.T) {
	t.Parallel()
	key := base64.StdEncoding.EncodeToString([]byte("a key of one's own"))
	s := newServer(t, emulator.Config{Accounts: map[string]string{"shop": key, "other": key}})
	conn := "AccountName=shop;AccountKey=" + key + ";BlobEndpoint=http://shop.blob.localhost;QueueEndpoint=http://shop.queue.core.windows.net;TableEndpoint=http://shop.table.localhost:1234;"
	smoke(t, newClients(t, conn, s.Transport()))
	// The other account sees none of it.
	conn = strings.ReplaceAll(conn, "shop", "other")
	c := newClients(t, conn, s.Transport())
	if _, err := c.queues.NewQueueClient("work").GetProperties(t.Context(), nil); !queueerror.HasCode(err, queueerror.QueueNotFound) {
		t.Error(err)
	}
	if !strings.Contains(s.ConnectionString(), "AccountName=other;") {
		t.Error("the connection string is not that of the first account")
	}
}

func TestSecondaryEndpoint(t *testing.T) {
	t.Parallel()
	s := newServer(t, emulator.Config{})
	conn := strings.ReplaceAll(s.ConnectionString(), "/"+emulator.DevelopmentAccount+";", "/"+emulator.DevelopmentAccount+"-secondary;")
	c := newClients(t, conn, s.Transport())
	stats, err := c.queues.GetStatistics(t.Context(), nil)
	if err != nil || *stats.GeoReplication.Status != "live" {
		t.Fatalf("%+v, %v", stats.GeoReplication, err)
	}
	if _, err := c.queues.NewQueueClient("work").Create(t.Context(), nil); !hasCode(err, "InsufficientAccountPermissions") {
		t.Error(err)
	}
	if _, err := newClients(t, s.ConnectionString(), s.Transport()).queues.GetStatistics(t.Context(), nil); !hasCode(err, "InvalidQueryParameterValue") {
		t.Error(err)
	}
}

func TestLargeBodies(t *testing.T) {
	t.Parallel()
	s := newServer(t, emulator.Config{MaxBody: 1 << 20, MaxBodies: 3 << 20})
	c := newClients(t, s.ConnectionString(), s.Transport())
	if _, err := c.blobs.CreateContainer(t.Context(), "things", nil); err != nil {
		t.Fatal(err)
	}
	b := c.blobs.ServiceClient().NewContainerClient("things").NewBlockBlobClient("b")
	if _, err := b.UploadBuffer(t.Context(), make([]byte, 1<<20), nil); err != nil {
		t.Error(err)
	}
	if _, err := b.UploadBuffer(t.Context(), make([]byte, 1<<20+1), nil); !hasCode(err, "RequestBodyTooLarge") {
		t.Error(err)
	}
	// Bodies that are under way block others only while they are.
	var held []*io.PipeWriter
	var all sync.WaitGroup
	for i := range 3 {
		r, w := io.Pipe()
		held = append(held, w)
		all.Go(func() {
			if err := putRaw(t, s, fmt.Sprintf("held-%d", i), r, 1<<20); err != nil {
				t.Error(err)
			}
		})
		if _, err := w.Write([]byte("x")); err != nil { // it is being read
			t.Fatal(err)
		}
	}
	if _, err := b.UploadBuffer(t.Context(), make([]byte, 1<<20), nil); !hasCode(err, "ServerBusy") {
		t.Error(err)
	}
	for _, w := range held {
		if _, err := w.Write(make([]byte, 1<<20-1)); err != nil {
			t.Error(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
	if _, err := b.UploadBuffer(t.Context(), make([]byte, 1<<20), nil); err != nil {
		t.Error(err)
	}
}

// putRaw uploads a blob from a reader that cannot seek; a SAS in the URL
// takes the place of a signature.
func putRaw(t *testing.T, s *emulator.Server, name string, body io.Reader, length int64) error {
	c := newClients(t, s.ConnectionString(), s.Transport())
	address, err := c.blobs.ServiceClient().NewContainerClient("things").NewBlobClient(name).GetSASURL(sas.BlobPermissions{Create: true, Write: true}, time.Now().Add(time.Hour), nil)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, address, body)
	if err != nil {
		return err
	}
	req.ContentLength = length
	req.Header.Set("x-ms-blob-type", "BlockBlob")
	resp, err := s.Transport().Do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusCreated {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("status %d: %s", resp.StatusCode, text)
	}
	return nil
}

// TestRefusedBodies sends bodies far beyond the limits, by a client that reads
// the answer only when all is written: it gets the service's error, and the
// connection goes on.
func TestRefusedBodies(t *testing.T) {
	t.Parallel()
	s := newServer(t, emulator.Config{MaxBody: 1 << 20})
	l, err := s.Listen(t.Context(), emulator.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	signature := newRawClient(t, newClients(t, s.ConnectionString(), s.Transport())).signature
	const size = 20 << 20
	for _, test := range []struct {
		addr, line, header string
		status             int
	}{
		{l.QueueAddr(), "POST /devstoreaccount1/queue/messages?", "", http.StatusRequestEntityTooLarge},
		{l.TableAddr(), "POST /devstoreaccount1/$batch?", "Content-Type: multipart/mixed; boundary=b\r\n", http.StatusRequestEntityTooLarge},
		{l.BlobAddr(), "PUT /devstoreaccount1/things/b?", "x-ms-blob-type: BlockBlob\r\n", http.StatusRequestEntityTooLarge},
		{l.BlobAddr(), "PUT /devstoreaccount1/things/b?sig=wrong&", "x-ms-blob-type: BlockBlob\r\n", http.StatusForbidden},
	} {
		conn, err := net.Dial("tcp", test.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		answers := bufio.NewReader(conn)
		for range 2 {
			_, err := fmt.Fprintf(conn, "%s%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n%s\r\n", test.line, signature, size, test.header)
			if err == nil {
				_, err = conn.Write(make([]byte, size))
			}
			if err != nil {
				t.Fatalf("%s: %v", test.line, err)
			}
			resp, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatalf("%s: %v", test.line, err)
			}
			text, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != test.status || resp.Header.Get("X-Ms-Error-Code") == "" {
				t.Errorf("%s: status %d, %v: %s", test.line, resp.StatusCode, err, text)
			}
		}
	}
}

// TestShortBody ends a body before its Content-Length is reached.
func TestShortBody(t *testing.T) {
	t.Parallel()
	s := newServer(t, emulator.Config{})
	c := newClients(t, s.ConnectionString(), s.Transport())
	if _, err := c.blobs.CreateContainer(t.Context(), "things", nil); err != nil {
		t.Fatal(err)
	}
	if err := putRaw(t, s, "b", strings.NewReader("short"), 100); err == nil || !strings.Contains(err.Error(), "InvalidInput") {
		t.Error(err)
	}
	if err := putRaw(t, s, "b", strings.NewReader("chunked"), -1); err == nil || !strings.Contains(err.Error(), "MissingContentLengthHeader") {
		t.Error(err)
	}
}

// TestRubbish sends what no SDK sends to each port: there is an answer, an
// error, and the server goes on.
func TestRubbish(t *testing.T) {
	t.Parallel()
	s := newServer(t, emulator.Config{Logger: slog.New(slog.DiscardHandler)})
	l, err := s.Listen(t.Context(), emulator.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	host := "Host: 127.0.0.1\r\nConnection: close\r\n"
	requests := map[string]string{
		"no HTTP":               "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
		"unknown verb":          "BREW /devstoreaccount1/x HTTP/1.1\r\n" + host + "\r\n",
		"no account":            "GET / HTTP/1.1\r\n" + host + "\r\n",
		"unknown account":       "GET /nobody/x HTTP/1.1\r\n" + host + "\r\n",
		"bad query":             "GET /devstoreaccount1/x?a=%zz HTTP/1.1\r\n" + host + "\r\n",
		"bad version":           "GET /devstoreaccount1/x HTTP/1.1\r\nx-ms-version: new\r\n" + host + "\r\n",
		"odd path":              "GET /devstoreaccount1/%00//../..%2f HTTP/1.1\r\n" + host + "\r\n",
		"huge header":           "GET /devstoreaccount1/x HTTP/1.1\r\nx-ms-big: " + strings.Repeat("x", 100<<10) + "\r\n" + host + "\r\n",
		"monstrous header":      "GET /devstoreaccount1/x HTTP/1.1\r\nx-ms-big: " + strings.Repeat("x", 2<<20) + "\r\n" + host + "\r\n",
		"huge URL":              "GET /devstoreaccount1/" + strings.Repeat("x", 100<<10) + " HTTP/1.1\r\n" + host + "\r\n",
		"negative length":       "PUT /devstoreaccount1/x HTTP/1.1\r\nContent-Length: -5\r\n" + host + "\r\n",
		"preflight":             "OPTIONS /devstoreaccount1/x HTTP/1.1\r\nOrigin: http://x\r\nAccess-Control-Request-Method: GET\r\n" + host + "\r\n",
		"absurd authorization":  "GET /devstoreaccount1/x HTTP/1.1\r\nAuthorization: SharedKey " + strings.Repeat(":", 1000) + "\r\n" + host + "\r\n",
		"bearer":                "GET /devstoreaccount1/x HTTP/1.1\r\nAuthorization: Bearer token\r\n" + host + "\r\n",
		"broken SAS":            "GET /devstoreaccount1/x?sig=x&sv=2020-01-01&sr=%ff HTTP/1.1\r\n" + host + "\r\n",
		"a table's odd address": "GET /devstoreaccount1/T(PartitionKey='a HTTP/1.1\r\n" + host + "\r\n",
	}
	for _, addr := range []string{l.BlobAddr(), l.QueueAddr(), l.TableAddr()} {
		for what, text := range requests {
			status, err := rawStatus(addr, text)
			if err != nil || status < 400 || status >= 500 {
				t.Errorf("%s: status %d, %v", what, status, err)
			}
		}
	}
	smoke(t, newClients(t, l.ConnectionString(), pooled(t)))
}

func rawStatus(addr, text string) (int, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	go func() { _, _ = io.WriteString(conn, text) }() // the server may hang up first
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, nil
}

func TestClosing(t *testing.T) {
	t.Parallel()
	s, err := emulator.New(emulator.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Listen(t.Context(), emulator.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(l.BlobAddr())
	if err != nil {
		t.Fatal(err)
	}
	var number int
	if _, err := fmt.Sscan(port, &number); err != nil {
		t.Fatal(err)
	}
	var listen *emulator.ListenError
	_, err = s.Listen(t.Context(), emulator.ListenConfig{QueuePort: number})
	if !errors.As(err, &listen) || listen.Service != "queue" || listen.Address != l.BlobAddr() || !strings.Contains(err.Error(), "another storage emulator may have the port") {
		t.Errorf("a port in use: %v", err)
	}
	if _, err := s.Listen(t.Context(), emulator.ListenConfig{TablePort: 1 << 16}); !errors.As(err, &listen) || listen.Service != "table" || strings.Contains(err.Error(), "may have the port") {
		t.Errorf("no port: %v", err)
	}
	if err := errors.Join(l.Close(), l.Close(), s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	c := newClients(t, s.ConnectionString(), s.Transport())
	if _, err := c.queues.NewQueueClient("work").Create(t.Context(), nil); !errors.Is(err, emulator.ErrClosed) {
		t.Errorf("a request after the end: %v", err)
	}
	if _, err := s.Listen(t.Context(), emulator.ListenConfig{}); !errors.Is(err, emulator.ErrClosed) {
		t.Errorf("listening after the end: %v", err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/devstoreaccount1?comp=list", nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &recorder{header: make(http.Header)}
	if s.Queue().ServeHTTP(w, req); w.status != http.StatusServiceUnavailable {
		t.Errorf("a handler after the end: %d", w.status)
	}
}

type recorder struct {
	header http.Header
	status int
	bytes.Buffer
}

func (r *recorder) Header() http.Header    { return r.header }
func (r *recorder) WriteHeader(status int) { r.status = status }

func TestListenerEndsWithContext(t *testing.T) {
	t.Parallel()
	s := newServer(t, emulator.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	l, err := s.Listen(ctx, emulator.ListenConfig{Host: "0.0.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(l.ConnectionString(), "http://127.0.0.1:") {
		t.Errorf("the connection string names no address one can dial: %s", l.BlobAddr())
	}
	cancel()
	if err := l.Close(); err != nil { // waits for the closing that cancel began
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", strings.Replace(l.BlobAddr(), "[::]", "127.0.0.1", 1)); err == nil {
		_ = conn.Close()
		t.Error("the port is still open")
	}
}

func TestTransportRefusesStrangers(t *testing.T) {
	t.Parallel()
	s := newServer(t, emulator.Config{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://example.com/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	var route *emulator.RouteError
	if _, err := s.Transport().Do(req); !errors.As(err, &route) || route.Host != "example.com" {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newClients(t, s.ConnectionString(), s.Transport()).queues.NewQueueClient("work").Create(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestBadConfigs(t *testing.T) {
	t.Parallel()
	for _, bad := range []struct {
		field  string
		config emulator.Config
	}{
		{"Accounts", emulator.Config{Accounts: map[string]string{"UPPER": "a2V5"}}},
		{"Accounts", emulator.Config{Accounts: map[string]string{"account": "no base64!"}}},
		{"MaxBody", emulator.Config{MaxBody: -1}},
		{"MinCompaction", emulator.Config{MinCompaction: -1}},
	} {
		_, err := emulator.New(bad.config)
		var e *emulator.ConfigError
		if !errors.As(err, &e) || e.Field != bad.field {
			t.Errorf("%s: %v", bad.field, err)
		}
		if err != nil && strings.Contains(err.Error(), "no base64!") {
			t.Error("the error shows a key")
		}
	}
}

// TestNoGoroutinesLeft is not parallel, so that it sees its own goroutines.
func TestNoGoroutinesLeft(t *testing.T) {
	before := goleak.IgnoreCurrent()
	s, err := emulator.New(emulator.Config{Dir: t.TempDir(), MinCompaction: 4096})
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Listen(context.Background(), emulator.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{}
	smoke(t, newClients(t, l.ConnectionString(), &http.Client{Transport: tr}))
	tr.CloseIdleConnections()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, before)
}
