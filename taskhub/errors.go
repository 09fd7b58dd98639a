package taskhub

import (
	"errors"
	"fmt"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/tables"
)

// Errors that errors.Is finds, whatever is wrapped around them.
var (
	// ErrHubNotFound is matched by [HubNotFoundError].
	ErrHubNotFound = errors.New("the task hub does not exist")
	// ErrInstanceNotFound is matched by [InstanceNotFoundError].
	ErrInstanceNotFound = errors.New("there is no such instance")
	// ErrInstanceExists is matched by [InstanceExistsError].
	ErrInstanceExists = errors.New("the instance exists")
	// ErrInstanceFinished is matched by [InstanceFinishedError].
	ErrInstanceFinished = errors.New("the instance has finished")
	// ErrInstanceNotFinished is matched by [InstanceNotFinishedError].
	ErrInstanceNotFinished = errors.New("the instance has not finished")
	// ErrClosed is returned by operations on a hub that was closed.
	ErrClosed = errors.New("the task hub is closed")
)

// HubNotFoundError reports that an operation which does not create a hub found none.
type HubNotFoundError struct {
	Hub     string
	Account string
}

// Error says what creates a hub.
func (e *HubNotFoundError) Error() string {
	return fmt.Sprintf("task hub %q does not exist in storage account %q: check both names; starting an orchestration or a worker creates it", e.Hub, e.Account)
}

// Is makes errors.Is(err, ErrHubNotFound) true.
func (e *HubNotFoundError) Is(target error) bool { return target == ErrHubNotFound }

// InstanceNotFoundError reports an instance id that the hub does not know.
type InstanceNotFoundError struct {
	Hub        string
	InstanceID string
}

// Error names the id.
func (e *InstanceNotFoundError) Error() string {
	return fmt.Sprintf("there is no instance %q in hub %q: ids are case-sensitive, and purged instances are gone", e.InstanceID, e.Hub)
}

// Is makes errors.Is(err, ErrInstanceNotFound) true.
func (e *InstanceNotFoundError) Is(target error) bool { return target == ErrInstanceNotFound }

// InstanceExistsError reports a start under the id of an instance that may not be replaced. Nothing was written.
type InstanceExistsError struct {
	Hub         string
	InstanceID  string
	ExecutionID string
	Status      history.Status
}

// Error says what to do instead.
func (e *InstanceExistsError) Error() string {
	return fmt.Sprintf("instance %q in hub %q exists already and is %s: use another id, wait until it has finished, or start with an option that says what to do then",
		e.InstanceID, e.Hub, e.Status)
}

// Is makes errors.Is(err, ErrInstanceExists) true.
func (e *InstanceExistsError) Is(target error) bool { return target == ErrInstanceExists }

// InstanceFinishedError reports an operation that makes no sense for an instance which has ended. Nothing was written.
type InstanceFinishedError struct {
	Hub        string
	InstanceID string
	Operation  string
	Status     history.Status
}

// Error says how the instance ended.
func (e *InstanceFinishedError) Error() string {
	return fmt.Sprintf("%s: instance %q in hub %q has finished, it is %s: nothing reaches it any more", e.Operation, e.InstanceID, e.Hub, e.Status)
}

// Is makes errors.Is(err, ErrInstanceFinished) true.
func (e *InstanceFinishedError) Is(target error) bool { return target == ErrInstanceFinished }

// InstanceNotFinishedError reports an operation that needs an instance in another state than it is in. Nothing was
// written.
type InstanceNotFinishedError struct {
	Hub        string
	InstanceID string
	Operation  string
	Status     history.Status
	Remedy     string
}

// Error says which state the instance is in.
func (e *InstanceNotFinishedError) Error() string {
	return fmt.Sprintf("%s: instance %q in hub %q is %s: %s", e.Operation, e.InstanceID, e.Hub, e.Status, e.Remedy)
}

// Is makes errors.Is(err, ErrInstanceNotFinished) true.
func (e *InstanceNotFinishedError) Is(target error) bool { return target == ErrInstanceNotFinished }

// ArgumentError reports an argument that cannot be used. Nothing was written.
type ArgumentError struct {
	Hub        string
	InstanceID string
	Operation  string
	Argument   string
	Reason     string // what is wrong with it and what to do, beginning with a verb
}

// Error names the argument.
func (e *ArgumentError) Error() string {
	return fmt.Sprintf("%s: instance %q in hub %q: the %s %s", e.Operation, e.InstanceID, e.Hub, e.Argument, e.Reason)
}

// LeaseModeError reports a hub whose workers use another partition manager than configured. Nothing was changed.
type LeaseModeError struct {
	Hub        string
	Configured leases.Mode
	Stored     leases.Mode
}

// Error says what to do.
func (e *LeaseModeError) Error() string {
	return fmt.Sprintf("hub %q has the partition manager %v, but %v is configured: workers of both do not see each other's leases; configure %v or leave it out, or use another hub name",
		e.Hub, e.Stored, e.Configured, e.Stored)
}

// TrackingPrefixError reports a hub whose History and Instances tables have other names than configured. Nothing was
// changed.
type TrackingPrefixError struct {
	Hub        string
	Configured string // empty for the hub's name
	Stored     string // what the names of its tables begin with
}

// Error says what to do.
func (e *TrackingPrefixError) Error() string {
	return fmt.Sprintf("hub %q keeps its instances in the tables %sHistory and %sInstances: set TrackingPrefix to %q", e.Hub, e.Stored, e.Stored, e.Stored)
}

// PartitionCountError reports a hub that has another number of partitions than configured. Nothing was changed.
type PartitionCountError = leases.PartitionCountError

// InvalidInstanceIDError reports an instance id that breaks the rules for new ids.
type InvalidInstanceIDError = layout.InvalidInstanceIDError

// InvalidHubNameError reports a hub name that breaks the rules.
type InvalidHubNameError = layout.InvalidHubNameError

// InvalidTrackingPrefixError reports a tracking prefix that breaks the rules.
type InvalidTrackingPrefixError = layout.InvalidTrackingPrefixError

// InvalidTokenError reports a continuation token that no query returned.
type InvalidTokenError = tables.InvalidTokenError
