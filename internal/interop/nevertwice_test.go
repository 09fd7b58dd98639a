package interop

import (
	"fmt"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/faultproxy/proxy"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/leases"
)

// legacyNotice is how long a Go worker may take to find out that .NET's legacy manager has taken a partition from it: it sees that
// at its next renewal, a third of a lease later.
const legacyNotice = 12 * time.Second

// TestNeverOwnedTwice: partitions move between Go and .NET workers that come and go, in each lease mode, while instances are at
// work in all of them. Each worker has a proxy of its own. Their logs show who was granted which partition when, and that no Go
// worker sends a commit for an instance after another worker was granted its partition.
func TestNeverOwnedTwice(t *testing.T) {
	t.Parallel()
	for _, mode := range []leases.Mode{leases.Safe, leases.Table, leases.Legacy} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			testNeverOwnedTwice(t, mode)
		})
	}
}

func testNeverOwnedTwice(t *testing.T, mode leases.Mode) {
	p := newPair(t, mode, durable.FailureDetails)
	proxies := map[string]*proxy.Proxy{}
	begin := func(s side, id string) *workerProcess {
		conn, logged := proxy.Start(t, p.conn, func(c *proxy.Config) { c.Bodies = true })
		proxies[id] = logged
		if s == netSide {
			conn = alwaysShortLocks(t, conn)
		}
		return p.workerOn(conn, s, id)
	}
	first := begin(goSide, "go-one")
	p.open()
	const count, length = 12, 50
	var ids []string
	for i := range count {
		id, input := fmt.Sprintf("chain-%d", i), fmt.Sprintf(`"%dx500"`, length)
		p.begin(goSide, "SlowChain", id, input)
		ids = append(ids, id)
	}
	begin(netSide, "net-one")
	p.eventually("the .NET worker has a partition", func() bool { return p.owned(proxies, "net-one") })
	begin(goSide, "go-two")
	p.eventually("the second Go worker has a partition", func() bool { return p.owned(proxies, "go-two") })
	if full() {
		first.kill()
	} else {
		first.stop()
	}
	for _, id := range ids {
		p.expect(id, history.Completed, fmt.Sprint(length*500))
		p.wellFormed(id, true)
	}
	late := time.Duration(0)
	if mode == leases.Legacy {
		late = legacyNotice
	}
	log := p.ownerLog(proxies)
	if len(log.commits) < count*length {
		t.Errorf("the log has %d commits", len(log.commits))
	}
	isGo := func(worker string) bool { return worker != "net-one" }
	for _, stray := range log.stray(p.queueOf, isGo, late) {
		t.Error(stray)
	}
	moves := 0
	for i := range p.hub.Partitions() {
		names := log.owners(p.hub.Names().ControlQueue(i))
		moves += len(names) - 1
		t.Logf("partition %d was owned by %v", i, names)
	}
	if moves == 0 {
		t.Error("no partition has moved")
	}
}

// ownerLog reads the logs of all proxies.
func (p *pair) ownerLog(proxies map[string]*proxy.Proxy) *ownerLog {
	l := &ownerLog{}
	for id, logged := range proxies {
		l.add(id, logged.Log())
	}
	return l
}

// owned says whether a worker has been granted a partition.
func (p *pair) owned(proxies map[string]*proxy.Proxy, worker string) bool {
	for _, t := range p.ownerLog(proxies).tenures {
		if t.worker == worker {
			return true
		}
	}
	return false
}

func (p *pair) queueOf(instance string) string {
	return p.hub.Names().ControlQueue(layout.Partition(instance, p.hub.Partitions()))
}
