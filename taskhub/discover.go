package taskhub

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"
	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/storage"
)

// discovery is what a hub shows about itself. partitions is 0 when there is no hub, or nothing of it that says so.
type discovery struct {
	partitions int
	mode       leases.Mode
}

// discover reads what the hub shows: taskhub.json, which the blob lease managers keep, and the rows of the Partitions
// table, which the table manager keeps. Where both exist, the manager at work decides.
func (h *Hub) discover(ctx context.Context) (discovery, error) {
	var file int
	var rows partitionRows
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		info, err := leases.ReadHubInfo(groupCtx, h.accounts.tracking, h.names)
		if info != nil {
			file = info.PartitionCount
		}
		return err
	})
	group.Go(func() (err error) { rows, err = h.readPartitionRows(groupCtx); return err })
	if err := group.Wait(); err != nil {
		return discovery{}, err
	}
	found := discovery{partitions: file, mode: leases.Table}
	if h.tableManaged(file, rows) {
		found.partitions = rows.count
	}
	if found.partitions == 0 { // the record that belongs to the configured manager is missing
		found.partitions = max(file, rows.count)
	}
	if !h.tableManaged(file, rows) {
		var err error
		if found.mode, err = h.blobMode(ctx, file); err != nil {
			return discovery{}, err
		}
	}
	return found, nil
}

// tableManaged tells whether the table manager is configured, or at work.
func (h *Hub) tableManaged(file int, rows partitionRows) bool {
	if h.cfg.LeaseMode != nil {
		return *h.cfg.LeaseMode == leases.Table
	}
	return rows.count > 0 && (file == 0 || rows.live)
}

// partitionRows is what the Partitions table shows.
type partitionRows struct {
	count int
	live  bool // some partition has an owner whose time is not over
}

const (
	creationLooks = 5
	creationPause = 400 * time.Millisecond
)

// readPartitionRows counts the rows of the Partitions table. Whoever creates a hub writes them side by side with the
// control queues, so while the two do not agree the hub is being created and is looked at again.
func (h *Hub) readPartitionRows(ctx context.Context) (partitionRows, error) {
	for look := 1; ; look++ {
		keys, live, err := h.partitionKeys(ctx)
		if err != nil || len(keys) == 0 {
			return partitionRows{}, err
		}
		if h.cfg.Partitions != 0 && (live || len(keys) >= h.cfg.Partitions) { // no need to guess
			return partitionRows{count: len(keys), live: live}, nil
		}
		queues, err := h.controlQueues(ctx)
		if err != nil {
			return partitionRows{}, err
		}
		if slices.Equal(keys, queues) && slices.Equal(keys, h.controlQueueNames(len(keys))) {
			return partitionRows{count: len(keys), live: live}, nil
		}
		if h.cfg.Partitions != 0 { // whoever creates it has died on the way, or is not done: creating it again completes it
			return h.unfinished(keys, queues, live), nil
		}
		if look == creationLooks {
			return partitionRows{}, &ConfigError{Field: "Partitions", Reason: fmt.Sprintf(
				"is not set, and cannot be told from hub %q: table %s has %d rows, but there are %d control queues; set the number that its workers use",
				h.Name(), h.names.PartitionsTable(), len(keys), len(queues))}
		}
		if err := sleep(ctx, creationPause); err != nil {
			return partitionRows{}, err
		}
	}
}

// unfinished judges rows that the control queues do not agree with, for a hub whose number of partitions is configured. Rows
// and queues that are all among the configured ones say nothing yet.
func (h *Hub) unfinished(keys, queues []string, live bool) partitionRows {
	configured := h.controlQueueNames(h.cfg.Partitions)
	for _, name := range slices.Concat(keys, queues) {
		if !slices.Contains(configured, name) {
			return partitionRows{count: len(keys), live: live}
		}
	}
	return partitionRows{}
}

func (h *Hub) controlQueueNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = h.names.ControlQueue(i)
	}
	return names
}

// partitionKeys returns the row keys of the Partitions table, which are names of control queues, in order.
func (h *Hub) partitionKeys(ctx context.Context) (keys []string, live bool, err error) {
	pager := h.accounts.tracking.Tables().NewClient(h.names.PartitionsTable()).NewListEntitiesPager(nil)
	now := time.Now()
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if storage.IsNotFound(err) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, storage.Explain(err, "read table "+h.names.PartitionsTable())
		}
		for _, raw := range page.Entities {
			row, err := edm.Unmarshal(raw)
			if err != nil {
				return nil, false, fmt.Errorf("read table %s: %w", h.names.PartitionsTable(), err)
			}
			key, _ := row["RowKey"].(string)
			keys = append(keys, key)
			owner, _ := row["CurrentOwner"].(string)
			expires, _ := row["ExpiresAt"].(time.Time)
			live = live || owner != "" && expires.After(now)
		}
	}
	slices.Sort(keys)
	return keys, live, nil
}

// controlQueues lists the control queues that exist, in order.
func (h *Hub) controlQueues(ctx context.Context) ([]string, error) {
	first := h.names.ControlQueue(0)
	prefix := first[:len(first)-len("00")]
	names, err := listQueues(ctx, h.accounts.main, prefix)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	return names, nil
}

func listQueues(ctx context.Context, account *storage.Account, prefix string) ([]string, error) {
	options := &azqueue.ListQueuesOptions{}
	if prefix != "" {
		options.Prefix = &prefix
	}
	return collect(ctx, account.Queues().NewListQueuesPager(options), "list queues", func(page azqueue.ListQueuesResponse) (names []string) {
		for _, queue := range page.Queues {
			names = append(names, *queue.Name)
		}
		return names
	})
}

func listTables(ctx context.Context, account *storage.Account) ([]string, error) {
	return collect(ctx, account.Tables().NewListTablesPager(nil), "list tables", func(page aztables.ListTablesResponse) (names []string) {
		for _, table := range page.Tables {
			names = append(names, *table.Name)
		}
		return names
	})
}

// collect reads all pages of a listing.
func collect[P any](ctx context.Context, pager *runtime.Pager[P], operation string, names func(P) []string) ([]string, error) {
	var all []string
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, storage.Explain(err, operation)
		}
		all = append(all, names(page)...)
	}
	return all, nil
}

// blobMode tells which of the two blob lease managers a hub shows.
func (h *Hub) blobMode(ctx context.Context, file int) (leases.Mode, error) {
	if h.cfg.LeaseMode != nil {
		return *h.cfg.LeaseMode, nil
	}
	if file == 0 {
		return leases.Safe, nil
	}
	for _, mode := range []leases.Mode{leases.Safe, leases.Legacy} {
		shown, err := h.showsBlobs(ctx, mode)
		if err != nil || shown {
			return mode, err
		}
	}
	return leases.Safe, nil
}

// showsBlobs tells whether the hub has what one of the blob lease managers makes.
func (h *Hub) showsBlobs(ctx context.Context, mode leases.Mode) (bool, error) {
	blob := layout.IntentBlob(h.names.ControlQueue(0))
	if mode == leases.Legacy {
		blob = layout.LegacyLeaseBlob(h.names.ControlQueue(0))
	}
	_, err := h.accounts.tracking.BlobService().NewContainerClient(h.names.LeaseContainer()).NewBlobClient(blob).GetProperties(ctx, nil)
	if storage.IsNotFound(err) {
		return false, nil
	}
	return err == nil, storage.Explain(err, "look for lease blobs")
}

// shows tells whether the hub has what a lease manager makes.
func (h *Hub) shows(ctx context.Context, mode leases.Mode) (bool, error) {
	if mode != leases.Table {
		return h.showsBlobs(ctx, mode)
	}
	keys, _, err := h.partitionKeys(ctx)
	return len(keys) > 0, err
}

// checkMode refuses to make a second partition manager's part of a hub that has another's: its workers would not see each
// other's leases. A hub that was moved from one to the other has both parts.
func (h *Hub) checkMode(ctx context.Context) error {
	if h.cfg.LeaseMode == nil {
		return nil
	}
	if shown, err := h.shows(ctx, *h.cfg.LeaseMode); err != nil || shown {
		return err
	}
	for _, mode := range []leases.Mode{leases.Safe, leases.Legacy, leases.Table} {
		shown, err := h.shows(ctx, mode)
		if err != nil {
			return err
		}
		if shown {
			return &LeaseModeError{Hub: h.Name(), Configured: *h.cfg.LeaseMode, Stored: mode}
		}
	}
	return nil
}

// checkTracking finds a hub whose History and Instances tables have other names than configured: such a hub has no tables
// of the configured names, and its name is in the rows of others.
func (h *Hub) checkTracking(ctx context.Context) error {
	if there, err := tableExists(ctx, h.accounts.tracking, h.names.InstancesTable()); err != nil || there {
		return err
	}
	names, err := listTables(ctx, h.accounts.tracking)
	if err != nil {
		return err
	}
	for _, name := range names {
		prefix, ok := strings.CutSuffix(name, "Instances")
		if !ok || !slices.Contains(names, prefix+"History") {
			continue
		}
		own, err := h.hasRowsIn(ctx, name, "eq")
		if err != nil {
			return err
		}
		if own {
			return &TrackingPrefixError{Hub: h.Name(), Configured: h.cfg.TrackingPrefix, Stored: prefix}
		}
	}
	return nil
}

// maxLookPages bounds how far a table is searched for a hub's name.
const maxLookPages = 20

// hasRowsIn tells whether a table has status rows whose hub's name compares so with this hub's: "eq" or "ne".
func (h *Hub) hasRowsIn(ctx context.Context, table, comparison string) (bool, error) {
	filter, columns := "TaskHubName "+comparison+" '"+h.Name()+"'", "TaskHubName"
	pager := h.accounts.tracking.Tables().NewClient(table).NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter, Select: &columns, Top: new(int32(1))})
	for range maxLookPages {
		page, err := pager.NextPage(ctx)
		switch {
		case storage.IsNotFound(err):
			return false, nil
		case err != nil:
			return false, storage.Explain(err, "read table "+table)
		case len(page.Entities) > 0:
			return true, nil
		case !pager.More():
			return false, nil
		}
	}
	return comparison == "ne", nil // when in doubt, tables are shared
}

func tableExists(ctx context.Context, account *storage.Account, name string) (bool, error) {
	filter := "TableName eq '" + name + "'"
	pager := account.Tables().NewListTablesPager(&aztables.ListTablesOptions{Filter: &filter})
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil || len(page.Tables) > 0 {
			return err == nil, storage.Explain(err, "look for table "+name)
		}
	}
	return false, nil
}

// sleep waits, unless ctx ends before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
