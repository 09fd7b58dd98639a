package clock

import (
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

var Checkout = durable.NewOrchestrator("Checkout", func(ctx *durable.Context, n int) (time.Time, error) {
	start := time.Now()                  // want `^time\.Now reads the machine's clock, which shows every replay another time; use ctx\.Now\(\) \(in orchestrator Checkout\)$`
	if time.Since(start) > time.Minute { // want `time\.Since reads the machine's clock`
		return start, nil
	}
	if time.Until(start) > 0 { // want `time\.Until reads`
		return start, nil
	}
	time.Sleep(time.Second)              // want `time\.Sleep waits on the machine's clock, .* use durable\.Sleep or durable\.Timer \(in orchestrator Checkout\)`
	<-time.After(time.Second)            // want `receiving from a channel blocks outside the scheduler`
	_ = time.NewTimer(time.Second)       // want `time\.NewTimer waits`
	_ = time.Tick(time.Second)           // want `time\.Tick waits`
	time.AfterFunc(time.Second, func() { // want `time\.AfterFunc waits`
		time.Sleep(time.Second) // want `time\.Sleep waits`
	})
	clock := time.Now // want `time\.Now reads the machine's clock`
	return clock(), nil
})

// What only computes is fine.
func pure(ctx *durable.Context, s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, err
	}
	d, _ := time.ParseDuration("1h")
	zone := time.FixedZone("x", 3600)
	return ctx.Now().Add(d).Truncate(24*time.Hour).In(zone).UTC().AddDate(0, 0, 1).Add(t.Sub(time.Unix(0, 0))), nil
}

func price() time.Time { return deeper() }

func deeper() time.Time {
	return time.Now() // want `^time\.Now reads the machine's clock, .*; have ctx\.Now\(\) passed in \(reached from orchestrator Invoice via price\(\), deeper\(\)\)$`
}

type service struct{ at time.Time }

func (s *service) run(ctx *durable.Context, _ durable.Void) (durable.Void, error) {
	s.touch()
	_ = price()
	return durable.Void{}, nil
}

func (s *service) touch() {
	s.at = time.Now() // want `reached from orchestrator Invoice via service\.touch\(\)`
}

func register(s *service) {
	_ = time.Now() // not orchestrator code
	durable.NewOrchestrator("Invoice", s.run)
}

// Nobody calls it.
func unused() time.Time { return time.Now() }

// A clock that tests can change is still the clock.
var now = time.Now

func seam(ctx *durable.Context) time.Time {
	return now() // want `now, which is time\.Now, reads the machine's clock, .* \(in orchestrator function seam\)`
}

// The function itself is handed over.
func apply(f func() time.Time) time.Time { return f() }

func handed(ctx *durable.Context) time.Time {
	_ = apply(local)
	return apply(time.Now) // want `time\.Now reads`
}

func local() time.Time {
	return time.Now() // want `reached from orchestrator function handed via local\(\)`
}

// Recursion ends.
func even(n int) bool { return n == 0 || odd(n-1) }
func odd(n int) bool {
	_ = time.Now() // want `reached from orchestrator function recursive via even\(\), odd\(\)`
	return n != 0 && even(n-1)
}
func recursive(ctx *durable.Context) { even(4) }

// Generic helpers and methods.
type box[T any] struct{ v T }

func (b box[T]) stamp() time.Time {
	return time.Now() // want `reached from orchestrator function generics via box\.stamp\(\)`
}

func pick[T any](a, b T) T {
	if time.Now().IsZero() { // want `reached from orchestrator function generics via pick\(\)`
		return a
	}
	return b
}

func generics(ctx *durable.Context) {
	_ = box[int]{}.stamp()
	_ = pick(1, 2)
	_ = pick[string]("a", "b")
}

// A helper in a variable.
var helper = func() time.Time {
	return time.Now() // want `time\.Now reads .* \(in orchestrator function variables\)`
}

func variables(ctx *durable.Context) time.Time { return helper() }
