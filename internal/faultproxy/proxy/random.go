package proxy

import "math/rand/v2"

// uniform returns a number in [0, 1) that depends on its arguments alone.
func uniform(seed, rule, match uint64) float64 {
	const golden = 0x9e3779b97f4a7c15 // spreads small numbers over all bits
	return rand.New(rand.NewPCG(seed^(rule*golden), match*golden)).Float64()
}
