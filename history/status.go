package history

import "fmt"

// Status is the state of an orchestration instance, with the numbers of .NET's
// OrchestrationStatus.
type Status int32

// The states of an instance.
const (
	Running        Status = 0
	Completed      Status = 1
	ContinuedAsNew Status = 2
	Failed         Status = 3
	Canceled       Status = 4
	Terminated     Status = 5
	Pending        Status = 6
	Suspended      Status = 7
)

var statusNames = [...]string{
	Running:        "Running",
	Completed:      "Completed",
	ContinuedAsNew: "ContinuedAsNew",
	Failed:         "Failed",
	Canceled:       "Canceled",
	Terminated:     "Terminated",
	Pending:        "Pending",
	Suspended:      "Suspended",
}

// String returns the name .NET has for the status, as table rows hold it.
func (s Status) String() string {
	if s < 0 || int(s) >= len(statusNames) {
		return fmt.Sprintf("Status(%d)", int32(s))
	}
	return statusNames[s]
}

// ParseStatus finds a status by the name that [Status.String] returns. Case
// matters.
func ParseStatus(name string) (Status, bool) {
	for s, n := range statusNames {
		if n == name {
			return Status(s), true
		}
	}
	return 0, false
}

// IsTerminal tells whether an instance with this status has ended for good:
// completed, failed, canceled or terminated. An instance that continued as new
// goes on under the same id.
func (s Status) IsTerminal() bool {
	switch s {
	case Completed, Failed, Canceled, Terminated:
		return true
	default:
		return false
	}
}
