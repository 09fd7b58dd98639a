// Package leases decides which worker owns which control queue of a task hub.
//
// A [Manager] takes its worker's share of the partitions, hands each one to the worker as a [Lease], and gives up what
// other workers are entitled to. What it reads and writes in storage is what DurableTask.AzureStorage 2.9 reads and
// writes, so Go and .NET workers share a hub; three protocols exist, see [Mode].
//
// # Who renews
//
// Nobody but the loop that receives from a partition's queue: it calls [Lease.Renew] when half of the lease's time has
// passed. A loop that hangs, is starved or has died stops asking, and its partition goes to somebody who reads it. The
// manager renews only what is not handed out yet: the claim on a partition whose present owner is still draining it.
//
// A lease's [Lease.Deadline] counts from before the request that obtained or renewed it was sent, by the monotonic
// and by the wall clock, whichever comes first; so it passes before the lease ends at the service. Nothing may be
// written after it.
//
// # When others' leases end
//
// Blob leases end when the service says so. A row of the table manager ends when it has not changed for its own period
// (ExpiresAt minus LastRenewal, 30 s as .NET writes it) by this process's monotonic clock, or when the service's own
// stamps (Timestamp of the row, Date of the answer) show that it has not. The clocks of other workers are never
// compared with ours.
//
// # Two kinds of fleet
//
// In a [MixedFleet] all that is written is what .NET writes. A [GoFleet] marks its leases, uses one lease blob a partition
// in either blob mode (a worker that wants a partition writes its name into the blob's record, and the owner hands over),
// and holds the app lease without end under one name; see [ReleaseFleet], [BreakFleet] and [HoldApp] for how that ends. A
// manager takes nothing while workers of the other kind hold leases.
//
// # What it costs
//
// The renewals of the receive loops: with blob leases one request per partition and renewal (in a mixed fleet's safe mode
// two, one for each of its blobs), with the table manager one transaction for all partitions. The app lease adds one
// request every 25 s, in a Go fleet every minute. A worker that owns every partition lists the lease container every two
// minutes, or queries the partition table every five minutes, and makes no other request.
//
// A worker that does not own every partition stands by for the rest, so that it continues within two seconds after
// another worker's stop: every 1.25 s (Config.Acquire, less a random tenth) it looks at one lease blob of the worker
// that follows it in the order of names and, with more than two workers, at one blob of the others in turn. That is 73,000
// or 146,000 HEAD requests a day, about three or six US cents at Azure's prices; with the table manager it is one query
// instead, 73,000 a day. Partitions that are changing hands are looked at besides, for as long as that takes. Blobs are
// listed at most once a minute while nothing changes.
package leases
