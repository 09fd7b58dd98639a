package main

import (
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/go-taskhub/taskhub/internal/simulate/cluster"
	"github.com/go-taskhub/taskhub/taskhub"
)

// childVariable holds the seed and fleet that a child process is to run: "4711 go".
const childVariable = "TASKHUB_SIMULATE"

// logVariable makes a child write what workers log.
const logVariable = "TASKHUB_SIMULATE_LOG"

// traceVariable makes a child keep so many steps of its trace, also when nothing is wrong.
const traceVariable = "TASKHUB_SIMULATE_TRACE"

// sabotageVariable makes a child lose messages, for the test of the checks.
const sabotageVariable = "TASKHUB_SIMULATE_SABOTAGE"

// harshVariable gives a child's run all kinds of faults.
const harshVariable = "TASKHUB_SIMULATE_HARSH"

// marker begins the line with a child's outcome.
const marker = "outcome: "

// child runs one seed. A process of its own for each makes a seed independent of those before it, and keeps a panic from
// ending the others. Bubbles of testing/synctest exist in tests only, hence the test that is no test.
func child() {
	seedText, fleet, _ := strings.Cut(os.Getenv(childVariable), " ")
	seed, err := strconv.ParseUint(seedText, 10, 64)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	runtime.MemProfileRate = 0
	debug.SetGCPercent(-1) // when it runs, it changes the order in which goroutines do
	debug.SetMemoryLimit(2 << 30)
	var b [32]byte
	for i := range 8 {
		b[i] = byte(seed >> (8 * i))
	}
	rand.Reader = mathrand.NewChaCha8(b)
	testing.Init()
	flag.CommandLine.Init("simulate", flag.ContinueOnError)
	_ = flag.CommandLine.Parse(nil)
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "Simulate", F: func(t *testing.T) {
		most, _ := strconv.Atoi(os.Getenv(traceVariable))
		o := cluster.Options{Seed: seed, Fleet: taskhub.Fleet(fleet), Trace: most, Show: most > 0, Sabotage: os.Getenv(sabotageVariable) != "", Harsh: os.Getenv(harshVariable) != ""}
		if os.Getenv(logVariable) != "" {
			o.Log = slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})
		}
		out := cluster.InBubble(t, o)
		text, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(marker + string(text))
	}}}, nil, nil)
}
