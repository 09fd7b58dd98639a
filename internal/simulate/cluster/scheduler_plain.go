//go:build !seededruntime

package cluster

func seedRuntime(uint64) {}

// Exact says whether the runtime's own choices follow the seed, too.
const Exact = false
