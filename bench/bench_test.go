package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/taskhub"
)

// childVariable makes the test program stand in for the command, whose worker processes are itself.
const childVariable = "TASKHUB_BENCH_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(status())
	}
	os.Exit(m.Run())
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--workload nothing":             `--workload "nothing" is not one of chain, empty, events, fanout, idle, local, pipeline, start, subs, timers`,
		"--n 0":                          "--n must be at least 1",
		"--workload idle --n -1":         "--n must be at least 0",
		"--concurrency 0":                "--concurrency",
		"--workers 0":                    "--workers",
		"--input -1":                     "--input must be 0 to",
		"--input 5000000000":             "--input must be 0 to",
		"--partitions 17":                "--partitions",
		"--workload local --fleet mixed": "--workload local is of a Go fleet",
		"--fleet net":                    `--fleet "net" is not one of go, mixed`,
		"--mode fast":                    "--mode",
		"--workload idle --seconds 0":    "--seconds",
		"--maxpoll -1":                   "--maxpoll",
		"--conn=":                        "--conn is empty",
		"chain":                          `"chain" is not a flag`,
		"--surprise":                     "surprise",
		"--n many":                       "many",
		"compare":                        "--conn is missing",
		"compare --conn embedded:":       "--conn",
		"compare --conn UseDevelopmentStorage=true --workloads chain,subs": `"subs" is not one of`,
		"compare --conn UseDevelopmentStorage=true --n 0":                  "--n",
		"compare --conn UseDevelopmentStorage=true more":                   `"more" is not a flag`,
	} {
		err := run(t.Context(), strings.Fields(args), io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v instead of an error with %q", args, err, want)
		}
	}
	if err := run(t.Context(), []string{"-h"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	o, err := parse(nil)
	if err != nil || !o.fresh || o.conn != defaultConn || o.workload != "chain" || o.n != 200 || o.input != 5 || o.fleet != "go" {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err := parse([]string{"--workload", idle, "--maxpoll", "30000"}); err != nil || o.n != 0 || o.settle != time.Minute {
		t.Errorf("idle: %+v, %v", o, err)
	}
	if o, err := parse([]string{"--hub", "Mine"}); err != nil || o.fresh || o.hub != "Mine" {
		t.Errorf("with a hub of its own: %+v, %v", o, err)
	}
}

// bench runs the command and returns its one line.
func bench(t *testing.T, args ...string) (r result) {
	t.Helper()
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := run(ctx, args, &out); err != nil {
		t.Fatalf("%q: %v\n%s", args, err, &out)
	}
	if strings.Count(out.String(), "\n") != 1 || json.Unmarshal(out.Bytes(), &r) != nil {
		t.Fatalf("%q printed %q instead of one line of JSON", args, &out)
	}
	return r
}

// TestWorkloads runs each workload in both fleets. The least number of calls follows from what must be written.
func TestWorkloads(t *testing.T) {
	t.Parallel()
	least := map[string]float64{"empty": 5, "chain": 8, "pipeline": 5, "fanout": 5, "subs": 9, "timers": 6, "events": 9, starting: 2}
	if got, want := slices.Sorted(maps.Keys(least)), slices.Sorted(maps.Keys(workloads)); !slices.Equal(got, want) {
		t.Fatalf("this test knows %v, the command %v", got, want)
	}
	for _, fleet := range []string{"go", "mixed"} {
		for name, calls := range least {
			t.Run(fleet+"/"+name, func(t *testing.T) {
				t.Parallel()
				r := bench(t, "--workload", name, "--fleet", fleet, "--n", "6", "--concurrency", "3", "--input", "3")
				if r.Workload != name || r.Fleet != fleet || r.Bad != 0 || r.Seconds <= 0 || r.Bytes <= 0 || r.AllocBytes == 0 {
					t.Errorf("%+v", r)
				}
				if r.P50ms <= 0 || r.P50ms > r.P95ms || r.P95ms > r.P99ms || math.Abs(r.PerSecond*r.Seconds-6) > 1e-6 {
					t.Errorf("times %+v", r)
				}
				if r.CallsPerOrchestration < calls || r.CallsByOperation["queue.put"] < 6 || r.USDPerMillion <= 0 {
					t.Errorf("calls %+v", r)
				}
			})
		}
	}
}

func TestIdle(t *testing.T) {
	t.Parallel()
	for _, workload := range []string{idle, local} {
		for _, fleet := range []string{"go", "mixed"} {
			if workload == local && fleet == "mixed" {
				continue // which is refused
			}
			t.Run(workload+" "+fleet, func(t *testing.T) {
				t.Parallel()
				r := bench(t, "--workload", workload, "--fleet", fleet, "--n", "3", "--seconds", "0.5", "--settle", "0.1", "--maxpoll", "50")
				if r.Seconds < .5 || r.CallsByOperation["queue.get"] == 0 || r.CallsPerDay <= 0 || r.Bad != 0 {
					t.Errorf("%+v", r)
				}
			})
		}
	}
}

// TestWorkerProcesses counts what workers in other processes do.
func TestWorkerProcesses(t *testing.T) {
	t.Setenv(childVariable, "1")
	r := bench(t, "--workload", "chain", "--workers", "2", "--n", "8", "--concurrency", "8", "--input", "2")
	if r.Bad != 0 || r.Workers != 2 || r.CallsByOperation["table.batch"] < 8*3 {
		t.Errorf("%+v", r)
	}
}

// TestGivenHubStays runs twice on a hub that was there before: a measurement deletes only what it made.
func TestGivenHubStays(t *testing.T) {
	t.Parallel()
	conn := "embedded:" + filepath.Join(t.TempDir(), "storage")
	for range 2 {
		bench(t, "--conn", conn, "--hub", "Kept", "--workload", "empty", "--n", "2")
	}
	hub, err := taskhub.Open(t.Context(), taskhub.Config{Name: "Kept", Connection: conn})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hub.Close() }()
	const all = 2 * (2 + 1) // and one to warm up
	n := 0
	for _, err := range hub.Client().Query(t.Context(), taskhub.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != all {
		t.Errorf("%d instances instead of %d", n, all)
	}
}

// TestCompare runs a small comparison: without the .NET library by default, with it where it is at hand.
func TestCompare(t *testing.T) {
	t.Setenv(childVariable, "1")
	t.Setenv(connVariable, testkit.Conn(t))
	var out bytes.Buffer
	err := run(t.Context(), []string{"compare", "--conn", fromEnvironment, "--peer", os.Getenv(testkit.PeerVariable), "--workloads", "empty,chain,idle", "--n", "4", "--details",
		"--seconds", "1", "--settle", "0.2", "--maxpoll", "100ms"}, &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range []string{"| empty | 50 | mixed | 4 |", "| empty | 50 | Go | 4 |", "table.batch", "The storage by itself takes the writes of", "| Go, lease blobs |", "| mixed, table manager |"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "failed") {
		t.Error(out.String())
	}
}

func TestPrices(t *testing.T) {
	t.Parallel()
	for operation, want := range map[string]float64{
		"queue.put": queueOperation, "queue.get": queueOperation, "queue.put.queue": queueOperation,
		"table.batch": tableTransaction, "table.query": tableScan, "table.get": tableRead, "table.insert": tableWrite, "table.merge": tableWrite,
		"table.replace": tableWrite, "table.delete": tableDelete, "table.create": tableWrite, "table.drop": tableDelete,
		"blob.put.lease": blobOther, "blob.lease": blobOther, "blob.lease-container": blobOther, "blob.put.blob": blobWrite, "blob.put": blobWrite,
		"blob.get": blobRead, "blob.get.blob": blobRead, "blob.head.blob": blobOther, "blob.get.list": blobWrite, "blob.delete": blobDelete,
		"blob.create-container": blobWrite, "blob.put.container": blobWrite, "blob.delete-container": blobDelete,
	} {
		if got := priceOf(operation); got != want {
			t.Errorf("%s costs %v instead of %v", operation, got, want)
		}
	}
	if got, want := usd(map[string]int64{"queue.put": 20_000, "table.batch": 10_000}), 2*queueOperation+tableTransaction; math.Abs(got-want) > 1e-9 {
		t.Errorf("%v instead of %v", got, want)
	}
}

func TestTables(t *testing.T) {
	t.Parallel()
	j := job{"chain of 5", "chain", "Chain", "5", 10, 50}
	outcomes := []outcome{
		{system: system{".NET", "", "table"}, job: j, Seconds: 4, Rate: 2.5, P50: 1000, P99: 2000, calls: map[string]int64{"queue.put": 490}},
		{system: system{"Go", "go", "safe"}, job: j, Seconds: .5, Rate: 20, P50: 100, P99: 200, calls: map[string]int64{"queue.put": 130}},
		{system: system{"mixed", "mixed", "safe"}, job: j, err: errors.New("no")},
	}
	var out bytes.Buffer
	printWork(&out, outcomes)
	for _, want := range []string{
		"| chain of 5 | 50 | .NET | 10 | 4.00 | 2.50 | 1.0 | 1000.0 | 2000.0 | 49.0 | 20 |",
		"| chain of 5 | 50 | Go | 10 | 0.50 | 20 | 8.0 | 100.0 | 200.0 | 13.0 | 5 |",
		"| chain of 5 | 50 | mixed | failed |",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &out)
		}
	}
	out.Reset()
	printIdle(&out, outcomes[:2], time.Minute)
	if want := "| .NET | 490 | 705600 | 8.47 |"; !strings.Contains(out.String(), want) {
		t.Errorf("%q is missing in\n%s", want, &out)
	}
}
