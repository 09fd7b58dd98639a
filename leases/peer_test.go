package leases

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/internal/testkit"
)

const peerName = "net1"

// peer is a .NET worker in a process of its own.
type peer struct {
	cmd    *exec.Cmd
	done   chan struct{}
	output bytes.Buffer
}

// startPeer runs a .NET worker that stops gracefully after the given time.
func startPeer(t *testing.T, hub string, mode Mode, life time.Duration, flags ...string) *peer {
	t.Helper()
	command := strings.Fields(testkit.Peer(t))
	args := append(slices.Clone(command[1:]), "worker", "--conn", testkit.Conn(t), "--hub", hub, "--mode", mode.String(),
		"--worker", peerName, "--seconds", fmt.Sprint(int(life.Seconds())))
	args = append(args, flags...)
	p := &peer{cmd: exec.Command(command[0], args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.Env = append(os.Environ(), "DTFX_APP_NAME=test") // see testWorker.config
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.kill)
	return p
}

func (p *peer) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// sampler compares, all the time, who owns partitions according to storage with what Go workers believe.
type sampler struct {
	t     *testing.T
	hub   layout.Names
	mode  Mode
	blobs *azureBlobs
	rows  *azureRows
	stop  chan struct{}
	done  sync.WaitGroup

	mu     sync.Mutex
	owners map[int]string // by partition, of live leases
	twice  int
}

func newSampler(t *testing.T, hub string, mode Mode, ws ...*testWorker) *sampler {
	account := testkit.Account(t)
	names := testNames(t, hub)
	s := &sampler{
		t: t, hub: names, mode: mode, stop: make(chan struct{}), owners: map[int]string{},
		blobs: newAzureBlobs(account, names.LeaseContainer()), rows: newAzureRows(account, names.PartitionsTable()),
	}
	s.done.Go(func() {
		for {
			select {
			case <-time.After(200 * time.Millisecond):
				s.sample(ws)
			case <-s.stop:
				return
			}
		}
	})
	t.Cleanup(func() {
		close(s.stop)
		s.done.Wait()
	})
	return s
}

func (s *sampler) sample(ws []*testWorker) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	before := make(map[int][]*Lease)
	for _, w := range ws {
		w.mu.Lock()
		for i, l := range w.leases {
			before[i] = append(before[i], l)
		}
		w.mu.Unlock()
	}
	owners := s.read(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owners = owners
	for i, held := range before {
		for _, l := range held {
			// In legacy mode a partition is taken without asking, and its owner learns it at its next renewal.
			if s.mode != Legacy && time.Now().Before(l.Deadline()) && owners[i] == peerName {
				s.twice++
				s.t.Errorf("partition %d belongs to %s, but a Go worker holds it until %v", i, peerName, l.Deadline())
			}
		}
	}
}

func (s *sampler) read(ctx context.Context) map[int]string {
	owners := map[int]string{}
	if s.mode == Table {
		rows, served, err := s.rows.query(ctx)
		if err != nil {
			return owners
		}
		for _, r := range rows {
			for i := range 4 {
				if r.queue == s.hub.ControlQueue(i) && r.currentOwner != "" && served.Sub(r.timestamp) < 30*time.Second {
					owners[i] = r.currentOwner
				}
			}
		}
		return owners
	}
	for i := range 4 {
		name := layout.OwnershipBlob(s.hub.ControlQueue(i))
		if s.mode == Legacy {
			name = layout.LegacyLeaseBlob(s.hub.ControlQueue(i))
		}
		text, _, err := s.blobs.read(ctx, name)
		if err != nil {
			continue
		}
		info, err := s.blobs.head(ctx, name)
		if r, ok := decodeRecord(text); ok && err == nil && info.leased {
			owners[i] = r.owner()
		}
	}
	return owners
}

func (s *sampler) owned(worker string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, owner := range s.owners {
		if owner == worker {
			n++
		}
	}
	return n
}

func peerModes(t *testing.T, f func(t *testing.T, mode Mode)) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	testkit.Peer(t)
	for _, mode := range []Mode{Safe, Legacy, Table} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			f(t, mode)
		})
	}
}

// A Go worker joins a .NET worker, which has everything, and leaves again; then the .NET worker is killed.
func TestPeerFirst(t *testing.T) {
	t.Parallel()
	peerModes(t, func(t *testing.T, mode Mode) {
		hub, g := testkit.Hub(t), newLedger(t)
		account := testkit.Account(t)
		w := newAzureWorker(t, account, hub, g, "go1", withMode(kind{Mode: mode}))
		net := startPeer(t, hub, mode, 10*time.Minute)
		s := newSampler(t, hub, mode, w)
		eventually(t, 3*time.Minute, "net1 owns 4", func() bool { return s.owned(peerName) == 4 })

		begin := time.Now()
		w.start()
		eventually(t, 4*time.Minute, "2 and 2", func() bool { return w.owned() == 2 && s.owned(peerName) == 2 })
		t.Logf("shared %v after the Go worker's start", time.Since(begin))
		other := newAzureWorker(t, account, hub, g, "other", withMode(kind{Mode: mode}), withApp("another application")).start()
		time.Sleep(12 * time.Second)
		if app := other.manager.Status().App; app.State != AppWaiting || !strings.Contains(app.Reason, layout.AppLeaseID("test")) {
			t.Errorf("another application: %+v", app)
		}
		other.shutdown()
		if w.owned() != 2 || s.owned(peerName) != 2 {
			t.Errorf("no rest: %d and %d", w.owned(), s.owned(peerName))
		}

		begin = time.Now()
		w.shutdown()
		eventually(t, 3*time.Minute, "net1 owns 4 again", func() bool { return s.owned(peerName) == 4 })
		t.Logf("net1 has all %v after the Go worker's stop", time.Since(begin))

		w2 := newAzureWorker(t, account, hub, g, "go2", withMode(kind{Mode: mode})).start()
		eventually(t, 10*time.Second, "go2 looks", func() bool { return count(w2, Unknown) == 0 })
		begin = time.Now()
		net.kill()
		eventually(t, 90*time.Second, "go2 owns 4", func() bool { return w2.owned() == 4 })
		t.Logf("go2 has all %v after the kill", time.Since(begin))
	})
}

// A .NET worker joins a Go worker, which has everything, and stops gracefully.
func TestPeerSecond(t *testing.T) {
	t.Parallel()
	peerModes(t, func(t *testing.T, mode Mode) {
		hub, g := testkit.Hub(t), newLedger(t)
		w := newAzureWorker(t, testkit.Account(t), hub, g, "go1", withMode(kind{Mode: mode})).start()
		eventually(t, 30*time.Second, "go1 owns 4", func() bool { return w.owned() == 4 })
		s := newSampler(t, hub, mode, w)
		begin := time.Now()
		const life = 150 * time.Second
		net := startPeer(t, hub, mode, life)
		eventually(t, life, "2 and 2", func() bool { return w.owned() == 2 && s.owned(peerName) == 2 })
		t.Logf("shared %v after net1's start", time.Since(begin))
		<-net.done
		begin = time.Now()
		eventually(t, 30*time.Second, "go1 owns 4 again", func() bool { return w.owned() == 4 })
		t.Logf("go1 has all %v after net1's stop", time.Since(begin))
		if strings.Contains(w.log.String(), "level=ERROR") {
			t.Errorf("%s", w.log)
		}
	})
}

// A .NET worker stays outside of a Go fleet's hub, also after the fleet has stopped, until the app lease is released; and a
// Go fleet's worker stays outside while a .NET worker has the hub, with the app lease or without.
func TestPeerAndGoFleet(t *testing.T) {
	t.Parallel()
	peerModes(t, func(t *testing.T, mode Mode) {
		hub, g, account := testkit.Hub(t), newLedger(t), testkit.Account(t)
		names := testNames(t, hub)
		goFleet := withMode(kind{mode, GoFleet})
		w := newAzureWorker(t, account, hub, g, "go1", goFleet).start()
		eventually(t, 30*time.Second, "go1 owns 4", func() bool { return w.owned() == 4 })
		s := newSampler(t, hub, mode, w)
		net := startPeer(t, hub, mode, 10*time.Minute)
		awaitOutside(t, net, s, func() bool { return w.owned() == 4 })
		w.shutdown()
		awaitOutside(t, net, s, func() bool { return s.owned("go1") == 0 })
		net.kill()

		if err := ReleaseFleet(t.Context(), account, names); err != nil {
			t.Fatal(err)
		}
		net = startPeer(t, hub, mode, 10*time.Minute)
		eventually(t, 3*time.Minute, "net1 owns 4", func() bool { return s.owned(peerName) == 4 })
		w = newAzureWorker(t, account, hub, g, "go2", goFleet).start()
		eventually(t, 90*time.Second, "go2 waits", func() bool {
			s := w.manager.Status()
			return s.App.State == AppWaiting && strings.Contains(s.Conflict, `worker "`+peerName+`"`)
		})
		if info, err := w.manager.app.read(t.Context()); err != nil || orEmpty(info.OwnerID) != layout.AppLeaseID("test") {
			t.Errorf("the app lease is %s's, %v", orEmpty(info.OwnerID), err)
		}
		w.shutdown()
		net.kill()

		startPeer(t, hub, mode, 10*time.Minute, "--applease", "false")
		eventually(t, 3*time.Minute, "net1 owns 4 without the app lease", func() bool { return s.owned(peerName) == 4 })
		w = newAzureWorker(t, account, hub, g, "go3", goFleet).start()
		eventually(t, 90*time.Second, "go3 is refused", func() bool { return strings.Contains(w.manager.Status().Conflict, `worker "`+peerName+`"`) })
		if foreign, err := ForeignWorkers(t.Context(), account, names); err != nil || len(foreign) == 0 || foreign[0].Owner != peerName {
			t.Errorf("%+v, %v", foreign, err)
		}
		if w.owned() != 0 || s.owned(peerName) != 4 {
			t.Errorf("go3 owns %d, %s %d", w.owned(), peerName, s.owned(peerName))
		}
	})
}

// awaitOutside watches for a while that a .NET worker, which has been started, owns nothing.
func awaitOutside(t *testing.T, net *peer, s *sampler, holds func() bool) {
	t.Helper()
	const watch = 25 * time.Second // a .NET worker with the hub to itself would be reading long before
	for begin := time.Now(); time.Since(begin) < watch; time.Sleep(200 * time.Millisecond) {
		if n := s.owned(peerName); n > 0 || isClosed(net.done) {
			t.Fatalf("%s owns %d", peerName, n)
		}
	}
	if !holds() {
		t.Error("the Go worker's partitions are not as they should be")
	}
}
