package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"
	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/storage"
)

// hubParts are the tables, queues and containers of an account that have a hub's names: the hub, or what is left of one
// whose deletion was cut short.
type hubParts struct {
	names                      layout.Names
	tables, queues, containers []string
}

// findParts lists what there is of a hub.
func findParts(ctx context.Context, account *storage.Account, names layout.Names) (hubParts, error) {
	p := hubParts{names: names}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { p.tables, err = findTables(ctx, account, names); return err })
	group.Go(func() (err error) { p.queues, err = findQueues(ctx, account, names); return err })
	group.Go(func() (err error) { p.containers, err = findContainers(ctx, account, names); return err })
	return p, group.Wait()
}

func findTables(ctx context.Context, account *storage.Account, names layout.Names) ([]string, error) {
	ours := []string{
		names.HistoryTable(), names.InstancesTable(), names.PartitionsTable(), names.ActiveTable(),
		names.DeadLettersTable(), names.SchedulesTable(), names.LimitsTable(),
	}
	all, err := pages(ctx, account.Tables().NewListTablesPager(nil), "list tables", func(page aztables.ListTablesResponse) (found []string) {
		for _, table := range page.Tables {
			found = append(found, *table.Name)
		}
		return found
	})
	return slices.DeleteFunc(all, func(table string) bool {
		return !slices.ContainsFunc(ours, func(name string) bool { return strings.EqualFold(name, table) })
	}), err
}

func findQueues(ctx context.Context, account *storage.Account, names layout.Names) ([]string, error) {
	prefix := strings.TrimSuffix(names.WorkItemQueue(), "workitems")
	control := strings.TrimSuffix(names.ControlQueue(0), "00")
	all, err := pages(ctx, account.Queues().NewListQueuesPager(&azqueue.ListQueuesOptions{Prefix: &prefix}), "list queues", func(page azqueue.ListQueuesResponse) (found []string) {
		for _, queue := range page.Queues {
			found = append(found, *queue.Name)
		}
		return found
	})
	return slices.DeleteFunc(all, func(queue string) bool {
		return queue != names.WorkItemQueue() && !strings.HasPrefix(queue, control)
	}), err
}

func findContainers(ctx context.Context, account *storage.Account, names layout.Names) ([]string, error) {
	ours := []string{names.LeaseContainer(), names.AppLeaseContainer(), names.LargeMessageContainer()}
	prefix := strings.ToLower(names.Hub()) + "-"
	all, err := pages(ctx, account.Blobs().NewListContainersPager(&azblob.ListContainersOptions{Prefix: &prefix}), "list containers", func(page azblob.ListContainersResponse) (found []string) {
		for _, container := range page.ContainerItems {
			found = append(found, *container.Name)
		}
		return found
	})
	return slices.DeleteFunc(all, func(container string) bool { return !slices.Contains(ours, container) }), err
}

// pages reads a whole listing.
func pages[P any](ctx context.Context, pager *runtime.Pager[P], operation string, names func(P) []string) ([]string, error) {
	var all []string
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, storage.Explain(err, operation)
		}
		all = append(all, names(page)...)
	}
	slices.Sort(all)
	return all, nil
}

func (p hubParts) empty() bool { return len(p.tables)+len(p.queues)+len(p.containers) == 0 }

// isHub reports whether the parts can only be those of a hub. A table alone may be anybody's: PurchaseHistory need not
// belong to a hub named Purchase.
func (p hubParts) isHub() bool {
	tables := 0
	for _, table := range p.tables {
		if strings.EqualFold(table, p.names.HistoryTable()) || strings.EqualFold(table, p.names.InstancesTable()) {
			tables++
		}
	}
	return tables == 2 || len(p.queues) > 0 || slices.Contains(p.containers, p.names.LeaseContainer()) || slices.Contains(p.containers, p.names.AppLeaseContainer())
}

// spelling is the hub's name as its tables have it; the other parts have it in lower case.
func (p hubParts) spelling() string {
	if p.names.TrackingPrefix() != "" {
		return p.names.Hub()
	}
	for _, table := range p.tables {
		if strings.EqualFold(table, p.names.HistoryTable()) {
			return table[:len(p.names.Hub())]
		}
	}
	return p.names.Hub()
}

// String lists the parts, a line for each kind.
func (p hubParts) String() string {
	var text strings.Builder
	for _, kind := range []struct {
		title string
		names []string
	}{{"tables", p.tables}, {"queues", p.queues}, {"containers", p.containers}} {
		if len(kind.names) > 0 {
			fmt.Fprintf(&text, "  %-11s %s\n", kind.title, strings.Join(kind.names, ", "))
		}
	}
	return text.String()
}
