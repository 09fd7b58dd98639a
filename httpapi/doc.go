// Package httpapi serves the HTTP management API of Durable Functions for a hub: start, read, list, raise events, terminate,
// suspend, resume, rewind, restart and purge, with the paths, status codes, headers and bodies that every Durable Functions
// client library knows.
//
//	hub, err := taskhub.Open(ctx, cfg)
//	api := httpapi.Handler(hub, httpapi.Config{Keys: map[string]string{"ops": os.Getenv("OPS_KEY")}})
//	http.ListenAndServe(":8080", api)
//
// The API is below /runtime/webhooks/durabletask, and its OpenAPI document at /openapi.json. Mount the handler where no
// [http.ServeMux] comes first, or with a pattern that ends in a slash; a ServeMux redirects paths with "//" and "..".
//
// # Who may use it
//
// Requests carry one of [Config.Keys] as the query parameter code or in the header x-functions-key. Without keys only
// programs on the same machine are served: the connection, the Host header and what a proxy says about its client must all
// be loopback, and pages of other sites may not change anything.
//
// # Where it decides
//
// The versions of the original differ. Here a start or restart over an instance that has not finished is answered with 409,
// a rewind or purge in the wrong state with 412, an empty event is null, and suspending or resuming twice is accepted. A
// purge by filter deletes finished instances only, whatever runtimeStatus says, and nothing when none of its names is known. Bad ids and finished instances get a body
// that says why. Blanks in ids are %20 in links, which all decoders understand, and a plus in a path is a plus. Requests for
// another task hub are answered with 404, for another connection with 400. Entities are not hosted: their routes answer as
// those of a hub without any, and a signal is accepted, logged and dropped. The headers traceparent and tracestate of a start
// are stored with it.
package httpapi
