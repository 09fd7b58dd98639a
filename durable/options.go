package durable

import (
	"maps"
	"time"

	"github.com/go-taskhub/taskhub/history"
)

// ActivityOption is an option of [Activity.Call].
type ActivityOption interface{ applyActivity(*callOptions) }

// SubOrchestrationOption is an option of [Orchestrator.Call].
type SubOrchestrationOption interface{ applySubOrchestration(*callOptions) }

// StartOption is an option of [Orchestrator.Start].
type StartOption interface{ applyStart(*StartRequest) }

// EventOption is an option of [WaitForEvent].
type EventOption interface{ applyEvent(*eventOptions) }

// OrchestratorOption is an option of [NewOrchestrator].
type OrchestratorOption interface{ applyOrchestrator(*definition) }

// callOptions are the options of a call of either kind.
type callOptions struct {
	retry      *RetryPolicy
	version    string
	instanceID string
	tags       map[string]string
	timeout    time.Duration
	hasTimeout bool
	timeouts   ActivityTimeouts
	input      *string
	idempotent bool
}

// noOptions are the options of a call without any. It is never written to.
var noOptions = new(callOptions)

func (o *callOptions) historyTags() *history.Tags {
	if len(o.tags) == 0 {
		return nil
	}
	return history.NewTags(o.tags)
}

// RetryOption is what [WithRetry] returns.
type RetryOption struct{ policy RetryPolicy }

// WithRetry calls again after failures, as the policy says. The retries happen by
// themselves from the call on, whether or not somebody awaits the task.
func WithRetry(policy RetryPolicy) RetryOption { return RetryOption{policy} }

func (o RetryOption) applyActivity(c *callOptions)         { c.retry = &o.policy }
func (o RetryOption) applySubOrchestration(c *callOptions) { c.retry = &o.policy }

// InstanceIDOption is what [WithInstanceID] returns.
type InstanceIDOption struct{ id string }

// WithInstanceID sets the id of the new instance. The rules for ids are the
// client's: up to 100 characters, none of / \ # ?, no control characters.
func WithInstanceID(id string) InstanceIDOption { return InstanceIDOption{id} }

func (o InstanceIDOption) applySubOrchestration(c *callOptions) { c.instanceID = o.id }
func (o InstanceIDOption) applyStart(r *StartRequest)           { r.InstanceID = o.id }

// VersionOption is what [WithVersion] returns.
type VersionOption struct{ version string }

// WithVersion sets the version: of an orchestrator where it is defined, of the
// instance where one is started, of the activity where one is called.
func WithVersion(version string) VersionOption { return VersionOption{version} }

func (o VersionOption) applyActivity(c *callOptions)         { c.version = o.version }
func (o VersionOption) applySubOrchestration(c *callOptions) { c.version = o.version }
func (o VersionOption) applyStart(r *StartRequest)           { r.Version = o.version }
func (o VersionOption) applyOrchestrator(d *definition)      { d.version = o.version }
func (o VersionOption) applyContinueAsNew(c *continueOptions) {
	c.version = &o.version
}

// TagsOption is what [WithTags] returns.
type TagsOption struct{ tags map[string]string }

// WithTags sets tags. Children inherit the tags of their parent and may override
// them. Several WithTags add up.
func WithTags(tags map[string]string) TagsOption { return TagsOption{maps.Clone(tags)} }

func (o TagsOption) applyActivity(c *callOptions)         { c.tags = addTags(c.tags, o.tags) }
func (o TagsOption) applySubOrchestration(c *callOptions) { c.tags = addTags(c.tags, o.tags) }
func (o TagsOption) applyStart(r *StartRequest)           { r.Tags = addTags(r.Tags, o.tags) }

func addTags(to, tags map[string]string) map[string]string {
	if to == nil {
		to = make(map[string]string, len(tags))
	}
	maps.Copy(to, tags)
	return to
}

// TimeoutOption is what [WithTimeout] returns.
type TimeoutOption struct{ d time.Duration }

// WithTimeout gives up after d, retries included: Await returns an error that is
// [ErrTimeout]. It is a durable timer, set along with the call or the wait. What was
// called runs on, its result is ignored.
func WithTimeout(d time.Duration) TimeoutOption { return TimeoutOption{d} }

func (o TimeoutOption) applyActivity(c *callOptions) { c.timeout, c.hasTimeout = o.d, true }
func (o TimeoutOption) applySubOrchestration(c *callOptions) {
	c.timeout, c.hasTimeout = o.d, true
}
func (o TimeoutOption) applyEvent(e *eventOptions) { e.timeout, e.hasTimeout = o.d, true }

// StartAtOption is what [WithStartAt] returns.
type StartAtOption struct{ at time.Time }

// WithStartAt delays the start until a point in time.
func WithStartAt(at time.Time) StartAtOption { return StartAtOption{at} }

func (o StartAtOption) applyStart(r *StartRequest) { r.StartAt = o.at }

// WithStartDelay delays the start by d.
func WithStartDelay(d time.Duration) StartAtOption { return StartAtOption{time.Now().Add(d)} }

// ReuseOption is what [WithReuse] returns.
type ReuseOption struct{ statuses []history.Status }

// WithReuse says which instances of the same id may be replaced: those with one of
// the statuses. By default instances that have ended may, others may not. Without
// arguments none may.
func WithReuse(statuses ...history.Status) ReuseOption {
	return ReuseOption{append([]history.Status{}, statuses...)}
}

func (o ReuseOption) applyStart(r *StartRequest) { r.Reuse = o.statuses }
