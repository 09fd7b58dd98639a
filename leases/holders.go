package leases

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/storage"
)

// Holder says who has a partition, as one partition manager's record of it shows. Times are UTC.
type Holder struct {
	Partition int
	Queue     string // the partition's control queue
	Mode      Mode   // the partition manager
	// Owner is the worker that has the partition, or had it last when Live is false; empty when nobody ever had.
	Owner string
	// Fleet is the kind of fleet that the owner belongs to; .NET workers count as MixedFleet.
	Fleet Fleet
	// Live says that the lease runs now.
	Live bool
	// Next is the worker that is to have the partition next; empty for none.
	Next string
	// Since is when the record was last given to an owner or taken back; zero when it is not known.
	Since time.Time
	// Renewed and Expires are the times of the lease as the owner's clock has them. Only the table manager keeps them.
	Renewed, Expires time.Time
}

// Holders reads who has which partition. There is one entry for each partition and each partition manager that has made
// records in the hub, in this order; a hub that does not exist has none. It takes a request for each lease blob, and
// creates nothing.
func Holders(ctx context.Context, account *storage.Account, names layout.Names) ([]Holder, error) {
	return holders(ctx, newStores(account, names), names)
}

func holders(ctx context.Context, s stores, names layout.Names) ([]Holder, error) {
	found, err := blobHolders(ctx, s.leases, names)
	if err != nil {
		return nil, err
	}
	rows, err := rowHolders(ctx, s.rows, names)
	if err != nil {
		return nil, err
	}
	found = append(found, rows...)
	slices.SortFunc(found, func(a, b Holder) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Mode, b.Mode))
	})
	return found, nil
}

// blobHolders reads the blobs that say who receives: of the safe manager those of the directory ownership, as an intent is
// only a right to it.
func blobHolders(ctx context.Context, leases blobStore, names layout.Names) ([]Holder, error) {
	infos, err := leases.list(ctx)
	if errors.Is(err, errNoStore) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	listed := make(map[string]blobInfo, len(infos))
	for _, info := range infos {
		listed[info.name] = info
	}
	found := make([]*Holder, 0, len(infos))
	group, ctx := errgroup.WithContext(ctx)
	for partition := range layout.MaxPartitions {
		queue := names.ControlQueue(partition)
		for _, name := range []string{layout.OwnershipBlob(queue), layout.LegacyLeaseBlob(queue)} {
			info, ok := listed[name]
			if !ok {
				continue
			}
			h := &Holder{Partition: partition, Queue: queue, Mode: modeOfBlob(name), Live: info.leased, Since: info.modified}
			found = append(found, h)
			group.Go(func() error { return h.read(ctx, leases, name) })
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	all := make([]Holder, len(found))
	for i, h := range found {
		all[i] = *h
	}
	return all, nil
}

func (h *Holder) read(ctx context.Context, leases blobStore, name string) error {
	text, _, err := leases.read(ctx, name)
	if err != nil && !errors.Is(err, errMissing) {
		return err
	}
	r, _ := decodeRecord(text)
	h.Owner, h.Fleet, h.Next = r.owner(), fleetOf(r.Fleet), r.Next
	return nil
}

// rowHolders reads the rows of the table manager, judged as Inspect does.
func rowHolders(ctx context.Context, rows rowStore, names layout.Names) ([]Holder, error) {
	stored, served, err := rows.query(ctx)
	if errors.Is(err, errNoStore) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found []Holder
	for partition := range layout.MaxPartitions {
		queue := names.ControlQueue(partition)
		for _, r := range stored {
			if r.queue != queue {
				continue
			}
			found = append(found, Holder{
				Partition: partition, Queue: queue, Mode: Table, Owner: r.currentOwner, Fleet: fleetOf(r.fleet), Next: r.nextOwner,
				Live:  r.currentOwner != "" && served.Sub(r.timestamp) < r.period(DefaultDuration),
				Since: r.ownedSince, Renewed: r.lastRenewal, Expires: r.expiresAt,
			})
		}
	}
	return found, nil
}
