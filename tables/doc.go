// Package tables reads and writes the two tables of a task hub: History, which holds the events of every instance,
// and Instances, which holds one status row per instance.
//
// The layout is that of DurableTask.AzureStorage 2.9, so that .NET workers, clients and viewers read what is written
// here and the other way round:
//
//   - History has one partition per instance. Row keys are the events' positions as 16 hex digits; the row "sentinel"
//     sorts last, names the execution that the rows belong to, and its ETag is what a writer must hold to commit.
//   - Instances has one row per instance, with an empty row key.
//
// Two columns are additions that .NET keeps and ignores: CommitId on the sentinel, which tells a writer that lost the
// answer of a commit whether the commit landed, and ActivityId on the row of a consumed event, the id of the message
// that brought it.
//
// The package is importable but carries no compatibility promise.
package tables
