package queues_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/payloads"
	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/storage"
)

func newConfig(t testing.TB, account *storage.Account) queues.Config {
	t.Helper()
	names, err := layout.NewNames(testkit.Hub(t))
	if err != nil {
		t.Fatal(err)
	}
	return queues.Config{Account: account, Names: names}
}

func newQueues(t testing.TB, cfg queues.Config) *queues.Queues {
	t.Helper()
	q := queues.New(cfg)
	if err := q.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return q
}

func event(sequence int64, input string) *history.Envelope {
	return &history.Envelope{
		ActivityID:     fmt.Sprintf("5406d369-4369-4673-afae-%012x", sequence),
		SequenceNumber: sequence,
		Sender:         &history.Instance{ExecutionID: history.String("")},
		Message: &history.Message{
			Event:  &history.EventRaised{Base: history.Base{EventID: -1, Timestamp: time.Date(2026, 6, 1, 12, 34, 56, 0, time.UTC)}, Name: "Approved", Input: &input},
			Target: history.Instance{InstanceID: "order-42"},
		},
	}
}

func receive(t *testing.T, q *queues.Queue, want int) []*queues.Delivery {
	t.Helper()
	var all []*queues.Delivery
	for len(all) < want {
		got, err := q.Receive(t.Context(), queues.MaxReceive, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 {
			t.Fatalf("%d messages, want %d", len(all), want)
		}
		all = append(all, got...)
	}
	return all
}

func TestPutAndReceive(t *testing.T) {
	t.Parallel()
	account := testkit.Account(t)
	inputs := []string{
		`{"qty":3}`, "", `<a href="x">&amp; 'quoted' "twice"</a>`, "line\r\nbreak\ttab \r alone", "ü 日本 😀", "\u0085\u2028\ufffd", "noncharacters \ufffe\uffff", "\x00\x01\x1f\x7f",
		"  spaces around  ", "]]>", strings.Repeat("&<>\"", 11_000),
	}
	for _, cfg := range []queues.Config{{}, {Base64: true}} {
		base := newConfig(t, account)
		base.Base64 = cfg.Base64
		q := newQueues(t, base).Control(0)
		// A reader configured otherwise understands the messages as well.
		base.Base64 = !cfg.Base64
		reader := queues.New(base).Control(0)
		for i, input := range inputs {
			sentAt := time.Now()
			receipt, err := q.Put(t.Context(), event(int64(i+1), input), 0)
			if err != nil || receipt.ID == "" || receipt.PopReceipt == "" || (receipt.Blob != "") != (len(input) > payloads.MessageThreshold/2) {
				t.Fatalf("base64 %v, %q: %+v, %v", cfg.Base64, input, receipt, err)
			}
			got := receive(t, reader, 1)[0]
			if got.Err != nil {
				t.Errorf("base64 %v, %q: %v", cfg.Base64, input, got.Err)
				continue
			}
			if !reflect.DeepEqual(got.Envelope, event(int64(i+1), input)) {
				t.Errorf("base64 %v, %q: got %+v", cfg.Base64, input, got.Envelope.Message.Event)
			}
			if got.ID != receipt.ID || got.DequeueCount != 1 || got.Blob != receipt.Blob || got.Receipt().PopReceipt == receipt.PopReceipt ||
				sentAt.Sub(got.InsertedAt).Abs() > time.Minute || got.VisibleAt.Before(got.InsertedAt) || got.VisibleAt.Location() != time.UTC {
				t.Errorf("delivery %+v", got)
			}
			want, err := history.MarshalEnvelope(event(int64(i+1), input))
			if err != nil {
				t.Fatal(err)
			}
			if got.Size != len(want) {
				t.Errorf("size %d, want %d", got.Size, len(want))
			}
			if strings.HasPrefix(got.Text, "{") == cfg.Base64 {
				t.Errorf("base64 %v, but the text is %.20s", cfg.Base64, got.Text)
			}
			if err := reader.Delete(t.Context(), got.Receipt()); err != nil {
				t.Error(err)
			}
			if err := reader.Delete(t.Context(), got.Receipt()); err != nil {
				t.Errorf("second deletion: %v", err)
			}
		}
		if left, err := reader.Receive(t.Context(), 1, time.Second); err != nil || len(left) != 0 {
			t.Errorf("%d messages left, %v", len(left), err)
		}
	}
}

// What .NET sent arrives as it was, and is understood.
func TestGoldenMessages(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"safe-exceptions", "table-details"} {
		path := testkit.Shared(t, "golden", folder, "messages.jsonl")
		account := testkit.Account(t)
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		q := newQueues(t, newConfig(t, account)).WorkItems()
		var want []string
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() && len(want) < 200 {
			var line struct{ Text string }
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				t.Fatal(err)
			}
			env, err := history.UnmarshalEnvelope([]byte(line.Text))
			if err != nil {
				t.Fatal(err)
			}
			if env.Message == nil {
				continue // its blob is not here
			}
			if _, err := q.Put(t.Context(), env, 0); err != nil {
				t.Fatal(err)
			}
			want = append(want, line.Text)
		}
		var got []string
		for _, d := range receive(t, q, len(want)) {
			if d.Err != nil {
				t.Error(d.Err)
			}
			got = append(got, d.Text)
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: messages came back differently", folder)
		}
	}
}

func TestLargeMessages(t *testing.T) {
	t.Parallel()
	account := testkit.Account(t)
	cfg := newConfig(t, account)
	q := newQueues(t, cfg).ControlFor("order-42")
	overhead, err := history.MarshalEnvelope(event(1, ""))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		input string
		blob  bool
	}{
		{"at the threshold", strings.Repeat("x", payloads.MessageThreshold-len(overhead)), false},
		{"above it", strings.Repeat("x", payloads.MessageThreshold-len(overhead)+1), true},
		{"above it in bytes", strings.Repeat("ü", payloads.MessageThreshold/2), true},
		{"a megabyte", strings.Repeat("日本", 1<<20/6), true},
	} {
		env := event(1, c.input)
		receipt, err := q.Put(t.Context(), env, 0)
		if err != nil {
			t.Fatal(err)
		}
		got := receive(t, q, 1)[0]
		if got.Err != nil || !reflect.DeepEqual(got.Envelope, env) {
			t.Errorf("%s: %v", c.name, got.Err)
		}
		const blob = "order-42/message-5406d36943694673afae000000000001-EventRaised.json.gz"
		const wrapper = `{"$type":"DurableTask.AzureStorage.MessageData","ActivityId":"00000000-0000-0000-0000-000000000000","TaskMessage":null,"CompressedBlobName":"` + blob +
			`","SequenceNumber":0,"Sender":null,"SerializableTraceContext":null}`
		if c.blob && (receipt.Blob != blob || got.Blob != blob || got.Text != wrapper) || !c.blob && (receipt.Blob != "" || got.Blob != "") {
			t.Errorf("%s: blob %q, text %.400s", c.name, receipt.Blob, got.Text)
		}
		if c.blob {
			text, err := payloads.New(account, cfg.Names).Read(t.Context(), blob)
			if want, _ := history.MarshalEnvelope(env); err != nil || !bytes.Equal(text, want) || got.Size != len(want) {
				t.Errorf("%s: the blob has %d bytes, %v", c.name, len(text), err)
			}
		}
		if err := q.Delete(t.Context(), got.Receipt()); err != nil {
			t.Error(err)
		}
	}
}

// putRaw sends a text as it is.
func putRaw(t *testing.T, account *storage.Account, q *queues.Queue, text string) {
	t.Helper()
	if _, err := account.Queues().NewQueueClient(q.Name()).EnqueueMessage(t.Context(), text, nil); err != nil {
		t.Fatal(storage.Explain(err, "put"))
	}
}

func TestUndecodable(t *testing.T) {
	t.Parallel()
	account := testkit.Account(t)
	cfg := newConfig(t, account)
	store := payloads.New(account, cfg.Names)
	q := newQueues(t, cfg).Control(2)
	wrapper := func(blob string) string {
		text, err := history.MarshalEnvelope(&history.Envelope{ActivityID: "00000000-0000-0000-0000-000000000000", CompressedBlobName: &blob})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if err := store.Write(t.Context(), "x/message-nested-A.json.gz", []byte(wrapper("x/message-nested-A.json.gz"))); err != nil {
		t.Fatal(err)
	}
	if err := store.Write(t.Context(), "x/message-text-A.json.gz", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := account.Blobs().UploadBuffer(t.Context(), cfg.Names.LargeMessageContainer(), "x/message-plain-A.json.gz", []byte("{}"), nil); err != nil {
		t.Fatal(err)
	}
	good, err := history.MarshalEnvelope(event(1, "good"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, text string
		blob       string
		is         func(error) bool
	}{
		{"empty", "", "", nil},
		{"not JSON", "hello", "", nil},
		{"JSON of something else", `{"a":1}`, "", isDecodeError},
		{"cut", string(good[:len(good)-1]), "", isDecodeError},
		{"Base64 of something else", base64.StdEncoding.EncodeToString([]byte("hello")), "", nil},
		{"bad Base64", base64.StdEncoding.EncodeToString(good)[1:], "", nil},
		{"missing blob", wrapper("x/message-gone-A.json.gz"), "x/message-gone-A.json.gz", func(err error) bool { var e *payloads.MissingError; return errors.As(err, &e) }},
		{"nested blob", wrapper("x/message-nested-A.json.gz"), "x/message-nested-A.json.gz", nil},
		{"blob without message", wrapper("x/message-text-A.json.gz"), "x/message-text-A.json.gz", isDecodeError},
		{"blob not compressed", wrapper("x/message-plain-A.json.gz"), "x/message-plain-A.json.gz", func(err error) bool { var e *payloads.CorruptError; return errors.As(err, &e) }},
	} {
		putRaw(t, account, q, c.text)
		got := receive(t, q, 1)[0]
		var undecodable *queues.UndecodableError
		if !errors.As(got.Err, &undecodable) || got.Envelope != nil || got.Text != c.text || got.Blob != c.blob || undecodable.Blob != c.blob ||
			undecodable.MessageID != got.ID || undecodable.Queue != q.Name() || c.is != nil && !c.is(got.Err) || !strings.Contains(got.Err.Error(), got.ID) || strings.Contains(got.Err.Error(), "\n") {
			t.Errorf("%s: %+v", c.name, got)
		}
		if err := q.Delete(t.Context(), got.Receipt()); err != nil {
			t.Error(err)
		}
	}
	// Next to one that is not understood the others are.
	for _, text := range []string{string(good), "bad", " \n" + string(good), base64.StdEncoding.EncodeToString(good) + "\n", "\ufeff" + string(good)} {
		putRaw(t, account, q, text)
	}
	bad := 0
	for _, d := range receive(t, q, 5) {
		if d.Err != nil {
			bad++
			continue
		}
		if !reflect.DeepEqual(d.Envelope, event(1, "good")) {
			t.Errorf("got %+v", d.Envelope)
		}
	}
	if bad != 1 {
		t.Errorf("%d messages were not understood", bad)
	}
}

func isDecodeError(err error) bool {
	var e *history.DecodeError
	return errors.As(err, &e)
}

// A blob that cannot be read for the moment does not make its message undecodable.
func TestBlobUnavailable(t *testing.T) {
	t.Parallel()
	account := testkit.Account(t)
	cfg := newConfig(t, account)
	q := newQueues(t, cfg).Control(0)
	if _, err := q.Put(t.Context(), event(1, strings.Repeat("x", 50_000)), 0); err != nil {
		t.Fatal(err)
	}
	cfg.Account = testkit.Open(t, storage.Config{MaxRetries: -1, Transport: &meddler{meddle: func(req *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if strings.Contains(req.URL.Path, "largemessages") {
			return nil, errors.New("no route")
		}
		return send()
	}}})
	got := receive(t, queues.New(cfg).Control(0), 1)[0]
	var undecodable *queues.UndecodableError
	if got.Err == nil || errors.As(got.Err, &undecodable) || !storage.IsUnreachable(got.Err) || got.Blob == "" || got.Text == "" {
		t.Errorf("%+v", got)
	}
}

// meddler is a transport that lets a test change requests and answers.
type meddler struct {
	mu     sync.Mutex
	meddle func(req *http.Request, send func() (*http.Response, error)) (*http.Response, error)
}

func (m *meddler) Do(req *http.Request) (*http.Response, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.meddle(req, func() (*http.Response, error) { return (&http.Transport{DisableKeepAlives: true}).RoundTrip(req) })
}

func TestDelays(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var sent []string
	account := testkit.Open(t, storage.Config{Transport: &meddler{meddle: func(req *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if query := req.URL.Query(); strings.Contains(req.URL.Path, "/messages") {
			mu.Lock()
			defer mu.Unlock()
			sent = append(sent, fmt.Sprintf("%s %s %s", req.Method, query.Get("visibilitytimeout"), query.Get("messagettl")))
		}
		return send()
	}}})
	q := newQueues(t, newConfig(t, account)).WorkItems()
	ctx := t.Context()
	for _, c := range []struct {
		delay time.Duration
		want  string
	}{
		{-time.Hour, ""}, {0, ""}, {1, "1"}, {time.Second, "1"}, {time.Second + 1, "2"}, {59*time.Second + 999*time.Millisecond, "60"},
		{queues.MaxDelay, "604800"},
	} {
		receipt, err := q.Put(ctx, event(1, "x"), c.delay)
		if err != nil {
			t.Errorf("%v: %v", c.delay, err)
			continue
		}
		if got := sent[len(sent)-1]; got != "POST "+c.want+" -1" {
			t.Errorf("%v: sent %s", c.delay, got)
		}
		if receipt, err = q.SetVisibility(ctx, receipt, c.delay); err != nil {
			t.Errorf("%v: %v", c.delay, err)
		}
		if want := "PUT " + max(c.want, "0") + " "; sent[len(sent)-1] != want {
			t.Errorf("%v: sent %s, want %s", c.delay, sent[len(sent)-1], want)
		}
		if err := q.Delete(ctx, receipt); err != nil {
			t.Error(err)
		}
	}
	var late *queues.DelayError
	before := len(sent)
	if _, err := q.Put(ctx, event(1, "x"), queues.MaxDelay+1); !errors.As(err, &late) || !strings.Contains(err.Error(), "order-42") {
		t.Errorf("more than a week: %v", err)
	}
	if _, err := q.SetVisibility(ctx, queues.Receipt{}, queues.MaxDelay+time.Hour); !errors.As(err, &late) {
		t.Errorf("more than a week: %v", err)
	}
	if _, err := q.Receive(ctx, 1, queues.MaxDelay+time.Hour); !errors.As(err, &late) {
		t.Errorf("more than a week: %v", err)
	}
	if len(sent) != before {
		t.Error("a request was made")
	}
	if _, err := q.Receive(ctx, 0, 0); err != nil || sent[len(sent)-1] != "GET 1 " {
		t.Errorf("%v, sent %s", err, sent[len(sent)-1])
	}
}

func TestReceipts(t *testing.T) {
	t.Parallel()
	account := testkit.Account(t)
	q := newQueues(t, newConfig(t, account)).Control(3)
	ctx := t.Context()
	first, err := q.Put(ctx, event(1, "x"), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	second, err := q.SetVisibility(ctx, first, 0)
	if err != nil || second.ID != first.ID || second.PopReceipt == first.PopReceipt {
		t.Fatalf("%+v became %+v, %v", first, second, err)
	}
	got := receive(t, q, 1)[0]
	if got.Err != nil || !reflect.DeepEqual(got.Envelope, event(1, "x")) {
		t.Errorf("changing the visibility changed the message: %+v", got)
	}
	for _, old := range []queues.Receipt{first, second} {
		if _, err := q.SetVisibility(ctx, old, 0); !errors.Is(err, queues.ErrReceiptMoved) || strings.Contains(err.Error(), "\n") {
			t.Errorf("old receipt: %v", err)
		}
		if _, err := q.Update(ctx, old, event(2, "x"), 0); !errors.Is(err, queues.ErrReceiptMoved) {
			t.Errorf("old receipt: %v", err)
		}
		if err := q.Delete(ctx, old); !errors.Is(err, queues.ErrReceiptMoved) {
			t.Errorf("old receipt: %v", err)
		}
	}
	large := event(3, strings.Repeat("y", 60_000))
	updated, err := q.Update(ctx, got.Receipt(), large, 0)
	if err != nil || updated.Blob == "" {
		t.Fatal(updated, err)
	}
	got = receive(t, q, 1)[0]
	if got.Err != nil || !reflect.DeepEqual(got.Envelope, large) || got.DequeueCount != 2 {
		t.Errorf("after the update: %+v", got)
	}
	if err := q.Delete(ctx, got.Receipt()); err != nil {
		t.Error(err)
	}
	if _, err := q.SetVisibility(ctx, got.Receipt(), 0); !errors.Is(err, queues.ErrMessageGone) {
		t.Errorf("deleted message: %v", err)
	}
	if _, err := q.Update(ctx, got.Receipt(), large, 0); !errors.Is(err, queues.ErrMessageGone) {
		t.Errorf("deleted message: %v", err)
	}
}

func TestDeleteAll(t *testing.T) {
	t.Parallel()
	account := testkit.Account(t)
	q := newQueues(t, newConfig(t, account)).WorkItems()
	var receipts []queues.Receipt
	for i := range 50 {
		r, err := q.Put(t.Context(), event(int64(i), "x"), 0)
		if err != nil {
			t.Fatal(err)
		}
		receipts = append(receipts, r)
	}
	moved, err := q.SetVisibility(t.Context(), receipts[7], 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Delete(t.Context(), receipts[3]); err != nil {
		t.Fatal(err)
	}
	err = q.DeleteAll(t.Context(), receipts)
	var failed *queues.DeleteAllError
	if !errors.As(err, &failed) || len(failed.Failures) != 1 || failed.Failures[0].Receipt != receipts[7] || !errors.Is(err, queues.ErrReceiptMoved) {
		t.Errorf("error %v", err)
	}
	if n, err := q.ApproximateCount(t.Context()); err != nil || n != 1 {
		t.Errorf("%d messages left, %v", n, err)
	}
	if err := q.DeleteAll(t.Context(), []queues.Receipt{moved}); err != nil {
		t.Error(err)
	}
	if err := q.DeleteAll(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func TestOrderAndPeek(t *testing.T) {
	t.Parallel()
	account := testkit.Account(t)
	all := newQueues(t, newConfig(t, account))
	q := all.Control(0)
	const n = 40
	for i := range n {
		if _, err := q.Put(t.Context(), event(int64(n-i), "x"), 0); err != nil {
			t.Fatal(err)
		}
	}
	peeked, err := q.Peek(t.Context(), 100)
	if err != nil || len(peeked) != queues.MaxReceive || peeked[0].PopReceipt != "" || peeked[0].DequeueCount != 0 || !peeked[0].VisibleAt.IsZero() || peeked[0].Envelope == nil {
		t.Errorf("peeked at %d, %v", len(peeked), err)
	}
	got, err := q.Receive(t.Context(), 100, time.Minute)
	if err != nil || len(got) != queues.MaxReceive {
		t.Fatal(len(got), err)
	}
	for i := 1; i < len(got); i++ {
		a, b := got[i-1], got[i]
		if a.InsertedAt.After(b.InsertedAt) || a.InsertedAt.Equal(b.InsertedAt) && a.Envelope.SequenceNumber >= b.Envelope.SequenceNumber {
			t.Errorf("%v, %d before %v, %d", a.InsertedAt, a.Envelope.SequenceNumber, b.InsertedAt, b.Envelope.SequenceNumber)
		}
	}
	if rest, err := q.Receive(t.Context(), 3, time.Minute); err != nil || len(rest) != 3 {
		t.Errorf("%d more, %v", len(rest), err)
	}
	if count, err := q.ApproximateCount(t.Context()); err != nil || count != n {
		t.Errorf("%d messages, %v", count, err)
	}
	if a, b := all.NextSequence(), all.NextSequence(); a != 1 || b != 2 {
		t.Errorf("sequence begins %d, %d", a, b)
	}
}

func TestCreateAndDelete(t *testing.T) {
	t.Parallel()
	account := testkit.Account(t)
	cfg := newConfig(t, account)
	cfg.Partitions = 3
	q := newQueues(t, cfg)
	if err := q.Create(t.Context()); err != nil {
		t.Errorf("second creation: %v", err)
	}
	if q.Partitions() != 3 || q.Control(1).Name() != cfg.Names.ControlQueue(1) || q.Control(15).Name() != cfg.Names.ControlQueue(15) ||
		q.ControlFor("abcdef") != q.Control(2) || q.WorkItems().Name() != cfg.Names.WorkItemQueue() {
		t.Error("queues are named differently")
	}
	var names []string
	prefix := strings.ToLower(cfg.Names.Hub()) + "-"
	list := func() {
		names = nil
		pager := account.Queues().NewListQueuesPager(&azqueue.ListQueuesOptions{Prefix: &prefix})
		for pager.More() {
			page, err := pager.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range page.Queues {
				names = append(names, strings.TrimPrefix(*item.Name, prefix))
			}
		}
	}
	if list(); !slices.Equal(names, []string{"control-00", "control-01", "control-02", "workitems"}) {
		t.Errorf("queues %v", names)
	}
	for range 2 {
		if err := q.Delete(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if list(); names != nil {
		t.Errorf("left are %v", names)
	}
	for what, err := range map[string]error{
		"put":      second(q.Control(0).Put(t.Context(), event(1, "x"), 0)),
		"receive":  second(q.Control(0).Receive(t.Context(), 1, time.Second)),
		"peek":     second(q.Control(0).Peek(t.Context(), 1)),
		"count":    second(q.Control(0).ApproximateCount(t.Context())),
		"update":   second(q.Control(0).Update(t.Context(), queues.Receipt{ID: "x", PopReceipt: "y"}, event(1, "x"), 0)),
		"no event": second(q.Control(0).Put(t.Context(), &history.Envelope{Message: &history.Message{}}, 0)),
	} {
		if err == nil || !strings.Contains(err.Error(), q.Control(0).Name()) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestPartitionsRange(t *testing.T) {
	t.Parallel()
	for _, bad := range []int{-1, 17} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%d partitions are accepted", bad)
				}
			}()
			queues.New(queues.Config{Partitions: bad})
		}()
	}
}

// A character that XML does not allow, however it got into a message, spoils neither the batch nor even the message.
func TestCharactersOutsideXML(t *testing.T) {
	t.Parallel()
	account := testkit.Open(t, storage.Config{Transport: &meddler{meddle: func(req *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		resp, err := send()
		if err == nil && req.Method == http.MethodGet && strings.HasSuffix(req.URL.Path, "/messages") {
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			body = bytes.ReplaceAll(body, []byte("REPLACE"), []byte("\ufffe&#xFFFF;&#8;"))
			resp.Body = io.NopCloser(bytes.NewReader(body))
			resp.ContentLength = -1
		}
		return resp, err
	}}})
	q := newQueues(t, newConfig(t, account)).Control(0)
	for i := range 3 {
		if _, err := q.Put(t.Context(), event(int64(i+1), "xREPLACEy"), 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range receive(t, q, 3) {
		if !strings.Contains(d.Text, "x\ufffe\uffff\by") {
			t.Errorf("text %q", d.Text)
		}
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	account := testkit.Account(t)
	q := newQueues(t, newConfig(t, account)).Control(0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for what, err := range map[string]error{
		"put":     second(q.Put(ctx, event(1, "x"), 0)),
		"receive": second(q.Receive(ctx, 1, time.Second)),
		"delete":  q.Delete(ctx, queues.Receipt{ID: "x", PopReceipt: "y"}),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func BenchmarkPutReceiveDelete(b *testing.B) {
	account := testkit.Account(b)
	env := event(1, strings.Repeat("x", 1000))
	b.Run("put", func(b *testing.B) {
		q := newQueues(b, newConfig(b, account)).Control(0)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := q.Put(b.Context(), env, 0); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("receive 32", func(b *testing.B) {
		q := newQueues(b, newConfig(b, account)).Control(0)
		for range 32 {
			if _, err := q.Put(b.Context(), env, 0); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportAllocs()
		for b.Loop() {
			got, err := q.Receive(b.Context(), 32, time.Hour)
			if err != nil || len(got) != 32 {
				b.Fatal(len(got), err)
			}
			b.StopTimer()
			for _, d := range got {
				if _, err := q.SetVisibility(b.Context(), d.Receipt(), 0); err != nil {
					b.Fatal(err)
				}
			}
			b.StartTimer()
		}
	})
	b.Run("put and delete", func(b *testing.B) {
		q := newQueues(b, newConfig(b, account)).Control(0)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				r, err := q.Put(b.Context(), env, 0)
				if err == nil {
					err = q.Delete(b.Context(), r)
				}
				if err != nil {
					b.Error(err)
				}
			}
		})
	})
}
