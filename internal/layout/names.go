package layout

import (
	"fmt"
	"regexp"
	"strings"
)

// Limits on the number of control queues of a hub. DurableTask.AzureStorage accepts 1 to 16 and uses 4 when
// nothing is configured.
const (
	MinPartitions     = 1
	MaxPartitions     = 16
	DefaultPartitions = 4
)

// Names of blobs in the lease container, and of the App-lease container's info blob suffix.
const (
	// TaskHubInfoBlob is the blob at the root of the lease container that records the hub's name, creation time
	// and partition count.
	TaskHubInfoBlob = "taskhub.json"

	intentDirectory    = "intent/"
	ownershipDirectory = "ownership/"
	legacyDirectory    = "default/"
)

// hubRule is narrower than what DurableTask.AzureStorage checks (it checks for emptiness only): the rule follows
// from the services' rules for the longest names derived from a hub.
var hubRule = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{2,44}$`)

// InvalidHubNameError says that a task hub's name cannot be used, because Azure Storage would refuse the tables,
// queues or containers named after it.
type InvalidHubNameError struct {
	Name string // the name as given
}

// Error implements error.
func (e *InvalidHubNameError) Error() string {
	if e.Name == "" {
		return "the task hub name is empty: give a name of 3 to 45 ASCII letters and digits that starts with a letter"
	}
	return fmt.Sprintf("task hub name %q cannot be used: it must be 3 to 45 ASCII letters and digits and start with a letter", e.Name)
}

// Names gives the names of a hub's resources. The zero value has no names; make one with [NewNames].
// A Names is immutable and may be copied and shared.
type Names struct {
	hub      string
	lower    string
	tracking string // what the names of the History and Instances tables begin with; empty for the hub
}

// NewNames returns the names of the hub's resources, or an [*InvalidHubNameError].
func NewNames(hub string) (Names, error) {
	if !hubRule.MatchString(hub) {
		return Names{}, &InvalidHubNameError{Name: hub}
	}
	return Names{hub: hub, lower: strings.ToLower(hub)}, nil
}

// trackingRule is the Table service's rule for what can stand before "Instances".
var trackingRule = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,53}$`)

// InvalidTrackingPrefixError says that the names of tables cannot begin so.
type InvalidTrackingPrefixError struct {
	Prefix string // as given
}

// Error implements error.
func (e *InvalidTrackingPrefixError) Error() string {
	return fmt.Sprintf("tracking prefix %q cannot be used: it must be 1 to 54 ASCII letters and digits and start with a letter", e.Prefix)
}

// WithTrackingPrefix returns names whose History and Instances tables are named after a prefix instead of the hub, as
// DurableTask.AzureStorage does with TrackingStoreNamePrefix. An empty prefix changes nothing. The error is an
// [*InvalidTrackingPrefixError].
func (n Names) WithTrackingPrefix(prefix string) (Names, error) {
	if prefix != "" && !trackingRule.MatchString(prefix) {
		return Names{}, &InvalidTrackingPrefixError{Prefix: prefix}
	}
	n.tracking = prefix
	return n, nil
}

// TrackingPrefix returns what the names of the History and Instances tables begin with when that is not the hub's name.
func (n Names) TrackingPrefix() string { return n.tracking }

func (n Names) tables() string {
	if n.tracking != "" {
		return n.tracking
	}
	return n.hub
}

// Hub returns the hub's name as it was given. Table names and the TaskHubName column keep this casing.
func (n Names) Hub() string { return n.hub }

// ControlQueue returns the name of control queue i, counted from 0.
func (n Names) ControlQueue(i int) string { return fmt.Sprintf("%s-control-%02d", n.lower, i) }

// WorkItemQueue returns the name of the queue of activity requests.
func (n Names) WorkItemQueue() string { return n.lower + "-workitems" }

// HistoryTable returns the name of the table of history events.
func (n Names) HistoryTable() string { return n.tables() + "History" }

// InstancesTable returns the name of the table of instance states.
func (n Names) InstancesTable() string { return n.tables() + "Instances" }

// PartitionsTable returns the name of the table in which the table partition manager keeps its rows.
func (n Names) PartitionsTable() string { return n.hub + "Partitions" }

// ActiveTable returns the name of the table of the hub's fleet and of instances with local work. .NET has no such table.
func (n Names) ActiveTable() string { return n.hub + "Active" }

// DeadLettersTable returns the name of the table of messages that were given up. .NET has no such table.
func (n Names) DeadLettersTable() string { return n.hub + "DeadLetters" }

// SchedulesTable returns the name of the table of schedules. .NET has no such table.
func (n Names) SchedulesTable() string { return n.hub + "Schedules" }

// LimitsTable returns the name of the table of rate limits. .NET has no such table.
func (n Names) LimitsTable() string { return n.hub + "Limits" }

// LeaseContainer returns the name of the container of taskhub.json and of the partitions' lease blobs.
func (n Names) LeaseContainer() string { return n.lower + "-leases" }

// AppLeaseContainer returns the name of the container whose own lease is the app lease.
func (n Names) AppLeaseContainer() string { return n.lower + "-applease" }

// AppLeaseInfoBlob returns the name of the blob, in the app-lease container, that names the lease's owner.
func (n Names) AppLeaseInfoBlob() string { return n.lower + "-appleaseinfo" }

// LargeMessageContainer returns the name of the container of payloads too large for a message or a table column.
func (n Names) LargeMessageContainer() string { return n.lower + "-largemessages" }

// IntentBlob returns the name of the safe partition manager's intent lease of a control queue.
func IntentBlob(queue string) string { return intentDirectory + queue }

// OwnershipBlob returns the name of the safe partition manager's ownership lease of a control queue.
func OwnershipBlob(queue string) string { return ownershipDirectory + queue }

// LegacyLeaseBlob returns the name of the legacy partition manager's lease of a control queue.
func LegacyLeaseBlob(queue string) string { return legacyDirectory + queue }

// MessageBlobName returns the name of the blob that holds a large queue message. instanceID is the message's target,
// not escaped; activityID is the envelope's id, with or without dashes; eventType is the .NET enum name of the event.
func MessageBlobName(instanceID, activityID, eventType string) string {
	id := strings.ToLower(strings.ReplaceAll(activityID, "-", ""))
	return instanceID + "/message-" + id + "-" + eventType + ".json.gz"
}

// HistoryBlobName returns the name of the blob that holds a large column of a table row. escapedID is the row's
// partition key; rowKey is empty and eventType is the column's name for rows of the Instances table. Of random, which
// keeps the names of repeated attempts apart, the lower 31 bits are used, as .NET prints a non-negative int.
func HistoryBlobName(escapedID, rowKey, eventType, property string, random uint32) string {
	const nonNegative = 1<<31 - 1
	return fmt.Sprintf("%s/history-%s-%s-%08X-%s.json.gz", escapedID, rowKey, eventType, random&nonNegative, property)
}
