package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/taskhub"
)

// healthOptions are the flags of health.
type healthOptions struct {
	url    string
	idle   bool
	output *choice
	watch  *watching
}

func newHealth(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Show who works on a hub and what waits, or ask a worker how it is",
		Long: `Show which worker has which partition of a hub, and how many messages wait in its queues. It is read from the hub's leases,
of whichever kind the workers are. With --url it asks a worker of this module instead, at the address of its health handler.

Exit status: 0 when all is well; 1 when a partition has no worker, or the worker says that something is wrong.`,
		Example: `  taskhub health
  taskhub health --idle-ok -o json
  taskhub health --url http://127.0.0.1:8080/healthz`,
		Args:              arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	t := addTarget(cmd, w)
	var o healthOptions
	cmd.Flags().StringVar(&o.url, "url", "", "`address` of a worker's health handler, to ask that")
	cmd.Flags().BoolVar(&o.idle, "idle-ok", false, "a partition without a worker is well as long as nothing waits in its queue")
	o.output = addFormat(cmd)
	o.watch = addWatch(cmd, "Ctrl-C")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := o.check(cmd); err != nil {
			return err
		}
		if o.url != "" {
			return o.watch.repeat(cmd.Context(), w, true, func(w world) (bool, error) { return false, o.repeatable(w, o.ask(cmd.Context(), w)) })
		}
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			return o.watch.repeat(ctx, w, true, func(w world) (bool, error) { return false, o.repeatable(w, o.examine(ctx, w, hub)) })
		})
	}
	return cmd
}

func (o *healthOptions) check(cmd *cobra.Command) error {
	if cmd.Flags().Changed("url") {
		if err := checkURL(o.url); err != nil {
			return usage(fmt.Errorf("--url: %w", err))
		}
		for _, flag := range []string{"hub", "conn", "connection", "account", "idle-ok"} {
			if err := oneOf(cmd, "url", flag, "a worker is asked, or a hub is looked at"); err != nil {
				return err
			}
		}
	}
	return usage(o.watch.check(cmd))
}

// errUnhealthy is the error when something is wrong that the output has said.
var errUnhealthy = errors.New("not healthy")

// repeatable lets --watch go on when what it looks at is not well.
func (o *healthOptions) repeatable(_ world, err error) error {
	if o.watch.on && errors.Is(err, errUnhealthy) {
		return nil
	}
	return err
}

// hubHealth is what health -o json shows of a hub.
type hubHealth struct {
	Hub     string   `json:"hub"`
	Healthy bool     `json:"healthy"`
	Reasons []string `json:"reasons"` // why not
	// Mode is the partition manager, Fleet the kind of fleet; empty when no worker of this module was ever started.
	Mode       string            `json:"partitionManager"`
	Fleet      string            `json:"fleet"`
	Workers    []workerHealth    `json:"workers"`
	Partitions []partitionHealth `json:"partitions"`
	WorkItems  queueHealth       `json:"workItems"`
}

// workerHealth is a worker that has partitions now.
type workerHealth struct {
	Worker     string `json:"worker"`
	Partitions []int  `json:"partitions"`
}

// partitionHealth is a partition and the queue of its messages.
type partitionHealth struct {
	Partition int `json:"partition"`
	queueHealth
	// Owner has the partition, or had it last when Live is false.
	Owner  string  `json:"owner"`
	Live   bool    `json:"live"`
	Next   string  `json:"next,omitempty"` // the worker that is to have it next
	Since  *string `json:"since"`          // when the owner got it, or gave it back
	Renew  *string `json:"renewed"`        // the table manager keeps it
	Expire *string `json:"expires"`        // the table manager keeps it

	since, renewed time.Time
}

// queueHealth is a queue.
type queueHealth struct {
	Queue string `json:"queue"`
	// Messages is about how many there are, those included that are received or not due yet.
	Messages int `json:"messages"`
	// Visible says how many of them wait to be received, 32 meaning that many or more. Oldest is when the first was put.
	Visible int     `json:"visible"`
	Oldest  *string `json:"oldestVisible"`

	oldest time.Time
}

// examine looks at a hub.
func (o *healthOptions) examine(ctx context.Context, w world, hub *taskhub.Hub) error {
	h, err := readHealth(ctx, hub)
	if err != nil {
		return err
	}
	o.judge(h)
	if o.output.value == formatJSON {
		err = writeJSON(w.out, h)
	} else {
		err = showHealth(w, h, o.output.value)
	}
	if err == nil && !h.Healthy {
		err = fmt.Errorf("hub %q is %w: %s", h.Hub, errUnhealthy, strings.Join(h.Reasons, "; "))
	}
	return err
}

// readHealth reads leases and queues.
func readHealth(ctx context.Context, hub *taskhub.Hub) (*hubHealth, error) {
	if err := requireHub(ctx, hub); err != nil {
		return nil, err
	}
	h := &hubHealth{Hub: hub.Name(), Reasons: []string{}, Workers: []workerHealth{}, Mode: hub.LeaseMode().String(), Partitions: make([]partitionHealth, hub.Partitions())}
	var holders []leases.Holder
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		holders, err = leases.Holders(ctx, hub.TrackingAccount(), hub.Names())
		return err
	})
	group.Go(func() error {
		fleet, err := hub.Fleet(ctx)
		h.Fleet = string(fleet)
		return err
	})
	group.Go(func() error { return h.WorkItems.read(ctx, hub.Queues().WorkItems()) })
	for i := range h.Partitions {
		h.Partitions[i].Partition = i
		group.Go(func() error { return h.Partitions[i].read(ctx, hub.Queues().Control(i)) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	h.assign(holders, hub.LeaseMode())
	return h, nil
}

func (q *queueHealth) read(ctx context.Context, queue *queues.Queue) error {
	q.Queue = queue.Name()
	n, err := queue.ApproximateCount(ctx)
	if err != nil {
		return err
	}
	q.Messages = n
	if n == 0 {
		return nil
	}
	seen, err := queue.Peek(ctx, queues.MaxReceive)
	if err != nil {
		return err
	}
	q.Visible = len(seen)
	for _, d := range seen {
		if q.oldest.IsZero() || d.InsertedAt.Before(q.oldest) {
			q.oldest = d.InsertedAt
		}
	}
	q.Oldest = jsonTime(q.oldest)
	return nil
}

// assign gives the partitions their owners. A live lease of whichever manager counts more than the hub's own manager.
func (h *hubHealth) assign(holders []leases.Holder, mode leases.Mode) {
	for _, holder := range holders {
		if holder.Partition >= len(h.Partitions) {
			continue
		}
		p := &h.Partitions[holder.Partition]
		if !holder.Live && (p.Live || holder.Mode != mode) {
			continue
		}
		if holder.Owner == "" { // nobody ever had it: the record's time is that of the hub's making
			holder.Since = time.Time{}
		}
		p.Owner, p.Live, p.Next, p.since, p.renewed = holder.Owner, holder.Live, holder.Next, holder.Since, holder.Renewed
		p.Since, p.Renew, p.Expire = jsonTime(holder.Since), jsonTime(holder.Renewed), jsonTime(holder.Expires)
		if holder.Live {
			h.Mode = holder.Mode.String()
		}
	}
	by := make(map[string][]int)
	for _, p := range h.Partitions {
		if p.Live {
			by[p.Owner] = append(by[p.Owner], p.Partition)
		}
	}
	for owner, partitions := range by {
		h.Workers = append(h.Workers, workerHealth{owner, partitions})
	}
	slices.SortFunc(h.Workers, func(a, b workerHealth) int { return cmp.Compare(a.Worker, b.Worker) })
}

// judge says what is wrong.
func (o *healthOptions) judge(h *hubHealth) {
	var idle, stuck []string
	for _, p := range h.Partitions {
		switch name := strconv.Itoa(p.Partition); {
		case p.Live:
		case p.Messages > 0:
			stuck = append(stuck, name)
		case !o.idle:
			idle = append(idle, name)
		}
	}
	if len(stuck) > 0 {
		h.Reasons = append(h.Reasons, "messages wait in "+numbered("partition", stuck)+", which no worker has: start a worker")
	}
	switch {
	case len(idle) == len(h.Partitions):
		h.Reasons = append(h.Reasons, "no worker has a partition: start one, or add --idle-ok if that is intended")
	case len(idle) > 0:
		h.Reasons = append(h.Reasons, "no worker has "+numbered("partition", idle)+": if that lasts, look at the workers' logs")
	}
	if len(h.Workers) == 0 && len(idle)+len(stuck) == 0 && h.WorkItems.Messages > 0 {
		h.Reasons = append(h.Reasons, "work items wait, and there is no worker: start one")
	}
	h.Healthy = len(h.Reasons) == 0
}

func numbered(thing string, names []string) string {
	if len(names) > 1 {
		thing += "s"
	}
	return thing + " " + strings.Join(names, ", ")
}

func showHealth(w world, h *hubHealth, format string) error {
	state := "ok"
	if !h.Healthy {
		state = "not healthy"
	}
	if w.colours(w.out) {
		state = paintHealth(state)
	}
	fleet := cmp.Or(h.Fleet, "not known")
	if _, err := fmt.Fprintf(w.out, "Hub %q: %s. Partition manager %s, fleet %s, %s.\n\n", h.Hub, state, h.Mode, fleet, count(len(h.Workers), "worker")); err != nil {
		return err
	}
	list := newTable(w, format, column{title: "PARTITION"}, column{title: "OWNER"}, column{title: "LEASE"}, column{title: "SINCE"}, column{title: "RENEWED", wide: true},
		column{title: "NEXT", wide: true}, column{title: "MESSAGES"}, column{title: "VISIBLE"}, column{title: "OLDEST"}, column{title: "QUEUE", wide: true})
	for _, p := range h.Partitions {
		lease := "free"
		switch {
		case p.Live:
			lease = "held"
		case p.Owner != "":
			lease = "ended"
		}
		if err := list.add(strconv.Itoa(p.Partition), p.Owner, lease, formatTime(p.since), formatTime(p.renewed), p.Next,
			strconv.Itoa(p.Messages), visible(p.queueHealth), formatTime(p.oldest), p.Queue); err != nil {
			return err
		}
	}
	items := h.WorkItems
	if err := list.add("work items", "", "", "", "", "", strconv.Itoa(items.Messages), visible(items), formatTime(items.oldest), items.Queue); err != nil {
		return err
	}
	return list.end()
}

// visible is the number of messages that wait, as far as the service tells.
func visible(q queueHealth) string {
	if q.Visible >= queues.MaxReceive {
		return strconv.Itoa(q.Visible) + "+"
	}
	return strconv.Itoa(q.Visible)
}
