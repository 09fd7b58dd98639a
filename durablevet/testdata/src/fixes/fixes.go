// Package fixes has what can be rewritten, and what looks so but cannot.
package fixes

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/go-taskhub/taskhub/durable"
)

type result struct{ n int }

var Ship = durable.NewActivity("Ship", func(ctx context.Context, id string) (int, error) { return 0, nil })

func times(ctx *durable.Context, start time.Time) (time.Duration, error) {
	now := time.Now()               // want `time\.Now`
	spent := time.Since(start)      // want `time\.Since`
	left := time.Until(start)       // want `time\.Until`
	more := time.Until(*&start)     // want `time\.Until`
	again := time.Since(time.Now()) // want `time\.Since` `time\.Now`
	clock := time.Now               // want `time\.Now`
	_ = clock()
	return spent + left + more + again + now.Sub(start), nil
}

// A helper without a context has nothing to take the time from.
func helper() time.Time { return time.Now() } // want `time\.Now`

func helped(c *durable.Context) time.Time {
	if helper().IsZero() {
		return time.Now() // want `time\.Now`
	}
	ctx := 1
	_ = ctx
	return time.Now() // want `time\.Now`
}

func hidden(_ *durable.Context) time.Time { return time.Now() } // want `time\.Now`

func sleeps(ctx *durable.Context, d time.Duration) (result, *result, int, string, bool, error) {
	time.Sleep(2 * d) // want `time\.Sleep`
	switch {
	case d > 1:
		<-time.After(d) // want `receiving from a channel`
	}
	return result{}, nil, 0, "", false, nil
}

func generic[T any](ctx *durable.Context) (T, [2]int, error) {
	time.Sleep(1) // want `time\.Sleep`
	return *new(T), [2]int{}, nil
}

func noError(ctx *durable.Context) {
	time.Sleep(1) // want `time\.Sleep`
}

func notInAList(ctx *durable.Context) error {
	for i := 0; i < 3; time.Sleep(1) { // want `time\.Sleep`
		i++
	}
	select { // want `a select statement`
	case <-time.After(1): // want `time\.After`
	}
	return nil
}

func ids(ctx *durable.Context) (string, uuid.UUID) {
	a := uuid.New()                  // want `uuid\.New`
	b := uuid.NewString()            // want `uuid\.NewString`
	c := uuid.New().String()         // want `uuid\.New`
	d := uuid.Must(uuid.NewV7())     // want `uuid\.NewV7`
	e, err := uuid.NewRandom()       // want `uuid\.NewRandom`
	_ = uuid.New().ID()              // want `uuid\.New`
	f := uuid.Must(uuid.NewRandom()) // want `uuid\.NewRandom`
	_, _, _, _ = d, e, f, err
	return b + c, a
}

func logs(ctx *durable.Context, err error) {
	slog.Info("shipped", "id", 1)           // want `slog\.Info`
	slog.Default().With("a", 1).Error("no") // want `slog\.Default`
}

func ship(id string) error  { return errors.New(id) }
func count(id string) int   { return len(id) }
func report(string, string) {}

type worker struct{ id string }

func (w *worker) work() {}

func coroutines(ctx *durable.Context, id string, w *worker) error {
	go ship(id)        // want `a go statement`
	go count(id)       // want `a go statement`
	go w.work()        // want `a go statement`
	go report("a", id) // want `a go statement`
	go func() {        // want `a go statement`
		if id == "" {
			return
		}
		slices := func() int { return 1 }
		_ = slices()
		count(id)
	}()
	go func() error { // want `a go statement`
		return ship(id)
	}()
	go func() { // want `a go statement`
		return
	}()

	changing := "a"
	go ship(changing) // want `a go statement`
	changing = "b"
	go func(s string) {}(changing)             // want `a go statement`
	go func() (int, error) { return 1, nil }() // want `a go statement`
	go report(changing+"c", id)                // want `a go statement`
	return nil
}

func next(ctx *durable.Context, n int) (result, error) {
	switch n {
	case 1:
		durable.ContinueAsNew(ctx, n+1) // want `ContinueAsNew`
	case 2:
		_ = durable.ContinueAsNew(ctx, n+2) // want `ContinueAsNew`
		return result{n}, nil
	case 3:
		durable.ContinueAsNew(ctx, n) // want `ContinueAsNew`
		return result{}, errors.New("other")
	}
	if n == 4 {
		_ = durable.ContinueAsNew[int](ctx, n) /* want `ContinueAsNew` */
		return result{4}, nil
	}
	durable.ContinueAsNew(ctx, n) // want `ContinueAsNew`
	return result{2}, nil
}

func nowhere(ctx *durable.Context) { durable.ContinueAsNew(ctx, 1) } // want `ContinueAsNew`
