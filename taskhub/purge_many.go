package taskhub

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/tables"
)

const (
	// parallelPurges is how many instances are deleted at a time.
	parallelPurges = 32
	// rowsPerInstance is how many History rows are worth reading to find those of one instance that is to be deleted; with
	// more, a request for each instance is cheaper.
	rowsPerInstance = 200
	// foldersPerPage is how many folders of large values are worth listing to spare the instances of a page a listing each.
	foldersPerPage = 50_000
)

// PurgeFilter says which finished instances are to be purged. Conditions are joined with "and".
type PurgeFilter struct {
	// CreatedFrom and CreatedTo want instances created in this time, both ends included. Default to no limit.
	CreatedFrom, CreatedTo time.Time
	// Statuses wants instances that ended so: Completed, Failed, Terminated, Canceled. Any other is an error. Defaults to
	// all four.
	Statuses []history.Status
	// IDPrefix wants ids that begin so. Defaults to any id.
	IDPrefix string
	// Name wants instances of one orchestrator. Defaults to any.
	Name string
	// Tags wants instances that have all of these tags. Defaults to any.
	Tags map[string]string
	// Progress is told about what has been done so far, after every page of up to 1,000 instances. Defaults to nothing.
	Progress func(PurgeProgress)
}

// PurgeProgress is how far a purge has come.
type PurgeProgress struct {
	PurgeResult
	// Failed counts instances that could not be deleted; the log says why.
	Failed int
	// Skipped counts instances that were started anew meanwhile and stay.
	Skipped int
}

// PurgeAll purges all finished instances that match a filter; those that run are never touched, nor are entities. Memory
// use does not depend on their number. An instance that cannot be purged does not keep the others from being purged; the
// error at the end says how many there were and names the first.
//
// When ctx ends, the result says what was done until then; calling again goes on from there.
func (c *Client) PurgeAll(ctx context.Context, filter PurgeFilter) (PurgeProgress, error) {
	const operation = "purge"
	statuses := filter.Statuses
	for _, status := range statuses {
		if !status.IsTerminal() {
			return PurgeProgress{}, &ArgumentError{Hub: c.hub.Name(), Operation: operation, Argument: "status",
				Reason: fmt.Sprintf("%s is of instances that have not finished; use Completed, Failed, Terminated or Canceled", status)}
		}
	}
	if len(statuses) == 0 {
		statuses = []history.Status{history.Completed, history.Failed, history.Terminated, history.Canceled}
	}
	p := &purging{c: c, seed: maphash.MakeSeed()}
	wanted := tables.Filter{
		IDPrefix: filter.IDPrefix, Statuses: statuses, CreatedFrom: filter.CreatedFrom, CreatedTo: filter.CreatedTo,
		Name: filter.Name, Tags: filter.Tags, Hubs: c.hub.sharing(), ExcludeEntities: true, Raw: true,
	}
	for token, first := "", true; first || token != ""; first = false {
		rows, next, err := c.hub.tables.QueryInstances(ctx, wanted, token, 0)
		if err == nil {
			err = p.page(ctx, rows)
		}
		if err != nil {
			return p.progress, c.fail(operation, "", fmt.Errorf("%d instances were purged before: %w", p.progress.Instances, err))
		}
		if filter.Progress != nil {
			filter.Progress(p.progress)
		}
		token = next
	}
	if p.firstErr != nil {
		return p.progress, c.fail(operation, "", fmt.Errorf("%d instances could not be purged, the first: %w", p.progress.Failed, p.firstErr))
	}
	return p.progress, nil
}

// purging is a purge of many instances under way.
type purging struct {
	c    *Client
	seed maphash.Seed

	mu       sync.Mutex
	progress PurgeProgress
	firstErr error
}

// page deletes the instances of one page. Their History rows and blobs are found together where that is cheaper.
func (p *purging) page(ctx context.Context, rows []tables.InstanceRow) error {
	if len(rows) == 0 {
		return nil
	}
	keys, err := p.historyKeys(ctx, rows)
	if err != nil {
		return err
	}
	folders, err := p.folders(ctx)
	if err != nil {
		return err
	}
	next := make(chan *tables.InstanceRow)
	var workers sync.WaitGroup
	for range min(parallelPurges, len(rows)) {
		workers.Go(func() {
			for row := range next {
				p.record(ctx, row, p.instance(ctx, row, keys, folders))
			}
		})
	}
	for i := range rows {
		if ctx.Err() != nil {
			break
		}
		next <- &rows[i]
	}
	close(next)
	workers.Wait()
	return ctx.Err()
}

// historyKeys finds the History rows of a page's instances in one go, as their ids are neighbours. Instances that are
// missing in the result are looked up one by one.
func (p *purging) historyKeys(ctx context.Context, rows []tables.InstanceRow) (map[string]tables.HistoryKeys, error) {
	found, _, err := p.c.hub.tables.ScanHistoryKeys(ctx, rows[0].InstanceID, rows[len(rows)-1].InstanceID, len(rows)*rowsPerInstance)
	if err != nil {
		return nil, err
	}
	keys := make(map[string]tables.HistoryKeys, len(found))
	for _, k := range found {
		keys[k.InstanceID] = k
	}
	return keys, nil
}

// purged is what became of one instance.
type purged struct {
	rows    int
	skipped bool
	err     error
}

// instance deletes one instance: history, blobs, status row.
func (p *purging) instance(ctx context.Context, row *tables.InstanceRow, keys map[string]tables.HistoryKeys, folders *folders) purged {
	store := p.c.hub.tables
	var done purged
	if known, ok := keys[row.InstanceID]; ok {
		done.rows, done.err = store.PurgeKeys(ctx, known)
	} else {
		done.rows, done.err = store.PurgeHistory(ctx, row.InstanceID)
	}
	if errors.Is(done.err, tables.ErrConflict) { // somebody has written to it since
		return p.changed(ctx, row, done)
	}
	if done.err != nil {
		return done
	}
	if folders.mayHave(row.InstanceID) {
		if _, done.err = p.c.hub.payloads.DeleteInstance(ctx, row.InstanceID); done.err != nil {
			return done
		}
	}
	done.err = store.DeleteInstanceRow(ctx, row.InstanceID, row.ETag)
	switch {
	case errors.Is(done.err, tables.ErrRowNotFound):
		done.err = nil
	case errors.Is(done.err, tables.ErrConflict):
		return p.changed(ctx, row, done)
	}
	return done
}

// changed deals with an instance that was written to meanwhile: one that was started anew stays.
func (p *purging) changed(ctx context.Context, row *tables.InstanceRow, done purged) purged {
	present, err := p.c.hub.tables.GetInstance(ctx, row.InstanceID, tables.GetOptions{Raw: true})
	switch {
	case err != nil:
		done.err = err
	case present == nil:
		done.err = nil
	case !present.Status.IsTerminal() || present.ExecutionID != row.ExecutionID:
		done.skipped, done.err = true, nil
	default:
		var more int
		more, done.err = p.c.hub.tables.PurgeRow(ctx, row.InstanceID, present)
		done.rows += more
	}
	return done
}

func (p *purging) record(ctx context.Context, row *tables.InstanceRow, done purged) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.progress.Rows += done.rows
	switch {
	case done.skipped:
		p.progress.Skipped++
	case done.err == nil:
		p.progress.Instances++
	case ctx.Err() == nil:
		p.progress.Failed++
		if p.firstErr == nil {
			p.firstErr = done.err
		}
		p.c.hub.cfg.Logger.WarnContext(ctx, "an instance could not be purged",
			slog.String(keyHub, p.c.hub.Name()), slog.String(keyInstance, row.InstanceID), slog.Any(keyError, done.err))
	}
}

// folders are the instances that have large values, as hashes: a collision costs a needless listing.
type folders struct {
	seed   maphash.Seed
	hashes []uint64 // sorted
	all    bool     // there are too many to know; every instance may have some
}

// folders lists the folders in the container of large values. An instance whose terminal status was read before has
// written all its values before, too.
func (p *purging) folders(ctx context.Context) (*folders, error) {
	f := &folders{seed: p.seed}
	client := p.c.hub.accounts.tracking.BlobService().NewContainerClient(p.c.hub.names.LargeMessageContainer())
	pager := client.NewListBlobsHierarchyPager("/", &container.ListBlobsHierarchyOptions{})
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if storage.IsNotFound(err) {
			return f, nil
		}
		if err != nil {
			return nil, storage.Explain(err, "list large values")
		}
		for _, folder := range page.Segment.BlobPrefixes {
			f.hashes = append(f.hashes, f.hash(strings.TrimSuffix(*folder.Name, "/")))
		}
		if len(f.hashes) > foldersPerPage {
			return &folders{all: true}, nil
		}
	}
	slices.Sort(f.hashes)
	return f, nil
}

func (f *folders) hash(name string) uint64 { return maphash.String(f.seed, name) }

// mayHave tells whether an instance may have large values. Its messages are kept under the id, its history's values
// under the escaped id; a slash in an id makes folders in folders.
func (f *folders) mayHave(id string) bool {
	if f.all || strings.Contains(id, "/") {
		return true
	}
	for _, name := range []string{id, layout.EscapeKey(id)} {
		if _, found := slices.BinarySearch(f.hashes, f.hash(name)); found {
			return true
		}
	}
	return false
}
