package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"github.com/go-taskhub/taskhub/internal/faultproxy/proxy"
	"github.com/go-taskhub/taskhub/internal/testkit"
)

// must fails the test on an error and returns the value.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestStorageAcceptsProxiedRequests lets the Go SDKs do everything that the hub's layout needs through the proxy: the service checks every signature.
func TestStorageAcceptsProxiedRequests(t *testing.T) {
	t.Parallel()
	conn, p := proxy.Start(t, testkit.Conn(t), func(c *proxy.Config) { c.Bodies = true })
	hub := strings.ToLower(testkit.Hub(t))
	useQueue(t, conn, hub+"-control-00")
	useTable(t, conn, hub+"History")
	useBlob(t, conn, hub+"-leases")

	counts := p.Counts()
	for op, calls := range map[string]int{
		"queue.put.queue": 1, "queue.put": 1, "queue.get": 1, "queue.update": 1, "queue.delete": 1, "queue.delete.queue": 1,
		"table.create": 1, "table.insert": 1, "table.batch": 1, "table.query": 1, "table.get": 1, "table.merge": 1, "table.replace": 1, "table.delete": 1, "table.drop": 1,
		"blob.put.container": 1, "blob.put.blob": 1, "blob.get.blob": 1, "blob.put.lease": 2, "blob.get.list": 1, "blob.put.block": 3, "blob.put.blocklist": 1,
		"blob.delete.container": 1,
	} {
		if got := counts[op]; got.Calls != calls || got.Failed != 0 {
			t.Errorf("%s: %+v, want %d calls without failure", op, got, calls)
		}
	}
	for _, e := range p.Log() {
		if e.Op == "queue.put" && !bytes.Contains(e.Request.Bytes(), []byte("hello")) {
			t.Errorf("the entry of the message lacks its text: %s", e.Request.Bytes())
		}
		if e.Lease == "acquire" && e.ProposedLease == "" || !strings.HasPrefix(e.Agent, "azsdk-go-") {
			t.Errorf("entry %+v", e)
		}
	}
}

func useQueue(t *testing.T, conn, name string) {
	t.Helper()
	q := must(azqueue.NewQueueClientFromConnectionString(conn, name, nil))(t)
	must(q.Create(t.Context(), nil))(t)
	must(q.EnqueueMessage(t.Context(), "hello <&> é", nil))(t)
	got := must(q.DequeueMessages(t.Context(), nil))(t)
	m := got.Messages[0]
	updated := must(q.UpdateMessage(t.Context(), *m.MessageID, *m.PopReceipt, "again", nil))(t)
	must(q.DeleteMessage(t.Context(), *m.MessageID, *updated.PopReceipt, nil))(t)
	must(q.Delete(t.Context(), nil))(t)
}

func useTable(t *testing.T, conn, name string) {
	t.Helper()
	service := must(aztables.NewServiceClientFromConnectionString(conn, nil))(t)
	table := service.NewClient(name)
	must(table.CreateTable(t.Context(), nil))(t)
	row := func(key string) []byte {
		return fmt.Appendf(nil, `{"PartitionKey":"o brien é","RowKey":%q,"V":1}`, key)
	}
	must(table.AddEntity(t.Context(), row("a"), nil))(t)
	must(table.SubmitTransaction(t.Context(), []aztables.TransactionAction{
		{ActionType: aztables.TransactionTypeAdd, Entity: row("b")}, {ActionType: aztables.TransactionTypeUpdateMerge, Entity: row("a")},
	}, nil))(t)
	pages := table.NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: to.Ptr("PartitionKey eq 'o brien é'"), Top: to.Ptr(int32(10))})
	if page := must(pages.NextPage(t.Context()))(t); len(page.Entities) != 2 {
		t.Errorf("the query found %d rows", len(page.Entities))
	}
	must(table.GetEntity(t.Context(), "o brien é", "b", nil))(t)
	must(table.UpsertEntity(t.Context(), row("b"), &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeMerge}))(t)
	must(table.UpdateEntity(t.Context(), row("b"), &aztables.UpdateEntityOptions{UpdateMode: aztables.UpdateModeReplace}))(t)
	must(table.DeleteEntity(t.Context(), "o brien é", "b", nil))(t)
	must(table.Delete(t.Context(), nil))(t)
}

func useBlob(t *testing.T, conn, name string) {
	t.Helper()
	client := must(azblob.NewClientFromConnectionString(conn, nil))(t)
	must(client.CreateContainer(t.Context(), name, nil))(t)
	const path = "intent/a b+é@1:2"
	must(client.UploadBuffer(t.Context(), name, path, []byte("{}"), nil))(t)
	block := client.ServiceClient().NewContainerClient(name).NewBlockBlobClient(path)
	held := must(lease.NewBlobClient(block, nil))(t)
	must(held.AcquireLease(t.Context(), 15, nil))(t)
	must(held.ReleaseLease(t.Context(), nil))(t)
	must(client.UploadStream(t.Context(), name, path, strings.NewReader(strings.Repeat("x", 3<<20)), &azblob.UploadStreamOptions{BlockSize: 1 << 20}))(t)
	got := must(client.DownloadStream(t.Context(), name, path, nil))(t)
	if n := must(io.Copy(io.Discard, got.Body))(t); n != 3<<20 {
		t.Errorf("downloaded %d bytes", n)
	}
	if err := got.Body.Close(); err != nil {
		t.Error(err)
	}
	list := client.NewListBlobsFlatPager(name, nil)
	must(list.NextPage(t.Context()))(t)
	must(client.DeleteContainer(t.Context(), name, nil))(t)
}

// TestLostPutIsThereTwice shows what a lost answer does to a client that tries again: the message is there twice.
func TestLostPutIsThereTwice(t *testing.T) {
	t.Parallel()
	conn, p := proxy.Start(t, testkit.Conn(t))
	lost := must(p.AddRule(proxy.Rule{Operation: `^queue\.put$`, Times: 1, Fault: proxy.Fault{Kind: proxy.Lost}}))(t)
	q := must(azqueue.NewQueueClientFromConnectionString(conn, strings.ToLower(testkit.Hub(t)), &azqueue.ClientOptions{
		ClientOptions: policy.ClientOptions{Retry: policy.RetryOptions{RetryDelay: time.Millisecond}},
	}))(t)
	must(q.Create(t.Context(), nil))(t)
	must(q.EnqueueMessage(t.Context(), "once", nil))(t)
	got := must(q.DequeueMessages(t.Context(), &azqueue.DequeueMessagesOptions{NumberOfMessages: to.Ptr(int32(10))}))(t)
	if len(got.Messages) != 2 || lost.Picked() != 1 {
		t.Errorf("%d messages, %d lost answers", len(got.Messages), lost.Picked())
	}
	must(q.Delete(t.Context(), nil))(t)
}

// peer runs a command of the .NET peer and returns its output.
func peer(ctx context.Context, t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	command := append(strings.Fields(testkit.Peer(t)), arguments...)
	out, err := exec.CommandContext(ctx, command[0], command[1:]...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%s: %w: %s%s", arguments[0], err, out, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

// TestPeerThroughProxy lets a .NET worker and a .NET client work through the proxy, undisturbed and disturbed.
func TestPeerThroughProxy(t *testing.T) {
	t.Parallel()
	testkit.Peer(t)
	tests := []struct {
		name  string
		rules []proxy.Rule
	}{
		{"undisturbed", nil},
		{"disturbed", []proxy.Rule{
			{Operation: `^queue\.(put|delete)$`, Rate: 0.2, Fault: proxy.Fault{Kind: proxy.Lost}},
			{Operation: `^table\.`, Rate: 0.05, Fault: proxy.Fault{Kind: proxy.Refuse}},
			{Operation: `^queue\.get$`, Rate: 0.1, Fault: proxy.Fault{Kind: proxy.DelayAnswer, Delay: 20 * time.Millisecond}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			conn, p := proxy.Start(t, testkit.Conn(t), func(c *proxy.Config) { c.Seed = 1 })
			at := []string{"--conn", conn, "--hub", testkit.Hub(t), "--mode", "safe"}
			ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
			defer stop()
			worker := exec.CommandContext(ctx, strings.Fields(testkit.Peer(t))[0], append(append(strings.Fields(testkit.Peer(t))[1:], "worker"), append(at, "--seconds", "120")...)...)
			if err := worker.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = worker.Process.Kill()
				_ = worker.Wait()
			})
			must(peer(ctx, t, append([]string{"start", "--name", "HelloSequence", "--id", "o-1"}, at...)...))(t)
			for _, r := range tt.rules {
				must(p.AddRule(r))(t)
			}
			out := must(peer(ctx, t, append([]string{"wait", "--id", "o-1", "--wait", "90"}, at...)...))(t)
			if !strings.Contains(out, "Hello London!") {
				t.Errorf("the orchestration ended as %s", out)
			}
			checkPeerTraffic(t, p)
		})
	}
}

// recordedOperations are the names of operations in recordings of the .NET library.
var recordedOperations = []string{
	"blob.delete.blob", "blob.get.blob", "blob.get.list", "blob.head.blob", "blob.put.blob", "blob.put.block", "blob.put.blocklist", "blob.put.container", "blob.put.lease",
	"queue.delete", "queue.get", "queue.put", "queue.put.queue", "queue.update",
	"table.batch", "table.create", "table.delete", "table.insert", "table.merge", "table.query", "table.replace",
}

func checkPeerTraffic(t *testing.T, p *proxy.Proxy) {
	t.Helper()
	counts := p.Counts()
	for _, op := range []string{"queue.put", "queue.get", "queue.delete", "table.batch", "table.merge", "table.insert", "table.query", "blob.put.lease", "blob.put.blob", "blob.get.list"} {
		if counts[op].Calls == 0 {
			t.Errorf("no %s in %+v", op, counts)
		}
	}
	for _, e := range p.Log() {
		if !slices.Contains(recordedOperations, e.Op) {
			t.Errorf("the .NET library does no %s: %+v", e.Op, e)
		}
		if e.Status >= 400 && (e.ErrorCode == "AuthorizationFailure" || e.ErrorCode == "AuthenticationFailed") {
			t.Errorf("the service refused a signature: %+v", e)
		}
	}
}
