package emulator

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"time"
)

// The account and key that every Azure Storage emulator and SDK knows as the
// development account. The key is public and protects nothing.
const (
	DevelopmentAccount = "devstoreaccount1"
	DevelopmentKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// Config says how a Server works. The zero value is an empty server in memory
// with the development account.
type Config struct {
	// Dir is the directory that keeps the data. It is created if it is not
	// there and the directory above it is; a path whose parent is missing is
	// taken for mistyped. It belongs to one server at a time.
	// Defaults to "": everything is in memory and ends with the server.
	Dir string
	// Clock tells the time: of visibility, leases, expiry, time stamps and
	// signatures. Under testing/synctest the default is the bubble's clock.
	// Defaults to time.Now.
	Clock func() time.Time
	// Accounts are the accounts by name, with their keys in base64.
	// Defaults to the development account.
	Accounts map[string]string
	// ClockSkew is how far the date of a signed request may be from Clock.
	// Negative switches the check off. Defaults to 15 minutes, as in the
	// service, with the default Clock, and to no check with another one.
	ClockSkew time.Duration
	// MaxBody is the largest request body in bytes, which is also the largest
	// block and the largest blob of one Put Blob. Defaults to 256 MiB.
	MaxBody int64
	// MaxBodies bounds the bytes of all request bodies being held at one
	// time; a request beyond it gets ServerBusy. Defaults to 1 GiB.
	MaxBodies int64
	// MinCompaction is how many bytes of journal must have gathered before a
	// directory is compacted; it is also compacted no sooner than its journal
	// outgrows its data. Defaults to 64 MiB.
	MinCompaction int64
	// Random is the source of message ids and lease ids.
	// Defaults to crypto/rand.
	Random io.Reader
	// Logger is told of what goes wrong inside: failed disks, panics, dropped
	// tails. Requests are not logged. Defaults to slog.Default.
	Logger *slog.Logger
}

// ConfigError says which field of a Config cannot be used.
type ConfigError struct{ Field, Problem string }

// Error implements error.
func (e *ConfigError) Error() string {
	return fmt.Sprintf("emulator: Config.%s %s", e.Field, e.Problem)
}

var accountName = regexp.MustCompile(`^[a-z0-9]{3,24}$`)

func (c Config) withDefaults() (Config, error) {
	if c.ClockSkew == 0 && c.Clock == nil {
		c.ClockSkew = 15 * time.Minute
	}
	c.ClockSkew = max(c.ClockSkew, 0)
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if len(c.Accounts) == 0 {
		c.Accounts = map[string]string{DevelopmentAccount: DevelopmentKey}
	}
	for name := range c.Accounts {
		if !accountName.MatchString(name) {
			return c, &ConfigError{"Accounts", fmt.Sprintf("has account %q; a name is 3 to 24 lower-case letters and digits", name)}
		}
	}
	for _, size := range []struct {
		field string
		value *int64
		def   int64
	}{{"MaxBody", &c.MaxBody, 256 << 20}, {"MaxBodies", &c.MaxBodies, 1 << 30}, {"MinCompaction", &c.MinCompaction, 64 << 20}} {
		if *size.value < 0 {
			return c, &ConfigError{size.field, "is negative"}
		}
		if *size.value == 0 {
			*size.value = size.def
		}
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}

func (c Config) accountNames() []string { return slices.Sorted(maps.Keys(c.Accounts)) }

// firstAccount is the account of connection strings: the development account,
// or the first by name.
func (c Config) firstAccount() string {
	if _, ok := c.Accounts[DevelopmentAccount]; ok {
		return DevelopmentAccount
	}
	return c.accountNames()[0]
}
