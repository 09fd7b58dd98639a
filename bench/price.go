package main

import "strings"

// List prices in US dollars of 10,000 operations: a general-purpose v2 account, standard performance, locally redundant,
// hot tier, Pay-As-You-Go. Tables and blobs are those of West Europe as of May 2026, queues those of West US as of July
// 2024, the newest snapshots of Microsoft's price list at hand; README.md has the source. Scans are quoted there to two places.
const (
	queueOperation = 0.004 // class 1 and class 2 cost the same

	tableTransaction = 0.0975 // an entity-group transaction, however many rows
	tableWrite       = 0.0325
	tableRead        = 0.0065 // of one row by its keys
	tableScan        = 0.12   // every query, also within a partition
	tableDelete      = 0

	blobWrite  = 0.054 // also listing and creating containers
	blobRead   = 0.0043
	blobOther  = 0.0043 // leases among them
	blobDelete = 0

	pricedBy = 10_000
)

// usd returns the list price of calls by operation, as storage.Counts or the counting proxy name them. Refused calls cost
// what others cost.
func usd(calls map[string]int64) float64 {
	var sum float64
	for operation, n := range calls {
		sum += float64(n) / pricedBy * priceOf(operation)
	}
	return sum
}

func priceOf(operation string) float64 {
	service, name, _ := strings.Cut(operation, ".")
	switch service {
	case "queue":
		return queueOperation
	case "table":
		return tablePrice(name)
	default:
		return blobPrice(name)
	}
}

func tablePrice(name string) float64 {
	switch name {
	case "batch":
		return tableTransaction
	case "get":
		return tableRead
	case "query", "list":
		return tableScan
	case "delete", "drop", "delete-table":
		return tableDelete
	default:
		return tableWrite
	}
}

func blobPrice(name string) float64 {
	switch {
	case strings.Contains(name, "lease"):
		return blobOther
	case strings.HasPrefix(name, "delete"):
		return blobDelete
	case strings.Contains(name, "list"), strings.Contains(name, "container"), strings.HasPrefix(name, "put"):
		return blobWrite
	case strings.HasPrefix(name, "get"):
		return blobRead
	default:
		return blobOther
	}
}
