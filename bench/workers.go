package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/emulator"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// counts are the storage calls and allocations of some processes.
type counts struct {
	Calls map[string]int64
	Bytes int64
	Alloc uint64
}

// countsOf reads the counters of this process.
func countsOf(account *storage.Account) counts {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	c := account.Counts()
	return counts{Calls: c.Calls, Bytes: c.BytesSent + c.BytesReceived, Alloc: m.TotalAlloc}
}

func (c counts) sub(before counts) counts {
	d := counts{Calls: map[string]int64{}, Bytes: c.Bytes - before.Bytes, Alloc: c.Alloc - before.Alloc}
	for op, n := range c.Calls {
		if n -= before.Calls[op]; n != 0 {
			d.Calls[op] = n
		}
	}
	return d
}

func (c *counts) add(more counts) {
	if c.Calls == nil {
		c.Calls = map[string]int64{}
	}
	for op, n := range more.Calls {
		c.Calls[op] += n
	}
	c.Bytes += more.Bytes
	c.Alloc += more.Alloc
}

func (c counts) total() (n int64) {
	for _, k := range c.Calls {
		n += k
	}
	return n
}

// shareStorage lets several processes reach an embedded storage, which belongs to one: this one then listens for all.
func (o *options) shareStorage(ctx context.Context) (stop func(), err error) {
	dir, embedded := strings.CutPrefix(o.conn, defaultConn)
	if !embedded || o.workers == 1 {
		return func() {}, nil
	}
	server, err := emulator.New(emulator.Config{Dir: dir})
	if err != nil {
		return nil, err
	}
	listener, err := server.Listen(context.WithoutCancel(ctx), emulator.ListenConfig{})
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	o.conn = listener.ConnectionString()
	return func() {
		if err := errors.Join(listener.Close(), server.Close()); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}, nil
}

// startWorker runs a worker in this process.
func startWorker(ctx context.Context, hub *taskhub.Hub, o options) (*worker.Worker, error) {
	cfg := worker.Config{Fleet: worker.Fleet(o.fleet), MaxPoll: o.maxPoll}
	if o.workload == local {
		cfg.MaxActivities = 1
	}
	w, err := worker.New(hub, cfg)
	if err != nil {
		return nil, err
	}
	if err := w.Register(append(orchestrators(), activities()...)...); err != nil {
		return nil, err
	}
	if err := w.Start(ctx); err != nil {
		return nil, err
	}
	if err := w.WaitReady(ctx); err != nil {
		stopWithin(w.Stop)
		return nil, err
	}
	return w, nil
}

// startWorkers starts the workers and returns how to stop them and how to read all processes' counts.
func startWorkers(ctx context.Context, o options, hub *taskhub.Hub) (stop func(), read func() (counts, error), err error) {
	own := func() (counts, error) { return countsOf(hub.Account()), nil }
	if o.workload == starting {
		return func() {}, own, nil
	}
	if o.workers == 1 {
		w, err := startWorker(ctx, hub, o)
		if err != nil {
			return nil, nil, err
		}
		return func() { stopWithin(w.Stop) }, own, nil
	}
	var children []*child
	stop = func() {
		for _, c := range children {
			c.stop()
		}
	}
	for range o.workers {
		c, err := spawn(ctx, o)
		if err != nil {
			stop()
			return nil, nil, err
		}
		children = append(children, c)
	}
	return stop, func() (counts, error) {
		total, err := own()
		for _, c := range children {
			more, e := c.counts()
			total.add(more)
			err = errors.Join(err, e)
		}
		return total, err
	}, nil
}

// stopLimit is how long a worker may take to stop.
const stopLimit = 20 * time.Second

func stopWithin(stop func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	if err := stop(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}

// child is a worker process. It answers every line on its standard input with its counts, and stops at the end of it.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func spawn(ctx context.Context, o options) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "--child", "--conn", fromEnvironment, "--hub", o.hub, "--workload", o.workload, "--fleet", o.fleet,
		"--mode", o.mode.String(), "--maxpoll", strconv.FormatInt(o.maxPoll.Milliseconds(), 10))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it stops in order
	cmd.WaitDelay = stopLimit
	cmd.Env = append(os.Environ(), connVariable+"="+o.conn)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, in: in, out: bufio.NewScanner(out)}
	if _, err := c.counts(); err != nil { // answered once it is ready
		c.stop()
		return nil, err
	}
	return c, nil
}

func (c *child) counts() (counts, error) {
	var got counts
	if _, err := io.WriteString(c.in, "counts\n"); err != nil {
		return got, err
	}
	if !c.out.Scan() {
		return got, errors.New("a worker process ended early")
	}
	return got, json.Unmarshal(c.out.Bytes(), &got)
}

func (c *child) stop() {
	_ = c.in.Close()
	_ = c.cmd.Wait()
}

// runChild is the worker process: it answers lines until its standard input ends.
func runChild(ctx context.Context, o options, in io.Reader, out io.Writer) error {
	hub, err := taskhub.Open(ctx, taskhub.Config{Name: o.hub, Connection: o.conn, LeaseMode: o.mode})
	if err != nil {
		return err
	}
	defer func() { _ = hub.Close() }()
	w, err := startWorker(ctx, hub, o)
	if err != nil {
		return err
	}
	defer stopWithin(w.Stop)
	lines, answers := bufio.NewScanner(in), json.NewEncoder(out)
	for lines.Scan() {
		if err := answers.Encode(countsOf(hub.Account())); err != nil {
			return err
		}
	}
	return lines.Err()
}
