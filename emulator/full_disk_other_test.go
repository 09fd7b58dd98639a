//go:build !unix

package emulator_test

const fullVariable = "TASKHUB_EMULATOR_FULL_DIR"

// fullChild needs limits that only Unix has.
func fullChild(string) int { return 1 }
