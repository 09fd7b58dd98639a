package cluster

import (
	"fmt"
	"html"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/leases"
)

// hide changes when a message becomes visible, and returns its new receipt.
func (w *world) hide(m queued, delay time.Duration) string {
	resp, err := w.account.Queues().NewQueueClient(m.queue).UpdateMessage(w.ctx, m.id, m.receipt, html.UnescapeString(m.body),
		&azqueue.UpdateMessageOptions{VisibilityTimeout: to.Ptr(int32(delay / time.Second))})
	if err != nil || resp.PopReceipt == nil {
		return ""
	}
	w.trace.note("message %s of %s is hidden for %v", m.id, m.queue, delay)
	return *resp.PopReceipt
}

// destroy deletes a message that was just put.
func (w *world) destroy(c *call) {
	if m, ok := firstMessage(c); ok {
		w.trace.note("message %s of %s is destroyed", m.id, m.queue)
		_, _ = w.account.Queues().NewQueueClient(m.queue).DeleteMessage(w.ctx, m.id, m.receipt, nil)
	}
}

// breakLease ends the lease of a partition, as an operator or another program might.
func (w *world) breakLease(rnd *rand.Rand) bool {
	if w.mode != leases.Safe {
		return false
	}
	queue := fmt.Sprintf("%s-control-%02d", strings.ToLower(hubName), rnd.IntN(w.partitions))
	blob := w.account.BlobService().NewContainerClient(w.admin.Names().LeaseContainer()).NewBlobClient(layout.OwnershipBlob(queue))
	client, err := lease.NewBlobClient(blob, nil)
	if err != nil {
		return false
	}
	if _, err = client.BreakLease(w.ctx, &lease.BlobBreakOptions{BreakPeriod: to.Ptr(int32(0))}); err != nil {
		return false
	}
	w.trace.note("the lease of %s is broken", queue)
	w.ledger.stolen[queue] = time.Now()
	delete(w.ledger.holders, queue)
	return true
}
