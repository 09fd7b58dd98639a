// Package worker runs orchestrations and activities: it is the process that shares a task hub with others.
//
//	hub, err := taskhub.Open(ctx, taskhub.Config{Name: "orders", Connection: os.Getenv("AzureWebJobsStorage")})
//	w, err := worker.New(hub, worker.Config{})
//	w.Register(Checkout, Charge, Ship)
//	err = w.Run(ctx) // until ctx ends, then drains
//
// A worker owns some of the hub's partitions, each through a lease that its receive loop renews, and runs activities
// in a bounded number of slots. Any number of workers may share a hub, and partitions are spread among them; those of .NET
// may where the hub's fleet is mixed, see Config.Fleet.
package worker
