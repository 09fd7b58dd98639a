// Package queues sends and receives the messages of a task hub: one control queue for each partition, in which
// instances get their messages, and one queue of work items, from which activities are run. Encoding, size limits and
// the blobs of large messages are those of DurableTask.AzureStorage 2.9.
//
// Messages may arrive more than once, and a message whose Put failed may be there nevertheless: requests are sent
// again when their answer is lost. Receivers have to recognise copies.
package queues
