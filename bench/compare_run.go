package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-taskhub/taskhub/internal/faultproxy/proxy"
)

// counter is a proxy in front of the storage and the address that forgets what it has counted.
type counter struct {
	proxy       *proxy.Proxy
	conn, reset string
	control     *http.Server
	done        chan struct{}
}

func newCounter(ctx context.Context, conn string) (*counter, error) {
	target, err := proxy.TargetOf(conn)
	if err != nil {
		return nil, err
	}
	p, err := proxy.New(proxy.Config{Target: target})
	if err != nil {
		return nil, err
	}
	through, err := p.ConnectionString(conn)
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	const headTime = 10 * time.Second
	c := &counter{proxy: p, conn: through, reset: "http://" + l.Addr().String() + "/reset", done: make(chan struct{}),
		control: &http.Server{Handler: p.Control(), ReadHeaderTimeout: headTime}}
	go func() {
		defer close(c.done)
		_ = c.control.Serve(l) // ends with Close
	}()
	return c, nil
}

func (c *counter) close() {
	_ = c.control.Close()
	<-c.done
	_ = c.proxy.Close()
}

// measure lets a system do a job.
func (c *comparison) measure(ctx context.Context, s system, j job) outcome {
	o := outcome{system: s, job: j}
	counted, err := newCounter(ctx, c.conn)
	if err != nil {
		o.err = err
		return o
	}
	defer counted.close()
	var unreadable error
	err = c.command(ctx, s, counted, c.workArgs(s, j, counted)).until(ctx, func(line string) bool {
		if !strings.HasPrefix(line, "{") {
			return false
		}
		o.calls = operations(counted.proxy.Counts()) // before it tidies up
		unreadable = json.Unmarshal([]byte(line), &o)
		return true
	}, nil)
	o.err = errors.Join(err, unreadable)
	if o.err == nil && o.Bad > 0 {
		o.err = fmt.Errorf("%d of %d orchestrations did not end as they should", o.Bad, j.n)
	}
	return o
}

// workArgs are the arguments for a job. Where many are in flight the peer starts them all and then asks for one after the
// other, as it would spend its time on asking otherwise.
func (c *comparison) workArgs(s system, j job, counted *counter) []string {
	const starters = 50
	n, inFlight := strconv.Itoa(j.n), strconv.Itoa(j.inFlight)
	if !s.net() {
		args := []string{"--workload", j.workload, "--n", n, "--concurrency", inFlight, "--fleet", s.fleet, "--mode", s.mode, "--mark", counted.reset}
		if j.workload != "empty" {
			args = append(args, "--input", j.input)
		}
		return args
	}
	args := []string{"bench", "--mode", s.mode, "--name", j.program, "--input", j.input, "--n", n, "--mark", counted.reset}
	if j.inFlight > starters {
		return append(args, "--concurrency", strconv.Itoa(starters), "--batch")
	}
	return append(args, "--concurrency", inFlight)
}

// idle lets every system rest, all at the same time, as none of them needs the machine.
func (c *comparison) idle(ctx context.Context) []outcome {
	systems := c.idlers()
	c.progress("idle: %d systems rest for %v and are watched for %v", len(systems), c.settle, c.seconds)
	outcomes := make([]outcome, len(systems))
	var wg sync.WaitGroup
	for i, s := range systems {
		wg.Go(func() { outcomes[i] = c.rest(ctx, s) })
	}
	wg.Wait()
	return outcomes
}

func (c *comparison) rest(ctx context.Context, s system) outcome {
	o := outcome{system: s, job: job{title: idle, n: 1}}
	counted, err := newCounter(ctx, c.conn)
	if err != nil {
		o.err = err
		return o
	}
	defer counted.close()
	poll := strconv.FormatInt(c.maxPoll.Milliseconds(), 10)
	take := func(string) bool { o.calls = operations(counted.proxy.Counts()); return true }
	if !s.net() {
		args := []string{"--workload", idle, "--fleet", s.fleet, "--mode", s.mode, "--maxpoll", poll, "--mark", counted.reset,
			"--seconds", inText(c.seconds), "--settle", inText(c.settle)}
		o.err = c.command(ctx, s, counted, args).until(ctx, take, nil)
		return o
	}
	const spare = time.Minute
	args := []string{"worker", "--mode", s.mode, "--maxpoll", poll, "--seconds", inText(c.settle + c.seconds + spare)}
	o.err = c.command(ctx, s, counted, args).until(ctx, func(line string) bool { return line == "worker ready" }, func() error {
		if err := pause(ctx, c.settle); err != nil {
			return err
		}
		counted.proxy.Reset()
		err := pause(ctx, c.seconds)
		take("")
		return err
	})
	return o
}

func inText(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

// process is a program to run.
type process struct {
	cmd *exec.Cmd
	net bool
}

// command makes the process of a system, on a fresh hub, through the counter.
func (c *comparison) command(ctx context.Context, s system, counted *counter, args []string) *process {
	// Emulators have a public key, so the peer may get it as an argument; it knows no other way.
	name, conn := c.peer, counted.conn
	if !s.net() {
		name, conn = c.executable, fromEnvironment
	}
	args = append(args, "--conn", conn)
	if s.net() {
		args = append(args, "--hub", freshHub())
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), connVariable+"="+counted.conn)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopLimit
	return &process{cmd: cmd, net: s.net()}
}

// until runs the process, shows its lines to found until that returns true, calls then, and waits for the end. The peer is
// not waited for: its hub is left behind.
func (p *process) until(ctx context.Context, found func(line string) bool, then func() error) error {
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	var complaints strings.Builder
	p.cmd.Stderr = &complaints
	if err := p.cmd.Start(); err != nil {
		return err
	}
	seen := false
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for !seen && lines.Scan() {
		seen = found(lines.Text())
	}
	if seen && then != nil {
		err = then()
	}
	if seen && p.net {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		return err
	}
	ended := p.cmd.Wait()
	if !seen && ended == nil {
		ended = errors.New("it ended without a result")
	}
	if ended != nil && ctx.Err() == nil {
		err = errors.Join(err, fmt.Errorf("%w: %s", ended, strings.TrimSpace(complaints.String())))
	}
	return err
}
