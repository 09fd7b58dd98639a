package tables

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/payloads"
	"github.com/go-taskhub/taskhub/storage"
)

// Config says which hub a Store works on.
type Config struct {
	// Account is the storage account. Required; it has no default.
	Account *storage.Account
	// Names are the names of the hub's resources. Required; they have no default.
	Names layout.Names
	// Payloads holds values too large for a column. Defaults to a store over Account and Names.
	Payloads *payloads.Store
	// Logger is told about clean-up that failed after a commit and is tried again later by a purge.
	// Defaults to discarding.
	Logger *slog.Logger
	// Random makes the random part of the names of payload blobs. Defaults to the random numbers of the runtime.
	Random func() uint32
}

// Store is a hub's History and Instances tables. It is safe for concurrent use.
type Store struct {
	account   *storage.Account
	names     layout.Names
	payloads  *payloads.Store
	history   *aztables.Client
	instances *aztables.Client
	active    *aztables.Client
	letters   *aztables.Client
	logger    *slog.Logger
	random    func() uint32
	scanPage  int    // rows of a page when reading in parallel; 0 stands for the service's maximum
	endpoint  string // the Table service's address
	table     string // the name of the History table
	overhead  int    // bytes that every operation of a transaction costs at most, besides its keys and its row
	rooms     encodingRooms
}

// New returns a Store. It makes no request and creates nothing.
func New(cfg Config) *Store {
	if cfg.Payloads == nil {
		cfg.Payloads = payloads.New(cfg.Account, cfg.Names)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Random == nil {
		cfg.Random = rand.Uint32
	}
	service := cfg.Account.Tables()
	return &Store{
		account:   cfg.Account,
		names:     cfg.Names,
		payloads:  cfg.Payloads,
		history:   service.NewClient(cfg.Names.HistoryTable()),
		instances: service.NewClient(cfg.Names.InstancesTable()),
		active:    service.NewClient(cfg.Names.ActiveTable()),
		letters:   service.NewClient(cfg.Names.DeadLettersTable()),
		logger:    cfg.Logger,
		random:    cfg.Random,
		endpoint:  cfg.Account.TableEndpoint(),
		table:     cfg.Names.HistoryTable(),
		overhead:  operationOverhead + len(cfg.Account.TableEndpoint()) + len(cfg.Names.HistoryTable()),
	}
}

// Names returns the names of the hub's resources.
func (s *Store) Names() layout.Names { return s.names }

// Create creates both tables. Tables that exist stay as they are.
func (s *Store) Create(ctx context.Context) error {
	return s.bothTables(ctx, "create table", func(ctx context.Context, table *aztables.Client) error {
		_, err := table.CreateTable(ctx, nil)
		if storage.HasCode(err, storage.CodeTableAlreadyExists) {
			return nil
		}
		return err
	})
}

// Delete deletes both tables. A table that is not there is no error.
func (s *Store) Delete(ctx context.Context) error {
	return s.bothTables(ctx, "delete table", func(ctx context.Context, table *aztables.Client) error {
		_, err := table.Delete(ctx, nil)
		if storage.IsNotFound(err) {
			return nil
		}
		return err
	})
}

func (s *Store) bothTables(ctx context.Context, operation string, do func(context.Context, *aztables.Client) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for name, table := range map[string]*aztables.Client{s.names.HistoryTable(): s.history, s.names.InstancesTable(): s.instances} {
		group.Go(func() error {
			if err := do(ctx, table); err != nil {
				return fmt.Errorf("hub %q: %w", s.names.Hub(), storage.Explain(err, operation+" "+name))
			}
			return nil
		})
	}
	return group.Wait()
}
