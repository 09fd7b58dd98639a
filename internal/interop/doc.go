// Package interop holds the tests in which Go and .NET share one task hub: every operation by the client of one side on
// the worker of the other, hubs handed over in the middle of their work, hubs whose layout Go does not make by itself, and
// hubs with rows, messages and blobs that nobody can read.
//
// Beside them are tests that kill, pause and cut off worker processes, with .NET's among them where it is there, and need
// an account (TASKHUB_TEST_CONN); and one that reads in the logs of proxies who owned which partition when.
//
// The tests next to .NET need the .NET peer (DTFX_PEER) and skip without it. Some run longer, and in more combinations,
// with TASKHUB_FULL=1.
package interop
