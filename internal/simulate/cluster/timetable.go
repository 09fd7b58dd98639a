package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/schedules"
	"github.com/go-taskhub/taskhub/tables"
	"github.com/go-taskhub/taskhub/taskhub"
)

// timetable is a schedule that a client creates.
type timetable struct {
	spec   durable.ScheduleSpec
	ticks  []time.Time
	script Script
	late   bool // it could not be created before its last tick
}

// invent makes a schedule of a few ticks, some of which come due while faults happen.
func (w *world) invent() *timetable {
	rnd := rand.New(rand.NewPCG(w.opts.Seed, 200))
	if rnd.IntN(3) > 0 {
		return nil
	}
	step := w.writer.step()
	step.Fails, step.Pad = 0, 0
	t := &timetable{script: Script{Ops: []Op{{Act: &step}}}}
	input, err := json.Marshal(t.script)
	if err != nil {
		panic(err)
	}
	text, every := string(input), time.Duration(1+rnd.IntN(15))*time.Second
	first := w.began.Truncate(time.Second).Add(time.Duration(5+rnd.IntN(30)) * time.Second)
	for i := range 1 + rnd.IntN(6) {
		t.ticks = append(t.ticks, first.Add(time.Duration(i)*every))
	}
	t.spec = durable.ScheduleSpec{
		Name: "timetable", Orchestrator: play.Name(), Input: &text, Every: every, Anchor: first, StartAt: first, EndAt: t.ticks[len(t.ticks)-1],
		Overlap: durable.OverlapAllow,
	}
	return t
}

// follow is the client of a schedule.
func (w *world) follow(t *timetable) {
	s := &story{id: t.spec.Name, rnd: rand.New(rand.NewPCG(w.opts.Seed, 201)), limit: w.faults.until.Add(12 * time.Minute)}
	if err := w.meet(s); err != nil {
		w.violate("%s: %v", s.id, err)
		return
	}
	defer s.account.Close()
	w.do(s, "create the schedule", func(ctx context.Context, c *taskhub.Client) error {
		_, err := c.CreateSchedule(ctx, t.spec)
		if errors.As(err, new(*durable.ScheduleError)) && time.Now().After(t.spec.EndAt) {
			t.late, err = true, nil
		}
		return accept(err, taskhub.ErrScheduleExists)
	})
	if t.late {
		return
	}
	w.do(s, "read the schedule", func(ctx context.Context, c *taskhub.Client) error {
		stored, err := c.GetSchedule(ctx, t.spec.Name)
		if err == nil { // what was due before it was created is no tick of it
			t.ticks = slices.DeleteFunc(t.ticks, func(tick time.Time) bool { return !tick.After(stored.CreatedAt) })
		}
		return err
	})
	for _, tick := range t.ticks {
		s.id, s.status = schedules.InstanceID(t.spec.Name, tick), history.Completed
		w.awaitStart(s)
		w.awaitStatus(s, s.status)
	}
}

// awaitStart waits until an instance is there.
func (w *world) awaitStart(s *story) {
	w.do(s, "to be started by its schedule", func(ctx context.Context, c *taskhub.Client) error {
		_, err := c.GetStatus(ctx, s.id)
		return err
	})
}

// checkTimetable: each tick has started one instance, once, and nothing else was started.
func (w *world) checkTimetable(t *timetable) {
	if t.late {
		return
	}
	stored, err := w.admin.Client().GetSchedule(w.ctx, t.spec.Name)
	if err != nil {
		w.violate("%s: %v", t.spec.Name, err)
		return
	}
	if n := int64(len(t.ticks)); stored.Started != n || stored.Runs != n || stored.Missed != 0 || stored.Skipped != 0 || !stored.Ended() {
		w.violate("%s: of %d ticks it counts %d starts, %d missed and %d skipped ones; ended: %v", t.spec.Name, n, stored.Started, stored.Missed, stored.Skipped, stored.Ended())
	}
	want := map[string]bool{}
	for _, tick := range t.ticks {
		id := schedules.InstanceID(t.spec.Name, tick)
		want[id] = true
		row, err := w.admin.Tables().GetInstance(w.ctx, id, tables.GetOptions{})
		if err != nil || row == nil || row.Status != history.Completed || text(row.Output, w) != t.script.Output() || row.Generation != 0 {
			w.violate("%s, which a schedule starts, was not carried out once: %+v %v", id, row, err)
		}
	}
	for row, err := range w.admin.Tables().All(w.ctx, tables.Filter{IDPrefix: t.spec.Name + "-"}) {
		if err != nil {
			w.violate("instances: %v", err)
			return
		}
		if !want[row.InstanceID] {
			w.violate("%s was started, but is no tick", row.InstanceID)
		}
	}
}
