package proxy

import (
	"net/url"
	"strings"
)

// Operation says what a request asks of a storage service.
type Operation struct {
	Service Service
	// Name is the operation: queue.put, queue.get, queue.peek, queue.update, queue.delete, queue.clear, queue.put.queue …, table.query, table.get,
	// table.insert, table.replace, table.merge, table.delete, table.batch, table.create, table.drop, table.list, and for blobs the method with the
	// comp or restype parameter: blob.put.blob, blob.get.blob, blob.put.lease, blob.get.list, blob.put.container …
	Name string
	// Resource is the path without the account, decoded; of a table query with the query's options.
	Resource string
	// Lease is the lease action, such as "acquire", of blob.put.lease.
	Lease string
	// Agent is the client's User-Agent.
	Agent string
}

func classify(s Service, r *request) Operation {
	rawPath, rawQuery, _ := strings.Cut(r.uri, "?")
	if i := strings.Index(rawPath, "://"); i >= 0 { // absolute form
		_, rest, _ := strings.Cut(rawPath[i+3:], "/")
		rawPath = "/" + rest
	}
	_, rawResource, _ := strings.Cut(strings.TrimPrefix(rawPath, "/"), "/") // the first segment is the account
	resource, err := url.PathUnescape(rawResource)
	if err != nil {
		resource = rawResource
	}
	query, _ := url.ParseQuery(rawQuery) // what cannot be parsed does not count
	op := Operation{Service: s, Resource: resource, Agent: r.agent}
	method := r.method
	if r.fields.method != "" {
		method = r.fields.method
	}
	switch s {
	case Queue:
		op.Name = queueOperation(method, resource, query)
	case Table:
		op.Name = tableOperation(method, resource)
		if op.Name == "table.query" {
			op.Resource += queryOptions(rawQuery)
		}
	default:
		op.Name = blobOperation(method, resource, query)
		if strings.HasSuffix(op.Name, ".lease") {
			op.Lease = r.leaseAction
		}
	}
	return op
}

func queueOperation(method, resource string, query url.Values) string {
	segments := strings.Split(resource, "/")
	verb := strings.ToLower(method)
	switch {
	case len(segments) == 3 && segments[1] == "messages":
		switch method {
		case "PUT":
			return "queue.update"
		case "DELETE":
			return "queue.delete"
		}
	case len(segments) == 2 && segments[1] == "messages":
		switch {
		case method == "POST":
			return "queue.put"
		case method == "GET" && query.Get("peekonly") == "true":
			return "queue.peek"
		case method == "GET":
			return "queue.get"
		case method == "DELETE":
			return "queue.clear"
		}
	case query.Get("comp") != "":
		return "queue." + verb + "." + query.Get("comp")
	}
	return "queue." + verb + ".queue"
}

func tableOperation(method, resource string) string {
	tables := resource == "Tables" || strings.HasPrefix(resource, "Tables(")
	keyed := strings.HasSuffix(resource, ")") && !strings.HasSuffix(resource, "()")
	switch {
	case resource == "$batch":
		return "table.batch"
	case tables && method == "POST":
		return "table.create"
	case tables && method == "DELETE":
		return "table.drop"
	case tables:
		return "table.list"
	case method == "GET" && keyed:
		return "table.get"
	case method == "GET" && resource != "":
		return "table.query"
	case method == "POST":
		return "table.insert"
	case method == "PUT" && keyed:
		return "table.replace"
	case method == "PATCH" || method == "MERGE":
		return "table.merge"
	case method == "DELETE":
		return "table.delete"
	}
	return "table." + strings.ToLower(method) // service properties, table permissions
}

// queryOptions returns the OData options of a query and its continuation, decoded, in the order sent. Other parameters, such as those of a SAS,
// are left out.
func queryOptions(rawQuery string) string {
	var kept []string
	for pair := range strings.SplitSeq(rawQuery, "&") {
		text, err := url.QueryUnescape(pair)
		if err == nil && (strings.HasPrefix(text, "$") || strings.HasPrefix(text, "Next")) {
			kept = append(kept, text)
		}
	}
	if len(kept) == 0 {
		return ""
	}
	return "?" + strings.Join(kept, "&")
}

func blobOperation(method, resource string, query url.Values) string {
	what := query.Get("comp")
	switch {
	case what != "":
	case query.Get("restype") != "":
		what = query.Get("restype")
	case strings.Contains(resource, "/"):
		what = "blob"
	default:
		what = "container"
	}
	return "blob." + strings.ToLower(method) + "." + what
}
