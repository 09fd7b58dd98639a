package taskhub

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/telemetry"
)

// Config says which hub to open and how to use it.
type Config struct {
	// Name is the hub's name: a letter and then letters and digits, 3 to 45 in all. Required; it has no default.
	Name string

	// Connection is the account's connection string, or "embedded:" for the embedded storage. Defaults to none, and then
	// Credential or Account must be set.
	Connection string
	// Credential authorises requests instead of a key, see azidentity. Defaults to none.
	Credential azcore.TokenCredential
	// AccountName is the account that Credential is used with. Defaults to what the endpoints say.
	AccountName string
	// BlobEndpoint, QueueEndpoint and TableEndpoint are the services' addresses. They default to those of AccountName in
	// the public cloud, and are used with Credential only.
	BlobEndpoint, QueueEndpoint, TableEndpoint string
	// Transport sends the requests. Defaults to HTTP with pooled connections.
	Transport policy.Transporter
	// Application is the name of the program, sent as part of the user agent. Defaults to none.
	Application string
	// Account is an account that is open already; it stays open when the hub is closed. Defaults to opening one with the
	// fields above.
	Account *storage.Account

	// TrackingPrefix is what the names of the History and Instances tables begin with, for hubs of .NET workers that are
	// configured with TrackingStoreNamePrefix; several hubs may share such tables. Defaults to the hub's name.
	TrackingPrefix string
	// TrackingConnection is the connection string of the account that has the hub's tables and blob containers, for hubs
	// of .NET workers whose tracking store is another account. Defaults to the account that has the queues.
	TrackingConnection string
	// TrackingAccount is an account as TrackingConnection describes it that is open already; it stays open when the hub is
	// closed. Defaults to opening one with TrackingConnection.
	TrackingAccount *storage.Account

	// Partitions is the number of control queues, 1 to 16. Every process that uses the hub must use the same number.
	// Defaults to the number that the hub has, and to 4 for a hub that is created.
	Partitions int
	// LeaseMode is the partition manager that the hub's workers use. Defaults to the one that the hub shows, and to
	// leases.Safe for a hub that is created. A hub of .NET workers with default settings shows leases.Table.
	LeaseMode *leases.Mode
	// Base64Queues writes queue messages in Base64. Both forms are always read; .NET writers have the same switch,
	// QueueClientMessageEncoding. Defaults to plain JSON.
	Base64Queues bool
	// ErrorStyle is how failures are written; both styles are always read. Defaults to failure details, which is what
	// Durable Functions writes.
	ErrorStyle durable.ErrorStyle
	// Converter turns values into the texts that are stored. Defaults to JSON as .NET writes it.
	Converter durable.Converter

	// MinPoll and MaxPoll bound the pauses between two looks at an instance that somebody waits for. They default to
	// 20 milliseconds and 2 seconds. A worker in the same process makes looking unnecessary.
	MinPoll, MaxPoll time.Duration
	// NewID makes the ids of instances and executions: 32 hex digits each. Defaults to random UUIDs.
	NewID func() string
	// Logger is told what an operator should know. Defaults to discarding.
	Logger *slog.Logger
	// Telemetry is where traces and metrics of the client, and of the hub's workers unless they say otherwise, go. Defaults to
	// none.
	Telemetry *telemetry.Telemetry
}

// Defaults of Config.
const (
	DefaultMinPoll = 20 * time.Millisecond
	DefaultMaxPoll = 2 * time.Second
)

// ConfigError says which field of a [Config] cannot be used.
type ConfigError struct {
	Field  string // name of the field
	Reason string // what is wrong with it and what to do, beginning with a verb
}

// Error implements error.
func (e *ConfigError) Error() string {
	return fmt.Sprintf("task hub configuration: %s %s", e.Field, e.Reason)
}

func (c Config) withDefaults() Config {
	if c.MinPoll == 0 {
		c.MinPoll = DefaultMinPoll
	}
	if c.MaxPoll == 0 {
		c.MaxPoll = max(DefaultMaxPoll, c.MinPoll)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.NewID == nil {
		c.NewID = newID
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Name == "":
		return &ConfigError{Field: "Name", Reason: "is missing; give the hub's name"}
	case c.Partitions != 0 && (c.Partitions < layout.MinPartitions || c.Partitions > layout.MaxPartitions):
		return &ConfigError{Field: "Partitions", Reason: fmt.Sprintf("is %d; it must be %d to %d", c.Partitions, layout.MinPartitions, layout.MaxPartitions)}
	case c.MinPoll < 0 || c.MaxPoll < c.MinPoll:
		return &ConfigError{Field: "MinPoll, MaxPoll", Reason: fmt.Sprintf("are %v and %v; neither may be negative, nor the second shorter", c.MinPoll, c.MaxPoll)}
	case c.LeaseMode != nil && (*c.LeaseMode < leases.Safe || *c.LeaseMode > leases.Table):
		return &ConfigError{Field: "LeaseMode", Reason: fmt.Sprintf("is %v; use leases.Safe, leases.Legacy or leases.Table", *c.LeaseMode)}
	}
	if c.TrackingAccount != nil && c.TrackingConnection != "" {
		return &ConfigError{Field: "TrackingAccount", Reason: "and TrackingConnection are both set; set one of the two"}
	}
	if c.Account != nil && (c.Connection != "" || c.Credential != nil || c.AccountName != "" || c.BlobEndpoint+c.QueueEndpoint+c.TableEndpoint != "" || c.Transport != nil) {
		return &ConfigError{Field: "Account", Reason: "is set, and so is a field that says how to open one; set one of the two"}
	}
	return nil
}

// names gives the names of the hub's parts.
func (c Config) names() (layout.Names, error) {
	names, err := layout.NewNames(c.Name)
	if err != nil {
		return names, err
	}
	return names.WithTrackingPrefix(c.TrackingPrefix)
}

// accounts are where a hub is.
type accounts struct {
	main     *storage.Account // has the queues
	tracking *storage.Account // has tables and containers; mostly the same
	opened   []*storage.Account
}

// close closes the accounts that were opened here.
func (a accounts) close() error {
	var errs []error
	for _, account := range a.opened {
		errs = append(errs, account.Close())
	}
	return errors.Join(errs...)
}

// open gives the accounts to work on.
func (c Config) open() (a accounts, err error) {
	if a.main = c.Account; a.main == nil {
		a.main, err = storage.Open(storage.Config{
			ConnectionString: c.Connection, Credential: c.Credential, AccountName: c.AccountName,
			BlobEndpoint: c.BlobEndpoint, QueueEndpoint: c.QueueEndpoint, TableEndpoint: c.TableEndpoint,
			Transport: c.Transport, Application: c.Application, Logger: c.Logger,
		})
		if err != nil {
			return accounts{}, err
		}
		a.opened = append(a.opened, a.main)
	}
	a.tracking = a.main
	switch {
	case c.TrackingAccount != nil:
		a.tracking = c.TrackingAccount
	case c.TrackingConnection != "":
		a.tracking, err = storage.Open(storage.Config{
			ConnectionString: c.TrackingConnection, Transport: c.Transport, Application: c.Application, Logger: c.Logger,
		})
		if err != nil {
			return accounts{}, errors.Join(fmt.Errorf("tracking account: %w", err), a.close())
		}
		a.opened = append(a.opened, a.tracking)
	}
	return a, nil
}
