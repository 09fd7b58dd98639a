package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"github.com/go-taskhub/taskhub/storage"
)

// callsOfCeiling is how many calls a chain of five makes there.
const callsOfCeiling = 10

// ceiling is the workload without an engine: the calls that a chain of activities cannot do without in a Go fleet, with
// rows and messages of about the size. What a storage makes of them is what no engine can exceed there.
type ceiling struct {
	account *storage.Account
	table   *aztables.Client
	name    string // of the table
	queue   *azqueue.QueueClient
}

// newCeiling makes a table and a queue, which remove takes away.
func newCeiling(ctx context.Context, account *storage.Account) (c *ceiling, remove func(context.Context), err error) {
	name := freshHub()
	c = &ceiling{account: account, name: name, table: account.Tables().NewClient(name), queue: account.Queues().NewQueueClient("x" + name[len("Bench"):])}
	remove = func(ctx context.Context) {
		_, _ = c.table.Delete(ctx, nil)
		_, _ = c.queue.Delete(ctx, nil)
	}
	if _, err := c.table.CreateTable(ctx, nil); err != nil {
		return nil, nil, err
	}
	if _, err := c.queue.Create(ctx, nil); err != nil {
		remove(ctx)
		return nil, nil, err
	}
	return c, remove, nil
}

// chain makes the calls of one chain: message and row of the start, a commit for each activity and one for the end, the
// status, and the deletion of the message; the reads and receives, which can be shared, are left out.
func (c *ceiling) chain(ctx context.Context, id string, activities int) error {
	message := make([]byte, 1200)
	for i := range message {
		message[i] = 'm'
	}
	sent, err := c.queue.EnqueueMessage(ctx, string(message), nil)
	if err != nil {
		return err
	}
	if _, err := c.table.AddEntity(ctx, entity(id, ""), nil); err != nil {
		return err
	}
	for episode := range activities + 1 {
		const rowsOfEpisode = 4
		var rows []string
		for row := range rowsOfEpisode {
			rows = append(rows, strconv.Itoa(episode*rowsOfEpisode+row+1))
		}
		if _, err := c.account.Transact(ctx, boundary, c.replace(id, append(rows, "sentinel"))); err != nil {
			return err
		}
	}
	if _, err := c.table.UpdateEntity(ctx, entity(id, ""), &aztables.UpdateEntityOptions{UpdateMode: aztables.UpdateModeMerge}); err != nil {
		return err
	}
	m := sent.Messages[0]
	_, err = c.queue.DeleteMessage(ctx, *m.MessageID, *m.PopReceipt, nil)
	return err
}

// boundary separates the parts of a transaction's body.
const boundary = "batch_ceiling"

// replace is the body of a transaction that inserts or replaces rows.
func (c *ceiling) replace(partition string, rows []string) []byte {
	const changes = "changeset_ceiling"
	var b strings.Builder
	b.WriteString("--" + boundary + "\r\nContent-Type: multipart/mixed; boundary=" + changes + "\r\n\r\n")
	for _, row := range rows {
		fmt.Fprintf(&b, "--%s\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"+
			"PUT %s/%s(PartitionKey='%s',RowKey='%s') HTTP/1.1\r\nDataServiceVersion: 3.0\r\nContent-Type: application/json\r\n\r\n%s\r\n",
			changes, c.account.TableEndpoint(), c.name, partition, row, entity(partition, row))
	}
	b.WriteString("--" + changes + "--\r\n--" + boundary + "--\r\n")
	return []byte(b.String())
}

func entity(partition, row string) []byte {
	text, _ := json.Marshal(map[string]any{"PartitionKey": partition, "RowKey": row, "EventType": "TaskCompleted", "EventId": -1, "IsPlayed": false,
		"ExecutionId": partition, "_Timestamp": "2026-01-02T03:04:05.678Z", "_Timestamp@odata.type": "Edm.DateTime", "Result": "16"}) // texts and numbers only
	return text
}

// ceilingOf measures how many chains a second the storage takes from this process.
func ceilingOf(ctx context.Context, conn string, n, inFlight, activities int) (perSecond float64, err error) {
	account, err := storage.Open(storage.Config{ConnectionString: conn})
	if err != nil {
		return 0, err
	}
	defer func() { _ = account.Close() }()
	c, remove, err := newCeiling(ctx, account)
	if err != nil {
		return 0, err
	}
	defer remove(context.WithoutCancel(ctx))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for range min(n, inFlight) {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n) && ctx.Err() == nil; i = next.Add(1) {
				if err := c.chain(ctx, fmt.Sprintf("chain-%08d", i), activities); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return float64(n) / time.Since(began).Seconds(), context.Cause(ctx)
}
