// Package interop holds the tests in which Go and .NET share one task hub: every operation by the client of one side on
// the worker of the other, hubs handed over in the middle of their work, hubs whose layout Go does not make by itself, and
// hubs with rows, messages and blobs that nobody can read.
//
// The tests next to .NET need the .NET peer (DTFX_PEER) and skip without it. Some run longer, and in more combinations,
// with TASKHUB_FULL=1.
package interop
