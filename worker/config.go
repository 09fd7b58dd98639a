package worker

import (
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"os"
	"runtime"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

// Config says how a worker runs. The zero value is a good start.
type Config struct {
	// ActivityGrace is how long running activities may go on after the worker is asked to stop, before their contexts
	// are cancelled. Defaults to 5 seconds.
	ActivityGrace time.Duration
	// AppName is the application that the hub's app lease belongs to. All applications that share a hub must use the
	// same. Defaults to the environment variables WEBSITE_SITE_NAME, then DTFX_APP_NAME, then "", as in .NET.
	AppName string
	// DisableAppLease lets this worker run beside other applications on the same hub. Defaults to false.
	DisableAppLease bool
	// ID names this worker in leases. It must differ between the workers of a hub. Defaults to the host's name with
	// a random part.
	ID string
	// Interceptors wrap every orchestration and activity of this worker, the first outermost. Defaults to none.
	Interceptors []durable.Interceptor
	// Logger defaults to the hub's logger.
	Logger *slog.Logger
	// MaxActivities is how many activities run at one time. Defaults to 100.
	MaxActivities int
	// MaxOrchestrations is how many orchestrations are advanced at one time; those that wait do not count.
	// Defaults to 16 for each processor.
	MaxOrchestrations int
	// MaxPoll is the longest pause between two looks at an idle queue. Shorter costs more storage calls, longer lets
	// work from other processes wait longer. Defaults to 5 seconds.
	MaxPoll time.Duration
	// MaxSessions is how many idle orchestrations each partition keeps in memory. Defaults to 10,000.
	MaxSessions int
	// StopTimeout is how long Run takes to drain after its context ends. Defaults to 30 seconds.
	StopTimeout time.Duration
	// StuckAfter is how long an orchestrator may run without reaching the next await before it is reported as stuck.
	// Defaults to 10 seconds.
	StuckAfter time.Duration
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
	keyOrchestrators = "orchestrators"
	keyWorker        = "worker"
)
