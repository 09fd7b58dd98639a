package tables

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/storage"
)

// accepting answers every transaction as the service does and keeps the last body.
type accepting struct {
	body        []byte
	contentType string
}

func (a *accepting) Do(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		var err error
		if a.body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	a.contentType = req.Header.Get("Content-Type")
	if !strings.HasSuffix(req.URL.Path, "/$batch") {
		return &http.Response{StatusCode: http.StatusNoContent, Request: req, Body: http.NoBody, Header: http.Header{"Etag": {`W/"1"`}}}, nil
	}
	var answer strings.Builder
	answer.WriteString("--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n")
	for range bytes.Count(a.body, []byte("Content-Type: application/http")) {
		answer.WriteString("--c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n" +
			"HTTP/1.1 204 No Content\r\nDataServiceVersion: 1.0;\r\netag: W/\"datetime'2026-06-01T12%3A34%3A56.7890123Z'\"\r\n\r\n\r\n")
	}
	answer.WriteString("--c--\r\n--b--\r\n")
	return &http.Response{
		StatusCode: http.StatusAccepted, Request: req, Body: io.NopCloser(strings.NewReader(answer.String())),
		Header: http.Header{"Content-Type": {"multipart/mixed; boundary=b"}},
	}, nil
}

func acceptingStore(t testing.TB, transport *accepting) *Store {
	t.Helper()
	account, err := storage.Open(storage.Config{
		ConnectionString: "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net", Transport: transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = account.Close() })
	names, err := layout.NewNames("TestHub")
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{Account: account, Names: names})
}

func operationsFor(t testing.TB, key string, rows int) []operation {
	t.Helper()
	operations := make([]operation, rows)
	for i := range operations {
		var err error
		row := edm.Entity{colPartitionKey: key, colRowKey: layout.RowKey(i), colEventType: "TaskCompleted", colResult: `"<ok>"`, colTaskScheduledID: int32(i), "_Timestamp": testTime}
		if operations[i], err = newOperation(aztables.TransactionTypeInsertReplace, "", row); err != nil {
			t.Fatal(err)
		}
	}
	return operations
}

func TestTransactionBody(t *testing.T) {
	t.Parallel()
	transport := &accepting{}
	s := acceptingStore(t, transport)
	key := "o'brien+é%"
	kinds := []aztables.TransactionType{
		aztables.TransactionTypeInsertReplace, aztables.TransactionTypeUpdateReplace, aztables.TransactionTypeUpdateMerge,
		aztables.TransactionTypeInsertMerge, aztables.TransactionTypeDelete, aztables.TransactionTypeAdd,
	}
	operations := make([]operation, len(kinds))
	for i, kind := range kinds {
		match := ""
		if strings.HasPrefix(string(kind), "update") || kind == aztables.TransactionTypeDelete {
			match = `W/"1"`
		}
		var err error
		if operations[i], err = newOperation(kind, match, edm.Entity{colPartitionKey: key, colRowKey: "a b"}); err != nil {
			t.Fatal(err)
		}
	}
	etags, err := s.submit(t.Context(), operations)
	if err != nil || len(etags) != len(kinds) || etags[len(kinds)-1] != `W/"datetime'2026-06-01T12%3A34%3A56.7890123Z'"` {
		t.Fatalf("%v, %d ETags", err, len(etags))
	}
	_, boundary, _ := strings.Cut(transport.contentType, "boundary=")
	body := strings.ReplaceAll(string(transport.body), boundary, "batch")
	body = strings.ReplaceAll(body, "changeset_"+strings.TrimPrefix(boundary, "batch_"), "changes")
	address := "https://acct.table.core.windows.net/TestHubHistory"
	entity := address + "(PartitionKey='o%27%27brien+%C3%A9%25',RowKey='a%20b') HTTP/1.1\r\n"
	common := "Accept: application/json;odata=minimalmetadata\r\nDataServiceVersion: 3.0\r\n"
	content := "Content-Type: application/json\r\n\r\n" + `{"PartitionKey":"o'brien+\u00e9%","RowKey":"a b"}` + "\r\n"
	match := "If-Match: W/\"1\"\r\n"
	part := "--changes\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
	want := "--batch\r\nContent-Type: multipart/mixed; boundary=changes\r\n\r\n" +
		part + "PUT " + entity + common + content +
		part + "PUT " + entity + common + match + content +
		part + "PATCH " + entity + common + match + content +
		part + "PATCH " + entity + common + content +
		part + "DELETE " + entity + common + match + "\r\n" +
		part + "POST " + address + " HTTP/1.1\r\n" + common + "Prefer: return-no-content\r\n" + content +
		"--changes--\r\n--batch--\r\n"
	if body != want {
		t.Errorf("the body is\n%s\nwant\n%s", body, want)
	}
	if !strings.HasPrefix(transport.contentType, "multipart/mixed; boundary=batch_") {
		t.Errorf("content type %q", transport.contentType)
	}
}

// TestTransactionSize checks that what is reckoned for a transaction is never less than it has.
func TestTransactionSize(t *testing.T) {
	t.Parallel()
	s := offlineStore(t, "TestHub")
	for _, key := range []string{"i", strings.Repeat("'", 100), strings.Repeat("世", 100), strings.Repeat("x", 500)} {
		operations := operationsFor(t, key, 100)
		operations[99].match = strings.Repeat("e", 60)
		reckoned := operationOverhead
		for _, op := range operations {
			reckoned += s.size(op, key)
		}
		if _, body := s.encodeTransaction(s.names.HistoryTable(), operations); len(body) > reckoned || len(body) < reckoned/4 {
			t.Errorf("%.10s…: %d bytes, reckoned were %d", key, len(body), reckoned)
		}
	}
}

// submitBySDK is what submit would be if the SDK wrote the body.
func (s *Store) submitBySDK(ctx context.Context, operations []operation) error {
	actions := make([]aztables.TransactionAction, len(operations))
	for i, op := range operations {
		actions[i] = aztables.TransactionAction{ActionType: op.kind, Entity: op.body}
		if op.match != "" {
			etag := azcore.ETag(op.match)
			actions[i].IfMatch = &etag
		}
	}
	_, err := s.history.SubmitTransaction(ctx, actions, nil)
	return err
}

func BenchmarkTransaction(b *testing.B) {
	s := acceptingStore(b, &accepting{})
	operations := operationsFor(b, "i", 10)
	for name, submit := range map[string]func() error{
		"SDK":  func() error { return s.submitBySDK(b.Context(), operations) },
		"ours": func() error { _, err := s.submit(b.Context(), operations); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := submit(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkInsertInstance(b *testing.B) {
	s := acceptingStore(b, &accepting{})
	input := strings.Repeat(`{"a":"<b>"},`, 100)
	row := &InstanceRow{InstanceID: "i", ExecutionID: "e", Name: "Checkout", Input: &input, Status: history.Pending, Hub: "TestHub", CreatedTime: testTime, LastUpdatedTime: testTime}
	body, err := s.encodeInstance(b.Context(), row)
	if err != nil {
		b.Fatal(err)
	}
	for name, insert := range map[string]func() error{
		"SDK":  func() error { _, err := s.instances.AddEntity(b.Context(), body, nil); return err },
		"ours": func() error { _, err := s.InsertInstance(b.Context(), row); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := insert(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestLongHistoryIsInserted: rows of a long history are inserted, those of a short one inserted or replaced.
func TestLongHistoryIsInserted(t *testing.T) {
	t.Parallel()
	transport := &accepting{}
	s := acceptingStore(t, transport)
	for first, method := range map[int]string{0: "PUT ", insertFrom - 1: "PUT ", insertFrom: "POST "} {
		c := Commit{InstanceID: "i", ExecutionID: "e1", FirstRow: first, Records: filler(3, "x"), ETag: `W/"1"`}
		if _, err := s.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(transport.body), "\r\n"+method); n != 3 {
			t.Errorf("from row %d: %d operations are %s", first, n, method)
		}
	}
}
