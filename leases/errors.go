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

// FleetConflictError says that a worker of the other kind of fleet holds leases in the hub. Both kinds together would not
// finish each other's work, so a manager takes nothing while it is so.
type FleetConflictError struct {
	Hub        string
	Configured Fleet
	Live       Fleet
	Owner      string // a worker that holds such a lease
}

// Error implements error.
func (e *FleetConflictError) Error() string {
	if e.Configured == GoFleet {
		return fmt.Sprintf("hub %q is run by Go workers only, but worker %q, which is a .NET worker or was started for a mixed fleet, holds leases: "+
			"stop it, or make the hub a mixed one", e.Hub, e.Owner)
	}
	return fmt.Sprintf("hub %q: worker %q holds leases of a Go fleet, but this one was started for a mixed fleet: "+
		"start all workers for the same kind, or stop the others first", e.Hub, e.Owner)
}

// AppHeldError says that another application has the hub's app lease.
type AppHeldError struct {
	Hub     string
	OwnerID string // its lease id as the info blob tells it; may be empty
}

// Error implements error.
func (e *AppHeldError) Error() string {
	switch e.OwnerID {
	case "":
		return fmt.Sprintf("hub %q: another application holds the hub's app lease: give all workers of the hub the same AppName, or stop the other application and wait a minute", e.Hub)
	case fleetAppID():
		return fmt.Sprintf("hub %q is run by Go workers only, which hold its app lease for good: use another hub, or make this one a mixed one", e.Hub)
	}
	return fmt.Sprintf("hub %q: the application with lease id %s holds the hub's app lease: give all workers of the hub the same AppName, "+
		"or stop the other application and wait a minute", e.Hub, e.OwnerID)
}

// FleetAliveError says that a worker is at work where none was expected.
type FleetAliveError struct {
	Hub   string
	Owner string
}

// Error implements error.
func (e *FleetAliveError) Error() string {
	return fmt.Sprintf("hub %q: worker %q is at work: stop it first", e.Hub, e.Owner)
}

// notAdmittedError is what Config.Admit said.
type notAdmittedError struct{ err error }

func (e *notAdmittedError) Error() string { return e.err.Error() }
func (e *notAdmittedError) Unwrap() error { return e.err }

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
