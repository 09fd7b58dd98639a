package storage

import (
	"net/http"
	"strings"
)

// operation is a kind of request, as counted.
type operation int

const (
	opQueuePut operation = iota
	opQueueGet
	opQueuePeek
	opQueueUpdate
	opQueueDelete
	opQueueClear
	opQueueCreate
	opQueueRemove
	opQueueMetadata
	opQueueOther
	opTableBatch
	opTableQuery
	opTableGet
	opTableInsert
	opTableMerge
	opTableReplace
	opTableDelete
	opTableCreate
	opTableRemove
	opTableOther
	opBlobPut
	opBlobPutBlock
	opBlobPutBlockList
	opBlobGet
	opBlobHead
	opBlobDelete
	opBlobLease
	opBlobOther
	opContainerCreate
	opContainerRemove
	opContainerList
	opContainerLease
	opContainerOther
	operationCount
)

// String returns the name under which the operation is counted.
func (o operation) String() string {
	return [operationCount]string{
		opQueuePut:         "queue.put",
		opQueueGet:         "queue.get",
		opQueuePeek:        "queue.peek",
		opQueueUpdate:      "queue.update",
		opQueueDelete:      "queue.delete",
		opQueueClear:       "queue.clear",
		opQueueCreate:      "queue.create-queue",
		opQueueRemove:      "queue.delete-queue",
		opQueueMetadata:    "queue.metadata",
		opQueueOther:       "queue.other",
		opTableBatch:       "table.batch",
		opTableQuery:       "table.query",
		opTableGet:         "table.get",
		opTableInsert:      "table.insert",
		opTableMerge:       "table.merge",
		opTableReplace:     "table.replace",
		opTableDelete:      "table.delete",
		opTableCreate:      "table.create-table",
		opTableRemove:      "table.delete-table",
		opTableOther:       "table.other",
		opBlobPut:          "blob.put",
		opBlobPutBlock:     "blob.put-block",
		opBlobPutBlockList: "blob.put-block-list",
		opBlobGet:          "blob.get",
		opBlobHead:         "blob.head",
		opBlobDelete:       "blob.delete",
		opBlobLease:        "blob.lease",
		opBlobOther:        "blob.other",
		opContainerCreate:  "blob.create-container",
		opContainerRemove:  "blob.delete-container",
		opContainerList:    "blob.list",
		opContainerLease:   "blob.lease-container",
		opContainerOther:   "blob.container-other",
	}[o]
}

// classify tells the operation from the request. base is the path of the service's endpoint.
func classify(s service, base string, req *http.Request) operation {
	path := strings.Trim(strings.TrimPrefix(req.URL.Path, base), "/")
	switch s {
	case serviceQueue:
		return classifyQueue(path, req)
	case serviceTable:
		return classifyTable(path, req)
	}
	return classifyBlob(path, req)
}

func classifyQueue(path string, req *http.Request) operation {
	queue, rest, _ := strings.Cut(path, "/")
	switch {
	case strings.HasPrefix(rest, "messages/"):
		return byMethod{{http.MethodPut, opQueueUpdate}, {http.MethodDelete, opQueueDelete}}.of(req, opQueueOther)
	case rest == "messages" && req.Method == http.MethodGet && req.URL.Query().Get("peekonly") == "true":
		return opQueuePeek
	case rest == "messages":
		return byMethod{{http.MethodPost, opQueuePut}, {http.MethodGet, opQueueGet}, {http.MethodDelete, opQueueClear}}.of(req, opQueueOther)
	case queue != "" && req.URL.Query().Get("comp") == "metadata":
		return opQueueMetadata
	case queue != "" && !req.URL.Query().Has("comp"):
		return byMethod{{http.MethodPut, opQueueCreate}, {http.MethodDelete, opQueueRemove}}.of(req, opQueueOther)
	}
	return opQueueOther
}

func classifyTable(path string, req *http.Request) operation {
	table, keys, keyed := strings.Cut(path, "(")
	switch {
	case path == "$batch":
		return opTableBatch
	case table == "Tables" && keyed:
		return byMethod{{http.MethodDelete, opTableRemove}}.of(req, opTableOther)
	case table == "Tables":
		return byMethod{{http.MethodPost, opTableCreate}}.of(req, opTableOther)
	case keyed && keys != ")":
		return byMethod{{http.MethodGet, opTableGet}, {http.MethodPut, opTableReplace}, {http.MethodPatch, opTableMerge}, {"MERGE", opTableMerge}, {http.MethodDelete, opTableDelete}}.of(req, opTableOther)
	case table != "":
		return byMethod{{http.MethodGet, opTableQuery}, {http.MethodPost, opTableInsert}}.of(req, opTableOther)
	}
	return opTableOther
}

func classifyBlob(path string, req *http.Request) operation {
	query := req.URL.Query()
	comp := query.Get("comp")
	if query.Get("restype") == "container" || !strings.Contains(path, "/") {
		switch comp {
		case "list":
			return opContainerList
		case "lease":
			return opContainerLease
		case "":
			return byMethod{{http.MethodPut, opContainerCreate}, {http.MethodDelete, opContainerRemove}}.of(req, opContainerOther)
		}
		return opContainerOther
	}
	switch comp {
	case "":
		return byMethod{{http.MethodPut, opBlobPut}, {http.MethodGet, opBlobGet}, {http.MethodHead, opBlobHead}, {http.MethodDelete, opBlobDelete}}.of(req, opBlobOther)
	case "block":
		return opBlobPutBlock
	case "blocklist":
		return byMethod{{http.MethodPut, opBlobPutBlockList}}.of(req, opBlobOther)
	case "lease":
		return opBlobLease
	}
	return opBlobOther
}

// byMethod gives operations that differ in their method only. It is no map, as it is made for every request.
type byMethod []struct {
	method string
	op     operation
}

func (m byMethod) of(req *http.Request, otherwise operation) operation {
	for i := range m {
		if m[i].method == req.Method {
			return m[i].op
		}
	}
	return otherwise
}
