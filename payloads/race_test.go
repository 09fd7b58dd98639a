//go:build race

package payloads_test

// largeSize is smaller here: the race detector makes compression ten times slower.
const largeSize = 24 << 20
