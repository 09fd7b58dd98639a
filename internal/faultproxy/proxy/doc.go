// Package proxy stands between any worker or client of a task hub, .NET ones included, and a storage endpoint on this machine. It records and counts
// every operation, and disturbs those that its rules name: refusals, lost connections and answers, delays, hangs, duplicates, truncated answers.
//
// Requests and answers pass byte for byte: heads are forwarded as they came and bodies as they are framed, so SharedKey and SAS signatures, which
// cover the path and some headers but not the host, stay valid. Each connection of a client has one of its own to the target; both are kept alive.
//
// Which operations a rule picks depends on the seed and on how many operations matched before, not on time: equal traffic meets equal faults.
package proxy
