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
	"time"

	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
)

// counts are the storage calls of some processes.
type counts struct {
	Calls map[string]int64
	Bytes int64
}

func countsOf(c storage.Counts) counts {
	return counts{Calls: c.Calls, Bytes: c.BytesSent + c.BytesReceived}
}

func (c counts) sub(before counts) counts {
	d := counts{Calls: map[string]int64{}, Bytes: c.Bytes - before.Bytes}
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
}

func (c counts) total() (n int64) {
	for _, k := range c.Calls {
		n += k
	}
	return n
}

// startWorkers starts the workers and returns how to stop them and how to read all processes' counts.
func startWorkers(ctx context.Context, o options, hub *taskhub.Hub) (stop func(), read func() (counts, error), err error) {
	own := func() (counts, error) { return countsOf(hub.Account().Counts()), nil }
	if o.workers == 1 {
		w, err := startWorker(ctx, hub)
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

func stopWithin(stop func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
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
	cmd := exec.CommandContext(ctx, self, "--child", "--conn", "-", "--hub", o.hub)
	// The connection string goes by the environment: arguments can be read by every user of the machine.
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
	_, err = c.counts() // answered once it is ready
	return c, err
}

const connVariable = "TASKHUB_BENCH_CONN"

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

func runChild(ctx context.Context, o options) error {
	hub, err := taskhub.Open(ctx, taskhub.Config{Name: o.hub, Connection: os.Getenv(connVariable)})
	if err != nil {
		return err
	}
	defer func() { _ = hub.Close() }()
	w, err := startWorker(ctx, hub)
	if err != nil {
		return err
	}
	defer stopWithin(w.Stop)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		text, err := json.Marshal(countsOf(hub.Account().Counts()))
		if err != nil {
			return err
		}
		fmt.Println(string(text))
	}
	return lines.Err()
}
