package emulator_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/emulator"
)

// The benchmarks run the same requests on the emulator in process, over
// loopback and on disk, and on the storage that TASKHUB_TEST_CONN names
// (Azurite, as a rule) when it is set:
//
//	go test ./emulator -run '^$' -bench 'Serial|Writers50' -benchtime 2s
//
// Requests are built by hand and signed once, by a shared access signature:
// what is measured is the storage, not an SDK, which takes several times as
// long for a batch as the emulator does. BenchmarkSDK measures with SDKs.

const connVariable = "TASKHUB_TEST_CONN"

type target struct {
	name string
	open func(b *testing.B) clients
}

func targets() []target {
	out := []target{
		{"inprocess", func(b *testing.B) clients {
			s := newServer(b, emulator.Config{})
			return newClients(b, s.ConnectionString(), s.Transport())
		}},
		{"loopback", func(b *testing.B) clients {
			return newClients(b, listen(b, newServer(b, emulator.Config{})), pooled(b))
		}},
		{"disk", func(b *testing.B) clients {
			s := newServer(b, emulator.Config{Dir: b.TempDir()})
			return newClients(b, s.ConnectionString(), s.Transport())
		}},
		{"diskloopback", func(b *testing.B) clients {
			return newClients(b, listen(b, newServer(b, emulator.Config{Dir: b.TempDir()})), pooled(b))
		}},
	}
	if conn := os.Getenv(connVariable); conn != "" {
		out = append(out, target{"reference", func(b *testing.B) clients { return newClients(b, conn, pooled(b)) }})
	}
	return out
}

func listen(tb testing.TB, s *emulator.Server) string {
	tb.Helper()
	l, err := s.Listen(context.Background(), emulator.ListenConfig{})
	if err != nil {
		tb.Fatal(err)
	}
	return l.ConnectionString()
}

// pooled is an HTTP client that keeps enough connections for every writer.
func pooled(tb testing.TB) policy.Transporter {
	tb.Helper()
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 256
	tb.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t}
}

// rawClient sends requests with as little work as possible.
type rawClient struct {
	transport policy.Transporter
	// endpoints by service ("blob", "queue", "table"), and an account SAS.
	endpoints map[string]string
	signature string
}

// newRawClient signs once for everything ("Create an account SAS").
func newRawClient(tb testing.TB, c clients) *rawClient {
	tb.Helper()
	fields := make(map[string]string)
	for part := range strings.SplitSeq(c.conn, ";") {
		name, value, _ := strings.Cut(part, "=")
		fields[name] = value
	}
	key, err := base64.StdEncoding.DecodeString(fields["AccountKey"])
	if err != nil {
		tb.Fatal(err)
	}
	const version, services, types, permissions = "2020-08-04", "bqt", "sco", "rwdlacup"
	expiry := time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05Z")
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(strings.Join([]string{fields["AccountName"], permissions, services, types, "", expiry, "", "", version, ""}, "\n")))
	query := url.Values{"sv": {version}, "ss": {services}, "srt": {types}, "sp": {permissions}, "se": {expiry}, "sig": {base64.StdEncoding.EncodeToString(mac.Sum(nil))}}
	return &rawClient{transport: c.transport, signature: query.Encode(),
		endpoints: map[string]string{"blob": fields["BlobEndpoint"], "queue": fields["QueueEndpoint"], "table": fields["TableEndpoint"]}}
}

// do sends a request and returns the answer's body; statuses from 300 on are
// errors.
func (c *rawClient) do(ctx context.Context, service, method, path, query string, header http.Header, body []byte) ([]byte, error) {
	if query != "" {
		query += "&"
	}
	req, err := http.NewRequestWithContext(ctx, method, c.endpoints[service]+"/"+path+"?"+query+c.signature, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, header)
	req.Header.Set("X-Ms-Version", "2020-12-06")
	resp, err := c.transport.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := readAnswer(resp)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: status %d: %s", method, path, resp.StatusCode, text)
	}
	return text, err
}

func readAnswer(resp *http.Response) ([]byte, error) {
	if resp.ContentLength < 0 {
		return io.ReadAll(resp.Body)
	}
	text := make([]byte, resp.ContentLength)
	_, err := io.ReadFull(resp.Body, text)
	return text, err
}

// operation is one benchmarked operation; each call of the function it
// returns is one turn.
type operation struct {
	name  string
	setup func(b *testing.B, c clients, name string) func(ctx context.Context, n int64) error
}

var operations = []operation{
	{"QueuePutGetDelete", setupQueue},
	{"TableBatch10", setupBatch},
	{"PointRead", setupRead},
	{"BlobPut", setupBlob},
}

var benchNames atomic.Int64

func BenchmarkSerial(b *testing.B)    { benchmark(b, operations, 1) }
func BenchmarkWriters50(b *testing.B) { benchmark(b, operations, 50) }

// BenchmarkSDK measures what an application of the Go SDKs sees.
func BenchmarkSDK(b *testing.B) {
	benchmark(b, []operation{{"QueuePutGetDelete", setupSDKQueue}, {"TableBatch10", setupSDKBatch}}, 1)
}

func benchmark(b *testing.B, operations []operation, writers int) {
	for _, op := range operations {
		for _, target := range targets() {
			b.Run(op.name+"/"+target.name, func(b *testing.B) {
				name := fmt.Sprintf("bench%dx%d", os.Getpid(), benchNames.Add(1))
				turn := op.setup(b, target.open(b), name)
				b.ReportAllocs()
				b.ResetTimer()
				runWriters(b, writers, turn)
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "turns/s")
			})
		}
	}
}

// runWriters shares b.N turns among writers.
func runWriters(b *testing.B, writers int, turn func(context.Context, int64) error) {
	b.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := turn(b.Context(), n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

var (
	messageID  = regexp.MustCompile(`<MessageId>([^<]+)</MessageId>`)
	messagePop = regexp.MustCompile(`<PopReceipt>([^<]+)</PopReceipt>`)
	jsonHeader = http.Header{"Accept": {"application/json;odata=nometadata"}, "Content-Type": {"application/json"}, "Dataserviceversion": {"3.0"}}
)

func setupQueue(b *testing.B, c clients, name string) func(context.Context, int64) error {
	b.Helper()
	raw := newRawClient(b, c)
	if _, err := raw.do(b.Context(), "queue", http.MethodPut, name, "", nil, nil); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _, _ = c.queues.DeleteQueue(context.Background(), name, nil) })
	message := fmt.Appendf(nil, "<QueueMessage><MessageText>%0512d</MessageText></QueueMessage>", 7)
	return func(ctx context.Context, _ int64) error {
		if _, err := raw.do(ctx, "queue", http.MethodPost, name+"/messages", "", nil, message); err != nil {
			return err
		}
		got, err := raw.do(ctx, "queue", http.MethodGet, name+"/messages", "", nil, nil)
		if err != nil {
			return err
		}
		id, pop := messageID.FindSubmatch(got), messagePop.FindSubmatch(got)
		if id == nil || pop == nil {
			return fmt.Errorf("no message in %s", got)
		}
		_, err = raw.do(ctx, "queue", http.MethodDelete, name+"/messages/"+string(id[1]), "popreceipt="+url.QueryEscape(string(pop[1])), nil, nil)
		return err
	}
}

func setupTable(b *testing.B, c clients, name string) {
	b.Helper()
	if _, err := c.tables.CreateTable(b.Context(), name, nil); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _, _ = c.tables.DeleteTable(context.Background(), name, nil) })
}

const benchEntity = `{"PartitionKey":"p%d","RowKey":"%016d","Name":"TaskScheduled","EventId":%d,"Input":"[\"Tokyo\"]","At":"2026-06-01T12:34:57.0000000Z","At@odata.type":"Edm.DateTime"}`

func setupBatch(b *testing.B, c clients, name string) func(context.Context, int64) error {
	b.Helper()
	setupTable(b, c, name)
	raw := newRawClient(b, c)
	header := http.Header{"Accept": {"application/json"}, "Content-Type": {"multipart/mixed; boundary=batch_1"}, "Dataserviceversion": {"3.0"}}
	return func(ctx context.Context, n int64) error {
		body := append(make([]byte, 0, 8192), "--batch_1\r\nContent-Type: multipart/mixed; boundary=changeset_1\r\n\r\n"...)
		for i := range 10 {
			body = fmt.Appendf(body, "--changeset_1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\nPUT %s/%s(PartitionKey='p%d',RowKey='%016d') HTTP/1.1\r\nAccept: application/json;odata=minimalmetadata\r\nContent-Type: application/json\r\nDataServiceVersion: 3.0\r\n\r\n",
				raw.endpoints["table"], name, n%64, int(n)*10+i)
			body = fmt.Appendf(body, benchEntity+"\r\n", n%64, int(n)*10+i, i)
		}
		body = append(body, "--changeset_1--\r\n--batch_1--\r\n"...)
		answer, err := raw.do(ctx, "table", http.MethodPost, "$batch", "", header, body)
		if err == nil && bytes.Contains(answer, []byte("odata.error")) {
			err = fmt.Errorf("%s", answer)
		}
		return err
	}
}

func setupRead(b *testing.B, c clients, name string) func(context.Context, int64) error {
	b.Helper()
	setupTable(b, c, name)
	raw := newRawClient(b, c)
	for i := range 100 {
		if _, err := raw.do(b.Context(), "table", http.MethodPost, name, "", jsonHeader, fmt.Appendf(nil, benchEntity, 0, i, i)); err != nil {
			b.Fatal(err)
		}
	}
	return func(ctx context.Context, n int64) error {
		_, err := raw.do(ctx, "table", http.MethodGet, fmt.Sprintf("%s(PartitionKey='p0',RowKey='%016d')", name, n%100), "", jsonHeader, nil)
		return err
	}
}

func setupBlob(b *testing.B, c clients, name string) func(context.Context, int64) error {
	b.Helper()
	raw := newRawClient(b, c)
	if _, err := raw.do(b.Context(), "blob", http.MethodPut, name, "restype=container", nil, nil); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _, _ = c.blobs.DeleteContainer(context.Background(), name, nil) })
	header := http.Header{"X-Ms-Blob-Type": {"BlockBlob"}}
	body := make([]byte, 4096)
	return func(ctx context.Context, n int64) error {
		_, err := raw.do(ctx, "blob", http.MethodPut, fmt.Sprintf("%s/b%d", name, n%1000), "", header, body)
		return err
	}
}

func setupSDKQueue(b *testing.B, c clients, name string) func(context.Context, int64) error {
	b.Helper()
	q := c.queues.NewQueueClient(name)
	if _, err := q.Create(b.Context(), nil); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _, _ = q.Delete(context.Background(), nil) })
	text := fmt.Sprintf("%0512d", 7)
	return func(ctx context.Context, _ int64) error {
		if _, err := q.EnqueueMessage(ctx, text, nil); err != nil {
			return err
		}
		got, err := q.DequeueMessages(ctx, nil)
		if err != nil {
			return err
		}
		for _, m := range got.Messages {
			if _, err := q.DeleteMessage(ctx, *m.MessageID, *m.PopReceipt, nil); err != nil {
				return err
			}
		}
		return nil
	}
}

func setupSDKBatch(b *testing.B, c clients, name string) func(context.Context, int64) error {
	b.Helper()
	setupTable(b, c, name)
	t := c.tables.NewClient(name)
	return func(ctx context.Context, n int64) error {
		actions := make([]aztables.TransactionAction, 10)
		for i := range actions {
			actions[i] = aztables.TransactionAction{ActionType: aztables.TransactionTypeInsertReplace, Entity: fmt.Appendf(nil, benchEntity, n%64, int(n)*10+i, i)}
		}
		_, err := t.SubmitTransaction(ctx, actions, nil)
		return err
	}
}
