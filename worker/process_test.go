package worker_test

import (
	"bufio"
	"cmp"
	"context"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// Environment of a test binary that is to be a worker process.
const (
	childHub   = "TASKHUB_TEST_WORKER_HUB"
	childConn  = "TASKHUB_TEST_WORKER_CONN"
	childLease = "TASKHUB_TEST_WORKER_LEASE"
	childMode  = "TASKHUB_TEST_WORKER_MODE"
	// childStarve lets SIGUSR1 starve the process: it has one processor for thousands of goroutines that never rest.
	childStarve = "TASKHUB_TEST_WORKER_STARVE"
)

// beWorker makes this process a worker when its environment says so.
func beWorker() (isWorker bool, code int) {
	if os.Getenv(childHub) == "" {
		return false, 0
	}
	if err := runChild(); err != nil {
		println(err.Error())
		return true, 1
	}
	return true, 0
}

func runChild() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	mode, err := leases.ParseMode(os.Getenv(childMode))
	if err != nil {
		return err
	}
	lease, err := time.ParseDuration(os.Getenv(childLease))
	if err != nil {
		return err
	}
	hub, err := taskhub.Open(ctx, taskhub.Config{Name: os.Getenv(childHub), Connection: os.Getenv(childConn), LeaseMode: &mode})
	if err != nil {
		return err
	}
	defer func() { _ = hub.Close() }()
	w, err := worker.New(hub, worker.Config{
		LeaseDuration: lease, MaxPoll: 500 * time.Millisecond, Fleet: worker.Fleet(cmp.Or(os.Getenv("TASKHUB_TEST_FLEET"), "mixed")),
	})
	if err != nil {
		return err
	}
	if err := w.Register(twins()...); err != nil {
		return err
	}
	if err := w.Start(ctx); err != nil {
		return err
	}
	if os.Getenv(childStarve) != "" {
		starveOnSignal()
	}
	if err := w.WaitReady(ctx); err == nil {
		_, _ = os.Stdout.WriteString("worker ready\n")
	}
	<-ctx.Done()
	end, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return w.Stop(end)
}

func starveOnSignal() {
	runtime.GOMAXPROCS(1)
	hungry := make(chan os.Signal, 1)
	signal.Notify(hungry, starveSignal)
	go func() {
		<-hungry
		for range 5000 { // each has the processor for ten milliseconds at a time
			go func() {
				for n := 0; ; n++ {
					_ = n
				}
			}()
		}
	}()
}

// fleetOf is a hub for worker processes with leases of 15 seconds.
type fleetOf struct {
	t    *testing.T
	hub  *taskhub.Hub
	conn string
	mode leases.Mode
}

func newFleetOf(t *testing.T, mode leases.Mode) *fleetOf {
	t.Helper()
	if testing.Short() {
		t.Skip("takes a lease period")
	}
	f := &fleetOf{t: t, conn: testkit.Conn(t), mode: mode}
	f.hub = newHub(t, func(c *taskhub.Config) { c.LeaseMode = &mode })
	return f
}

// begin starts a worker process and waits until it owns a partition or waits for one.
func (f *fleetOf) begin(more ...string) *exec.Cmd {
	f.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childHub+"="+f.hub.Name(), childConn+"="+f.conn, childLease+"=15s", childMode+"="+f.mode.String())
	cmd.Env = append(cmd.Env, more...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	if lines := bufio.NewScanner(out); !lines.Scan() || lines.Text() != "worker ready" {
		f.t.Fatal("the worker process ended before it was ready")
	}
	return cmd
}

// chains starts chains of one-second activities and waits until all have begun.
func (f *fleetOf) chains(count, length int) (ids []string) {
	f.t.Helper()
	for range count {
		ids = append(ids, start(f.t, f.hub, "SlowChain", `"`+strconv.Itoa(length)+`x1000"`))
	}
	for _, id := range ids {
		eventually(f.t, "it has begun", func() bool { // a short chain may have ended while another one is looked at
			in, err := f.hub.Client().GetInstance(within(f.t, patience), id)
			return err == nil && in.Status != history.Pending
		})
	}
	return ids
}

// finish waits until all chains have ended, with the right results.
func (f *fleetOf) finish(ids []string, length int) {
	f.t.Helper()
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() { expect(f.t, wait(f.t, f.hub, id), history.Completed, strconv.Itoa(length*1000)) })
	}
	wg.Wait()
}

// TestKilledWorkerProcess: after a kill -9 of one of two workers the other one finishes everything, soon.
func TestKilledWorkerProcess(t *testing.T) {
	t.Parallel()
	for _, mode := range []leases.Mode{leases.Safe, leases.Table} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			f := newFleetOf(t, mode)
			length := 3
			if full() {
				length = 10
			}
			victim := f.begin()
			f.begin()
			time.Sleep(5 * time.Second) // the partitions are shared out; an uneven share would only be easier
			began := time.Now()
			ids := f.chains(8, length)
			time.Sleep(time.Second) // in the middle of the work
			if err := victim.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			killed := time.Now()
			f.finish(ids, length)
			left := time.Duration(length)*time.Second - killed.Sub(began)
			over := time.Since(killed) - left
			t.Logf("everything was finished %v after the kill, %v beyond the remaining work", time.Since(killed), over)
			if full() && over > 20*time.Second {
				t.Errorf("it took %v beyond the remaining work, more than 20 s", over)
			}
		})
	}
}

// TestPausedWorkerProcess: a worker process that stands still loses its partitions, and does no harm when it goes on.
func TestPausedWorkerProcess(t *testing.T) {
	t.Parallel()
	needSignals(t)
	f := newFleetOf(t, leases.Safe)
	const length = 3
	paused := f.begin()
	ids := f.chains(4, length)
	send(t, paused.Process, pauseSignal)
	f.begin()
	f.finish(ids, length)
	send(t, paused.Process, goOnSignal)
	more := f.chains(4, 1) // on whichever of the two
	f.finish(more, 1)
	for _, id := range ids {
		events, err := f.hub.Client().History(within(t, patience), id)
		if err != nil {
			t.Fatal(err)
		}
		done := 0
		for _, e := range events {
			if e.Kind() == history.KindTaskCompleted {
				done++
			}
		}
		if done != length {
			t.Errorf("the history of %s has %d results for %d activities", id, done, length)
		}
	}
}
