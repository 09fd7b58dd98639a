package layout

import "fmt"

const (
	fnvOffset = 2166136261
	fnvPrime  = 16777619
)

// Partition returns the index of the control queue of an instance: FNV-1a (32 bits) over the UTF-8 bytes of the id,
// as given and not escaped, modulo the number of partitions. It panics when partitions is not positive.
func Partition(instanceID string, partitions int) int {
	if partitions < MinPartitions {
		panic(fmt.Sprintf("layout: Partition called with %d partitions", partitions))
	}
	return int(fnv1a(instanceID) % uint32(partitions))
}

// AppLeaseID returns the lease id of an application's app lease, which all its workers share: the FNV-1a hash of the
// application's name in the shape of a GUID.
func AppLeaseID(appName string) string {
	return fmt.Sprintf("%08x-0000-0000-0000-000000000000", fnv1a(appName))
}

func fnv1a(s string) uint32 {
	h := uint32(fnvOffset)
	for i := range len(s) {
		h ^= uint32(s[i])
		h *= fnvPrime
	}
	return h
}
