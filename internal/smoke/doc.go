// Package smoke is the smoke test: one hub, two workers and one of everything that a user does first, against a real account or the nearest thing to it.
//
// With an account's connection string in TASKHUB_SMOKE_CONN, or an account's name in TASKHUB_SMOKE_ACCOUNT (and a sovereign cloud's domain in
// TASKHUB_SMOKE_ENDPOINT_SUFFIX), it runs there; the name is used with whatever azidentity.NewDefaultAzureCredential finds, an "az login" for example, and the
// three roles of docs/security.md. It makes a hub of a random name and deletes it at its end, also when it fails.
//
//	TASKHUB_SMOKE_ACCOUNT=mystorage go test -v -count=1 ./internal/smoke
//
// Without an account, but with the path of Azurite's azurite.js in TASKHUB_AZURITE and node on the PATH, it starts an Azurite that takes tokens over HTTPS, signs in
// to a token service of its own by managed and by workload identity, and runs with these credentials: the whole way from azidentity through the pipeline
// of package storage.
//
// With neither it runs with the embedded storage, so that the scenario itself is always tested, and the parts that need more are skipped.
package smoke
