// Package emulator is Azure Storage inside a Go program: Blob, Queue and Table
// Storage as the Azure SDKs, Azure Storage Explorer and the durable
// orchestrations of this module use them, in memory or on disk, with or
// without sockets.
//
// # Ways to use it
//
// In process, an SDK client gets the server's transport and connection string;
// nothing listens, and every request runs in the goroutine that makes it:
//
//	server, err := emulator.New(emulator.Config{})
//	options := azcore.ClientOptions{Transport: server.Transport()}
//	client, err := azqueue.NewServiceClientFromConnectionString(server.ConnectionString(),
//		&azqueue.ClientOptions{ClientOptions: options})
//
// The server has no goroutine and no timer of its own, so this works inside
// testing/synctest bubbles: visibility, expiry and leases follow the bubble's
// clock. Outside of bubbles Config.Clock does the same for a clock of the
// test's making.
//
// For other processes, [Server.Listen] opens three ports; a port that cannot be
// had is a [ListenError]. [Server.Blob], [Server.Queue] and [Server.Table] are
// the http.Handlers behind them.
//
// # Accounts
//
// Without configuration there is the well-known development account,
// [DevelopmentAccount], with its public key. Requests are signed as in Azure:
// SharedKey, SharedKeyLite, account SAS and service SAS (from version
// 2015-04-05 on) with stored access policies; wrong keys, wrong or expired
// signatures and missing permissions are refused with the service's errors.
// Containers can be public. An address names its account in the path
// (http://127.0.0.1:10000/account/container) or in the host
// (http://account.blob.localhost/container); "account-secondary" is the
// read-only secondary endpoint, which shows the same data.
//
// # Disk
//
// With Config.Dir everything is kept in a directory: an append-only journal
// with checksums, and snapshots that replace its older part, so that the
// directory stays within a small multiple of the data. A request that changes
// something is answered when the change is on disk; requests that arrive
// together share one write (group commit), and nobody is shown what is not on
// disk yet. After a crash, of the process or of the machine, everything that
// was acknowledged is there; what a crash cut off at the end of the journal was
// not, and is dropped. Damage anywhere else is a [CorruptError], and nothing is
// changed then. A directory belongs to one server at a time, others get a
// [LockedError]; one of another format is a [VersionError]. A directory that is
// not there is made, unless the one above it is missing as well, a
// [ParentError]: that path is more likely mistyped.
//
// When the disk is full or fails, every request is answered with InternalError
// from then on; [Server.Failed] tells it and [Server.Err] why. Everything that
// was acknowledged is there when the directory is opened again.
//
// All data is in memory too, so memory bounds what a directory can hold.
//
// # What is there
//
// Queues: create, delete, list, metadata, stored access policies; put, get,
// peek, update, delete and clear messages, with visibility up to seven days,
// time to live, pop receipts and dequeue counts.
//
// Blobs: containers with metadata, policies, public access and leases; block
// blobs put whole or in blocks, ranges, properties, metadata, tiers by name,
// leases, conditional headers, checksums; listings with prefix, delimiter and
// marker.
//
// Tables: create, delete, query; insert, get, merge, replace, upsert, delete,
// query with the whole comparison and logical grammar of $filter, $select, $top
// and continuation tokens; entity-group transactions; the three levels of OData
// metadata; stored access policies.
//
// All services: service properties (kept, without effect) and, on the secondary
// endpoint, statistics; account information.
//
// Limits are the service's: 64 KiB a message and a property, 1 MiB and 252
// properties an entity, 100 operations and 4 MiB a transaction, 1,000 rows a
// page, 50,000 blocks a blob. Only the size of one request body is smaller, see
// Config.MaxBody.
//
// # What is left out
//
// What is not there is refused by name with an error of the service's kind:
// append and page blobs (BlobTypeNotSupported); copying, snapshots, versions,
// soft delete and undelete, tags, blob batches and queries, encryption keys and
// scopes, immutability and legal holds (UnsupportedHeader or
// UnsupportedQueryParameter); the tiers Premium and Archive
// (InvalidHeaderValue); bearer tokens, user delegation SAS and SAS before
// 2015-04-05 (AuthenticationFailed); CORS (CorsPreflightFailure); Atom
// (AtomFormatNotSupported); functions, arithmetic and null in $filter
// (NotImplemented). The root container is addressed as "$root/name", not by the
// name alone. The blobs' hierarchical namespace and the file service do not
// exist.
//
// Three things are simpler than in the service. Deleting a queue, table or
// container takes effect at once, and its name can be used again at once.
// Messages come strictly in the order in which they become visible. A query
// never stops at a partition boundary, only after 1,000 rows or 4 MiB.
//
// The conformance suite in the folder of that name lists where the emulator and
// Azurite differ, and what the service's documentation says.
package emulator
