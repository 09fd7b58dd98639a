// Package partition runs the orchestrations of one owned control queue.
//
// A [Partition] receives messages from its queue, groups them by instance, brings each instance's session up to
// date, replays the orchestrator, and commits what it decided. One goroutine at a time works on an instance; many
// instances run side by side.
//
// # Order of effects
//
// The hub is a mixed fleet: a .NET worker must be able to take over at any instant, and it cannot send again what a
// dead worker failed to send. So every episode goes
//
//	messages, timers and work items are put → history is committed → work items run here → status → triggers are deleted
//
// Work items that will run in this process are put invisible and their receipts kept; a result goes straight to the
// live session, and the work item is deleted only after the commit that holds the result. A crash anywhere leaves
// messages that another worker, Go or .NET, finishes: at worst an activity runs once more.
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
