package programs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/go-taskhub/taskhub/durable"
)

// HelloSequence greets three cities one after another.
var HelloSequence = durable.NewOrchestrator("HelloSequence", func(ctx *durable.Context, _ durable.Void) ([]string, error) {
	var greetings []string
	for _, city := range []Text{"Tokyo", "Seattle", "London"} {
		greeting, err := Say.Call(ctx, city).Await()
		if err != nil {
			return nil, err
		}
		greetings = append(greetings, greeting)
	}
	return greetings, nil
})

// Empty does nothing.
var Empty = durable.NewOrchestrator("Empty", func(_ *durable.Context, s Text) (string, error) {
	return "done " + string(s), nil
})

// OneActivity calls one activity.
var OneActivity = durable.NewOrchestrator("OneActivity", func(ctx *durable.Context, s Text) (string, error) {
	return Say.Call(ctx, s).Await()
})

// FanOut squares 1 to n side by side and adds the squares up.
var FanOut = durable.NewOrchestrator("FanOut", func(ctx *durable.Context, n int32) (int32, error) {
	tasks := make([]*durable.Task[int32], 0, max(n, 0))
	for i := int32(1); i <= n; i++ {
		tasks = append(tasks, Square.Call(ctx, i))
	}
	return sum(durable.WhenAll(tasks))
})

func sum(numbers []int32, err error) (int32, error) {
	var total int32
	for _, n := range numbers {
		total += n
	}
	return total, err
}

// Chain squares 0 to n-1 one after another and adds the squares up.
var Chain = durable.NewOrchestrator("Chain", func(ctx *durable.Context, n int32) (int32, error) {
	var total int32
	for i := range n {
		square, err := Square.Call(ctx, i).Await()
		if err != nil {
			return 0, err
		}
		total += square
	}
	return total, nil
})

// EchoPoint sends a structure to an activity and back.
var EchoPoint = durable.NewOrchestrator("EchoPoint", func(ctx *durable.Context, p Point) (Point, error) {
	return Echo.Call(ctx, p).Await()
})

// NoInputs calls an activity without input.
var NoInputs = durable.NewOrchestrator("NoInputs", func(ctx *durable.Context, _ durable.Void) (string, error) {
	return NoInput.Call(ctx, nil).Await()
})

// TimerOnly waits for some milliseconds.
var TimerOnly = durable.NewOrchestrator("TimerOnly", func(ctx *durable.Context, ms int) (string, error) {
	if err := durable.Sleep(ctx, time.Duration(ms)*time.Millisecond); err != nil {
		return "", err
	}
	return "fired", nil
})

// Approval waits for an event, for a limited time.
var Approval = durable.NewOrchestrator("Approval", func(ctx *durable.Context, timeoutMS int) (string, error) {
	if err := durable.SetCustomStatus(ctx, "waiting"); err != nil {
		return "", err
	}
	deadline := durable.Timer(ctx, time.Duration(timeoutMS)*time.Millisecond)
	decision := durable.WaitForEvent[Text](ctx, "Approval")
	if durable.WhenAny(deadline, decision) == decision {
		deadline.Cancel()
		if err := durable.SetCustomStatus(ctx, "decided"); err != nil {
			return "", err
		}
		answer, err := decision.Await()
		return "approved: " + string(answer), err
	}
	return "timed out", durable.SetCustomStatus(ctx, "expired")
})

// WaitForever waits for an event of any name.
var WaitForever = durable.NewOrchestrator("WaitForever", func(ctx *durable.Context, _ Text) (string, error) {
	event, err := durable.WaitForAnyEvent(ctx).Await()
	if err != nil {
		return "", err
	}
	value, err := valueOf(event)
	return event.Name + "=" + string(value), err
})

// Parent starts two children, one with an id of its choice.
var Parent = durable.NewOrchestrator("Parent", func(ctx *durable.Context, s Text) (string, error) {
	a, err := OneActivity.Call(ctx, s).Await()
	if err != nil {
		return "", err
	}
	b, err := OneActivity.Call(ctx, s+"2", durable.WithInstanceID(ctx.InstanceID()+":child")).Await()
	return a + "|" + b, err
})

// FailsHard calls an activity that fails.
var FailsHard = durable.NewOrchestrator("FailsHard", func(ctx *durable.Context, s Text) (string, error) {
	return Fail.Call(ctx, s).Await()
})

// ParentOfFailing catches the failure of its child.
var ParentOfFailing = durable.NewOrchestrator("ParentOfFailing", func(ctx *durable.Context, s Text) (string, error) {
	output, err := FailsHard.Call(ctx, s).Await()
	var failed *durable.SubOrchestrationFailedError
	if errors.As(err, &failed) {
		return "caught: " + failed.Message, nil
	}
	return output, err
})

// ThrowsSelf fails without calling anything.
var ThrowsSelf = durable.NewOrchestrator("ThrowsSelf", func(_ *durable.Context, s Text) (string, error) {
	return "", exception(argument, "orchestrator said no: "+string(s))
})

// Retries calls an activity that fails twice.
var Retries = durable.NewOrchestrator("Retries", func(ctx *durable.Context, s Text) (string, error) {
	policy := durable.RetryPolicy{MaxAttempts: 4, FirstInterval: 200 * time.Millisecond, BackoffCoefficient: 2}
	return flaky.Call(ctx, s, durable.WithRetry(policy)).Await()
})

// Counter continues as new until it has counted to three.
var Counter = durable.NewOrchestrator("Counter", func(ctx *durable.Context, n int32) (int32, error) {
	square, err := Square.Call(ctx, n).Await()
	if err != nil {
		return 0, err
	}
	if n < 3 {
		return 0, durable.ContinueAsNew(ctx, n+1)
	}
	return square, nil
})

// FailsNested fails with two levels of causes.
var FailsNested = durable.NewOrchestrator("FailsNested", func(_ *durable.Context, s Text) (string, error) {
	return "", exception(invalidOperation, "outer "+string(s), exception(argument, "inner "+string(s), exception(timeout, "innermost")))
})

// EventCounter collects n events of any name.
var EventCounter = durable.NewOrchestrator("EventCounter", func(ctx *durable.Context, n int) (string, error) {
	var seen []string
	for {
		if err := durable.SetCustomStatus(ctx, fmt.Sprintf("%d events", len(seen))); err != nil {
			return "", err
		}
		if len(seen) >= n {
			return strings.Join(seen, ","), nil
		}
		event, err := durable.WaitForAnyEvent(ctx).Await()
		if err != nil {
			return "", err
		}
		value, err := valueOf(event)
		if err != nil {
			return "", err
		}
		if event.Payload == nil {
			value = "null"
		}
		seen = append(seen, event.Name+":"+string(value))
	}
})

func valueOf(event durable.ReceivedEvent) (Text, error) {
	var value Text
	err := event.Decode(&value)
	return value, err
}

// CounterWithEvents continues as new after each event.
var CounterWithEvents = durable.NewOrchestrator("CounterWithEvents", func(ctx *durable.Context, n int) (*string, error) {
	event, err := durable.WaitForAnyEvent(ctx).Await()
	if err != nil {
		return nil, err
	}
	if n < 3 {
		return nil, durable.ContinueAsNew(ctx, n+1)
	}
	value, err := valueOf(event)
	output := event.Name + string(value)
	return &output, err
})

var family = durable.DeclareOrchestrator[int, string]("Family")

// Family is a binary tree of children.
var Family = family.With(func(ctx *durable.Context, n int) (string, error) {
	if n == 0 {
		return "leaf", nil
	}
	kids := []*durable.Task[string]{family.Call(ctx, n-1), family.Call(ctx, n-1)}
	names, err := durable.WhenAll(kids)
	return "(" + strings.Join(names, " ") + ")", err
})

// SubRetries starts a failing child twice.
var SubRetries = durable.NewOrchestrator("SubRetries", func(ctx *durable.Context, s Text) (string, error) {
	policy := durable.RetryPolicy{MaxAttempts: 2, FirstInterval: time.Second}
	output, err := ThrowsSelf.Call(ctx, s, durable.WithRetry(policy)).Await()
	var failed *durable.SubOrchestrationFailedError
	if errors.As(err, &failed) {
		return "gave up: SubOrchestrationFailedException", nil
	}
	return output, err
})

// SlowChain calls slow activities one after another: "3x2000" is three of 2000 ms.
var SlowChain = durable.NewOrchestrator("SlowChain", func(ctx *durable.Context, spec string) (int, error) {
	count, ms, err := times(spec)
	if err != nil {
		return 0, err
	}
	total := 0
	for range count {
		took, err := Slow.Call(ctx, ms).Await()
		if err != nil {
			return 0, err
		}
		total += took
	}
	return total, nil
})

// SlowFan calls slow activities side by side: "3x2000" is three of 2000 ms.
var SlowFan = durable.NewOrchestrator("SlowFan", func(ctx *durable.Context, spec string) (int, error) {
	count, ms, err := times(spec)
	if err != nil {
		return 0, err
	}
	var tasks []*durable.Task[int]
	for range count {
		tasks = append(tasks, Slow.Call(ctx, ms))
	}
	total := 0
	results, err := durable.WhenAll(tasks)
	for _, took := range results {
		total += took
	}
	return total, err
})

func times(spec string) (count, ms int, err error) {
	a, b, _ := strings.Cut(spec, "x")
	if count, err = strconv.Atoi(a); err == nil {
		ms, err = strconv.Atoi(b)
	}
	return count, ms, err
}

// Deterministic tells the time before and after a timer, and whether it replays.
var Deterministic = durable.NewOrchestrator("Deterministic", func(ctx *durable.Context, _ durable.Void) (string, error) {
	const roundTrip = "2006-01-02T15:04:05.0000000Z"
	before := ctx.Now()
	if err := durable.Sleep(ctx, 2*time.Second); err != nil {
		return "", err
	}
	replaying := "False"
	if ctx.IsReplaying() {
		replaying = "True"
	}
	return before.Format(roundTrip) + " " + ctx.Now().Format(roundTrip) + " " + replaying, nil
})

// LargeResult returns n letters from an activity.
var LargeResult = durable.NewOrchestrator("LargeResult", func(ctx *durable.Context, n int) (string, error) {
	return Big.Call(ctx, n).Await()
})

// LargeInput passes its input to an activity and returns its length as .NET counts,
// in UTF-16 code units.
var LargeInput = durable.NewOrchestrator("LargeInput", func(ctx *durable.Context, s Text) (int, error) {
	if _, err := Say.Call(ctx, s).Await(); err != nil {
		return 0, err
	}
	return len(utf16.Encode([]rune(s))), nil
})

// Sender sends an event to another instance.
var Sender = durable.NewOrchestrator("Sender", func(ctx *durable.Context, target Text) (string, error) {
	if err := durable.SendEvent(ctx, string(target), "FromSender", "payload"); err != nil {
		return "", err
	}
	return "sent", nil
})

// Orchestrators returns all orchestrators.
func Orchestrators() []durable.Registrable {
	return []durable.Registrable{
		HelloSequence, Empty, OneActivity, FanOut, Chain, EchoPoint, NoInputs, TimerOnly, Approval, WaitForever, Parent,
		ParentOfFailing, FailsHard, ThrowsSelf, Retries, Counter, FailsNested, EventCounter, CounterWithEvents, Family,
		SubRetries, Deterministic, SlowChain, SlowFan, LargeResult, LargeInput, Sender,
	}
}
