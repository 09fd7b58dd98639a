// Package durable is what authors of orchestrations type.
//
// # Activities and orchestrators
//
// An activity is a function that does something: calls a service, writes a file. An
// orchestrator is a function that decides what is done next. Both get a typed handle
// under the name by which histories know them:
//
//	var Hello = durable.NewActivity("Hello", func(ctx context.Context, city string) (string, error) {
//		return "Hello " + city + "!", nil
//	})
//
//	var Cities = durable.NewOrchestrator("Cities", func(ctx *durable.Context, _ durable.Void) ([]string, error) {
//		var out []string
//		for _, city := range []string{"Tokyo", "Seattle", "London"} {
//			greeting, err := Hello.Call(ctx, city).Await()
//			if err != nil {
//				return nil, err
//			}
//			out = append(out, greeting)
//		}
//		return out, nil
//	})
//
// A worker registers the handles, a client starts orchestrations through them:
//
//	run, err := Cities.Start(ctx, client, durable.Void{}, durable.WithInstanceID("tour-7"))
//	greetings, err := run.Wait(ctx)
//
// Code that is hosted elsewhere, perhaps in .NET, or that is bound to its
// dependencies later, is declared with [DeclareActivity] and [DeclareOrchestrator];
// [Activity.With] and [Orchestrator.With] bind it. [CallActivity],
// [CallSubOrchestration] and [Start] take names that are only known at run time.
//
// # What an orchestrator may do
//
// Whatever an orchestrator has decided, and every result it has seen, is kept in its
// history. When the process that ran it is gone, another one runs the function again
// from the start: calls that are in the history return what they returned then, and
// the code arrives where it was. So between two runs it must decide the same:
//
//   - Time, identifiers and random numbers come from [Context.Now], [Context.NewUUID]
//     and [Context.Rand].
//   - I/O belongs into activities. The [Context] is not a context.Context, so that most
//     attempts at anything else do not compile.
//   - Concurrency comes from tasks and from [Go], never from the go statement, channels
//     or locks.
//   - Maps are not ranged over while calling anything.
//
// Code that nevertheless differs from its history ends the instance with a
// [*NonDeterminismError] that tells what was expected, what was found and what to do.
// An orchestrator that blocks on something else than a task is reported with its
// stack. [Patched] and versions let the code of running orchestrations change.
//
// # Tasks
//
// Everything that takes time is a [Task]: it runs from the moment it is made, and
// [Task.Await] waits for its result.
//
//	a, b := Hello.Call(ctx, "Oslo"), Hello.Call(ctx, "Lima")       // side by side
//	greetings, err := durable.WhenAll([]*durable.Task[string]{a, b}) // all of them
//	for i, task := range durable.InOrder(tasks) { … }              // as they finish
//	switch durable.WhenAny(decision, deadline) {                   // the first
//	case deadline:
//	case decision:
//	}
//
// Tasks are made by [Activity.Call], [Orchestrator.Call], [Timer] and [TimerAt],
// [WaitForEvent] and [WaitForAnyEvent], and [Go]. [Sleep] and [Events] wait by
// themselves. [AwaitAll] takes tasks of different types. [WithCancel] cancels what
// belongs together, [WithTimeout] bounds a call or a wait, [WithRetry] repeats a call
// that fails.
//
// # Longer lives
//
// [SendEvent] tells another instance something, [SetCustomStatus] tells clients.
// [ContinueAsNew] begins an orchestration again with an empty history;
// [Context.HistorySize] tells when it is time to. [Orchestrator.Spawn] starts a child
// that nobody waits for.
//
// # Errors
//
// A failed call returns a [*TaskFailedError] or a [*SubOrchestrationFailedError], a
// failed instance an [*InstanceError]. errors.Is and errors.As see through them, and
// through any number of calls, to the errors that caused them: to a [*RemoteError] for
// each, to a [*PanicError] with its stack, and to the types and values given a name by
// [RegisterError] and [RegisterSentinel]. [Permanent] marks errors that a retry cannot
// help. Giving up is an error too: [ErrTimeout], [ErrCanceled].
//
// # In activities
//
// An activity runs at least once, which means that a crash may run it again.
// [ActivityInfo] tells it for whom, and gives a key for services that recognize
// repeated requests; [Heartbeat] reports progress and tells whether to stop.
//
// # Around it all
//
// Payloads are JSON as .NET writes it. A [Converter] changes that:
// [CompressingConverter] and [EncryptingConverter] are two. An [Interceptor] sees every
// client call, orchestration and activity: tracing, metrics and checks are built on it.
//
// The package knows no storage. Package taskhub has the client, package worker runs
// what is defined here.
package durable
