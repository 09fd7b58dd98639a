package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
)

// startProfile writes a CPU profile to the file until the returned function is called.
func startProfile(file string) (stop func(), err error) {
	if file == "" {
		return func() {}, nil
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, fmt.Errorf("--cpuprofile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("--cpuprofile: %w", err)
	}
	return func() {
		pprof.StopCPUProfile()
		if err := f.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "bench: --cpuprofile:", err)
		}
	}, nil
}

// memoryRate is how many allocated bytes stand behind a sample of the profile, fewer than by default.
const memoryRate = 32 << 10

// startMemoryProfile writes to the file, when the returned function is called, what was allocated since the start.
func startMemoryProfile(file string) (stop func(), err error) {
	if file == "" {
		return func() {}, nil
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, fmt.Errorf("--memprofile: %w", err)
	}
	runtime.MemProfileRate = memoryRate
	return func() {
		runtime.GC() // the profile is as of the last collection
		err := pprof.Lookup("allocs").WriteTo(f, 0)
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench: --memprofile:", err)
		}
	}, nil
}
