package taskhub

import (
	"context"
	"sync"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/tables"
)

const (
	// parallelStarts is how many starts of a batch are under way at a time.
	parallelStarts = 32
	// startsLookedUp is how many instances of a batch are looked up together, and then started: the more, the fewer
	// requests, and the longer ago the look of the last one.
	startsLookedUp = 500
	// fewStarts is for how few instances a look at all of them together does not pay.
	fewStarts = 4
)

// BatchResult is the outcome of one start of a batch.
type BatchResult struct {
	StartResult
	// Err is why this instance was not started, as from [Client.Start].
	Err error
}

// StartBatch starts many instances, several at a time, and returns their outcomes in the order of the requests. One that
// fails does not keep the others from starting. The requests are checked before anything is sent, so a faulty one fails
// without a look at storage. When ctx ends, those that were not begun yet fail with its error.
//
// Whether instances exist already is found out for many at a time, which is fastest when their ids begin alike.
func (c *Client) StartBatch(ctx context.Context, requests []durable.StartRequest, options ...StartOption) []BatchResult {
	results := make([]BatchResult, len(requests))
	for from := 0; from < len(requests); from += startsLookedUp {
		to := min(from+startsLookedUp, len(requests))
		c.startMany(ctx, requests[from:to], options, results[from:to])
	}
	return results
}

// startMany starts a part of a batch.
func (c *Client) startMany(ctx context.Context, requests []durable.StartRequest, options []StartOption, results []BatchResult) {
	starts := make([]*start, len(requests))
	for i, req := range requests {
		starts[i], results[i].Err = c.newStart(req, options)
		if err := ctx.Err(); err != nil && results[i].Err == nil {
			results[i].Err = c.fail("start", req.InstanceID, err)
		}
	}
	c.lookUp(ctx, starts, results)
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(parallelStarts, len(requests)) {
		workers.Go(func() {
			for i := range next {
				results[i].StartResult, results[i].Err = starts[i].begin(ctx)
			}
		})
	}
	for i := range starts {
		if results[i].Err != nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			results[i].Err = c.fail("start", requests[i].InstanceID, err)
			continue
		}
		next <- i
	}
	close(next)
	workers.Wait()
}

// lookUp tells starts which of their instances exist. What it does not find out they look up themselves, and they report
// what is wrong when nothing can be found out.
func (c *Client) lookUp(ctx context.Context, starts []*start, results []BatchResult) {
	var ids []string
	for i, s := range starts {
		if results[i].Err == nil && !s.fresh {
			ids = append(ids, s.req.InstanceID)
		}
	}
	if len(ids) < fewStarts {
		return
	}
	found, err := c.hub.tables.FindInstances(ctx, ids, false)
	if err != nil {
		return
	}
	used := make(map[string]bool, len(ids))
	for i, s := range starts {
		if results[i].Err != nil || s.fresh || used[s.req.InstanceID] { // of two with the same id, the second looks for the first
			continue
		}
		used[s.req.InstanceID] = true
		if row, known := found[s.req.InstanceID]; known {
			s.found = &lookedUp{row: row}
		}
	}
}

// lookedUp is what is known of an instance before its start; row is nil when there is none.
type lookedUp struct{ row *tables.InstanceRow }
