package durable

import (
	"context"
	"time"
)

// ActivityInfoValue tells an activity what it is being run for.
type ActivityInfoValue struct {
	// Name is the activity.
	Name string
	// InstanceID and ExecutionID are the orchestration that called it.
	InstanceID, ExecutionID string
	// TaskID is the event id of the call, unique within the execution.
	TaskID int32
	// Attempt counts the deliveries of this call, from 1 on. A retry policy's retry
	// is another call, with another TaskID.
	Attempt int
	// ScheduledAt is when the call was made.
	ScheduledAt time.Time
	// Tags are those of the orchestration.
	Tags map[string]string
	// Details are what [HeartbeatDetails] reads, serialized: the last heartbeat of the previous attempt, nil for none.
	Details *string
	// Heartbeat is what [Heartbeat] calls, with nil to keep the details of the call before; nil means that nobody
	// listens.
	Heartbeat func(ctx context.Context, details *string) error
	// Converter serializes the details of heartbeats. Defaults to the one that serializes the activity's payloads.
	Converter Converter
}

// IdempotencyKey returns a key that is the same whenever this call runs again, after
// the loss of a worker or a rewind. Give it to services that recognize repeated
// requests. Each attempt of a retry policy is another call with another key: what must
// not be done twice by a retry either needs a key from the input.
func (v ActivityInfoValue) IdempotencyKey() string {
	return v.InstanceID + "/" + v.ExecutionID + "/" + itoa(v.TaskID)
}

type activityInfoKey struct{}

// WithActivityInfo returns the context to run an activity with.
func WithActivityInfo(ctx context.Context, info ActivityInfoValue) context.Context {
	return context.WithValue(ctx, activityInfoKey{}, info)
}

// withConverter fills in the converter for heartbeats.
func withConverter(ctx context.Context, c Converter) context.Context {
	info, ok := ctx.Value(activityInfoKey{}).(ActivityInfoValue)
	if !ok || info.Converter != nil {
		return ctx
	}
	info.Converter = c
	return WithActivityInfo(ctx, info)
}

// ActivityInfo returns what the activity that got the context is being run for. In a
// context of another origin it is zero.
func ActivityInfo(ctx context.Context) ActivityInfoValue {
	info, _ := ctx.Value(activityInfoKey{}).(ActivityInfoValue)
	return info
}
