// Package durable has the shape of the real one and none of its substance.
package durable

import (
	"context"
	"iter"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

type Void struct{}

type UUID [16]byte

func (UUID) String() string { return "" }

// Inside, the package may do what it likes.
var mu sync.Mutex

type Context struct{ name string }

func (c *Context) Now() time.Time              { mu.Lock(); defer mu.Unlock(); return time.Now() }
func (c *Context) NewUUID() UUID               { return UUID{} }
func (c *Context) Rand() *rand.Rand            { return rand.New(rand.NewPCG(1, 2)) }
func (c *Context) Logger() *slog.Logger        { return slog.Default() }
func (c *Context) IsReplaying() bool           { return false }
func (c *Context) Unloading() bool             { return false }
func (c *Context) InstanceID() string          { return c.name }
func (c *Context) Tags() map[string]string     { return nil }
func (c *Context) Patched(name string) bool    { return true }
func (c *Context) Err() error                  { return nil }
func (c *Context) HistorySize() int            { return 0 }
func Patched(ctx *Context, name string) bool   { return true }
func WithCancel(c *Context) (*Context, func()) { return c, func() {} }

type Awaitable interface {
	Done() bool
	Err() error
	Cancel()
}

type Task[T any] struct{ value T }

func (t *Task[T]) Await() (T, error) { return t.value, nil }
func (t *Task[T]) Done() bool        { return true }
func (t *Task[T]) Err() error        { return nil }
func (t *Task[T]) Cancel()           {}

type Option interface{ apply() }

type RetryPolicy struct {
	MaxAttempts   int
	FirstInterval time.Duration
}

func WithRetry(policy RetryPolicy) Option { return nil }
func WithInstanceID(id string) Option     { return nil }
func WithTimeout(d time.Duration) Option  { return nil }

type Activity[I, O any] struct {
	fn func(ctx context.Context, input I) (O, error)
}

func NewActivity[I, O any](name string, fn func(ctx context.Context, input I) (O, error)) *Activity[I, O] {
	return &Activity[I, O]{fn}
}
func DeclareActivity[I, O any](name string) *Activity[I, O] { return &Activity[I, O]{} }
func (a *Activity[I, O]) With(fn func(ctx context.Context, input I) (O, error)) *Activity[I, O] {
	return &Activity[I, O]{fn}
}
func (a *Activity[I, O]) Call(ctx *Context, input I, opts ...Option) *Task[O] { return &Task[O]{} }

func CallActivity[O any](ctx *Context, name string, input any, opts ...Option) *Task[O] {
	return &Task[O]{}
}

type Orchestrator[I, O any] struct {
	fn func(ctx *Context, input I) (O, error)
}

func NewOrchestrator[I, O any](name string, fn func(ctx *Context, input I) (O, error), opts ...Option) *Orchestrator[I, O] {
	return &Orchestrator[I, O]{fn}
}
func DeclareOrchestrator[I, O any](name string, opts ...Option) *Orchestrator[I, O] {
	return &Orchestrator[I, O]{}
}
func (o *Orchestrator[I, O]) With(fn func(ctx *Context, input I) (O, error)) *Orchestrator[I, O] {
	return &Orchestrator[I, O]{fn}
}
func (o *Orchestrator[I, O]) Call(ctx *Context, input I, opts ...Option) *Task[O] { return &Task[O]{} }

type Client interface {
	RaiseEvent(ctx context.Context, instanceID, name string, payload any) error
}

type Run[O any] struct{}

func (r *Run[O]) Wait(ctx context.Context) (O, error) { panic("") }

func (o *Orchestrator[I, O]) Start(ctx context.Context, c Client, input I, opts ...Option) (*Run[O], error) {
	return nil, nil
}

func Go(ctx *Context, f func(ctx *Context) error) *Task[Void]                 { return &Task[Void]{} }
func Sleep(ctx *Context, d time.Duration) error                               { return nil }
func Timer(ctx *Context, d time.Duration) *Task[Void]                         { return &Task[Void]{} }
func WaitForEvent[T any](ctx *Context, name string, opts ...Option) *Task[T]  { return &Task[T]{} }
func Events[T any](ctx *Context, name string) iter.Seq2[T, error]             { return nil }
func SendEvent[T any](ctx *Context, instanceID, name string, payload T) error { return nil }
func SetCustomStatus[T any](ctx *Context, status T) error                     { return nil }
func ContinueAsNew[I any](ctx *Context, input I, opts ...Option) error        { return nil }
func WhenAll[T any](tasks []*Task[T]) ([]T, error)                            { return nil, nil }
func AwaitAll(tasks ...Awaitable) error                                       { return nil }
func WhenAny(tasks ...Awaitable) Awaitable                                    { return tasks[0] }
func InOrder[T any](tasks []*Task[T]) iter.Seq2[int, *Task[T]]                { return nil }
func Heartbeat[T any](ctx context.Context, details T) error                   { return nil }
func Permanent(err error) error                                               { return err }

type OrchestrationHandler func(ctx *Context, input *string) (*string, error)
