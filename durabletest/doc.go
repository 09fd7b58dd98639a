// Package durabletest tests orchestrations: without storage, without waiting, and with the same result every time.
//
// # A first test
//
// An [Env] is a task hub and its worker in memory, with a clock of its own. [Mock] puts functions in the place of
// activities, [Run] starts an orchestrator and lets time pass until it has ended:
//
//	func TestCheckout(t *testing.T) {
//		env := durabletest.New(t)
//		durabletest.Mock(env, Charge, func(ctx context.Context, o Order) (Receipt, error) {
//			return Receipt{ID: "r-1"}, nil
//		})
//		env.Register(Ship) // this one runs for real
//
//		run := durabletest.Run(env, Checkout, Order{ID: "o-1"})
//		if run.Err != nil || run.Output != "shipped" {
//			t.Errorf("%q, %v", run.Output, run.Err)
//		}
//		durabletest.AssertCalledWith(env, Charge, Order{ID: "o-1"})
//		env.AssertNotCalled(Refund)
//	}
//
// A mock has the type of what it mocks, or the test does not compile. What is called and neither registered nor mocked
// fails the test with an error that names it. [MockNamed] knows an activity by name only, [MockOrchestrator] answers for
// a child; children that are registered run for real.
//
// # Time and people
//
// No time passes while code runs. When nothing is left to do, the clock jumps to what is due next: a timer, the end of
// an activity that [Behavior.Takes] some time, an event that the test raises. A deadline of a week costs no more than
// one of a second.
//
//	env.RaiseAt(47*time.Hour, "Approve", true)      // somebody approves just in time
//	run := durabletest.Run(env, Approval, request)
//	// run.Elapsed is 47 hours
//
//	env := durabletest.New(t)                       // nobody does
//	run := durabletest.Run(env, Approval, request)
//	// run.Output is "expired", run.Elapsed 48 hours
//
// [Env.SuspendAt], [Env.ResumeAt] and [Env.TerminateAt] do what an operator does. A run that waits for what never comes
// ends with a [*StalledError] that says what it waits for. For orchestrations that never end, start them with
// [Env.Client] and let time pass with [Env.Advance].
//
// # Failures
//
// Mocks fail by returning errors, and [Behavior.FailTimes] lets the next calls fail, mocked or real. Retries wait on the
// virtual clock, so that their waits can be checked without taking any:
//
//	durabletest.Mock(env, Charge, charge).FailTimes(2, ErrBusy)
//	run := durabletest.Run(env, Checkout, order)
//	env.AssertCalledTimes(Charge, 3)
//	for _, timer := range env.Timers() { … timer.Duration() … }
//
// What makes good for a failure is tested the same way:
//
//	durabletest.Mock(env, Ship, func(context.Context, Order) (durable.Void, error) {
//		return durable.Void{}, ErrOutOfStock
//	})
//	run := durabletest.Run(env, Checkout, order)
//	// errors.Is(run.Err, ErrOutOfStock)
//	durabletest.AssertCalledWith(env, Refund, "r-1")
//
// Errors travel as they do on a hub: errors.Is and errors.As find in [Result.Err] what is registered with
// [durable.RegisterSentinel] and [durable.RegisterError].
//
// # What happened
//
// [Env.Calls], [Inputs], [Env.Children], [Env.Timers] and [Env.SentEvents] tell what was decided, [CustomStatuses] what
// clients could see meanwhile, [Inspect] what became of children and of other instances. [Result.History] is the history
// as a worker would have written it, row for row.
//
// # Restarts
//
// On a hub, an orchestrator may be taken out of memory whenever it waits, to be run again from its history, elsewhere or
// by a later process. It works only if it decides the same again. An [Env] does that after every single event, and
// compares all that was decided, inputs included: an orchestrator that reads the clock, a random number or a variable of
// its package fails its first test, with an explanation. Goroutines that an orchestrator leaves behind do so as well.
//
// # Changes
//
// Code must also fit the histories that older code has written, for as long as instances of it run. Export a few from
// production, with the client's ExportHistory or with .NET's GetOrchestrationHistoryAsync, keep them beside the tests,
// and replay them in CI:
//
//	func TestHistories(t *testing.T) {
//		durabletest.ReplayDir(t, "testdata/histories", Checkout, Approval)
//	}
//
// A change that instances under way would not survive fails with the event, what the code did then and does now, and what
// to do about it: guard it with [durable.Patched], or give it a version. [Replayer] has a strict mode, which also notices
// what a worker does not.
package durabletest
