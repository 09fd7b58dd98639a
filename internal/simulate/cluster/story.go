package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
)

// story is an instance and what clients do with it.
type story struct {
	id      string
	plot    string // what happens besides starting and waiting
	script  Script
	events  []string // to be raised
	status  history.Status
	output  string
	purged  bool
	rnd     *rand.Rand
	after   *story // which has to be started first
	started chan struct{}
	raised  map[string]int // how often clients put each event
	limit   time.Time
	account *storage.Account
	port    *port
	hub     *taskhub.Hub
}

// plot invents the stories of the run.
func (w *world) plot() {
	n := 2 + w.rnd.IntN(5)
	for i := range n {
		s := &story{id: fmt.Sprintf("i%d", i+1), status: history.Completed, started: make(chan struct{}), raised: map[string]int{}, rnd: rand.New(rand.NewPCG(w.opts.Seed, 100+uint64(i)))}
		s.script, s.events = w.writer.script(1+w.rnd.IntN(6), 2, true)
		s.limit = w.faults.until.Add(12 * time.Minute)
		w.twist(s)
		w.stories = append(w.stories, s)
	}
	for i, s := range w.stories[1:] { // some send to an earlier one
		if to := w.stories[i]; len(to.events) > 0 && w.rnd.IntN(3) == 0 && s.plot != "terminate" {
			s.after = to
			s.script.Ops = append(s.script.Ops, Op{Send: &Letter{To: to.id, Name: to.events[0]}})
			to.events = to.events[1:]
		}
	}
	for _, s := range w.stories {
		s.output = s.script.Output()
	}
}

// twist adds what makes a story special.
func (w *world) twist(s *story) {
	switch w.rnd.IntN(9) {
	case 0:
		s.plot, s.status = "terminate", history.Terminated
		s.script.Ops, s.events = []Op{s.script.Ops[0], {Wait: "never"}}, nil
		if s.script.Ops[0].Wait != "" {
			s.script.Ops = s.script.Ops[1:]
		}
	case 1:
		s.plot = "suspend"
	case 2:
		s.plot = "rewind"
		step := w.writer.step()
		step.Fails, step.Until = 0, s.id
		s.script.Ops = append(s.script.Ops, Op{Act: &step})
	case 3:
		if len(s.events) == 0 && s.script.repeatable() {
			s.plot = "restart"
		}
	case 4:
		s.plot, s.purged = "purge", true
	case 6:
		if len(s.events) == 0 && s.script.repeatable() {
			s.plot = "again"
		}
	case 5:
		var names []string
		for range 1 + w.rnd.IntN(5) {
			names = append(names, w.writer.id("G"))
		}
		s.plot = "gather"
		s.script.Ops = append(s.script.Ops, Op{Gather: names})
	}
}

// tell is the client of a story.
func (w *world) tell(s *story) {
	if err := w.meet(s); err != nil {
		w.violate("%s: %v", s.id, err)
		close(s.started)
		return
	}
	defer s.account.Close()
	s.nap(6 * time.Second)
	if s.after != nil {
		<-s.after.started
	}
	w.start(s)
	close(s.started)
	switch s.plot {
	case "terminate":
		s.nap(20 * time.Second)
		w.do(s, "terminate", func(ctx context.Context, c *taskhub.Client) error {
			return accept(c.Terminate(ctx, s.id, "enough"), taskhub.ErrInstanceFinished)
		})
		s.output = "enough"
	case "suspend":
		w.suspend(s)
	case "gather":
		for _, op := range s.script.Ops {
			for _, g := range op.Gather {
				w.raise(s, "gather", g)
			}
		}
	}
	for _, e := range s.events {
		s.nap(5 * time.Second)
		w.raise(s, e, e)
	}
	if s.plot == "rewind" {
		w.rewind(s)
	}
	w.await(s)
	if s.plot == "restart" {
		w.do(s, "restart", func(ctx context.Context, c *taskhub.Client) error {
			_, err := c.Restart(ctx, s.id, taskhub.RestartSameID())
			return accept(err, taskhub.ErrInstanceNotFinished)
		})
		w.await(s)
	}
	if s.plot == "again" {
		w.again(s)
		w.await(s)
	}
	if s.purged {
		w.do(s, "purge", func(ctx context.Context, c *taskhub.Client) error {
			_, err := c.Purge(ctx, s.id)
			return accept(err, taskhub.ErrInstanceNotFound)
		})
	}
}

// again purges the instance and starts another one with its id.
func (w *world) again(s *story) {
	w.do(s, "purge and start", func(ctx context.Context, c *taskhub.Client) error {
		if _, err := c.Purge(ctx, s.id, taskhub.PurgeUnfinished()); err != nil && !errors.Is(err, taskhub.ErrInstanceNotFound) {
			return err
		}
		return w.startOnce(ctx, c, s)
	})
}

func accept(err error, fine ...error) error {
	for _, f := range fine {
		if errors.Is(err, f) {
			return nil
		}
	}
	return err
}

func (w *world) meet(s *story) (err error) {
	if s.port, s.account, err = w.connect("client-" + s.id); err != nil {
		return err
	}
	for {
		if s.hub, err = taskhub.Open(w.ctx, w.hubConfig(s.account)); err == nil || time.Now().After(s.limit) {
			return err
		}
		time.Sleep(time.Second)
	}
}

func (s *story) nap(most time.Duration) { time.Sleep(time.Duration(s.rnd.Int64N(int64(most)))) }

// do repeats an operation until it succeeds, as a careful client does. Often it is a worker's own client that makes it.
func (w *world) do(s *story, what string, op func(context.Context, *taskhub.Client) error) {
	for {
		ctx, cancel := context.WithTimeout(w.ctx, 40*time.Second)
		err := op(ctx, w.client(s))
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(s.limit) {
			w.violate("%s: %s does not succeed: %v", s.id, what, err)
			return
		}
		s.nap(3 * time.Second)
	}
}

func (w *world) client(s *story) *taskhub.Client {
	w.mu.Lock()
	defer w.mu.Unlock()
	if pick := s.rnd.IntN(2*len(w.nodes) + 1); pick < len(w.nodes) {
		if n := w.nodes[pick]; n.hub != nil && !n.dead && !n.leaving {
			return n.hub.Client()
		}
	}
	return s.hub.Client()
}

func (w *world) start(s *story) {
	w.do(s, "start", func(ctx context.Context, c *taskhub.Client) error {
		return accept(w.startOnce(ctx, c, s), taskhub.ErrInstanceExists)
	})
}

func (w *world) startOnce(ctx context.Context, c *taskhub.Client, s *story) error {
	input, err := json.Marshal(s.script)
	if err != nil {
		panic(err)
	}
	text := string(input)
	_, err = c.StartOrchestration(ctx, durable.StartRequest{Name: "Play", InstanceID: s.id, Input: &text, Reuse: []history.Status{}})
	return err
}

func (w *world) raise(s *story, name, payload string) {
	w.do(s, "raise "+name, func(ctx context.Context, c *taskhub.Client) error {
		w.mu.Lock()
		s.raised[payload]++
		again := s.raised[payload] > 1
		w.mu.Unlock()
		err := c.RaiseEvent(ctx, s.id, name, payload)
		if again { // it may have arrived before, and been the last that the instance waited for
			return accept(err, taskhub.ErrInstanceFinished)
		}
		return err
	})
}

func (w *world) suspend(s *story) {
	for range 1 + s.rnd.IntN(2) {
		s.nap(8 * time.Second)
		w.do(s, "suspend", func(ctx context.Context, c *taskhub.Client) error {
			return accept(c.Suspend(ctx, s.id, "a break"), taskhub.ErrInstanceFinished)
		})
		s.nap(12 * time.Second)
		w.resume(s)
	}
}

func (w *world) resume(s *story) {
	w.do(s, "resume", func(ctx context.Context, c *taskhub.Client) error {
		return accept(c.Resume(ctx, s.id, "on"), taskhub.ErrInstanceFinished)
	})
}

// rewind lets the instance fail, removes the cause, and rewinds it.
func (w *world) rewind(s *story) {
	w.awaitStatus(s, history.Failed)
	w.heal(s.id)
	w.do(s, "rewind", func(ctx context.Context, c *taskhub.Client) error {
		return accept(c.Rewind(ctx, s.id, "mended"), taskhub.ErrInstanceNotFailed)
	})
	w.do(s, "leave failure", func(ctx context.Context, c *taskhub.Client) error {
		in, err := c.GetInstance(ctx, s.id)
		if err == nil && in.Status == history.Failed {
			return errors.New("it is still failed")
		}
		return err
	})
}

func (w *world) await(s *story) {
	in := w.awaitStatus(s, s.status)
	if in == nil {
		return
	}
	if got := text(in.Output, w); got != s.output {
		w.violate("%s: the output is %q instead of %q", s.id, got, s.output)
	}
}

func text(output *string, _ *world) string {
	if output == nil {
		return ""
	}
	var s string
	if json.Unmarshal([]byte(*output), &s) != nil {
		return *output
	}
	return s
}

func (w *world) awaitStatus(s *story, want history.Status) *durable.Instance {
	for {
		ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
		in, err := w.client(s).WaitForCompletion(ctx, s.id, "")
		cancel()
		if err == nil && in.Status == want {
			return in
		}
		if err == nil && s.plot == "rewind" && in.Status == history.Failed && time.Now().Before(s.limit) {
			s.nap(2 * time.Second) // the status of before the rewind may be written once more
			continue
		}
		if err == nil {
			w.violate("%s: it is %s with %q instead of %s", s.id, in.Status, text(in.Output, w), want)
			return nil
		}
		if time.Now().After(s.limit) {
			w.violate("%s: it does not end: %v", s.id, err)
			return nil
		}
		if s.plot == "suspend" { // queues keep no order: it may have been suspended after it was resumed
			w.resume(s)
		}
		s.nap(time.Second)
	}
}
