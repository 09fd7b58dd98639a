// Package activities runs work items: those that partitions of this process hand over, and those it receives from the
// work-item queue for others.
//
// A [Runner] has a number of slots and never takes more than it has room for. A work item stays in the queue,
// invisible and with its lock renewed, for as long as it waits or runs here. When it has ended, its outcome goes
// straight to the session that waits for it if that session lives in this process; the session's partition then
// deletes the work item once the outcome is in the history. Otherwise the outcome is put to the instance's control
// queue, and the work item is deleted after that. Either way a crash leaves the work item for another worker.
package activities
