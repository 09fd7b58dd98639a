package interop

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/jsontext"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
)

// patience is how long tests wait for what must happen. It covers a taken lease and a message's lock on a busy machine.
const patience = 4 * time.Minute

// full says whether the long runs are wanted.
func full() bool { return os.Getenv("TASKHUB_FULL") != "" }

// side is one implementation.
type side int

const (
	goSide side = iota
	netSide
)

func (s side) String() string { return [...]string{"Go", ".NET"}[s] }

func (s side) other() side { return 1 - s }

// built says that there is a command to remove.
var built atomic.Bool

// twins is the command of the Go side, built once.
var twins = sync.OnceValues(func() (string, error) {
	built.Store(true)
	dir, err := os.MkdirTemp("", "twins")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "twins")
	out, err := exec.Command("go", "build", "-o", path, "../twins").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return path, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built.Load() {
		if path, err := twins(); err == nil {
			_ = os.RemoveAll(filepath.Dir(path))
		}
	}
	os.Exit(code)
}

// pair is a hub that both sides use.
type pair struct {
	t          *testing.T
	conn, name string
	netConn    string // what .NET workers use: locks and leases are short there
	mode       leases.Mode
	style      durable.ErrorStyle
	commands   [2][]string
	fleet      string // of Go workers; mixed unless set
	hub        *taskhub.Hub
	client     *taskhub.Client
}

// newPair makes a fresh hub for both sides; opened hubs use the changed configuration.
func newPair(t *testing.T, mode leases.Mode, style durable.ErrorStyle) *pair {
	t.Helper()
	peer, conn := testkit.Peer(t), testkit.Conn(t)
	path, err := twins()
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{t: t, conn: conn, netConn: shortLocks(t, conn), name: testkit.Hub(t), mode: mode, style: style}
	p.commands = [2][]string{goSide: {path}, netSide: strings.Fields(peer)}
	return p
}

// open opens the hub for the client of this process.
func (p *pair) open(change ...func(*taskhub.Config)) *taskhub.Client {
	p.t.Helper()
	cfg := taskhub.Config{Name: p.name, Connection: p.conn, LeaseMode: &p.mode, ErrorStyle: p.style, Logger: logger()}
	for _, c := range change {
		c(&cfg)
	}
	hub, err := taskhub.Open(p.within(patience), cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = hub.Close() })
	p.hub, p.client = hub, hub.Client()
	return p.client
}

// logger is quiet unless the tests are verbose.
func logger() *slog.Logger {
	if !testing.Verbose() {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func (p *pair) within(d time.Duration) context.Context { return within(p.t, d) }

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func (p *pair) styleName() string {
	if p.style == durable.SerializedExceptions {
		return "exceptions"
	}
	return "details"
}

func (p *pair) command(ctx context.Context, s side, conn string, args ...string) *exec.Cmd {
	line := append([]string{}, p.commands[s]...)
	line = append(line, args...)
	line = append(line, "--conn", conn, "--hub", p.name, "--mode", p.mode.String(), "--errors", p.styleName())
	return exec.CommandContext(ctx, line[0], line[1:]...)
}

// call runs one verb of a side and returns what it printed.
func (p *pair) call(s side, args ...string) string {
	p.t.Helper()
	out, err := p.try(s, args...)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

func (p *pair) try(s side, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := p.command(ctx, s, p.conn, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%v %s: %w\n%s%s", s, short(strings.Join(args, " ")), err, out, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// workerProcess is a worker that runs as a process of its own.
type workerProcess struct {
	p    *pair
	side side
	cmd  *exec.Cmd
	done chan struct{}
}

// worker starts a worker and waits until it says that it is ready.
func (p *pair) worker(s side, id string, args ...string) *workerProcess {
	p.t.Helper()
	conn := p.conn
	if s == netSide {
		conn = p.netConn
	}
	return p.workerOn(conn, s, id, args...)
}

// workerOn is worker with a way to the storage of its own.
func (p *pair) workerOn(conn string, s side, id string, args ...string) *workerProcess {
	p.t.Helper()
	w, err := p.tryWorkerOn(conn, s, id, args...)
	if err != nil {
		p.t.Fatal(err)
	}
	return w
}

// tryWorkerOn is workerOn for a worker that may not come up, as when the storage is too busy.
func (p *pair) tryWorkerOn(conn string, s side, id string, args ...string) (*workerProcess, error) {
	first := []string{"worker", "--worker", id, "--maxpoll", "500", "--seconds", "900"}
	if s == goSide {
		first = append(first, "--fleet", cmp.Or(p.fleet, "mixed"))
	}
	cmd := p.command(context.Background(), s, conn, append(first, args...)...)
	cmd.Stderr = io.Discard
	if testing.Verbose() {
		cmd.Stderr = os.Stderr
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	w := &workerProcess{p: p, side: s, cmd: cmd, done: make(chan struct{})}
	p.t.Cleanup(w.kill)
	ready := make(chan struct{})
	go func() {
		defer close(w.done)
		lines := bufio.NewReader(out)
		for {
			line, err := lines.ReadString('\n')
			if strings.TrimSpace(line) == "worker ready" {
				close(ready)
				_, _ = io.Copy(io.Discard, lines)
				break
			}
			if err != nil {
				break
			}
		}
		_ = cmd.Wait()
	}()
	select {
	case <-ready:
	case <-w.done:
		return nil, fmt.Errorf("the %v worker ended before it was ready", s)
	case <-time.After(patience):
		return nil, fmt.Errorf("the %v worker does not get ready", s)
	}
	return w, nil
}

// kill ends the worker without a word.
func (w *workerProcess) kill() {
	_ = w.cmd.Process.Kill()
	<-w.done
}

// stop asks a Go worker to drain; a .NET worker ends by itself when the seconds it was given are over.
func (w *workerProcess) stop() {
	w.p.t.Helper()
	if w.side == goSide {
		_ = w.cmd.Process.Signal(syscall.SIGTERM)
	}
	select {
	case <-w.done:
	case <-time.After(patience):
		w.p.t.Errorf("the %v worker does not end", w.side)
		w.kill()
	}
}

// shown is a line of the verbs state, wait and query.
type shown struct {
	Name, Version                               string
	CompletedTime, CreatedTime, LastUpdatedTime string
	ScheduledStartTime                          *string
	Input, Output, Status                       *string
	OrchestrationInstance                       struct{ InstanceId, ExecutionId string }
	OrchestrationStatus                         history.Status
	Tags                                        map[string]string
	Generation                                  int32
}

// parseShown reads such a line. .NET shows the four letters that stand for no custom status as they are.
func parseShown(line string) (*shown, error) {
	var s *shown
	if err := json.Unmarshal([]byte(line), &s); err != nil {
		return nil, fmt.Errorf("%s: %w", short(line), err)
	}
	if s != nil && s.Status != nil && *s.Status == "null" {
		s.Status = nil
	}
	return s, nil
}

// state is what one side's state verb prints of an instance.
func (p *pair) state(s side, id string) (*shown, string) {
	p.t.Helper()
	status, events, _ := strings.Cut(p.call(s, "state", "--id", id), "\n")
	got, err := parseShown(status)
	if err != nil {
		p.t.Fatal(err)
	}
	return got, events
}

// sameState compares what both sides show of instances: the status, and the history byte for byte.
func (p *pair) sameState(ids ...string) {
	p.t.Helper()
	for _, id := range ids {
		net, netEvents := p.state(netSide, id)
		own, ownEvents := p.state(goSide, id)
		a, _ := json.Marshal(net)
		b, _ := json.Marshal(own)
		if !bytes.Equal(a, b) {
			p.t.Errorf("the state of %q differs:\n.NET %s\nGo   %s", id, short(string(a)), short(string(b)))
		}
		if netEvents != ownEvents {
			at := 0
			for at < min(len(netEvents), len(ownEvents)) && netEvents[at] == ownEvents[at] {
				at++
			}
			p.t.Errorf("the history of %q differs at byte %d:\n.NET %s\nGo   %s", id, at, short(netEvents[max(0, at-80):]), short(ownEvents[max(0, at-80):]))
		}
	}
}

// expect waits with the client of this process and compares the end.
func (p *pair) expect(id string, status history.Status, output string) {
	p.t.Helper()
	in, err := p.client.WaitForCompletion(p.within(patience), id, "")
	if err != nil {
		p.t.Errorf("waiting for %q: %v", id, err)
		p.explain(id)
		return
	}
	if got := text(in.Output); in.Status != status || got != output {
		p.t.Errorf("%q is %v with %s; want %v with %s", id, in.Status, short(got), status, short(output))
	}
}

// explain prints what is known of an instance that does not go on.
func (p *pair) explain(id string) {
	p.t.Helper()
	in, err := p.client.GetInstance(p.within(time.Minute), id)
	if err != nil {
		p.t.Logf("%q: %v", id, err)
		return
	}
	events, err := p.client.ExportHistory(p.within(time.Minute), id)
	p.t.Logf("%q is %v, changed %v: %v\n%s", id, in.Status, in.LastUpdatedAt, err, events)
}

// await waits until an instance is in a state.
func (p *pair) await(id string, want history.Status) *durable.Instance {
	p.t.Helper()
	var in *durable.Instance
	p.eventually(fmt.Sprintf("%q is %v", id, want), func() bool {
		var err error
		in, err = p.client.GetInstance(p.within(time.Minute), id)
		return err == nil && in.Status == want
	})
	return in
}

func (p *pair) eventually(what string, condition func() bool) {
	p.t.Helper()
	eventually(p.t, what, condition)
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	if !comesTrue(patience, condition) {
		t.Fatalf("it did not come about that %s", what)
	}
}

// comesTrue waits for a condition that other processes bring about.
func comesTrue(d time.Duration, condition func() bool) bool {
	for deadline := time.Now().Add(d); !condition(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// emptyQueues waits until the hub's queues hold nothing, locked and delayed messages included.
func (p *pair) emptyQueues() {
	p.t.Helper()
	left := map[string]int{}
	ok := comesTrue(patience, func() bool {
		clear(left)
		for i := range p.hub.Partitions() {
			q := p.hub.Queues().Control(i)
			left[q.Name()], _ = q.ApproximateCount(p.within(time.Minute))
		}
		q := p.hub.Queues().WorkItems()
		left[q.Name()], _ = q.ApproximateCount(p.within(time.Minute))
		for _, n := range left {
			if n > 0 {
				return false
			}
		}
		return true
	})
	if !ok {
		p.t.Errorf("messages are left: %v", left)
		for i := range p.hub.Partitions() {
			peeked, err := p.hub.Queues().Control(i).Peek(p.within(time.Minute), 32)
			for _, d := range peeked {
				p.t.Logf("%d, seen %d times: %s", i, d.DequeueCount, short(d.Text))
			}
			if err != nil {
				p.t.Log(err)
			}
		}
	}
}

// blobs are the names of the large values that are kept for an instance.
func (p *pair) blobs(id string) []string {
	p.t.Helper()
	var names []string
	container := p.hub.Account().Blobs().ServiceClient().NewContainerClient(p.hub.Names().LargeMessageContainer())
	prefix := id + "/"
	for pager := container.NewListBlobsFlatPager(&azblob.ListBlobsFlatOptions{Prefix: &prefix}); pager.More(); {
		page, err := pager.NextPage(p.within(time.Minute))
		if err != nil {
			if !storage.IsNotFound(err) {
				p.t.Errorf("list blobs: %v", err)
			}
			return nil
		}
		for _, item := range page.Segment.BlobItems {
			names = append(names, *item.Name)
		}
	}
	return names
}

// parallel runs steps side by side: most of their time is other processes' start.
func parallel(steps ...func()) {
	var wg sync.WaitGroup
	for _, step := range steps {
		wg.Go(step)
	}
	wg.Wait()
}

func text(s *string) string {
	if s == nil {
		return "<none>"
	}
	return *s
}

func short(s string) string {
	const most = 600
	if len(s) > most {
		return s[:most] + fmt.Sprintf("… (%d bytes)", len(s))
	}
	return s
}

// quoted is a JSON string as .NET writes it.
func quoted(s string) string { return string(jsontext.AppendString(nil, s)) }
