package durable

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

// RetryPolicy says when a failed call is made again. The first six fields are those
// of .NET's RetryOptions and have the same meaning.
type RetryPolicy struct {
	// MaxAttempts is how often the call is made at most, the first time included.
	// Required, at least 1.
	MaxAttempts int
	// FirstInterval is the wait before the first retry. Required.
	FirstInterval time.Duration
	// BackoffCoefficient multiplies the wait from one retry to the next. Defaults
	// to 1: always the same wait.
	BackoffCoefficient float64
	// MaxInterval bounds the wait. Defaults to no bound.
	MaxInterval time.Duration
	// RetryTimeout bounds the whole: no retry begins once so much time has passed
	// since the call. Defaults to no bound.
	RetryTimeout time.Duration
	// Handle decides whether an error is worth a retry. It runs in the orchestrator
	// and must be deterministic. Defaults to every error.
	Handle func(error) bool
	// Jitter shortens each wait by a random part of it, up to this fraction between
	// 0 and 1. The random numbers derive from the execution and the call, so replays
	// see the same. Defaults to 0.
	Jitter float64
}

// Validate reports what is wrong with the policy.
func (p *RetryPolicy) Validate() error {
	switch {
	case p.MaxAttempts < 1:
		return fmt.Errorf("durable: retry policy: MaxAttempts is %d, it must be at least 1", p.MaxAttempts)
	case p.FirstInterval <= 0:
		return fmt.Errorf("durable: retry policy: FirstInterval is %v, it must be positive", p.FirstInterval)
	case p.BackoffCoefficient != 0 && !(p.BackoffCoefficient >= 1 && p.BackoffCoefficient <= math.MaxFloat64):
		return fmt.Errorf("durable: retry policy: BackoffCoefficient is %v, it must be at least 1", p.BackoffCoefficient)
	case p.MaxInterval < 0:
		return fmt.Errorf("durable: retry policy: MaxInterval is %v, it must not be negative", p.MaxInterval)
	case p.RetryTimeout < 0:
		return fmt.Errorf("durable: retry policy: RetryTimeout is %v, it must not be negative", p.RetryTimeout)
	case !(p.Jitter >= 0 && p.Jitter <= 1):
		return fmt.Errorf("durable: retry policy: Jitter is %v, it must be between 0 and 1", p.Jitter)
	default:
		return nil
	}
}

// delay returns the wait after the given attempt, counted from 0. Zero means no
// more retries.
func (p *RetryPolicy) delay(attempt int, first, now time.Time, err error, random float64) time.Duration {
	if p.Handle != nil && !p.Handle(err) {
		return 0
	}
	if p.RetryTimeout > 0 && !now.Before(first.Add(p.RetryTimeout)) {
		return 0
	}
	coefficient := p.BackoffCoefficient
	if coefficient == 0 {
		coefficient = 1
	}
	limit := float64(math.MaxInt64)
	if p.MaxInterval > 0 {
		limit = float64(p.MaxInterval)
	}
	wait := min(float64(p.FirstInterval)*math.Pow(coefficient, float64(attempt)), limit)
	wait -= wait * p.Jitter * random
	// The longest wait leaves room for adding it to a date.
	return max(tick, time.Duration(min(wait, float64(100*365*24*time.Hour))))
}

// start makes the call a task stands for.
func (f *future) start(o *callOptions, call replay.Action) {
	switch {
	case o.retry == nil:
		f.id = f.s.Decide(call, f)
	case !f.startRetrying(o.retry, call):
		return
	}
	if o.hasTimeout {
		f.limit(o.timeout)
	}
}

// startRetrying makes the first attempt at a call. It reports false when the policy
// is wrong.
func (f *future) startRetrying(policy *RetryPolicy, call replay.Action) bool {
	if err := policy.Validate(); err != nil {
		f.promise.Settle(nil, fmt.Errorf("%v: %w", f.subject, err))
		return false
	}
	r := &retrier{f: f, policy: policy, call: copyCall(call), first: f.s.Now()}
	r.id = f.s.Decide(call, r)
	f.id = r.id
	return true
}

// copyCall copies a call that has not been made yet, without what making it adds.
func copyCall(call replay.Action) replay.Action {
	switch a := call.(type) {
	case *replay.ScheduleTask:
		c := *a
		return &c
	case *replay.CreateSubOrchestration:
		c := *a
		return &c
	default:
		return call
	}
}

// limit fails the task after d.
func (f *future) limit(d time.Duration) {
	deadline := startTimer(f.s, f.s.Now().Add(d), func() {
		f.release()
		f.promise.Settle(nil, &TimeoutError{Subject: f.subject.String(), After: d})
	})
	f.promise.OnSettle(deadline.stop)
}

// retrier makes a call again until it succeeds. While the first attempt runs it
// costs nothing but itself; a failure starts a coroutine that sees to the rest, so
// that many calls back off side by side whether or not anybody awaits them.
type retrier struct {
	f       *future
	policy  *RetryPolicy
	call    replay.Action // to be copied for each attempt
	first   time.Time
	id      int32   // of the first attempt
	attempt int     // counted from 0
	details *string // of the last attempt's heartbeat

	promise replay.Promise // of the current attempt
}

// Resolve implements [replay.Sink]. It is called at each end of an attempt.
func (r *retrier) Resolve(id int32, answer history.Event) {
	value, err := outcomeOf(r.f.subject, id, answer)
	r.keepHeartbeat(answer)
	switch {
	case r.attempt > 0:
		r.promise.Settle(value, err)
	case err == nil:
		r.f.promise.Settle(value, nil)
	default:
		r.f.id = -1
		r.f.s.Go(func() { r.f.promise.Settle(r.retry(err)) })
	}
}

// retry makes the remaining attempts, event for event as .NET does: an error that
// forbids it ends the call, the last failure sets a timer that is due at once (left
// over from a mistake in .NET's first version, and kept there because removing it
// would break running orchestrations), any other failure waits as the policy says.
func (r *retrier) retry(err error) (*string, error) {
	r.f.promise.OnSettle(func() { r.promise.Settle(nil, ErrCanceled) })
	for !r.f.promise.Done() {
		if isNonRetriable(err) {
			return nil, err
		}
		if r.attempt+1 == r.policy.MaxAttempts {
			r.sleep(0)
			return nil, err
		}
		s := r.f.s
		wait := r.policy.delay(r.attempt, r.first, s.Now(), err, r.random())
		if wait == 0 || !r.sleep(wait) {
			return nil, err
		}
		r.attempt++
		r.promise = replay.Promise{}
		r.f.id = s.Decide(r.next(), r)
		if !s.Await(&r.promise) {
			return nil, errUnloading
		}
		var value *string
		if value, err = r.promise.Result(); err == nil {
			return value, nil
		}
	}
	return nil, ErrCanceled
}

// sleep waits, and reports whether the call is still wanted then.
func (r *retrier) sleep(d time.Duration) bool {
	var p replay.Promise
	s := r.f.s
	timer := startTimer(s, s.Now().Add(d), func() { p.Settle(nil, nil) })
	r.f.promise.OnSettle(func() { // canceled or timed out
		timer.stop()
		p.Settle(nil, nil)
	})
	return s.Await(&p) && !r.f.promise.Done()
}

// random returns a number in [0, 1) that depends on the execution, the call and the
// attempt only.
func (r *retrier) random() float64 {
	if r.policy.Jitter == 0 {
		return 0
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%d/%d", text(r.f.s.Instance().ExecutionID), r.id, r.attempt)
	mixed := h.Sum64()
	mixed ^= mixed >> 31
	mixed *= 0x9E3779B97F4A7C15
	return float64(mixed>>11) / (1 << 53)
}

// permanentError marks an error that no retry can help.
type permanentError struct{ error }

func (p permanentError) Unwrap() error { return p.error }

// Permanent marks an error as one that a retry cannot help: retry policies give up
// at once, those of .NET callers too. It returns nil for nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanentError{err}
}

// IsPermanent tells whether retries are pointless: the error was marked with
// [Permanent], here or where the called activity, the child or the instance ran.
func IsPermanent(err error) bool {
	var p permanentError
	return errors.As(err, &p) || isNonRetriable(err)
}

// isNonRetriable tells whether the failure of a call forbids to repeat it.
func isNonRetriable(err error) bool {
	var task *TaskFailedError
	if errors.As(err, &task) {
		return task.Failure != nil && task.Failure.IsNonRetriable
	}
	var child *SubOrchestrationFailedError
	if errors.As(err, &child) {
		return child.Failure != nil && child.Failure.IsNonRetriable
	}
	var instance *InstanceError
	return errors.As(err, &instance) && instance.Failure != nil && instance.Failure.IsNonRetriable
}
