// Package layout knows the names a task hub has on Azure Storage: its queues, tables, containers, blobs and
// table keys, and the hash that gives an instance its control queue. Everything here is what
// DurableTask.AzureStorage 2.9 uses, so that Go and .NET processes meet in the same places; the tables Active,
// DeadLetters, Schedules and Limits are additions that .NET does not look at.
//
// The package does no I/O and imports no other room.
package layout
