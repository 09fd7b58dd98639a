package emulator_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/emulator"
)

// The benchmarks run the same operations through the Go SDKs on the emulator
// in process, over loopback and on disk, and on the storage that
// TASKHUB_TEST_CONN names (Azurite, as a rule) when it is set:
//
//	go test ./emulator -run '^$' -bench 'Serial|Writers50' -benchtime 2s

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

func BenchmarkSerial(b *testing.B)    { benchmark(b, 1) }
func BenchmarkWriters50(b *testing.B) { benchmark(b, 50) }

func benchmark(b *testing.B, writers int) {
	for _, op := range operations {
		for _, target := range targets() {
			b.Run(op.name+"/"+target.name, func(b *testing.B) {
				name := fmt.Sprintf("bench%dx%d", os.Getpid(), benchNames.Add(1))
				turn := op.setup(b, target.open(b), name)
				var n atomic.Int64
				b.SetParallelism(max(1, writers/2))
				b.ReportAllocs()
				b.ResetTimer()
				if writers == 1 {
					for b.Loop() {
						if err := turn(b.Context(), n.Add(1)); err != nil {
							b.Fatal(err)
						}
					}
				} else {
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							if err := turn(b.Context(), n.Add(1)); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "turns/s")
			})
		}
	}
}

func setupQueue(b *testing.B, c clients, name string) func(context.Context, int64) error {
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

func setupTable(b *testing.B, c clients, name string) *aztables.Client {
	b.Helper()
	if _, err := c.tables.CreateTable(b.Context(), name, nil); err != nil {
		b.Fatal(err)
	}
	t := c.tables.NewClient(name)
	b.Cleanup(func() { _, _ = t.Delete(context.Background(), nil) })
	return t
}

func setupBatch(b *testing.B, c clients, name string) func(context.Context, int64) error {
	t := setupTable(b, c, name)
	return func(ctx context.Context, n int64) error {
		actions := make([]aztables.TransactionAction, 10)
		for i := range actions {
			actions[i] = aztables.TransactionAction{
				ActionType: aztables.TransactionTypeInsertReplace,
				Entity:     fmt.Appendf(nil, `{"PartitionKey":"p%d","RowKey":"%016d","Name":"TaskScheduled","EventId":%d,"Input":"[\"Tokyo\"]","At":"2026-06-01T12:34:57.0000000Z","At@odata.type":"Edm.DateTime"}`, n%64, int(n)*10+i, i),
			}
		}
		_, err := t.SubmitTransaction(ctx, actions, nil)
		return err
	}
}

func setupRead(b *testing.B, c clients, name string) func(context.Context, int64) error {
	t := setupTable(b, c, name)
	for i := range 100 {
		body := fmt.Appendf(nil, `{"PartitionKey":"p","RowKey":"%d","Name":"Hello","Count":%d}`, i, i)
		if _, err := t.AddEntity(b.Context(), body, nil); err != nil {
			b.Fatal(err)
		}
	}
	return func(ctx context.Context, n int64) error {
		_, err := t.GetEntity(ctx, "p", fmt.Sprint(n%100), nil)
		return err
	}
}

func setupBlob(b *testing.B, c clients, name string) func(context.Context, int64) error {
	if _, err := c.blobs.CreateContainer(b.Context(), name, nil); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _, _ = c.blobs.DeleteContainer(context.Background(), name, nil) })
	container := c.blobs.ServiceClient().NewContainerClient(name)
	body := make([]byte, 4096)
	return func(ctx context.Context, n int64) error {
		_, err := container.NewBlockBlobClient(fmt.Sprintf("b%d", n%1000)).Upload(ctx, streaming.NopCloser(bytes.NewReader(body)), nil)
		return err
	}
}
