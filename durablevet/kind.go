package durablevet

// kind is what is wrong with a construct. Where one call has several things wrong,
// the lowest kind is reported first. Facts carry kinds: append only.
type kind uint8

const (
	kindNone kind = iota
	kindClock
	kindTimer
	kindRandom
	kindUUID
	kindIO
	kindExit
	kindGoroutine
	kindChannel
	kindLock
	kindEnvironment
	kindOutput
	kindContext
	kindGlobal
	kindMapOrder
	kindContinueAsNew
	kindReplaying

	kindCount
)

// trait is what a kind means to the reader.
type trait struct {
	// category is the diagnostic's.
	category string
	// why follows the construct's name and says what it does.
	why string
	// instead says what to do where a *durable.Context is at hand.
	instead string
	// elsewhere says what to do in a helper without one.
	elsewhere string
	// mild kinds do no harm as such: inside other people's modules, where a pool, a
	// cache or a debug switch is none of our business, they are not followed.
	mild bool
}

func (k kind) trait() trait {
	switch k {
	case kindClock:
		return trait{"clock", "reads the machine's clock, which shows every replay another time", "use ctx.Now()", "have ctx.Now() passed in", false}
	case kindTimer:
		return trait{"timer", "waits on the machine's clock, which blocks the worker and starts anew in every replay", "use durable.Sleep or durable.Timer",
			"wait in the orchestrator with durable.Sleep or durable.Timer", false}
	case kindRandom:
		return trait{"random", "gives every replay another value", "use ctx.Rand()", "have ctx.Rand() passed in", false}
	case kindUUID:
		return trait{"uuid", "makes another id in every replay", "use ctx.NewUUID()", "have ctx.NewUUID() passed in", false}
	case kindIO:
		return trait{"io", "does I/O, which every replay repeats and whose outcome the history does not keep", "do it in an activity", "do it in an activity", false}
	case kindExit:
		return trait{"exit", "ends the worker with all its instances", "return an error", "return an error", false}
	case kindGoroutine:
		return trait{"goroutine", "starts a goroutine that the scheduler does not know", "use durable.Go", "use durable.Go in the orchestrator, or an activity", true}
	case kindChannel:
		return trait{"channel", "blocks outside the scheduler, and who comes first is not in the history",
			"use tasks with durable.WhenAny, durable.WaitForEvent, or variables shared by durable.Go coroutines",
			"use tasks with durable.WhenAny, durable.WaitForEvent, or variables shared by durable.Go coroutines", true}
	case kindLock:
		return trait{"lock", "can block outside the scheduler, and guards what other instances change", "leave it out: the coroutines of an orchestrator run one at a time",
			"keep shared state out of orchestrators: pass it in the input, or read it in an activity", true}
	case kindEnvironment:
		return trait{"environment", "depends on the machine and process that replay", "pass it in the input, or read it in an activity",
			"pass it in the input, or read it in an activity", true}
	case kindOutput:
		return trait{"output", "prints again in every replay", "use ctx.Logger()", "have ctx.Logger() passed in", true}
	case kindContext:
		return trait{"context", "takes a context.Context, as what does I/O or waits does", "do it in an activity", "do it in an activity", true}
	case kindGlobal:
		return trait{"global", "changes a variable that all instances share, again in every replay", "keep state in local variables",
			"keep state in the orchestrator's local variables", true}
	case kindMapOrder:
		return trait{"maporder", "", "", "", true}
	case kindContinueAsNew:
		return trait{"continueasnew", "", "", "", true}
	case kindReplaying:
		return trait{"replaying", "depends on IsReplaying, so that the replay does something else than what the history has", "do it either way",
			"do it either way", true}
	}
	return trait{}
}
