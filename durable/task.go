package durable

import (
	"errors"
	"iter"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

// subject says what a task stands for, in error texts.
type subject struct{ kind, name string }

func (s subject) String() string { return s.kind + " " + quote(s.name) }

func (d *definition) subject() subject { return subject{d.kind.String(), d.name} }

// future is a task without its type.
type future struct {
	promise replay.Promise
	s       *replay.Session
	env     *environment
	subject subject
	id      int32  // of the open action; -1 without one
	undo    func() // takes back what the task waits for
}

// Awaitable is a task of any type. Only this package's tasks are.
type Awaitable interface {
	// Done tells whether the task has its result.
	Done() bool
	// Err returns why the task failed; nil while it is not done.
	Err() error
	// Cancel stops waiting; see [Task.Cancel].
	Cancel()

	core() *future
}

// Task is something that will have a result: a called activity or child, a timer,
// an event, a coroutine.
type Task[T any] struct {
	future  future
	read    func() (T, error) // instead of unmarshalling
	value   T
	failure error
	decoded bool
}

// newTask makes an open task in the context's scope. It reports false, with a task
// that has already failed, when nothing may be started.
func newTask[T any](ctx *Context, what subject, call string) (*Task[T], bool) {
	t := new(Task[T])
	t.future.s, t.future.env, t.future.subject, t.future.id = ctx.s, ctx.env, what, -1
	if !ctx.s.Enter(call) {
		return t.fail(errUnloading), false
	}
	if err := ctx.Err(); err != nil {
		return t.fail(err), false
	}
	ctx.scope.add(&t.future)
	return t, true
}

func (t *Task[T]) core() *future { return &t.future }

func (t *Task[T]) fail(err error) *Task[T] {
	t.future.promise.Settle(nil, err)
	return t
}

// Done tells whether the task has its result.
func (t *Task[T]) Done() bool { return t.future.promise.Done() }

// Err returns why the task failed, without waiting; nil if it did not, or is not
// done.
func (t *Task[T]) Err() error { return t.future.err() }

// Await parks the orchestrator until the task is done and returns its result. It
// may be called any number of times.
//
// The error is a [*TaskFailedError], a [*SubOrchestrationFailedError], [ErrTimeout],
// [ErrCanceled], a [*PayloadError] if the result does not fit the type, or what
// the coroutine returned.
func (t *Task[T]) Await() (T, error) {
	var zero T
	if !t.future.s.Await(&t.future.promise) {
		return zero, errUnloading
	}
	return t.result()
}

// result decodes the result of a task that is done.
func (t *Task[T]) result() (T, error) {
	if !t.decoded {
		t.decoded = true
		t.value, t.failure = t.decode()
	}
	return t.value, t.failure
}

func (t *Task[T]) decode() (T, error) {
	var value T
	raw, err := t.future.promise.Result()
	if err != nil {
		return value, err
	}
	if t.read != nil {
		return t.read()
	}
	if err := unmarshal(t.future.env.converter, raw, &value); err != nil {
		return value, &PayloadError{Subject: t.future.subject.String(), What: "the result", Err: err}
	}
	return value, nil
}

func (f *future) err() error {
	_, err := f.promise.Result()
	return err
}

// Cancel stops waiting for the task: Await returns [ErrCanceled]. A timer is
// forgotten, an event goes to whoever waits for it next, a coroutine's own waits
// are canceled, and an activity or child runs on but its result is ignored. A task
// that is done keeps its result.
func (t *Task[T]) Cancel() {
	if t.future.s.Enter("Task.Cancel") {
		t.future.cancel()
	}
}

func (f *future) cancel() {
	if f.promise.Done() {
		return
	}
	if f.undo != nil {
		f.undo()
		if f.subject.kind == kindCoroutine {
			return // ends when its function does
		}
	}
	f.release()
	f.promise.Settle(nil, ErrCanceled)
}

// release makes the answer to the open action uninteresting.
func (f *future) release() {
	if f.id >= 0 {
		f.s.Abandon(f.id)
		f.id = -1
	}
}

// Resolve implements [replay.Sink] for a call that is made once.
func (f *future) Resolve(id int32, answer history.Event) {
	f.promise.Settle(outcomeOf(f.subject, id, answer))
}

// outcomeOf reads the answer to an action.
func outcomeOf(what subject, id int32, answer history.Event) (*string, error) {
	switch e := answer.(type) {
	case *history.TaskCompleted:
		return e.Result, nil
	case *history.SubOrchestrationCompleted:
		return e.Result, nil
	case *history.TaskFailed:
		return nil, newTaskFailedError(what.name, id, e)
	case *history.SubOrchestrationFailed:
		return nil, newSubOrchestrationFailedError(what.name, id, e)
	default:
		return nil, nil
	}
}

// WhenAll waits for all tasks, also when some fail, and returns their results in
// the order of the list. The error joins those of all failed tasks, in the same
// order; their results are zero values.
func WhenAll[T any](tasks []*Task[T]) ([]T, error) {
	if len(tasks) == 0 {
		return []T{}, nil
	}
	promises := make([]*replay.Promise, len(tasks))
	for i, t := range tasks {
		promises[i] = &t.future.promise
	}
	if !tasks[0].future.s.AwaitAll(promises) {
		return nil, errUnloading
	}
	results := make([]T, len(tasks))
	var errs []error
	for i, t := range tasks {
		var err error
		if results[i], err = t.result(); err != nil {
			errs = append(errs, err)
		}
	}
	return results, errors.Join(errs...)
}

// AwaitAll waits for tasks of different types, also when some fail. The error joins
// those of all failed tasks in the order of the list.
func AwaitAll(tasks ...Awaitable) error {
	if len(tasks) == 0 {
		return nil
	}
	promises := make([]*replay.Promise, len(tasks))
	for i, t := range tasks {
		promises[i] = &t.core().promise
	}
	if !tasks[0].core().s.AwaitAll(promises) {
		return errUnloading
	}
	var errs []error
	for _, t := range tasks {
		if err := t.Err(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// WhenAny waits until one of the tasks is done, successfully or not, and returns
// it, to be compared with ==:
//
//	switch durable.WhenAny(decision, deadline) {
//	case decision:
//	case deadline:
//	}
//
// Of tasks that were done before the call the first in the list wins, as with
// .NET's Task.WhenAny, otherwise the first in history. The others go on; cancel
// those that are no longer wanted. Without tasks it returns nil.
func WhenAny(tasks ...Awaitable) Awaitable {
	if len(tasks) == 0 {
		return nil
	}
	promises := make([]*replay.Promise, len(tasks))
	for i, t := range tasks {
		promises[i] = &t.core().promise
	}
	won := tasks[0].core().s.AwaitAny(promises)
	if won < 0 {
		return nil
	}
	return tasks[won]
}

// InOrder yields the tasks, with their index in the list, as they finish:
//
//	for i, task := range durable.InOrder(tasks) {
//		result, err := task.Await() // does not wait
//	}
//
// Those that were done before come first, in the order of the list.
func InOrder[T any](tasks []*Task[T]) iter.Seq2[int, *Task[T]] {
	return func(yield func(int, *Task[T]) bool) {
		if len(tasks) == 0 {
			return
		}
		promises := make([]*replay.Promise, len(tasks))
		for i, t := range tasks {
			promises[i] = &t.future.promise
		}
		arrivals := tasks[0].future.s.NewArrivals(promises)
		defer arrivals.Stop()
		for i := arrivals.Next(); i >= 0; i = arrivals.Next() {
			if !yield(i, tasks[i]) {
				return
			}
		}
	}
}
