package worker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/emulator"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// report says for which tick it was started.
var report = durable.NewOrchestrator("Report", func(ctx *durable.Context, team string) (string, error) {
	at, ok := durable.ScheduledTime(ctx)
	return fmt.Sprint(team, " ", at.Format(time.RFC3339), " ", ok), nil
})

// startScheduled starts a worker with schedules.
func startScheduled(t *testing.T, hub *taskhub.Hub, cfg worker.Config, schedules ...*durable.Schedule) *worker.Worker {
	t.Helper()
	w, err := worker.New(hub, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Register(report), w.RegisterSchedules(schedules...)); err != nil {
		t.Fatal(err)
	}
	if err := w.Start(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopWorker(t, w) })
	return w
}

// TestDeclaredSchedules: a worker's schedules run; they are updated when the code changes, and only then.
func TestDeclaredSchedules(t *testing.T) {
	t.Parallel()
	for _, fleet := range []worker.Fleet{worker.FleetGo, worker.FleetMixed} {
		t.Run(string(fleet), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { testDeclared(t, worker.Config{Fleet: fleet, MaxPoll: time.Minute}) })
		})
	}
}

func virtualHub(t *testing.T) *taskhub.Hub {
	t.Helper()
	server, err := emulator.New(emulator.Config{})
	if err != nil {
		t.Fatal(err)
	}
	account, err := storage.Open(storage.Config{ConnectionString: server.ConnectionString(), Transport: server.Transport()})
	if err != nil {
		t.Fatal(err)
	}
	hub, err := taskhub.Open(t.Context(), taskhub.Config{Name: "Virtual", Account: account, Logger: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hub.Close() })
	return hub
}

func testDeclared(t *testing.T, cfg worker.Config) {
	hub := virtualHub(t)
	c, ctx := hub.Client(), t.Context()
	first := durable.NewSchedule("daily", report, "red", durable.Cron("10 1 * * *").In("Europe/Berlin"), durable.WithTags(map[string]string{"a": "b"}))
	w := startScheduled(t, hub, cfg, first)
	time.Sleep(11 * time.Minute)
	in, err := c.GetInstance(ctx, "daily-20000101T001000Z")
	if err != nil || in.Status != history.Completed || *in.Output != `"red 2000-01-01T00:10:00Z true"` {
		t.Fatalf("%+v, %v", in, err)
	}
	if _, err := c.PauseSchedule(ctx, "daily", "by hand"); err != nil {
		t.Fatal(err)
	}
	spec, err := c.GetSchedule(ctx, "daily")
	if err != nil {
		t.Fatal(err)
	}
	spec.Cron = "0 3 * * *"
	if _, err := c.UpdateSchedule(ctx, spec.ScheduleSpec); err != nil {
		t.Fatal(err)
	}
	stopWorker(t, w)
	w = startScheduled(t, hub, cfg, first)
	if s, err := c.GetSchedule(ctx, "daily"); err != nil || !s.Paused || s.Cron != "0 3 * * *" {
		t.Errorf("the same code has changed the schedule: %+v, %v", s, err)
	}
	stopWorker(t, w)
	startScheduled(t, hub, cfg, durable.NewSchedule("daily", report, "blue", durable.Cron("25 1 * * *").In("Europe/Berlin")))
	s, err := c.GetSchedule(ctx, "daily")
	if err != nil || !s.Paused || s.Cron != "25 1 * * *" || *s.Input != `"blue"` || s.Started != 1 {
		t.Errorf("other code has not changed the schedule: %+v, %v", s, err)
	}
	if _, err := c.ResumeSchedule(ctx, "daily", ""); err != nil {
		t.Fatal(err)
	}
	time.Sleep(15 * time.Minute)
	in, err = c.GetInstance(ctx, "daily-20000101T002500Z")
	if err != nil || in.Status != history.Completed || *in.Output != `"blue 2000-01-01T00:25:00Z true"` {
		t.Errorf("%+v, %v", in, err)
	}
}

// TestSchedulesOfClients: what clients of other processes do reaches the workers by itself, and two workers start each tick once,
// while one of them stops and comes back.
func TestSchedulesOfClients(t *testing.T) {
	t.Parallel()
	for _, fleet := range []worker.Fleet{worker.FleetGo, worker.FleetMixed} {
		t.Run(string(fleet), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { testClients(t, fleet) })
		})
	}
}

func testClients(t *testing.T, fleet worker.Fleet) {
	server, err := emulator.New(emulator.Config{})
	if err != nil {
		t.Fatal(err)
	}
	open := func() *taskhub.Hub {
		account, err := storage.Open(storage.Config{ConnectionString: server.ConnectionString(), Transport: server.Transport()})
		if err != nil {
			t.Fatal(err)
		}
		hub, err := taskhub.Open(t.Context(), taskhub.Config{Name: "Clients", Account: account, Logger: logger(t)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = hub.Close() })
		return hub
	}
	var runs atomic.Int64
	count := durable.NewOrchestrator("Count", func(ctx *durable.Context, _ durable.Void) (int64, error) {
		if !ctx.IsReplaying() {
			runs.Add(1)
		}
		return 0, nil
	})
	cfg := worker.Config{Fleet: fleet, MaxPoll: 5 * time.Second}
	startWorker(t, open(), cfg, count)
	second := startWorker(t, open(), cfg, count)
	time.Sleep(time.Minute)
	client := open().Client()
	const ticks = 12
	for i := range 8 {
		_, err := client.CreateSchedule(t.Context(), durable.ScheduleSpec{Name: fmt.Sprint("s", i), Orchestrator: "Count", Every: time.Minute, Overlap: durable.OverlapQueue})
		if err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(4 * time.Minute)
	stopWorker(t, second)
	time.Sleep(4 * time.Minute)
	startWorker(t, open(), cfg, count)
	time.Sleep(4*time.Minute + 30*time.Second)
	for i := range 8 {
		s, err := client.GetSchedule(t.Context(), fmt.Sprint("s", i))
		if err != nil || s.Started != ticks || s.Missed+s.Skipped != 0 || len(s.Queued) != 0 {
			t.Errorf("%+v, %v", s, err)
		}
	}
	instances := 0
	for in, err := range client.Query(t.Context(), taskhub.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if instances++; in.Status != history.Completed || in.Generation != 0 {
			t.Errorf("%+v", in)
		}
	}
	if instances != 8*ticks || runs.Load() != 8*ticks {
		t.Errorf("%d instances, %d runs", instances, runs.Load())
	}
}

// TestSchedulesInRealTime runs on whatever storage the tests have.
func TestSchedulesInRealTime(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	startScheduled(t, hub, worker.Config{MaxPoll: 300 * time.Millisecond}, durable.NewSchedule("seconds", report, "red", durable.Every(time.Second), durable.WithOverlap(durable.OverlapAllow), durable.WithMaxRuns(3)))
	c := hub.Client()
	ctx := within(t, patience)
	eventually(t, "the schedule has ended", func() bool {
		s, err := c.GetSchedule(ctx, "seconds")
		return err == nil && s.Ended() && s.Started == 3 && len(s.Starting) == 0
	})
	s, err := c.GetSchedule(ctx, "seconds")
	if err != nil {
		t.Fatal(err)
	}
	expect(t, wait(t, hub, s.LastInstanceID), history.Completed, fmt.Sprintf("%q", "red "+s.LastTick.Format(time.RFC3339)+" true"))
	id, err := c.TriggerSchedule(ctx, "seconds")
	if err != nil {
		t.Fatal(err)
	}
	if in := wait(t, hub, id); in.Status != history.Completed {
		t.Errorf("%+v", in)
	}
	if n, err := c.BackfillSchedule(ctx, "seconds", s.LastTick.Add(-10*time.Second), s.LastTick); err != nil || n != 11 {
		t.Fatalf("%d, %v", n, err)
	}
	eventually(t, "the backfill is done", func() bool {
		list, err := c.Count(ctx, taskhub.Query{Tags: map[string]string{durable.TagSchedule: "seconds"}})
		return err == nil && list[history.Completed] == 12
	})
	if err := c.DeleteSchedule(ctx, "seconds"); err != nil {
		t.Error(err)
	}
	if err := hub.Delete(ctx); err != nil {
		t.Error(err)
	}
}

// TestBadDeclarations: a worker does not start with a schedule that cannot be used, and stores nothing.
func TestBadDeclarations(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	other := durable.DeclareOrchestrator[string, string]("Reprot")
	unbound := durable.NewOrchestrator[string, string]("Unbound", nil)
	for word, schedules := range map[string][]*durable.Schedule{
		"Orchestrator": {durable.NewSchedule("good", report, "", durable.Every(time.Hour)), durable.NewSchedule("bad", other, "", durable.Every(time.Hour))},
		"function":     {durable.NewSchedule("bad", unbound, "", durable.Every(time.Hour))},
		"nil":          {nil},
		"Name":         {durable.NewSchedule("a/b", report, "", durable.Every(time.Hour))},
		"Every":        {durable.NewSchedule("bad", report, "", durable.Every(0))},
		"Cron":         {durable.NewSchedule("bad", report, "", durable.Cron("x"))},
		"TimeZone":     {durable.NewSchedule("bad", report, "", durable.Cron("* * * * *").In("Mars"))},
		"twice":        {durable.NewSchedule("good", report, "", durable.Every(time.Hour)), durable.NewSchedule("good", report, "", durable.Every(time.Hour))},
		"Overlap":      {durable.NewSchedule("bad", report, "", durable.Every(time.Hour), durable.WithOverlap("x"))},
	} {
		w, err := worker.New(hub, worker.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Register(report); err != nil {
			t.Fatal(err)
		}
		_ = w.RegisterSchedules(schedules...) // Start says it, too
		if err := w.Start(within(t, patience)); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", word, err)
			stopWorker(t, w)
		}
	}
	for s, err := range hub.Client().Schedules(context.Background()) {
		t.Errorf("%+v, %v", s, err)
	}
}
