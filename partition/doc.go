// Package partition runs the orchestrations of one owned control queue.
//
// A [Partition] receives messages from its queue, groups them by instance, brings each instance's session up to
// date, replays the orchestrator, and commits what it decided. One goroutine at a time works on an instance; many
// instances run side by side.
//
// # Order of effects
//
// In a mixed fleet a .NET worker must be able to take over at any instant, and it cannot send again what a dead worker
// failed to send. So every episode goes
//
//	messages, timers and work items are put → history is committed → work items run here → status → triggers are deleted
//
// Work items that will run in this process are put invisible and their receipts kept; a result goes straight to the
// live session, and the work item is deleted only after the commit that holds the result. A crash anywhere leaves
// messages that another worker, Go or .NET, finishes: at worst an activity runs once more.
//
// In a Go fleet whoever loads an instance can tell from its history what has to be sent, so every episode goes
//
//	history is committed → messages are handed over or put, work runs here → status → triggers are deleted
//
// and three things keep it safe. The sentinel names the actions that only the history holds. The instance can be found as
// long as this process alone knows something of it: by a message that is held back, or by a row on the active list. And
// whoever loads an instance carries out again what is named and still open.
//
// # What is recognised
//
// Queues deliver at least once. Results and timers are matched to open actions; starts to the status row, to the
// stored execution and to the parent that asked; events, terminations, suspensions and resumptions to the ids of the
// messages consumed before, which are kept in the column ActivityId of the rows they became.
//
// # Ownership
//
// The loop that receives also renews the lease, so a partition that is not read cannot stay owned. Nothing is written
// after the lease's deadline.
package partition
