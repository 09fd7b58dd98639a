// Package replay is the deterministic scheduler under orchestrators.
//
// A [Session] is one execution of one instance held in memory. [Session.Advance]
// feeds it history events in order; between two events every body that can run
// runs until it waits again. What the bodies decided comes back as a [Turn].
// Package durable builds what authors type on the other half of Session: the
// methods that may only be called from inside a body.
//
// Each body is a goroutine of its own. Exactly one of them, or the caller of
// Advance, runs at any time; the turn is handed over through channels. A parked
// goroutine that stays between two calls of Advance is the live session: nothing
// needs to be replayed when the next event arrives. Unloading ends the goroutines
// with runtime.Goexit, which user code cannot swallow with recover.
package replay
