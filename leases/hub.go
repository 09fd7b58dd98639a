package leases

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/storage"
)

// HubInfo is the content of taskhub.json. DurableTask.AzureStorage writes it when a blob partition manager is in use; it
// records with how many partitions the hub was made, and .NET's scale controllers read it.
type HubInfo struct {
	TaskHubName    string
	CreatedAt      time.Time
	PartitionCount int
}

// hubInfoJSON is taskhub.json in .NET's order.
type hubInfoJSON struct {
	TaskHubName    string
	CreatedAt      string
	PartitionCount int
}

// ReadHubInfo reads a hub's taskhub.json. It returns nil when there is none, and a [*HubInfoError] when it cannot be
// understood.
func ReadHubInfo(ctx context.Context, account *storage.Account, names layout.Names) (*HubInfo, error) {
	return readHubInfo(ctx, newAzureBlobs(account, names.LeaseContainer()), names.Hub())
}

func readHubInfo(ctx context.Context, store blobStore, hub string) (*HubInfo, error) {
	text, _, err := store.read(ctx, layout.TaskHubInfoBlob)
	if errors.Is(err, errMissing) || errors.Is(err, errNoStore) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("hub %q: %w", hub, err)
	}
	return parseHubInfo(text, hub)
}

func parseHubInfo(text []byte, hub string) (*HubInfo, error) {
	var raw hubInfoJSON
	if err := json.Unmarshal(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), &raw); err != nil {
		return nil, &HubInfoError{Hub: hub, Reason: "is not the JSON that it should be"}
	}
	if raw.PartitionCount < layout.MinPartitions || raw.PartitionCount > layout.MaxPartitions {
		return nil, &HubInfoError{Hub: hub, Reason: fmt.Sprintf("names %d partitions, which no hub can have,", raw.PartitionCount)}
	}
	if !strings.EqualFold(raw.TaskHubName, hub) {
		return nil, &HubInfoError{Hub: hub, Reason: fmt.Sprintf("belongs to another hub, %q,", raw.TaskHubName)}
	}
	created, err := time.Parse(time.RFC3339Nano, raw.CreatedAt)
	if err != nil {
		created = time.Time{} // nobody decides by it
	}
	return &HubInfo{TaskHubName: raw.TaskHubName, CreatedAt: created, PartitionCount: raw.PartitionCount}, nil
}

// CreateStore creates what the partition manager needs, in the order in which .NET does it: the app lease's container and
// info blob, the lease container with taskhub.json or the partition table, and a lease record for each partition. What
// exists stays as it is, so any number of processes may do it at once.
//
// When the hub was made with another number of partitions, it changes nothing and returns a [*PartitionCountError]; when
// taskhub.json cannot be understood, a [*HubInfoError].
func (m *Manager) CreateStore(ctx context.Context) error {
	return createStore(ctx, m.cfg, m.stores)
}

// DeleteStore removes the partition manager's leases and the app lease's container, as .NET does when it deletes a hub.
// A Go fleet's app lease ends with it; one that another application holds stays.
func (m *Manager) DeleteStore(ctx context.Context) error {
	if err := m.stores.leases.remove(ctx, ""); err != nil {
		return err
	}
	if err := m.stores.rows.remove(ctx); err != nil {
		return err
	}
	err := m.stores.app.remove(ctx, "")
	for _, id := range []string{layout.AppLeaseID(m.cfg.AppName), fleetAppID()} {
		if errors.Is(err, errTaken) {
			err = m.stores.app.remove(ctx, id)
		}
	}
	if errors.Is(err, errTaken) {
		return nil
	}
	return err
}

// stores is where a hub keeps its leases.
type stores struct {
	app    blobStore
	leases blobStore
	rows   rowStore
}

func newStores(account *storage.Account, names layout.Names) stores {
	return stores{
		app:    newAzureBlobs(account, names.AppLeaseContainer()),
		leases: newAzureBlobs(account, names.LeaseContainer()),
		rows:   newAzureRows(account, names.PartitionsTable()),
	}
}

func createStore(ctx context.Context, cfg Config, s stores) error {
	if err := checkPartitions(ctx, cfg, s); err != nil {
		return err
	}
	if err := createApp(ctx, cfg, s.app); err != nil {
		return err
	}
	if cfg.Mode == Table {
		return createRows(ctx, cfg, s.rows)
	}
	return createBlobs(ctx, cfg, s.leases)
}

func createApp(ctx context.Context, cfg Config, app blobStore) error {
	if err := app.create(ctx); err != nil {
		return err
	}
	if err := app.add(ctx, cfg.Names.AppLeaseInfoBlob(), []byte("{}")); err != nil && !errors.Is(err, errExists) {
		return err
	}
	return nil
}

// checkPartitions finds out whether the hub exists with another number of partitions.
func checkPartitions(ctx context.Context, cfg Config, s stores) error {
	if cfg.Mode == Table {
		return checkRows(ctx, cfg, s.rows)
	}
	stored, err := readHubInfo(ctx, s.leases, cfg.Names.Hub())
	if err != nil {
		return err
	}
	if stored != nil && stored.PartitionCount != cfg.Partitions {
		return &PartitionCountError{Hub: cfg.Names.Hub(), Configured: cfg.Partitions, Stored: stored.PartitionCount}
	}
	return nil
}

// checkRows: the table has no record of the number of partitions but its rows. More rows than configured, or fewer of
// which some were owned before, are another number; fewer that nobody ever owned are a creation that did not finish.
func checkRows(ctx context.Context, cfg Config, rows rowStore) error {
	found, _, err := rows.query(ctx)
	if errors.Is(err, errNoStore) {
		return nil
	}
	if err != nil {
		return err
	}
	used, stored := false, 0
	for _, r := range found {
		used = used || r.currentOwner != "" || !r.ownedSince.IsZero()
		for i := range layout.MaxPartitions {
			if r.queue == cfg.Names.ControlQueue(i) {
				stored = max(stored, i+1)
			}
		}
	}
	if stored > cfg.Partitions || used && stored < cfg.Partitions {
		return &PartitionCountError{Hub: cfg.Names.Hub(), Configured: cfg.Partitions, Stored: stored}
	}
	return nil
}

func createRows(ctx context.Context, cfg Config, rows rowStore) error {
	if err := rows.create(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for i := range cfg.Partitions {
		group.Go(func() error {
			if err := rows.add(ctx, row{queue: cfg.Names.ControlQueue(i)}); err != nil && !errors.Is(err, errExists) {
				return err
			}
			return nil
		})
	}
	return group.Wait()
}

func createBlobs(ctx context.Context, cfg Config, leases blobStore) error {
	if err := leases.create(ctx); err != nil {
		return err
	}
	if err := createHubInfo(ctx, cfg, leases); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for i := range cfg.Partitions {
		queue := cfg.Names.ControlQueue(i)
		blobs := []string{layout.IntentBlob(queue), layout.OwnershipBlob(queue)}
		if cfg.Mode == Legacy {
			blobs = []string{layout.LegacyLeaseBlob(queue)}
		}
		for _, name := range blobs {
			group.Go(func() error {
				if err := leases.add(ctx, name, encodeJSON(record{PartitionID: queue})); err != nil && !errors.Is(err, errExists) {
					return err
				}
				return nil
			})
		}
	}
	return group.Wait()
}

// formatHubTime writes a time as .NET's JSON does: UTC, up to seven digits.
func formatHubTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.9999999Z") }

// createHubInfo writes taskhub.json unless it is there. .NET overwrites one that names another number of partitions; we
// never do, because messages are routed by that number.
func createHubInfo(ctx context.Context, cfg Config, leases blobStore) error {
	text := encodeJSON(hubInfoJSON{
		TaskHubName: cfg.Names.Hub(), CreatedAt: formatHubTime(cfg.Clock.Now()), PartitionCount: cfg.Partitions,
	})
	err := leases.add(ctx, layout.TaskHubInfoBlob, text)
	if !errors.Is(err, errExists) {
		return err
	}
	stored, err := readHubInfo(ctx, leases, cfg.Names.Hub())
	if err == nil && stored != nil && stored.PartitionCount != cfg.Partitions {
		return &PartitionCountError{Hub: cfg.Names.Hub(), Configured: cfg.Partitions, Stored: stored.PartitionCount}
	}
	return err
}
