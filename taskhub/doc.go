// Package taskhub opens a task hub on an Azure Storage account, and is the client of its orchestrations.
//
//	hub, err := taskhub.Open(ctx, taskhub.Config{Name: "orders", Connection: os.Getenv("AzureWebJobsStorage")})
//	defer hub.Close()
//	run, err := Checkout.Start(ctx, hub.Client(), order)
//
// A hub is a set of queues, tables and blob containers of one account, laid out as DurableTask.AzureStorage 2.9 lays
// them out. .NET clients can use it at the same time, and .NET workers where its [Fleet] is mixed. [Hub.Ensure], a
// client's start and a worker's start create a missing hub; reads never do, they return a [HubNotFoundError].
//
// A [Client] starts orchestrations, waits for them, queries them, and raises events, terminates, suspends, resumes,
// rewinds, restarts and purges. It checks what it is given before anything is written: an error leaves no message and
// no row behind, except where it says that the outcome is unknown.
package taskhub
