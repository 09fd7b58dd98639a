package durable

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

// MaxHeartbeatDetails is how long the details of a heartbeat may be, in bytes as serialized. They are kept in the work
// item, which is rewritten with them.
const MaxHeartbeatDetails = 8 << 10

// ErrNotActivity is what [Heartbeat] and [HeartbeatDetails] return for a context that no activity got.
var ErrNotActivity = errors.New("durable: the context does not belong to an activity")

// HeartbeatTooLargeError says that the details of a heartbeat are too long to be kept.
type HeartbeatTooLargeError struct {
	// Activity is its name.
	Activity string
	// Size is the length of the details in bytes, as serialized.
	Size int
}

// Error names the activity, the size and the remedy.
func (e *HeartbeatTooLargeError) Error() string {
	return fmt.Sprintf("activity %q: the heartbeat's details have %d bytes, more than the %d that are kept; store them elsewhere and put a reference into the heartbeat",
		e.Activity, e.Size, MaxHeartbeatDetails)
}

// Heartbeat tells that the activity is alive, with details of its progress; nil keeps those of the heartbeat before. The next attempt finds them
// with [HeartbeatDetails]. It is cheap enough to be called often: the latest details go to storage every few seconds,
// when the attempt fails, and when the worker stops.
//
// Once the activity has been canceled the error is the reason: an [*ActivityTimeoutError], [ErrTerminated],
// [ErrWorkerStopping], [ErrActivityLost], or whatever canceled a context that the activity derived. Details that are
// too long are a [*HeartbeatTooLargeError], ones that cannot be serialized a [*PayloadError]; neither counts as a
// heartbeat.
func Heartbeat[T any](ctx context.Context, details T) error {
	info, ok := ctx.Value(activityInfoKey{}).(ActivityInfoValue)
	if !ok {
		return ErrNotActivity
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	raw, err := marshal(converterOr(info.Converter), details)
	switch {
	case err != nil:
		return &PayloadError{Subject: subject{"activity", info.Name}.String(), What: "the heartbeat", Err: err}
	case raw != nil && len(*raw) > MaxHeartbeatDetails:
		return &HeartbeatTooLargeError{Activity: info.Name, Size: len(*raw)}
	case info.Heartbeat == nil:
		return nil
	}
	return info.Heartbeat(ctx, raw)
}

// HeartbeatDetails returns what the previous attempt at this call last gave to [Heartbeat]: the attempt that failed
// before a retry policy called again, or the one whose worker died or stopped. found is false when there was none.
// A worker that dies at once takes the details of the last few seconds with it.
func HeartbeatDetails[T any](ctx context.Context) (details T, found bool, err error) {
	info, ok := ctx.Value(activityInfoKey{}).(ActivityInfoValue)
	switch {
	case !ok:
		return details, false, ErrNotActivity
	case info.Details == nil:
		return details, false, nil
	}
	if err := unmarshal(converterOr(info.Converter), info.Details, &details); err != nil {
		return details, false, &PayloadError{Subject: subject{"activity", info.Name}.String(), What: "the heartbeat of the previous attempt", Err: err}
	}
	return details, true, nil
}

// HeartbeatOf returns the details that a work item brings from an earlier attempt, nil for none.
func HeartbeatOf(call *history.TaskScheduled) *string {
	if text, ok := call.Tags.Get(tagDetails); ok {
		return &text
	}
	return nil
}

// WithHeartbeat returns a copy of an activity's call that brings details to whoever runs it next. nil returns the call
// as it is.
func WithHeartbeat(call *history.TaskScheduled, details *string) *history.TaskScheduled {
	if details == nil {
		return call
	}
	c := *call
	c.Tags = tagsWithHeartbeat(call.Tags, *details)
	return &c
}

func tagsWithHeartbeat(tags *history.Tags, details string) *history.Tags {
	return history.NewTags(addTags(tags.Map(), map[string]string{tagDetails: details}))
}

// FailWithHeartbeat adds details to a failed attempt, for the attempt that a retry policy makes next. nil adds nothing.
func FailWithHeartbeat(failure *history.FailureDetails, details *string) {
	if details == nil {
		return
	}
	properties := maps.Collect(failure.Properties.All())
	addProperties(properties, map[string]any{propertyHeartbeat: *details})
	failure.Properties = history.NewProperties(properties)
}

// splitHeartbeat takes the details out of a failure. The error that the orchestrator sees must not show them: a
// registered error type would find a property that is none of its fields.
func splitHeartbeat(failure *history.FailureDetails) (*history.FailureDetails, *string) {
	if failure == nil {
		return nil, nil
	}
	value, ok := failure.Properties.Get(propertyHeartbeat)
	if !ok {
		return failure, nil
	}
	var details string
	if err := unmarshalJSON([]byte(value.JSON()), &details); err != nil {
		return failure, nil // not ours
	}
	rest := map[string]history.Value{}
	for name, value := range failure.Properties.All() {
		if name != propertyHeartbeat {
			rest[name] = value
		}
	}
	f := *failure
	f.Properties = nil
	if len(rest) > 0 {
		f.Properties = history.NewProperties(rest)
	}
	return &f, &details
}

// keepHeartbeat lets the next attempt of a retry policy know what the failed one last said.
func (r *retrier) keepHeartbeat(answer history.Event) {
	failed, ok := answer.(*history.TaskFailed)
	if !ok {
		return
	}
	if _, details := splitHeartbeat(failed.Failure); details != nil {
		r.details = details
	}
}

// next is the call of the next attempt.
func (r *retrier) next() replay.Action {
	call := copyCall(r.call)
	if task, ok := call.(*replay.ScheduleTask); ok && r.details != nil {
		task.Tags = tagsWithHeartbeat(task.Tags, *r.details)
	}
	return call
}
