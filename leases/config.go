package leases

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/storage"
)

// Mode is a partition manager of DurableTask.AzureStorage: how workers agree on who owns which partition. All workers
// of a hub must use the same one.
type Mode int

const (
	// Safe uses two lease blobs a partition: whoever holds the intent lease may acquire the ownership lease once its
	// holder has let go. Balancing takes intents only, so nobody starts before the other has stopped.
	Safe Mode = iota
	// Legacy uses one lease blob a partition, which balancing takes from its holder without asking; the holder learns it
	// with its next renewal. A worker waits for that time before it starts, but .NET workers do not.
	Legacy
	// Table uses a table with one row a partition and hands partitions over by agreement. It is the default of .NET.
	Table
)

// String returns "safe", "legacy" or "table".
func (m Mode) String() string {
	switch m {
	case Safe:
		return "safe"
	case Legacy:
		return "legacy"
	case Table:
		return "table"
	}
	return fmt.Sprintf("Mode(%d)", int(m))
}

// ParseMode is the inverse of Mode.String.
func ParseMode(text string) (Mode, error) {
	for _, m := range []Mode{Safe, Legacy, Table} {
		if text == m.String() {
			return m, nil
		}
	}
	return 0, &ConfigError{Field: "Mode", Reason: fmt.Sprintf("is %q; use safe, legacy or table", text)}
}

// Defaults of [Config].
const (
	DefaultDuration = 30 * time.Second // in a mixed fleet, as .NET has it
	GoFleetDuration = 15 * time.Second // in a Go fleet
	DefaultAcquire  = 1250 * time.Millisecond
	DefaultAppRetry = 10 * time.Second
	DefaultDrain    = 30 * time.Second
)

// Constants of the protocols.
const (
	appLeaseDuration = 60 * time.Second // as .NET takes it
	appLeaseRenewal  = 25 * time.Second // as .NET renews it
	minBlobLease     = 15 * time.Second // the service's limits
	maxBlobLease     = 60 * time.Second
	fleetCheck       = 60 * time.Second // between looks at a Go fleet's app lease
	forEver          = -time.Second     // duration of a lease without end
	claimedWithin    = 5 * time.Second  // that long a released partition is kept for its next owner
)

// Config says which hub a [Manager] works on and as whom.
type Config struct {
	// Account is the storage account. Required; it has no default.
	Account *storage.Account
	// Names are the names of the hub's resources. Required; they have no default.
	Names layout.Names
	// Partitions is the number of control queues, 1 to 16. Defaults to 4.
	Partitions int
	// WorkerID is this worker's name in leases. Every running worker of a hub needs one of its own; a restarted worker
	// that keeps its name gets its partitions back without waiting for its old leases to end. Defaults to the host's name
	// with a random suffix.
	WorkerID string
	// Mode is the partition manager. Defaults to Safe.
	Mode Mode

	// Fleet says which kinds of workers run the hub. All workers of a hub must be told the same; a manager takes nothing
	// while it sees live leases of the other kind. Defaults to MixedFleet.
	Fleet Fleet
	// Admit is asked every time before the manager takes part in the hub: at first, and again after its app lease was lost.
	// While it returns an error the manager waits, and Status shows the error as Conflict. Defaults to admitting always.
	Admit func(context.Context) error
	// OnAppLost is called when the app lease was lost, before the partitions are given up. Defaults to nothing.
	OnAppLost func(error)

	// UseAppLease says whether only workers of one application may own partitions of the hub at a time. A Go fleet always
	// uses the app lease. Defaults to true, as in .NET.
	UseAppLease *bool
	// AppName is the application's name. Workers with the same name share the app lease. Defaults to the environment
	// variables WEBSITE_SITE_NAME, then DTFX_APP_NAME, and then to the empty name, as in .NET. A Go fleet has one name of
	// its own, GoFleetApp, and does not look at this.
	AppName string
	// AppRetry is the pause between two attempts to acquire the app lease while another application has it. Defaults to
	// 10 seconds; .NET waits 300.
	AppRetry time.Duration

	// Duration is the length of leases: whole seconds, 15 to 60 for lease blobs. Defaults to 30 seconds in a mixed fleet, 15
	// in a Go fleet.
	Duration time.Duration
	// Renew is how often receive loops renew; a lease's deadline is two of it after the last renewal, but not later than
	// the lease's end. Defaults to half of Duration, in a Go fleet to eight fifteenths; in Legacy mode of a mixed fleet to a
	// third, because there a taken lease is noticed only when it is renewed.
	Renew time.Duration
	// Acquire is the longest pause between two looks for partitions to take over, as long as other workers own some.
	// Defaults to 1.25 seconds.
	Acquire time.Duration
	// Drain is how long partitions may take to stop when the manager stops, before their leases are given up without
	// waiting any longer. Defaults to 30 seconds.
	Drain time.Duration

	// Observe lets the manager take part without owning anything: it holds the app lease, and Status tells who owns what, but it
	// takes no partition and asks for none. For workers that have nothing to do with a partition. Defaults to false.
	Observe bool

	// OnAcquired is called, on a goroutine of its own, with each lease obtained. It starts a loop that receives from the
	// partition's queue and renews, and returns. The loop ends when the lease's HandOver or Lost is closed, and then calls
	// Release. Required by Start; it has no default.
	OnAcquired func(*Lease)

	// Logger is told about partitions gained and lost, and about what an operator should know. Defaults to discarding.
	Logger *slog.Logger
	// Clock tells the time. Defaults to the system's clocks.
	Clock Clock
	// Random is the source of jitter and of the choice among partitions. Defaults to a randomly seeded source.
	Random rand.Source
}

func (c Config) withDefaults() Config {
	c.Partitions = orDefault(c.Partitions, layout.DefaultPartitions)
	c = c.withDefaultTimes()
	c.Acquire = orDefault(c.Acquire, DefaultAcquire)
	c.AppRetry = orDefault(c.AppRetry, DefaultAppRetry)
	c.Drain = orDefault(c.Drain, DefaultDrain)
	if c.WorkerID == "" {
		c.WorkerID = defaultWorkerID()
	}
	if c.AppName == "" {
		c.AppName = orDefault(os.Getenv("WEBSITE_SITE_NAME"), os.Getenv("DTFX_APP_NAME"))
	}
	if c.Fleet == GoFleet {
		c.AppName = GoFleetApp
	}
	if c.UseAppLease == nil || c.Fleet == GoFleet {
		yes := true
		c.UseAppLease = &yes
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = newSystemClock()
	}
	if c.Random == nil {
		c.Random = rand.NewPCG(rand.Uint64(), rand.Uint64())
	}
	return c
}

func (c Config) withDefaultTimes() Config {
	const goFleetShare = 8. / 15 // of a lease's time; the rest is enough for two attempts to renew
	switch {
	case c.Fleet == GoFleet:
		c.Duration = orDefault(c.Duration, GoFleetDuration)
		c.Renew = orDefault(c.Renew, (time.Duration(goFleetShare * float64(c.Duration))).Truncate(time.Millisecond))
	case c.Mode == Legacy:
		c.Duration = orDefault(c.Duration, DefaultDuration)
		c.Renew = orDefault(c.Renew, c.Duration/3)
	default:
		c.Duration = orDefault(c.Duration, DefaultDuration)
		c.Renew = orDefault(c.Renew, c.Duration/2)
	}
	return c
}

func orDefault[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

func defaultWorkerID() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "worker"
	}
	return host + "-" + newGUID()[:8]
}

func (c Config) validate() error {
	switch {
	case c.Account == nil:
		return &ConfigError{Field: "Account", Reason: "is missing"}
	case c.Names == layout.Names{}:
		return &ConfigError{Field: "Names", Reason: "are missing"}
	case c.Partitions < layout.MinPartitions || c.Partitions > layout.MaxPartitions:
		return &ConfigError{Field: "Partitions", Reason: fmt.Sprintf("is %d; it must be %d to %d", c.Partitions, layout.MinPartitions, layout.MaxPartitions)}
	case c.Mode < Safe || c.Mode > Table:
		return &ConfigError{Field: "Mode", Reason: fmt.Sprintf("is %v; use Safe, Legacy or Table", c.Mode)}
	case c.Fleet < MixedFleet || c.Fleet > GoFleet:
		return &ConfigError{Field: "Fleet", Reason: fmt.Sprintf("is %v; use MixedFleet or GoFleet", c.Fleet)}
	}
	if err := c.validateWorkerID(); err != nil {
		return err
	}
	return c.validateTimes()
}

func (c Config) validateWorkerID() error {
	const longest = 256
	switch {
	case strings.TrimSpace(c.WorkerID) != c.WorkerID:
		return &ConfigError{Field: "WorkerID", Reason: "begins or ends with white space; remove it"}
	case len(c.WorkerID) > longest:
		return &ConfigError{Field: "WorkerID", Reason: fmt.Sprintf("is longer than %d bytes; use a shorter name", longest)}
	case strings.ContainsFunc(c.WorkerID, unicode.IsControl):
		return &ConfigError{Field: "WorkerID", Reason: "contains control characters; remove them"}
	}
	return nil
}

func (c Config) validateTimes() error {
	switch {
	case c.Mode != Table && (c.Duration < minBlobLease || c.Duration > maxBlobLease || c.Duration%time.Second != 0):
		return &ConfigError{Field: "Duration", Reason: fmt.Sprintf("is %v; blob leases last 15 to 60 whole seconds", c.Duration)}
	case c.Duration < time.Second:
		return &ConfigError{Field: "Duration", Reason: fmt.Sprintf("is %v; use at least a second", c.Duration)}
	case c.Renew < 0 || c.Renew > c.Duration*3/5:
		return &ConfigError{Field: "Renew", Reason: fmt.Sprintf("is %v; it must not be longer than three fifths of Duration, %v", c.Renew, c.Duration*3/5)}
	case c.Acquire < 0 || c.AppRetry < 0 || c.Drain < 0:
		return &ConfigError{Field: "Acquire, AppRetry, Drain", Reason: "must not be negative"}
	}
	return nil
}

// hold is how long a lease is good after the request that obtained or renewed it was sent.
func (c Config) hold() time.Duration { return min(c.Duration, 2*c.Renew) }

// notice is how long a healthy worker may take to find at a renewal that its lease is gone, the renewal's own time
// included.
func (c Config) notice() time.Duration { return c.Renew + 2*time.Second }

// attempt is how long one attempt to renew may take.
func (c Config) attempt() time.Duration { return c.Duration / 6 }

// Attribute keys of log records.
const (
	keyHub       = "hub"
	keyWorker    = "worker"
	keyPartition = "partition"
	keyQueue     = "queue"
	keyOwner     = "owner"
	keyReason    = "reason"
	keyError     = "error"
	keyMode      = "mode"
	keyStored    = "stored"
	keyApp       = "app"
	keyLeaseID   = "leaseId"
	keyFleet     = "fleet"
	keyOther     = "otherFleet"
)
