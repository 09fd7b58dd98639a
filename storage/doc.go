// Package storage opens an Azure Storage account for the rest of the module: it reads connection strings by the rules
// of the .NET SDK, takes azidentity credentials, and gives out the blob, queue and table clients of the Azure SDK for
// Go behind one pipeline.
//
// # The pipeline
//
// All three clients share these rules:
//
//   - There is one retry layer, ours; the SDK's own is switched off. Retried are answers 408, 429 and 5xx (but 501 and
//     505) and failures of the connection, after a random delay between zero and a bound that doubles with every attempt
//     (full jitter), or after the time that the service's Retry-After asks for. Every request is retried alike, whatever it does: a Put Message or an
//     insert whose answer was lost is sent again, so a message may be put twice, and the second insert may answer 409
//     (or a conditional write 412) although the first one succeeded. [InDoubt] tells errors after which that is possible
//     from those that exclude it. Not retried are: other 4xx answers, failures to obtain a token, a host name that does not
//     exist, certificates that do not verify, requests whose context is done or made by [WithoutRetry], and reading the
//     rest of a blob once its first bytes have arrived (readers of the payloads package resume those themselves).
//   - Every attempt has a deadline, Config.AttemptTimeout, besides the caller's context. It covers the answer's body too;
//     for the download of a blob it is instead the longest time without progress. Waiting for a token, for a free slot
//     (Config.MaxConcurrency) and between attempts does not count.
//   - Every attempt is counted by operation, see [Account.Counts].
//   - No key, signature or token is part of an error, of a log record, or of the printed form of a [Config].
package storage
