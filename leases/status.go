package leases

import "time"

// Status says what a manager owns and why it does not own more.
type Status struct {
	WorkerID string
	Mode     Mode
	App      AppStatus
	// Conflict is not empty while workers of another partition manager or kind of fleet hold leases, or Config.Admit
	// keeps this one out; it says what to do.
	Conflict   string
	Error      string // the last failure to read or write the lease store; empty when the last attempt succeeded
	Partitions []PartitionStatus
}

// AppStatus says how the app lease stands.
type AppStatus struct {
	State  AppState
	Reason string // why the manager waits; empty otherwise
}

// AppState is the state of the app lease.
type AppState string

// States of the app lease.
const (
	AppDisabled AppState = "disabled" // it is not used
	AppWaiting  AppState = "waiting"  // it was not obtained yet
	AppHeld     AppState = "held"
)

// PartitionStatus says how a partition stands.
type PartitionStatus struct {
	Partition int
	Queue     string
	State     PartitionState
	Owner     string    // the worker that has it or is entitled to it; empty when nobody is known
	Reason    string    // more about the state; may be empty
	Deadline  time.Time // of the lease, when State is Held, HandingOver
}

// PartitionState is a partition's state as a worker sees it.
type PartitionState string

// States of a partition.
const (
	Unknown     PartitionState = "unknown"     // nothing was read yet
	Free        PartitionState = "free"        // nobody has it
	Elsewhere   PartitionState = "elsewhere"   // another worker has it
	Waiting     PartitionState = "waiting"     // this worker is entitled to it and waits for its present owner
	Held        PartitionState = "held"        // this worker owns it
	HandingOver PartitionState = "handingOver" // this worker owns it until it has drained
)
