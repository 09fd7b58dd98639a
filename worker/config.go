package worker

import (
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"os"
	"runtime"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/telemetry"
)

// Config says how a worker runs. The zero value is a good start.
type Config struct {
	// ActivityGrace is how long running activities may go on after the worker is asked to stop, before their contexts
	// are cancelled. Defaults to 5 seconds.
	ActivityGrace time.Duration
	// ActivityHeartbeatTimeout ends attempts at activities that do not call durable.Heartbeat for so long, unless the
	// activity or the call says otherwise. Defaults to no bound.
	ActivityHeartbeatTimeout time.Duration
	// ActivityTimeout ends attempts at activities that take longer, unless the activity or the call says otherwise.
	// Defaults to no bound.
	ActivityTimeout time.Duration
	// AppName is the application that the hub's app lease belongs to. All applications that share a hub must use the
	// same. Defaults to the environment variables WEBSITE_SITE_NAME, then DTFX_APP_NAME, then "", as in .NET.
	AppName string
	// DisableAppLease lets this worker run beside other applications on the same hub. Defaults to false.
	DisableAppLease bool
	// Fleet says which kinds of workers run the hub. The first worker of a hub decides, and the hub remembers; a worker
	// that is configured for another fleet than the hub's does not start. Defaults to what the hub says, and on a new hub to
	// FleetGo, in which .NET workers wait outside; clients may be any. Say FleetMixed on a hub that .NET workers are to
	// join. A hub that was used before fleets were known is mixed.
	Fleet Fleet
	// ID names this worker in leases. It must differ between the workers of a hub. Defaults to the host's name with
	// a random part.
	ID string
	// Interceptors wrap every orchestration and activity of this worker, the first outermost. Defaults to none.
	Interceptors []durable.Interceptor
	// LeaseDuration is how long partitions stay with a worker that has died: whole seconds, 15 to 60 with lease blobs. Locks
	// of control messages are shortened to it. Defaults to 30 seconds in a mixed fleet, as .NET has it, and 15 in a Go fleet.
	LeaseDuration time.Duration
	// Logger defaults to the hub's logger.
	Logger *slog.Logger
	// MaxActivityPoll is the longest pause between two looks at the idle work-item queue while other workers own
	// partitions: what they put there wakes nobody here. Defaults to a tenth of MaxPoll.
	MaxActivityPoll time.Duration
	// MaxActivities is how many activities run at one time. Defaults to 100.
	MaxActivities int
	// MaxMemory is how many bytes of memory this process should take; embedded storage and everything else in it count. When
	// half of that is in use, idle orchestrations are unloaded and less is received at a time, so that what a garbage
	// collection has not freed yet fits into the other half. Defaults to the process's memory limit, see GOMEMLIMIT, and without
	// one to no bound.
	MaxMemory int64
	// WarnHistory and MaxHistory are the numbers of events in the history of an orchestration from which on the log says that
	// it is long, and with which it fails. A history begins anew when the orchestration continues as new. Default to 10,000 and
	// 200,000; negative for no bound.
	WarnHistory, MaxHistory int
	// WarnPayload and MaxPayload are the sizes, in bytes, of an input, a result or an event from which on the log says that
	// it is large, and with which the orchestration fails. Default to 1 MiB and 64 MiB; negative for no bound.
	WarnPayload, MaxPayload int
	// MaxOrchestrations is how many orchestrations are advanced at one time; those that wait do not count.
	// Defaults to 16 for each processor.
	MaxOrchestrations int
	// MaxPoll is the longest pause between two looks at an idle queue. Shorter costs more storage calls, longer lets
	// work from other processes wait longer. Defaults to 5 seconds.
	MaxPoll time.Duration
	// MaxSessions is how many idle orchestrations each partition keeps in memory. Defaults to 10,000.
	MaxSessions int
	// StopTimeout is how long the worker takes to drain when it is stopped with a context that has no deadline, as Run does
	// when its own ends. Defaults to 30 seconds.
	StopTimeout time.Duration
	// StuckAfter is how long an orchestrator may run without reaching the next await before it is reported as stuck.
	// Defaults to 10 seconds.
	StuckAfter time.Duration
	// Telemetry is where traces and metrics of this worker go. Defaults to the hub's.
	Telemetry *telemetry.Telemetry
	// Version is the version of this worker's code, such as "2.1". Defaults to "". Children that its orchestrators call
	// without a version get that of their caller when it is set.
	Version string
	// VersionMatch says which instances this worker runs, by their version and Version; CompareVersions has the order.
	// Defaults to VersionAny.
	VersionMatch VersionMatch
}

func (c Config) withDefaults() Config {
	setDefault(&c.ActivityGrace, 5*time.Second)
	setDefault(&c.MaxActivities, 100)
	setDefault(&c.MaxOrchestrations, 16*runtime.GOMAXPROCS(0))
	setDefault(&c.MaxPoll, 5*time.Second)
	setDefault(&c.MaxSessions, 10_000)
	setDefault(&c.StopTimeout, 30*time.Second)
	setDefault(&c.StuckAfter, 10*time.Second)
	if c.ID == "" {
		c.ID = defaultID()
	}
	return c
}

// messageLock follows leases that are shorter than the lock of messages would be: both bound what a worker that dies costs.
// Zero leaves it to the partition.
func (c Config) messageLock() time.Duration {
	const usual = 30 * time.Second
	if c.LeaseDuration < usual {
		return c.LeaseDuration
	}
	return 0
}

func defaultID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "worker"
	}
	var b [4]byte
	_, _ = rand.Read(b[:])
	return host + "-" + hex.EncodeToString(b[:])
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Attribute keys of log records.
const (
	keyActivities    = "activities"
	keyHub           = "hub"
	keyLimit         = "limit"
	keyUsed          = "used"
	keyOrchestrator  = "orchestrator"
	keyPartition     = "partition"
	keyReason        = "reason"
	keySchedule      = "schedule"
	keyVersion       = "version"
	keyOrchestrators = "orchestrators"
	keyWorker        = "worker"
)
