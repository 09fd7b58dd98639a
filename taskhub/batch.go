package taskhub

import (
	"context"
	"sync"

	"github.com/go-taskhub/taskhub/durable"
)

// parallelStarts is how many starts of a batch are under way at a time.
const parallelStarts = 32

// BatchResult is the outcome of one start of a batch.
type BatchResult struct {
	StartResult
	// Err is why this instance was not started, as from [Client.Start].
	Err error
}

// StartBatch starts many instances, several at a time, and returns their outcomes in the order of the requests. One that
// fails does not keep the others from starting. The requests are checked before anything is sent, so a faulty one fails
// without a look at storage. When ctx ends, those that were not begun yet fail with its error.
func (c *Client) StartBatch(ctx context.Context, requests []durable.StartRequest, options ...StartOption) []BatchResult {
	results := make([]BatchResult, len(requests))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(parallelStarts, len(requests)) {
		workers.Go(func() {
			for i := range next {
				results[i].StartResult, results[i].Err = c.Start(ctx, requests[i], options...)
			}
		})
	}
	for i := range requests {
		if err := ctx.Err(); err != nil {
			results[i].Err = c.fail("start", requests[i].InstanceID, err)
			continue
		}
		next <- i
	}
	close(next)
	workers.Wait()
	return results
}
