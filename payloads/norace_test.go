//go:build !race

package payloads_test

const largeSize = 100 << 20
