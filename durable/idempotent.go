package durable

// IdempotentOption is what [Idempotent] returns.
type IdempotentOption struct{}

// Idempotent says of an activity that it may run more often than once, and also for a call that is taken back. In a hub that
// only Go workers run, such an activity begins before the decision to call it is stored, and the orchestrator goes on with its
// result, so that several steps are stored in one transaction: a chain of short activities takes one commit instead of one for
// each. Elsewhere, and in workers that do not host the activity themselves, the option has no effect.
//
// When the decision cannot be stored, because another worker has taken the instance over or because of a crash, everything
// that followed from it is discarded and decided again, from what is stored and perhaps otherwise. So the activity may have
// run for nothing, with an input that no history shows, and may run twice at the same time. Use the option for what reads,
// computes, or replaces a state as a whole, and not for what charges a card. All other activities begin once the decision to
// call them is stored, and run again only after a crash.
//
// At a definition it holds for all calls, at a call for that one.
func Idempotent() IdempotentOption { return IdempotentOption{} }

func (IdempotentOption) applyActivityDefinition(a *activityDefaults) { a.idempotent = true }
func (IdempotentOption) applyActivity(c *callOptions)                { c.idempotent = true }
