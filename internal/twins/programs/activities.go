package programs

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

// The .NET exceptions that the peer throws.
const (
	invalidOperation = "System.InvalidOperationException"
	argument         = "System.ArgumentException"
	application      = "System.ApplicationException"
	timeout          = "System.TimeoutException"
)

func exception(class, message string, causes ...error) error {
	return &durable.RemoteError{Type: class, Message: message, Causes: causes}
}

// Point is what EchoPoint and Echo pass on.
type Point struct {
	X     int
	Y     float64
	Label string
	When  time.Time
}

// Text is a string that is read as Newtonsoft reads one: a number or a boolean counts
// as its spelling, null as empty.
type Text string

// UnmarshalJSON reads the text.
func (t *Text) UnmarshalJSON(data []byte) error {
	switch data[0] {
	case '"':
		var s string
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
		*t = Text(s)
	case 'n':
		*t = ""
	case '{', '[':
		return fmt.Errorf("%.20s is not a string", data)
	default:
		*t = Text(data)
	}
	return nil
}

// Say greets a city.
var Say = durable.NewActivity("Say", func(_ context.Context, city Text) (string, error) {
	return "Hello " + string(city) + "!", nil
})

// Square squares a number; like .NET's int it has 32 bits.
var Square = durable.NewActivity("Square", func(_ context.Context, n int32) (int32, error) {
	return n * n, nil
})

// Big returns n letters.
var Big = durable.NewActivity("Big", func(_ context.Context, n int) (string, error) {
	if n < 0 {
		return "", exception("System.ArgumentOutOfRangeException", "the count is negative")
	}
	return strings.Repeat("r", n), nil
})

// Fail always fails.
var Fail = durable.NewActivity("Fail", func(_ context.Context, message Text) (string, error) {
	return "", exception(invalidOperation, "activity failed: "+string(message))
})

// Echo returns its input.
var Echo = durable.NewActivity("Echo", func(_ context.Context, p Point) (Point, error) { return p, nil })

// Slow takes as many milliseconds as it is told.
var Slow = durable.NewActivity("Slow", func(ctx context.Context, ms int) (int, error) {
	t := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return ms, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
})

// NoInput tells what it was given.
var NoInput = durable.NewActivity("NoInput", func(_ context.Context, v any) (string, error) {
	if v == nil {
		return "null", nil
	}
	return fmt.Sprint(v), nil
})

// NewFlaky returns an activity that fails twice for each instance and input. It
// counts in the memory of its worker, as the peer's does.
func NewFlaky() *durable.Activity[Text, string] {
	var mu sync.Mutex
	attempts := map[string]int{}
	return flaky.With(func(ctx context.Context, key Text) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		counter := durable.ActivityInfo(ctx).InstanceID + string(key)
		attempts[counter]++
		if n := attempts[counter]; n < 3 {
			return "", exception(application, fmt.Sprintf("attempt %d failed", n))
		}
		return fmt.Sprintf("ok after %d", attempts[counter]), nil
	})
}

var flaky = durable.DeclareActivity[Text, string]("Flaky")

// Activities returns all activities. Each call returns another Flaky, which counts
// for itself.
func Activities() []durable.Registrable {
	return []durable.Registrable{Say, Square, Big, Fail, NewFlaky(), Echo, Slow, NoInput}
}
