package taskhub

import (
	"context"
	"iter"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/tables"
)

// Query says which instances are wanted. Conditions are joined with "and"; the zero Query wants all.
type Query struct {
	// IDPrefix wants ids that begin so. It is the one condition for which the service need not look at every instance.
	// Defaults to any id.
	IDPrefix string
	// Statuses wants one of these states. Defaults to any.
	Statuses []history.Status
	// CreatedFrom and CreatedTo want instances created in this time, both ends included. An instance that continued as
	// new counts as created then. Default to no limit.
	CreatedFrom, CreatedTo time.Time
	// Name wants instances of one orchestrator. Defaults to any.
	Name string
	// Tags wants instances that have all of these tags. Defaults to any.
	Tags map[string]string
	// IncludeEntities says whether entities, whose ids begin with '@', are returned too. Defaults to false.
	IncludeEntities bool
	// Inputs and Outputs ask for these values, large ones included. Default to leaving them out.
	Inputs, Outputs bool
	// Readers is how many parts of the result [Client.Query] reads at a time. With more than one the instances come in no
	// order, and a listing of many takes a fraction of the time. Defaults to 1.
	Readers int
	// PageSize is how many instances a page holds at most, up to 1,000. Defaults to 1,000.
	PageSize int
}

func (q Query) filter(h *Hub) tables.Filter {
	return tables.Filter{
		Hubs:     h.sharing(),
		IDPrefix: q.IDPrefix, Statuses: q.Statuses, CreatedFrom: q.CreatedFrom, CreatedTo: q.CreatedTo, Name: q.Name, Tags: q.Tags,
		ExcludeEntities: !q.IncludeEntities, Inputs: q.Inputs, Outputs: q.Outputs,
	}
}

// sharing are the names of the hubs to look for in tables that several hubs share; none when there is just one.
func (h *Hub) sharing() []string {
	if h.names.TrackingPrefix() == "" {
		return nil
	}
	return []string{h.Name()}
}

// Page is a part of a query's result.
type Page struct {
	// Instances are the results, in the order of their ids. There is at least one, unless the result ends here.
	Instances []*Instance
	// Next continues the query; empty when the result ends here. It is valid in other processes, too.
	Next string
}

// QueryPage returns the part of a query's result that begins at a token; the empty token is the beginning.
func (c *Client) QueryPage(ctx context.Context, q Query, token string) (*Page, error) {
	for {
		rows, next, err := c.hub.tables.QueryInstances(ctx, q.filter(c.hub), token, q.PageSize)
		if err != nil {
			return nil, c.fail("query", "", err)
		}
		if len(rows) == 0 && next != "" { // the service stopped looking for a while without having found anything
			token = next
			continue
		}
		page := &Page{Next: next, Instances: make([]*Instance, len(rows))}
		for i := range rows {
			page.Instances[i] = c.instance(&rows[i])
		}
		return page, nil
	}
}

// Query iterates over a query's whole result and hides its pages. Memory use is that of one page. The iteration ends
// with the first error.
func (c *Client) Query(ctx context.Context, q Query) iter.Seq2[*Instance, error] {
	if q.Readers > 1 {
		return c.queryUnordered(ctx, q)
	}
	return func(yield func(*Instance, error) bool) {
		for token, first := "", true; first || token != ""; first = false {
			page, err := c.QueryPage(ctx, q, token)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, instance := range page.Instances {
				if !yield(instance, nil) {
					return
				}
			}
			token = page.Next
		}
	}
}

func (c *Client) queryUnordered(ctx context.Context, q Query) iter.Seq2[*Instance, error] {
	return func(yield func(*Instance, error) bool) {
		for row, err := range c.hub.tables.AllUnordered(ctx, q.filter(c.hub), q.Readers) {
			if err != nil {
				yield(nil, c.fail("query", "", err))
				return
			}
			if !yield(c.instance(row), nil) {
				return
			}
		}
	}
}

// countReaders is how many parts of the instances are counted at a time.
const countReaders = 8

// Count counts the instances that a query wants by their status, without reading inputs or outputs.
func (c *Client) Count(ctx context.Context, q Query) (map[history.Status]int, error) {
	counts, err := c.hub.tables.CountInstances(ctx, q.filter(c.hub), max(q.Readers, countReaders))
	if err != nil {
		return nil, c.fail("count", "", err)
	}
	return counts, nil
}
