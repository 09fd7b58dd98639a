package schedules_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/emulator"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/schedules"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/tables"
	"github.com/go-taskhub/taskhub/taskhub"
)

var errDead = errors.New("the process is dead")

// wire is one process's connection, which a test may cut.
type wire struct {
	next policy.Transporter
	mu   sync.Mutex
	// rule says what happens to a request: whether it is carried out, and whether its answer comes back.
	rule  func(*http.Request) (carryOut, answer bool)
	count map[string]int
}

func (w *wire) Do(req *http.Request) (*http.Response, error) {
	carryOut, answer := true, true
	w.mu.Lock()
	w.count[req.Method+" "+req.URL.Path]++
	if w.rule != nil {
		carryOut, answer = w.rule(req)
	}
	w.mu.Unlock()
	if !carryOut {
		return nil, errDead
	}
	resp, err := w.next.Do(req)
	if err == nil && !answer {
		_ = resp.Body.Close()
		return nil, errDead
	}
	return resp, err
}

func (w *wire) set(rule func(*http.Request) (bool, bool)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rule = rule
}

func (w *wire) total() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.count {
		n += one
	}
	return n
}

// plant is a hub with processes over it, in virtual time.
type plant struct {
	t      *testing.T
	server *emulator.Server
	hub    *taskhub.Hub      // nobody's process
	seen   map[string]string // executions of the start messages received, by the messages' ids
}

func newPlant(t *testing.T) *plant {
	t.Helper()
	server, err := emulator.New(emulator.Config{})
	if err != nil {
		t.Fatal(err)
	}
	p := &plant{t: t, server: server, seen: map[string]string{}}
	p.hub, _ = p.open()
	if err := p.hub.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *plant) open() (*taskhub.Hub, *wire) {
	p.t.Helper()
	w := &wire{next: p.server.Transport(), count: map[string]int{}}
	account, err := storage.Open(storage.Config{ConnectionString: p.server.ConnectionString(), Transport: w, MaxRetries: -1})
	if err != nil {
		p.t.Fatal(err)
	}
	hub, err := taskhub.Open(p.t.Context(), taskhub.Config{Name: "Plant", Account: account})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = hub.Close() })
	return hub, w
}

// process is a worker as far as schedules go.
type process struct {
	*schedules.Runner
	wire *wire
	p    *plant
}

func (p *plant) process(help bool, ahead time.Duration) *process {
	hub, w := p.open()
	if err := hub.Ensure(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	desk := *hub.ScheduleDesk()
	desk.Now = func() time.Time { return time.Now().Add(ahead) }
	desk.Logger = slog.New(slog.DiscardHandler)
	if testing.Verbose() && os.Getenv("TASKHUB_TEST_LOG") != "" {
		desk.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	r := &process{Runner: schedules.NewRunner(schedules.RunnerConfig{Desk: &desk, Logger: desk.Logger, Help: help}), wire: w, p: p}
	p.t.Cleanup(r.Stop)
	return r
}

// own gives the process all partitions.
func (r *process) own() *process {
	for i := range r.p.hub.Partitions() {
		r.Own(i)
	}
	return r
}

// die lets the process reach storage no more.
func (r *process) die() {
	r.wire.set(func(*http.Request) (bool, bool) { return false, false })
}

func (p *plant) create(spec durable.ScheduleSpec) {
	p.t.Helper()
	if spec.Name == "" {
		spec.Name = "daily"
	}
	spec.Orchestrator = "Report"
	if _, err := p.hub.Client().CreateSchedule(p.t.Context(), spec); err != nil {
		p.t.Fatal(err)
	}
}

func (p *plant) get(name string) *taskhub.Schedule {
	p.t.Helper()
	s, err := p.hub.Client().GetSchedule(p.t.Context(), name)
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// end lets an instance end.
func (p *plant) end(id string) {
	p.t.Helper()
	status, at := history.Completed, time.Now()
	if _, err := p.hub.Tables().MergeInstance(p.t.Context(), tables.InstanceUpdate{InstanceID: id, Status: &status, CompletedTime: &at}, "*"); err != nil {
		p.t.Fatal(err)
	}
}

// started returns the ids of all instances, and checks that each has one start that counts.
func (p *plant) started() []string {
	p.t.Helper()
	rows := map[string]string{}
	for in, err := range p.hub.Client().Query(p.t.Context(), taskhub.Query{}) {
		if err != nil {
			p.t.Fatal(err)
		}
		if in.Generation != 0 {
			p.t.Errorf("%s was started again", in.InstanceID)
		}
		rows[in.InstanceID] = in.ExecutionID
	}
	for i := range p.hub.Partitions() {
		queue := p.hub.Queues().Control(i)
		for {
			batch, err := queue.Receive(p.t.Context(), 32, time.Hour)
			if err != nil {
				p.t.Fatal(err)
			}
			if len(batch) == 0 {
				break
			}
			for _, d := range batch {
				if _, ok := d.Envelope.Message.Event.(*history.ExecutionStarted); ok {
					p.seen[d.ID] = *d.Envelope.Message.Target.ExecutionID
				}
			}
		}
	}
	messages := map[string]int{}
	for _, execution := range p.seen {
		messages[execution]++
	}
	for id, execution := range rows {
		if messages[execution] != 1 {
			p.t.Errorf("%s has %d starts that count", id, messages[execution])
		}
	}
	return slices.Sorted(maps.Keys(rows))
}

func (p *plant) want(ids ...string) {
	p.t.Helper()
	slices.Sort(ids)
	if got := p.started(); !slices.Equal(got, ids) {
		p.t.Errorf("started\n %v\nwant\n %v", strings.Join(got, "\n "), strings.Join(ids, "\n "))
	}
}

// The bubble's clock begins at midnight of 2000-01-01.
func id(name string, hour, minute int) string {
	return fmt.Sprintf("%s-20000101T%02d%02d00Z", name, hour, minute)
}

func bubble(t *testing.T, test func(*testing.T, *plant)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newPlant(t)) })
}

// TestTicks: instances are started on time, with their tags, and the row says so.
func TestTicks(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, p *plant) {
		input := `{"a":1}`
		p.create(durable.ScheduleSpec{Cron: "*/10 * * * *", Overlap: durable.OverlapAllow, Input: &input, Version: "2", Tags: map[string]string{"team": "x"}})
		r := p.process(false, 0).own()
		time.Sleep(10*time.Minute - time.Second)
		p.want()
		time.Sleep(2 * time.Second)
		p.want(id("daily", 0, 10))
		in, err := p.hub.Client().GetInstance(t.Context(), id("daily", 0, 10))
		if err != nil {
			t.Fatal(err)
		}
		if in.Name != "Report" || in.Version != "2" || *in.Input != input || in.Tags["team"] != "x" || in.Tags[durable.TagSchedule] != "daily" || in.Tags[durable.TagScheduledTime] != "2000-01-01T00:10:00Z" {
			t.Errorf("%+v", in)
		}
		s := p.get("daily")
		if s.Started != 1 || s.LastInstanceID != in.InstanceID || !s.NextTick.Equal(time.Date(2000, 1, 1, 0, 20, 0, 0, time.UTC)) || len(s.Starting) != 0 || s.LastTick.Minute() != 10 {
			t.Errorf("%+v", s)
		}
		r.Stop()
		time.Sleep(time.Hour)
		p.want(id("daily", 0, 10))
	})
}

// TestIdle: a hub that never had a schedule costs a call for each ownership, and one with a schedule a look at times.
func TestIdle(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, p *plant) {
		for _, help := range []bool{false, true} {
			r := p.process(help, 0)
			before := r.wire.total()
			r.own()
			time.Sleep(24 * time.Hour)
			if n := r.wire.total() - before; n != p.hub.Partitions() {
				t.Errorf("%d calls: %v", n, r.wire.count)
			}
			r.Stop()
		}
		p.create(durable.ScheduleSpec{Cron: "0 0 1 * *"})
		r := p.process(false, 0).own()
		time.Sleep(time.Minute)
		before := r.wire.total()
		time.Sleep(24 * time.Hour)
		if n := r.wire.total() - before; n > 24*12+1 {
			t.Errorf("%d calls a day", n)
		}
	})
}

// TestCrashes: a worker dies at each step of a tick, before or after the step takes effect, or only an answer is lost. The next owner has
// another clock. Every tick is started once.
func TestCrashes(t *testing.T) {
	t.Parallel()
	for _, overlap := range []durable.ScheduleOverlap{durable.OverlapSkip, durable.OverlapAllow} {
		for _, mode := range []string{"dies before", "dies after", "answer lost", "request lost", "lost for a while"} {
			for _, ahead := range []time.Duration{0, 25 * time.Second, -25 * time.Second} {
				for step := 1; step <= 9; step++ {
					t.Run(fmt.Sprintf("%s/%s/%v/%d", overlap, mode, ahead, step), func(t *testing.T) {
						t.Parallel()
						bubble(t, func(t *testing.T, p *plant) { testCrash(t, p, overlap, mode, ahead, step) })
					})
				}
			}
		}
	}
}

func testCrash(t *testing.T, p *plant, overlap durable.ScheduleOverlap, mode string, ahead time.Duration, step int) {
	p.create(durable.ScheduleSpec{Cron: "*/5 * * * *", Overlap: overlap})
	first := p.process(false, 0).own()
	time.Sleep(5*time.Minute - time.Second)
	n, dead := 0, false
	first.wire.set(func(*http.Request) (bool, bool) {
		n++
		switch {
		case dead || mode == "dies before" && n == step:
			dead = true
			return false, false
		case mode == "dies after" && n == step:
			dead = true
			return true, false
		case mode == "answer lost" && n == step:
			return true, false
		case mode == "request lost" && n == step:
			return false, false
		case mode == "lost for a while" && n >= step && n < step+6:
			return n%2 == 0, false
		}
		return true, true
	})
	time.Sleep(15 * time.Second)
	first.wire.mu.Lock()
	over := dead
	first.wire.mu.Unlock()
	second := p.process(false, ahead)
	if over || step%2 == 0 { // also beside an owner that lives and does not know
		second.own()
	}
	time.Sleep(2 * time.Minute)
	p.want(id("daily", 0, 5))
	p.end(id("daily", 0, 5))
	first.wire.set(nil) // it comes back to life
	time.Sleep(5 * time.Minute)
	p.want(id("daily", 0, 5), id("daily", 0, 10))
	if s := p.get("daily"); s.Started != 2 || s.Skipped != 0 || s.Missed != 0 || s.Runs != 2 || len(s.Starting) != 0 {
		t.Errorf("%+v", s)
	}
}

// TestManyOwners: several processes believe that they own everything, their clocks differ, and answers get lost.
func TestManyOwners(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, p *plant) {
		p.create(durable.ScheduleSpec{Every: time.Minute, Overlap: durable.OverlapAllow})
		p.create(durable.ScheduleSpec{Name: "other", Cron: "*/2 * * * *", Overlap: durable.OverlapAllow})
		for i := range 4 {
			r := p.process(i%2 == 0, time.Duration(i-2)*3*time.Second)
			n := 0
			r.wire.set(func(*http.Request) (bool, bool) {
				n++
				return n%11 != i, n%7 != i
			})
			r.own()
		}
		time.Sleep(time.Hour + 45*time.Second)
		var want []string
		for m := 1; m <= 60; m++ {
			want = append(want, id("daily", m/60, m%60))
			if m%2 == 0 {
				want = append(want, id("other", m/60, m%60))
			}
		}
		p.want(want...)
		if s := p.get("daily"); s.Started != 60 || s.Missed+s.Skipped != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestChangedMeanwhile: somebody changes the row at each step of a tick.
func TestChangedMeanwhile(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(*taskhub.Client, context.Context) error{
		"pause": func(c *taskhub.Client, ctx context.Context) error {
			_, err := c.PauseSchedule(ctx, "daily", "no reason")
			return err
		},
		"update": func(c *taskhub.Client, ctx context.Context) error {
			_, err := c.UpdateSchedule(ctx, durable.ScheduleSpec{Name: "daily", Orchestrator: "Report", Cron: "2-59/5 * * * *"})
			return err
		},
		"delete": func(c *taskhub.Client, ctx context.Context) error { return c.DeleteSchedule(ctx, "daily") },
		"trigger": func(c *taskhub.Client, ctx context.Context) error {
			_, err := c.TriggerSchedule(ctx, "daily")
			if errors.As(err, new(*taskhub.ScheduleBusyError)) {
				err = nil
			}
			return err
		},
	} {
		for step := 1; step <= 6; step++ {
			t.Run(fmt.Sprintf("%s/%d", what, step), func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T, p *plant) { testChangedMeanwhile(t, p, what, change, step) })
			})
		}
	}
}

func testChangedMeanwhile(t *testing.T, p *plant, what string, change func(*taskhub.Client, context.Context) error, step int) {
	p.create(durable.ScheduleSpec{Cron: "*/5 * * * *"})
	r := p.process(false, 0).own()
	time.Sleep(5*time.Minute - time.Second)
	n := 0
	r.wire.set(func(*http.Request) (bool, bool) {
		if n++; n == step {
			if err := change(p.hub.Client(), t.Context()); err != nil {
				t.Error(err)
			}
		}
		return true, true
	})
	time.Sleep(10 * time.Second)
	ids := p.started()
	tick := slices.Contains(ids, id("daily", 0, 5))
	switch {
	case what == "trigger" && len(ids) != 1: // skip: one of the two
		t.Errorf("started %v", ids)
	case what != "trigger" && (len(ids) > 1 || tick != (len(ids) == 1)):
		t.Errorf("started %v", ids)
	}
	for _, one := range ids {
		p.end(one)
	}
	r.Changed()
	time.Sleep(5 * time.Minute)
	var next []string
	switch what {
	case "update":
		next = []string{id("daily", 0, 7)}
	case "trigger":
		next = []string{id("daily", 0, 10)}
	}
	p.want(append(ids, next...)...)
}

// TestOverlap: the policies for ticks that meet an instance that runs.
func TestOverlap(t *testing.T) {
	t.Parallel()
	for overlap, want := range map[durable.ScheduleOverlap][2]int{ // instances after 3.5 minutes, and a minute after the first has ended
		durable.OverlapSkip: {1, 2}, durable.OverlapQueue: {1, 2}, durable.OverlapAllow: {3, 4},
	} {
		t.Run(string(overlap), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, p *plant) {
				p.create(durable.ScheduleSpec{Every: time.Minute, Overlap: overlap})
				r := p.process(false, 0).own()
				time.Sleep(3*time.Minute + 30*time.Second)
				ids := p.started()
				p.end(ids[0])
				time.Sleep(time.Minute)
				if got := len(p.started()); len(ids) != want[0] || got != want[1] {
					t.Errorf("%d, %d instances", len(ids), got)
				}
				s := p.get("daily")
				switch overlap {
				case durable.OverlapSkip:
					if s.Skipped != 2 || s.LastTick.Minute() != 4 {
						t.Errorf("%+v", s)
					}
				case durable.OverlapQueue: // the second tick runs, the third and the fourth wait
					if s.Skipped != 0 || len(s.Queued) != 2 || s.LastTick.Minute() != 2 {
						t.Errorf("%+v", s)
					}
					r.Stop() // another owner goes on, at once when it is told
					r = p.process(false, 0).own()
					time.Sleep(time.Second)
					p.end(id("daily", 0, 2))
					r.Ended(id("daily", 0, 2))
					time.Sleep(time.Second)
					if s := p.get("daily"); len(s.Queued) != 1 || s.LastTick.Minute() != 3 {
						t.Errorf("%+v", s)
					}
					return
				}
			})
		})
	}
}

// TestQueueIsBounded: ticks that find no room are counted.
func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, p *plant) {
		p.create(durable.ScheduleSpec{Every: time.Second, Overlap: durable.OverlapQueue})
		p.process(false, 0).own()
		time.Sleep(131*time.Second - time.Millisecond)
		s := p.get("daily")
		if len(s.Queued) != schedules.MaxQueued || s.Skipped != 29 || s.Started != 1 {
			t.Errorf("%d wait, %d skipped, %d started", len(s.Queued), s.Skipped, s.Started)
		}
	})
}

// TestOutage: ticks of an outage are made up for within the catch-up window.
func TestOutage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		overlap         durable.ScheduleOverlap
		catchUp, outage time.Duration
		started, missed int64
	}{
		{durable.OverlapAllow, 0, 3 * time.Hour, 18, 0},
		{durable.OverlapAllow, time.Hour, 3*time.Hour + time.Minute, 6, 12},
		{durable.OverlapAllow, 10 * time.Second, 3*time.Hour + time.Minute, 0, 18},
		{durable.OverlapSkip, time.Hour, 3*time.Hour + time.Minute, 1, 12},
		{durable.OverlapQueue, time.Hour, 3*time.Hour + time.Minute, 1, 12},
		{durable.OverlapSkip, 0, 30*time.Hour + time.Minute, 1, 36},
	} {
		t.Run(fmt.Sprintf("%s/%v/%v", test.overlap, test.catchUp, test.outage), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, p *plant) {
				p.create(durable.ScheduleSpec{Cron: "*/10 * * * *", Overlap: test.overlap, CatchUp: test.catchUp})
				time.Sleep(test.outage)
				p.process(false, 0).own()
				time.Sleep(5 * time.Second)
				s := p.get("daily")
				if s.Started != test.started || s.Missed != test.missed || int64(len(p.started())) != test.started || !s.NextTick.After(time.Now()) {
					t.Errorf("%d started, %d missed, next %v", s.Started, s.Missed, s.NextTick)
				}
			})
		})
	}
}

// TestLongOutage: a schedule that ticks each second, after a month.
func TestLongOutage(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, p *plant) {
		p.create(durable.ScheduleSpec{Every: time.Second, CatchUp: time.Minute})
		time.Sleep(30 * 24 * time.Hour)
		p.process(false, 0).own()
		time.Sleep(time.Second)
		if s := p.get("daily"); s.Started != 1 || s.Missed < 10_000 || s.NextTick.Before(time.Now().Add(-2*time.Second)) {
			t.Errorf("%d started, %d missed, next %v", s.Started, s.Missed, s.NextTick)
		}
	})
}

// TestPauseAndBackfill: what came due during a pause is left out, and can be made up for.
func TestPauseAndBackfill(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, p *plant) {
		c := p.hub.Client()
		p.create(durable.ScheduleSpec{Cron: "*/10 * * * *"})
		r := p.process(false, 0).own()
		time.Sleep(11 * time.Minute)
		p.end(id("daily", 0, 10))
		if s, err := c.PauseSchedule(t.Context(), "daily", "month end"); err != nil || !s.Paused || s.Note != "month end" || !s.NextTick.IsZero() {
			t.Fatalf("%+v, %v", s, err)
		}
		time.Sleep(time.Hour)
		p.want(id("daily", 0, 10))
		if _, err := c.ResumeSchedule(t.Context(), "daily", ""); err != nil {
			t.Fatal(err)
		}
		r.Changed()
		time.Sleep(10 * time.Minute)
		p.want(id("daily", 0, 10), id("daily", 1, 20))
		p.end(id("daily", 1, 20))

		from, to := time.Date(2000, 1, 1, 0, 10, 0, 0, time.UTC), time.Date(2000, 1, 1, 0, 45, 0, 0, time.UTC)
		if n, err := c.BackfillSchedule(t.Context(), "daily", from, to); err != nil || n != 4 {
			t.Fatalf("%d ticks, %v", n, err)
		}
		r.Changed()
		time.Sleep(10 * time.Second) // 0:10 was started before; 0:20 runs, and 0:30 comes after it
		p.want(id("daily", 0, 10), id("daily", 0, 20), id("daily", 1, 20))
		p.end(id("daily", 0, 20))
		r.Stop()
		r = p.process(false, 0).own()
		time.Sleep(10 * time.Second)
		p.want(id("daily", 0, 10), id("daily", 0, 20), id("daily", 0, 30), id("daily", 1, 20))
		p.end(id("daily", 0, 30))
		time.Sleep(30 * time.Second)
		p.end(id("daily", 0, 40))
		time.Sleep(30 * time.Second)
		if s := p.get("daily"); len(s.Backfills) != 0 || s.Runs != 2 {
			t.Errorf("%+v", s)
		}
		if n, err := c.BackfillSchedule(t.Context(), "daily", from, to.Add(15*time.Minute), taskhub.UseOverlap(durable.OverlapAllow)); err != nil || n != 6 {
			t.Fatalf("%d ticks, %v", n, err)
		}
		r.Changed()
		time.Sleep(10 * time.Second)
		p.want(id("daily", 0, 10), id("daily", 0, 20), id("daily", 0, 30), id("daily", 0, 40), id("daily", 0, 50), id("daily", 1, 0), id("daily", 1, 20))
	})
}

// TestEnds: a schedule ends with its bound, and after its last run.
func TestEnds(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, p *plant) {
		p.create(durable.ScheduleSpec{Every: 10 * time.Minute, Overlap: durable.OverlapAllow, MaxRuns: 2})
		p.create(durable.ScheduleSpec{Name: "bound", Every: 10 * time.Minute, Overlap: durable.OverlapAllow, StartAt: time.Now().Add(20 * time.Minute), EndAt: time.Now().Add(30 * time.Minute)})
		r := p.process(false, 0).own()
		time.Sleep(2 * time.Hour)
		p.want(id("daily", 0, 10), id("daily", 0, 20), id("bound", 0, 20), id("bound", 0, 30))
		if s := p.get("daily"); !s.Ended() || s.Runs != 2 {
			t.Errorf("%+v", s)
		}
		if s := p.get("bound"); !s.Ended() || s.Runs != 2 {
			t.Errorf("%+v", s)
		}
		spec := p.get("daily").ScheduleSpec
		spec.MaxRuns = 3
		if _, err := p.hub.Client().UpdateSchedule(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		r.Changed()
		time.Sleep(time.Hour)
		p.want(id("daily", 0, 10), id("daily", 0, 20), id("daily", 2, 10), id("bound", 0, 20), id("bound", 0, 30))
	})
}

// TestHelp: in a mixed fleet, workers see to partitions of owners that know of no schedules, a quarter of a minute late, and do nothing
// where the owner does.
func TestHelp(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, p *plant) {
		p.create(durable.ScheduleSpec{Cron: "*/10 * * * *", Overlap: durable.OverlapQueue})
		home := layout.Partition("daily", p.hub.Partitions())
		other := p.process(true, 0)
		other.Own((home + 1) % p.hub.Partitions())
		second := p.process(true, 0)
		second.Own((home + 2) % p.hub.Partitions())
		time.Sleep(10*time.Minute + 14*time.Second)
		p.want()
		time.Sleep(5 * time.Second)
		p.want(id("daily", 0, 10))
		owner := p.process(true, 0)
		owner.Own(home)
		time.Sleep(10*time.Minute - 15*time.Second) // 0:20:04
		if s := p.get("daily"); len(s.Queued) != 1 {
			t.Errorf("%+v", s)
		}
		p.end(id("daily", 0, 10))
		owner.die()
		time.Sleep(time.Minute)
		p.want(id("daily", 0, 10), id("daily", 0, 20))
		if s := p.get("daily"); s.Started != 2 || len(s.Queued) != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestTaken: an instance that somebody else has started under a tick's id stays, and the schedule goes on.
func TestTaken(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, p *plant) {
		p.create(durable.ScheduleSpec{Cron: "*/10 * * * *"})
		if _, err := p.hub.Client().StartOrchestration(t.Context(), durable.StartRequest{Name: "Mine", InstanceID: id("daily", 0, 10)}); err != nil {
			t.Fatal(err)
		}
		p.process(false, 0).own()
		time.Sleep(21 * time.Minute)
		p.want(id("daily", 0, 10), id("daily", 0, 20))
		if s := p.get("daily"); s.Started != 1 || !strings.Contains(s.LastError, id("daily", 0, 10)) || s.LastErrorAt.IsZero() {
			t.Errorf("%+v", s)
		}
	})
}

// TestDamagedRow: a row that was edited into something else disturbs no other, is shown, and can be mended.
func TestDamagedRow(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, p *plant) {
		p.create(durable.ScheduleSpec{Cron: "*/10 * * * *", Overlap: durable.OverlapAllow})
		p.create(durable.ScheduleSpec{Name: "well", Cron: "*/10 * * * *", Overlap: durable.OverlapAllow})
		table := p.hub.Account().Tables().NewClient(p.hub.Names().SchedulesTable())
		queue := p.hub.Names().ControlQueue(layout.Partition("daily", p.hub.Partitions()))
		if _, err := table.UpdateEntity(t.Context(), []byte(`{"PartitionKey":"`+queue+`","RowKey":"daily","Cron":"at noon"}`), nil); err != nil {
			t.Fatal(err)
		}
		r := p.process(false, 0).own()
		time.Sleep(11 * time.Minute)
		p.want(id("well", 0, 10))
		s := p.get("daily")
		if !strings.Contains(s.Problem, "Cron") || s.Ended() {
			t.Errorf("%+v", s)
		}
		spec := s.ScheduleSpec
		spec.Cron = "*/10 * * * *"
		if _, err := p.hub.Client().UpdateSchedule(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		r.Changed()
		time.Sleep(10 * time.Minute)
		p.want(id("well", 0, 10), id("well", 0, 20), id("daily", 0, 20))
	})
}
