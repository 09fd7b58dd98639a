// Package durablevet is a static analyzer for orchestrators written with
// github.com/go-taskhub/taskhub/durable.
//
// An orchestrator is run again from its start, against its own history, whenever a
// worker has lost it. Everything it does must therefore come out the same each
// time. The analyzer looks for what does not: clocks, random values, goroutines,
// channels, locks, map order, I/O, environment, contexts of the process, shared
// variables; and for a result of durable.ContinueAsNew that goes nowhere.
//
// Where it looks: in every function whose first parameter is a *durable.Context,
// which includes all that is given to durable.NewOrchestrator, Orchestrator.With
// and durable.Go, and in every function such code calls, through any number of
// packages. Activities, that is functions whose first parameter is a
// context.Context, may do what they like.
//
// A finding can be silenced with a reason, on its line or the line above:
//
//	started := time.Now() //durablevet:ignore only measures this process
//
// [Analyzer] works with every driver of golang.org/x/tools/go/analysis; the command
// in cmd/durablevet is for go vet -vettool and for use by itself.
package durablevet
