package durable

import (
	"context"
	"errors"
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
	// Heartbeat is what [Heartbeat] calls; nil means that nobody listens.
	Heartbeat func(ctx context.Context, details *string) error
	// Converter serializes the details of heartbeats. Defaults to JSON.
	Converter Converter
}

// IdempotencyKey returns a key that is the same in every attempt at this call and in
// no other call. Give it to services that recognize repeated requests.
func (v ActivityInfoValue) IdempotencyKey() string {
	return v.InstanceID + "/" + v.ExecutionID + "/" + itoa(v.TaskID)
}

type activityInfoKey struct{}

// WithActivityInfo returns the context to run an activity with.
func WithActivityInfo(ctx context.Context, info ActivityInfoValue) context.Context {
	return context.WithValue(ctx, activityInfoKey{}, info)
}

// ActivityInfo returns what the activity that got the context is being run for. In a
// context of another origin it is zero.
func ActivityInfo(ctx context.Context) ActivityInfoValue {
	info, _ := ctx.Value(activityInfoKey{}).(ActivityInfoValue)
	return info
}

// ErrNotActivity is what [Heartbeat] returns for a context that no activity got.
var ErrNotActivity = errors.New("durable: the context does not belong to an activity")

// Heartbeat tells that the activity is alive, with details of its progress. The
// error is the context's once the activity has been canceled: by a time-out, by
// shutdown, or because its instance was terminated.
func Heartbeat[T any](ctx context.Context, details T) error {
	info, ok := ctx.Value(activityInfoKey{}).(ActivityInfoValue)
	if !ok {
		return ErrNotActivity
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	raw, err := marshal(converterOr(info.Converter), details)
	if err != nil {
		return &PayloadError{Subject: subject{"activity", info.Name}.String(), What: "the heartbeat", Err: err}
	}
	if info.Heartbeat == nil {
		return nil
	}
	return info.Heartbeat(ctx, raw)
}
