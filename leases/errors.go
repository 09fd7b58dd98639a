package leases

import (
	"errors"
	"fmt"
)

// ErrLost is matched by every [*LostError].
var ErrLost = errors.New("the lease is lost")

// LostError says why a lease is gone. It matches [ErrLost].
type LostError struct {
	Hub       string
	Partition int
	Reason    string
}

// Error implements error.
func (e *LostError) Error() string {
	return fmt.Sprintf("hub %q, partition %d: the lease is lost: %s", e.Hub, e.Partition, e.Reason)
}

// Is makes errors.Is(err, ErrLost) true.
func (e *LostError) Is(target error) bool { return target == ErrLost }

// ErrStarted is returned by [Manager.Start] when the manager was started or stopped before.
var ErrStarted = errors.New("the lease manager was started before; make a new one")

// ConfigError says which field of a [Config] cannot be used.
type ConfigError struct {
	Field  string // name of the field
	Reason string // what is wrong with it and what to do, beginning with a verb
}

// Error implements error.
func (e *ConfigError) Error() string {
	return fmt.Sprintf("leases configuration: %s %s", e.Field, e.Reason)
}

// PartitionCountError says that a hub was made with another number of partitions than this process is configured for.
// Going on would send messages to queues that nobody reads, so nothing is changed.
type PartitionCountError struct {
	Hub        string
	Configured int // what this process was told
	Stored     int // what the hub was made with
}

// Error implements error.
func (e *PartitionCountError) Error() string {
	return fmt.Sprintf("hub %q was created with %d partitions, but %d are configured: configure %d, or use another hub name",
		e.Hub, e.Stored, e.Configured, e.Stored)
}

// HubInfoError says that taskhub.json cannot be understood.
type HubInfoError struct {
	Hub    string
	Reason string
}

// Error implements error.
func (e *HubInfoError) Error() string {
	return fmt.Sprintf("hub %q: taskhub.json in the lease container %s: repair it, or delete it so that it is written anew", e.Hub, e.Reason)
}

// ModeConflictError says that workers with another partition manager hold leases in the hub. Both kinds together would
// read every queue twice, so a manager takes nothing while it is so.
type ModeConflictError struct {
	Hub        string
	Configured Mode
	Live       Mode
	Owner      string // a worker that holds such a lease
}

// Error implements error.
func (e *ModeConflictError) Error() string {
	return fmt.Sprintf("hub %q: worker %q holds leases of the %s partition manager, but the %s manager is configured here: "+
		"use the same one in all workers of the hub, or stop the others first", e.Hub, e.Owner, e.Live, e.Configured)
}

// What storage answered, as far as the protocols decide by it.
var (
	errTaken   = errors.New("another worker was first")   // 409 or 412
	errMissing = errors.New("it is not there")            // 404
	errExists  = errors.New("it exists already")          // 409 or 412 to an insert
	errNoStore = errors.New("the lease store is missing") // the container or table itself
)

// kindError gives an error of the storage client one of the kinds above.
type kindError struct{ kind, err error }

func (e *kindError) Error() string   { return e.err.Error() }
func (e *kindError) Unwrap() []error { return []error{e.kind, e.err} }
