//go:build seededruntime

package cluster

import _ "unsafe" // for go:linkname

// seedRuntime is provided by the runtime that the command builds, see internal/simulate/build.
//
//go:linkname seedRuntime
func seedRuntime(seed uint64)

// Exact says whether the runtime's own choices follow the seed, too.
const Exact = true
