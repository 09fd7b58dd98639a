package durable

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/history"
)

// ActivityDefinitionOption is an option of [NewActivity], [DeclareActivity] and [Activity.With].
type ActivityDefinitionOption interface{ applyActivityDefinition(*activityDefaults) }

// activityDefaults is what the options of a definition set.
type activityDefaults struct {
	timeouts   ActivityTimeouts
	idempotent bool
	limits     []LimitOption
}

// ActivityTimeouts bound one attempt at an activity. Both are measured by the worker that runs it, from the moment the
// function begins. Zero means no bound, unless the worker has one of its own.
type ActivityTimeouts struct {
	// StartToClose is how long the attempt may take.
	StartToClose time.Duration
	// Heartbeat is how long the attempt may go without calling [Heartbeat].
	Heartbeat time.Duration
}

// over lays the time-outs that are set over others.
func (t ActivityTimeouts) over(others ActivityTimeouts) ActivityTimeouts {
	if t.StartToClose == 0 {
		t.StartToClose = others.StartToClose
	}
	if t.Heartbeat == 0 {
		t.Heartbeat = others.Heartbeat
	}
	return t
}

func (t ActivityTimeouts) validate() error {
	switch {
	case t.StartToClose < 0:
		return fmt.Errorf("the start-to-close time-out is %v; it must be positive", t.StartToClose)
	case t.Heartbeat < 0:
		return fmt.Errorf("the heartbeat time-out is %v; it must be positive", t.Heartbeat)
	}
	return nil
}

// StartToCloseOption is what [WithStartToClose] returns.
type StartToCloseOption struct{ d time.Duration }

// WithStartToClose bounds each attempt at an activity. An attempt that takes longer has its context canceled with an
// [*ActivityTimeoutError] as the cause and fails with that error, which is [ErrTimeout]; a retry policy makes the next
// one. An attempt that does not heed its context is given up without waiting for it.
//
// At a definition it is the default for all calls. At a call it holds for that call and takes precedence; it travels
// with the work item as a tag, which .NET workers do not look at. [WithTimeout] is something else: it bounds the wait
// of the orchestrator, with all retries, and does not reach the activity.
func WithStartToClose(d time.Duration) StartToCloseOption { return StartToCloseOption{positive(d)} }

func (o StartToCloseOption) applyActivityDefinition(a *activityDefaults) {
	a.timeouts.StartToClose = o.d
}
func (o StartToCloseOption) applyActivity(c *callOptions) { c.timeouts.StartToClose = o.d }

// HeartbeatTimeoutOption is what [WithHeartbeatTimeout] returns.
type HeartbeatTimeoutOption struct{ d time.Duration }

// WithHeartbeatTimeout ends an attempt at an activity that has not called [Heartbeat] for so long, as
// [WithStartToClose] ends one that takes too long. It may be given at a definition or at a call.
func WithHeartbeatTimeout(d time.Duration) HeartbeatTimeoutOption {
	return HeartbeatTimeoutOption{positive(d)}
}

func (o HeartbeatTimeoutOption) applyActivityDefinition(a *activityDefaults) {
	a.timeouts.Heartbeat = o.d
}
func (o HeartbeatTimeoutOption) applyActivity(c *callOptions) { c.timeouts.Heartbeat = o.d }

// positive keeps a time-out of zero from meaning none: whoever computes one wants an error then.
func positive(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// ActivityTimeoutError is why an attempt at an activity was given up. It is [ErrTimeout], also after it has travelled
// to the orchestrator, where it is .NET's System.TimeoutException.
type ActivityTimeoutError struct {
	// Activity is its name.
	Activity string
	// Heartbeat tells that no heartbeat came in time; otherwise the attempt as a whole took too long.
	Heartbeat bool
	// After is the time-out.
	After time.Duration
}

// Error names the activity and the time-out.
func (e *ActivityTimeoutError) Error() string {
	if e.Heartbeat {
		return fmt.Sprintf("activity %q: no heartbeat within %v", e.Activity, e.After)
	}
	return fmt.Sprintf("activity %q: the attempt took longer than its start-to-close time-out of %v", e.Activity, e.After)
}

// Is reports true for [ErrTimeout].
func (e *ActivityTimeoutError) Is(target error) bool { return target == ErrTimeout }

// Why the context of an activity is canceled, besides time-outs ([*ActivityTimeoutError]) and the termination of its
// instance ([ErrTerminated]); context.Cause tells.
var (
	// ErrWorkerStopping cancels activities that are still running at the end of a stopping worker's grace time. They
	// run again elsewhere.
	ErrWorkerStopping = errors.New("durable: the worker is stopping")
	// ErrActivityLost cancels an activity whose work item this worker could not keep: another worker may be running
	// it by now.
	ErrActivityLost = errors.New("durable: the work item was lost; another worker may be running the activity")
)

// Tags of this package on the call of an activity. Workers of other kinds keep and ignore them.
const (
	reservedTags      = "taskhub."
	tagStartToClose   = reservedTags + "startToClose"
	tagHeartbeat      = reservedTags + "heartbeatTimeout"
	tagDetails        = reservedTags + "heartbeat"
	propertyHeartbeat = tagDetails
)

// addTags writes the time-outs of a call into its tags.
func (t ActivityTimeouts) addTags(tags map[string]string) map[string]string {
	set := map[string]string{}
	if t.StartToClose > 0 {
		set[tagStartToClose] = t.StartToClose.String()
	}
	if t.Heartbeat > 0 {
		set[tagHeartbeat] = t.Heartbeat.String()
	}
	if len(set) == 0 {
		return tags
	}
	return addTags(maps.Clone(tags), set)
}

// TimeoutsOf returns the time-outs of a call, as its tags have them, over those of the activity's definition and those
// over the worker's.
func TimeoutsOf(call *history.TaskScheduled, definition, worker ActivityTimeouts) ActivityTimeouts {
	asked := ActivityTimeouts{StartToClose: tagDuration(call, tagStartToClose), Heartbeat: tagDuration(call, tagHeartbeat)}
	return asked.over(definition.over(worker))
}

// tagDuration reads a tag; one that makes no sense counts as absent.
func tagDuration(call *history.TaskScheduled, name string) time.Duration {
	text, ok := call.Tags.Get(name)
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(strings.TrimSpace(text))
	if err != nil || d < 0 {
		return 0
	}
	return d
}
