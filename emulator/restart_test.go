package emulator_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"github.com/go-taskhub/taskhub/emulator"
)

// TestRestarts lets many writers do anything they like while the directory is
// compacted all the time. After a restart everything is as it was.
func TestRestarts(t *testing.T) {
	t.Parallel()
	rounds, turns := 3, 80
	if longRun() {
		rounds, turns = 10, 1000
	}
	dir := t.TempDir()
	var before string
	for round := range rounds {
		s, err := emulator.New(emulator.Config{Dir: dir, MinCompaction: 8 << 10})
		if err != nil {
			t.Fatal(err)
		}
		c := newClients(t, s.ConnectionString(), s.Transport())
		if after := describe(t, c); round > 0 && after != before {
			t.Fatalf("round %d: before the restart\n%s\nafter it\n%s", round, before, after)
		}
		var all sync.WaitGroup
		for w := range 6 {
			rng := rand.New(rand.NewPCG(uint64(round), uint64(w)))
			all.Go(func() {
				for range turns {
					anything(t.Context(), c, rng)
				}
			})
		}
		all.Wait()
		before = describe(t, c)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(before, "\n"); n < 50 {
		t.Errorf("only %d things were left:\n%s", n, before)
	}
}

// anything does one random thing; that it may be refused does not matter.
func anything(ctx context.Context, c clients, rng *rand.Rand) {
	queueName := fmt.Sprintf("queue-%d", rng.IntN(3))
	containerName := fmt.Sprintf("container-%d", rng.IntN(3))
	tableName := fmt.Sprintf("Table%d", rng.IntN(3))
	switch rng.IntN(20) {
	case 0:
		anythingRare(ctx, c, rng, queueName, containerName, tableName)
	case 1, 2, 3, 4, 5:
		anythingQueued(ctx, c.queues.NewQueueClient(queueName), rng)
	case 6, 7, 8, 9, 10, 11:
		anythingTabled(ctx, c.tables.NewClient(tableName), rng)
	default:
		anythingStored(ctx, c.blobs.ServiceClient().NewContainerClient(containerName), rng)
	}
}

func anythingRare(ctx context.Context, c clients, rng *rand.Rand, queueName, containerName, tableName string) {
	switch rng.IntN(12) {
	case 0:
		_, _ = c.queues.DeleteQueue(ctx, queueName, nil)
	case 1:
		_, _ = c.blobs.DeleteContainer(ctx, containerName, nil)
	case 2:
		_, _ = c.tables.DeleteTable(ctx, tableName, nil)
	case 3:
		_, _ = c.queues.NewQueueClient(queueName).SetMetadata(ctx, &azqueue.SetMetadataOptions{Metadata: map[string]*string{"n": ptr(fmt.Sprint(rng.IntN(100)))}})
	case 4:
		_, _ = c.queues.NewQueueClient(queueName).ClearMessages(ctx, nil)
	case 5:
		_, _ = c.queues.NewQueueClient(queueName).SetAccessPolicy(ctx, &azqueue.SetAccessPolicyOptions{QueueACL: []*azqueue.SignedIdentifier{
			{ID: ptr("id"), AccessPolicy: &azqueue.AccessPolicy{Permission: ptr("r"), Expiry: ptr(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))}}}})
	default:
		_, _ = c.queues.CreateQueue(ctx, queueName, nil)
		_, _ = c.blobs.CreateContainer(ctx, containerName, nil)
		_, _ = c.tables.CreateTable(ctx, tableName, nil)
	}
}

func anythingQueued(ctx context.Context, q *azqueue.QueueClient, rng *rand.Rand) {
	if rng.IntN(3) > 0 {
		_, _ = q.EnqueueMessage(ctx, fmt.Sprintf("%d", rng.Uint64()), &azqueue.EnqueueMessageOptions{TimeToLive: ptr(int32(-1))})
		return
	}
	got, err := q.DequeueMessages(ctx, &azqueue.DequeueMessagesOptions{VisibilityTimeout: ptr(int32(1000)), NumberOfMessages: ptr(int32(2))})
	if err != nil {
		return
	}
	for _, m := range got.Messages {
		if rng.IntN(2) == 0 {
			_, _ = q.DeleteMessage(ctx, *m.MessageID, *m.PopReceipt, nil)
		} else {
			_, _ = q.UpdateMessage(ctx, *m.MessageID, *m.PopReceipt, "updated", &azqueue.UpdateMessageOptions{VisibilityTimeout: ptr(int32(0))})
		}
	}
}

func anythingTabled(ctx context.Context, t *aztables.Client, rng *rand.Rand) {
	partition, key := fmt.Sprintf("p%d", rng.IntN(5)), fmt.Sprintf("r%d", rng.IntN(30))
	entity := fmt.Appendf(nil, `{"PartitionKey":%q,"RowKey":%q,"N":%d,"F%d":1.5,"G":"11111111-1111-1111-1111-111111111111","G@odata.type":"Edm.Guid","B":"AQI=","B@odata.type":"Edm.Binary"}`,
		partition, key, rng.IntN(1000), rng.IntN(4))
	switch rng.IntN(5) {
	case 0:
		_, _ = t.DeleteEntity(ctx, partition, key, nil)
	case 1:
		_, _ = t.UpsertEntity(ctx, entity, &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeMerge})
	case 2:
		_, _ = t.AddEntity(ctx, entity, nil)
	default:
		actions := []aztables.TransactionAction{{ActionType: aztables.TransactionTypeInsertReplace, Entity: entity}}
		for i := range rng.IntN(5) {
			actions = append(actions, aztables.TransactionAction{ActionType: aztables.TransactionTypeInsertMerge,
				Entity: fmt.Appendf(nil, `{"PartitionKey":%q,"RowKey":"t%d","N":%d}`, partition, i, rng.IntN(1000))})
		}
		_, _ = t.SubmitTransaction(ctx, actions, nil)
	}
}

func anythingStored(ctx context.Context, c *container.Client, rng *rand.Rand) {
	b := c.NewBlockBlobClient(fmt.Sprintf("blob-%d", rng.IntN(12)))
	text := strings.Repeat(fmt.Sprint(rng.IntN(10)), rng.IntN(2000)+1)
	id := fmt.Sprintf("QUFB%04d", rng.IntN(5)) // base64 as it stands
	switch rng.IntN(9) {
	case 0:
		_, _ = b.Delete(ctx, nil)
	case 1:
		_, _ = b.SetMetadata(ctx, map[string]*string{"N": &text}, nil)
	case 2, 3:
		_, _ = b.StageBlock(ctx, id, streaming.NopCloser(strings.NewReader(text)), nil)
	case 4:
		_, _ = b.CommitBlockList(ctx, []string{id}, &blockblob.CommitBlockListOptions{HTTPHeaders: &blob.HTTPHeaders{BlobContentType: ptr("text/x")}})
	case 5:
		l, err := lease.NewBlobClient(b, nil)
		if err != nil {
			return
		}
		if _, err := l.AcquireLease(ctx, -1, nil); err == nil && rng.IntN(2) == 0 {
			_, _ = l.ReleaseLease(ctx, nil)
		}
	default:
		_, _ = b.Upload(ctx, streaming.NopCloser(strings.NewReader(text)), nil)
	}
}

// describe lists everything that is stored, without changing it.
func describe(t *testing.T, c clients) string {
	t.Helper()
	lines := append(append(describeQueues(t, c), describeTables(t, c)...), describeBlobs(t, c)...)
	return strings.Join(lines, "\n")
}

func describeQueues(t *testing.T, c clients) (lines []string) {
	t.Helper()
	for pager := c.queues.NewListQueuesPager(nil); pager.More(); {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Queues {
			q := c.queues.NewQueueClient(*item.Name)
			p, err := q.GetProperties(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			acl, err := q.GetAccessPolicy(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, fmt.Sprintf("queue %s: %d messages, %d policies, metadata %v", *item.Name, *p.ApproximateMessagesCount, len(acl.SignedIdentifiers), len(p.Metadata)))
			peeked, err := q.PeekMessages(t.Context(), &azqueue.PeekMessagesOptions{NumberOfMessages: ptr(int32(32))})
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range peeked.Messages {
				lines = append(lines, fmt.Sprintf("  %s %d %v %v %s", *m.MessageID, *m.DequeueCount, m.InsertionTime, m.ExpirationTime, *m.MessageText))
			}
		}
	}
	return lines
}

func describeTables(t *testing.T, c clients) (lines []string) {
	t.Helper()
	for pager := c.tables.NewListTablesPager(nil); pager.More(); {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Tables {
			lines = append(lines, "table "+*item.Name)
			for rows := c.tables.NewClient(*item.Name).NewListEntitiesPager(nil); rows.More(); {
				page, err := rows.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range page.Entities {
					lines = append(lines, "  "+string(e))
				}
			}
		}
	}
	return lines
}

func describeBlobs(t *testing.T, c clients) (lines []string) {
	t.Helper()
	for pager := c.blobs.NewListContainersPager(nil); pager.More(); {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.ContainerItems {
			lines = append(lines, fmt.Sprintf("container %s %s", *item.Name, *item.Properties.ETag))
			lines = append(lines, describeContainer(t, c, *item.Name)...)
		}
	}
	return lines
}

func describeContainer(t *testing.T, c clients, name string) (lines []string) {
	t.Helper()
	options := &azblob.ListBlobsFlatOptions{Include: azblob.ListBlobsInclude{Metadata: true, UncommittedBlobs: true}}
	for pager := c.blobs.NewListBlobsFlatPager(name, options); pager.More(); {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Segment.BlobItems {
			client := c.blobs.ServiceClient().NewContainerClient(name).NewBlockBlobClient(*item.Name)
			list, err := client.GetBlockList(t.Context(), blockblob.BlockListTypeAll, nil)
			if err != nil {
				t.Fatal(err)
			}
			line := fmt.Sprintf("  %s %d staged %d committed", *item.Name, len(list.UncommittedBlocks), len(list.CommittedBlocks))
			if item.Properties.ETag != nil {
				got, err := client.DownloadStream(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(got.Body)
				if err != nil {
					t.Fatal(err)
				}
				line += fmt.Sprintf(" %s %s %s %d %v %v", *got.ETag, *got.LeaseState, *got.ContentType, len(body), len(item.Metadata), slices.Compact(body))
			}
			lines = append(lines, line)
		}
	}
	return lines
}
