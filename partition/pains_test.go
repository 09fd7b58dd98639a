package partition

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
)

// The tests TestPain… are named after what users of the .NET library suffer from: work that stops silently, or is wrong. Each shows
// that it does not happen here. TestPain01 is in ownership_test.go; those that need whole workers are in the package worker.

// TestPain02PoisonDoesNotSpread: a message that nobody can read, and an instance whose code panics, are the trouble of nobody else.
func TestPain02PoisonDoesNotSpread(t *testing.T) { inVirtualTime(t, testPoisonDoesNotSpread) }

func testPoisonDoesNotSpread(t *testing.T) {
	var runs atomic.Int32
	poison := durable.NewOrchestrator("Poison", func(*durable.Context, durable.Void) (string, error) {
		panic("the orchestrator panics")
	})
	s := newScene(t, single(&runs), poison)
	raw := s.hub.Account().Queues().NewQueueClient(s.hub.Names().ControlQueue(0))
	if _, err := raw.EnqueueMessage(within(t), "nobody can read this", nil); err != nil {
		t.Fatal(err)
	}
	s.start("Poison", "poisoned", "")
	began := time.Now()
	const others = 50
	for i := range others {
		s.start("Single", fmt.Sprint("other-", i), "")
	}
	for i := range others {
		s.awaitStatus(fmt.Sprint("other-", i), history.Completed)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the others took %v", took)
	}
	if n := runs.Load(); n != others {
		t.Errorf("%d of them ran", n)
	}
	if out := s.awaitStatus("poisoned", history.Failed); !strings.Contains(out, "panics") {
		t.Errorf("the failure is %s", out)
	}
}

// TestPain03StatusFollowsHistory: the end is in the history, and its writer died or was refused before the status row said so. Nobody
// sends another message, and the row is mended all the same.
func TestPain03StatusFollowsHistory(t *testing.T) { inVirtualTime(t, testStatusFollowsHistory) }

func testStatusFollowsHistory(t *testing.T) {
	var runs atomic.Int32
	s := stage(t)
	s.start("Single", "i", "")
	dead := s.dieAt(1, statusWrite, false)
	s.run(single(&runs))
	<-dead
	s.crash()
	s.faults.set(first(5, statusWrite), nil) // and the next owner is refused at first
	s.run(single(&runs))
	in, err := s.hub.Client().WaitForCompletion(within(t), "i", "")
	if err != nil || in.Status != history.Completed {
		t.Errorf("the waiting client gets %+v, %v", in, err)
	}
	s.whole("i")
	s.clean()
}

// TestPain04NothingAfterTheDeadline: an owner that cannot renew its lease asks for nothing more once the lease's deadline has passed,
// whatever it was doing: another worker may own the partition by then.
func TestPain04NothingAfterTheDeadline(t *testing.T) { inVirtualTime(t, testNothingAfterTheDeadline) }

func testNothingAfterTheDeadline(t *testing.T) {
	tick := durable.NewActivity("Tick", func(context.Context, int) (int, error) { return 1, nil })
	ticks := durable.NewOrchestrator("Ticks", func(ctx *durable.Context, n int) (int, error) {
		for i := range n {
			if _, err := tick.Call(ctx, i).Await(); err != nil {
				return 0, err
			}
			if err := durable.Sleep(ctx, time.Second/2); err != nil {
				return 0, err
			}
		}
		return n, nil
	})
	s := stage(t)
	s.hostElsewhere(tick)
	for i := range 5 {
		s.start("Ticks", fmt.Sprint("i-", i), "40")
	}
	s.period = leasePeriod
	var last atomic.Int64
	s.faults.set(func(*http.Request) error { last.Store(time.Now().UnixNano()); return nil }, nil)
	s.run(ticks, tick)
	s.lease.refused.Store(true)
	deadline := s.lease.Deadline()
	<-s.part.Done()
	time.Sleep(time.Minute)
	if at := time.Unix(0, last.Load()); at.After(deadline) || deadline.Sub(at) > time.Second {
		t.Errorf("the last request was sent %v after the deadline", at.Sub(deadline))
	}
	if !errors.Is(s.part.Failure(), ErrLeaseLost) {
		t.Errorf("the failure is %v", s.part.Failure())
	}
	next := s.besides()
	next.hostElsewhere(tick)
	next.run(ticks, tick)
	next.serveWork(0)
	for i := range 5 {
		next.awaitStatus(fmt.Sprint("i-", i), history.Completed)
		next.whole(fmt.Sprint("i-", i))
	}
	next.clean()
}

// TestPain05ActivitiesOfAnAbortedEpisode: an episode that is not committed, because the storage refuses it or its answer is lost, has not
// started its activity behind the history's back: it runs once.
func TestPain05ActivitiesOfAnAbortedEpisode(t *testing.T) { inVirtualTime(t, testAbortedEpisode) }

func testAbortedEpisode(t *testing.T) {
	for name, fault := range map[string]func(*tamper){
		"refused": func(f *tamper) { f.set(first(1, commits), nil) },
		"lost":    func(f *tamper) { f.set(nil, first(1, commits)) },
	} {
		s, c := stage(t), newCounter(t)
		c.open()
		a := c.activity("A")
		s.hostElsewhere(a)
		s.start("Caller", "i", `"x"`)
		fault(s.faults)
		s.run(caller(a), a)
		s.serveWork(0)
		s.awaitStatus("i", history.Completed)
		s.whole("i")
		if n := c.of("x"); n != 1 && fleetOf(t) == Go || n > 2 {
			t.Errorf("%s: it ran %d times", name, n)
		}
	}
}

// TestPain07Events: events raised before the instance has run, raised again by a sender that got no answer, and delivered again after a
// crash are applied once each, in the order in which they were raised.
func TestPain07Events(t *testing.T) { inVirtualTime(t, testEvents) }

func testEvents(t *testing.T) {
	const count = 5
	collector := durable.NewOrchestrator("Collector", func(ctx *durable.Context, _ durable.Void) (string, error) {
		var got []string
		for range count {
			text, err := durable.WaitForEvent[string](ctx, "E").Await()
			if err != nil {
				return "", err
			}
			got = append(got, text)
		}
		return strings.Join(got, ""), nil
	})
	s := stage(t)
	s.start("Collector", "i", "")
	s.raise("i", "E", "a") // nobody has seen the instance yet
	s.raise("i", "E", "b")
	s.run(collector)
	s.awaitStatus("i", history.Running)
	s.clean()
	s.put(eventMessage("i", messageA, `"c"`, time.Now().UTC()))
	s.put(eventMessage("i", messageA, `"c"`, time.Now().UTC()))
	s.clean()
	dead := s.dieAt(1, deletesControl, false)
	s.raise("i", "E", "d")
	s.succeed(dead, collector)
	time.Sleep(2 * crashLock) // the copy comes
	s.raise("i", "E", "e")
	if out := s.awaitStatus("i", history.Completed); out != `"abcde"` {
		t.Errorf("the events are %s", out)
	}
	s.whole("i")
	s.clean()
}

// TestPain08NoHole: when a partition changes hands in order, the next owner sees at once what the last one had received; after a crash it
// sees it when the messages' locks end, 15 seconds later in a Go fleet and 30 in a mixed one.
func TestPain08NoHole(t *testing.T) { inVirtualTime(t, testNoHole) }

func testNoHole(t *testing.T) {
	var runs atomic.Int32
	const count = 20
	for _, orderly := range []bool{true, false} {
		s := stage(t)
		s.lock = 15 * time.Second
		if fleetOf(t) == Mixed {
			s.lock = 30 * time.Second
		}
		for i := range count {
			s.start("Single", fmt.Sprint("i-", i), "")
		}
		received := make(chan struct{})
		var once atomic.Bool
		s.faults.set(func(req *http.Request) error { // the owner gets nowhere with what it has received
			if readsRow(req) {
				if once.CompareAndSwap(false, true) {
					close(received)
				}
				return errInjected
			}
			return nil
		}, nil)
		s.run(single(&runs))
		<-received
		most := s.lock + 2*time.Second
		if orderly {
			most = 2 * time.Second
			s.stop(s.part)
			s.faults.set(nil, nil)
			s.run(single(&runs))
		} else {
			s.succeed(s.dieNow(), single(&runs))
		}
		began := time.Now()
		if !orderly {
			time.Sleep(s.lock)
		}
		for i := range count {
			s.awaitStatus(fmt.Sprint("i-", i), history.Completed)
		}
		if took := time.Since(began); took > most {
			t.Errorf("in order %v: the next owner has everything after %v", orderly, took)
		}
		s.clean()
	}
	if n := runs.Load(); n != 2*count {
		t.Errorf("%d instances ran %d times", 2*count, n)
	}
}

// TestPain09UnhostedNames: an orchestrator that nobody here hosts makes its instances wait, and nobody else. They can be terminated without
// their code.
func TestPain09UnhostedNames(t *testing.T) { inVirtualTime(t, testUnhostedNames) }

func testUnhostedNames(t *testing.T) {
	var runs atomic.Int32
	s := newScene(t, single(&runs))
	for i := range 20 {
		s.start("Renamed", fmt.Sprint("waits-", i), "")
	}
	time.Sleep(10 * time.Second)
	before := s.hub.Account().Counts().Calls["queue.update"]
	began := time.Now()
	for i := range 20 {
		s.start("Single", fmt.Sprint("runs-", i), "")
		s.awaitStatus(fmt.Sprint("runs-", i), history.Completed)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the others took %v", took)
	}
	time.Sleep(time.Minute)
	if n := s.hub.Account().Counts().Calls["queue.update"] - before; n > 20*5 {
		t.Errorf("20 messages were put off %d times in a minute", n)
	}
	if err := s.hub.Client().Terminate(within(t), "waits-0", "its code is gone"); err != nil {
		t.Fatal(err)
	}
	s.part.Wake()
	if out := s.awaitStatus("waits-0", history.Terminated); out != "its code is gone" {
		t.Errorf("the reason is %s", out)
	}
}

// TestPain19HungCalls: storage calls of one instance hang. The others go on, and the partition can be stopped.
func TestPain19HungCalls(t *testing.T) { inVirtualTime(t, testHungCalls) }

func testHungCalls(t *testing.T) {
	var runs atomic.Int32
	s := newScene(t, single(&runs))
	s.start("Single", "hung", "")
	s.faults.set(func(req *http.Request) error {
		if strings.Contains(req.URL.Path, "hung") || commits(req) && strings.Contains(bodyOf(req), "hung") {
			<-req.Context().Done()
			return req.Context().Err()
		}
		return nil
	}, nil)
	began := time.Now()
	for i := range 20 {
		s.start("Single", fmt.Sprint("i-", i), "")
		s.awaitStatus(fmt.Sprint("i-", i), history.Completed)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the others took %v", took)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	began = time.Now()
	_ = s.part.Stop(ctx) // what hangs is found by the next owner
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("stopping took %v", took)
	}
	<-s.part.Done()
	s.faults.set(nil, nil)
	s.run(single(&runs))
	s.awaitStatus("hung", history.Completed)
	s.whole("hung")
	s.clean()
}

// TestPain19Outage: the storage refuses everything for a while. Nothing is lost, and work goes on as soon as it is back.
func TestPain19Outage(t *testing.T) { inVirtualTime(t, testOutage) }

func testOutage(t *testing.T) {
	s, c := stage(t), newCounter(t)
	c.open()
	a := c.activity("A")
	s.hostElsewhere(a)
	const count = 20
	for i := range count {
		s.start("Caller", fmt.Sprint("i-", i), fmt.Sprintf(`"%d"`, i))
	}
	var calls atomic.Int32
	until := time.Now().Add(20 * time.Second)
	s.faults.set(func(*http.Request) error {
		if calls.Add(1) > 30 && time.Now().Before(until) { // in the middle of the work
			return errInjected
		}
		return nil
	}, nil)
	s.run(caller(a), a)
	time.Sleep(time.Until(until))
	s.serveWork(0)
	for i := range count {
		s.awaitStatus(fmt.Sprint("i-", i), history.Completed)
		s.whole(fmt.Sprint("i-", i))
	}
	s.clean()
}

// TestPain20Timers: timers, near and far, fire on the instant and not before, also when their owner has died, and at once when they came
// due while nobody owned the partition.
func TestPain20Timers(t *testing.T) { inVirtualTime(t, testTimers) }

func testTimers(t *testing.T) {
	sleeper := durable.NewOrchestrator("Sleeper", func(ctx *durable.Context, due time.Time) (int64, error) {
		err := durable.SleepUntil(ctx, due)
		return time.Since(due).Milliseconds(), err
	})
	s := stage(t)
	s.poll = 5 * time.Second
	s.run(sleeper)
	now := time.Now()
	naps := []time.Duration{30 * time.Millisecond, time.Second, 7 * time.Second, 40 * time.Second, 61 * time.Second, 5 * time.Minute, time.Hour}
	for i, nap := range naps {
		s.start("Sleeper", fmt.Sprint("i-", i), now.Add(nap).UTC().Format(`"2006-01-02T15:04:05.0000000Z"`))
	}
	time.Sleep(3 * time.Second)
	s.succeed(s.dieNow(), sleeper) // two have fired
	time.Sleep(3 * time.Second)
	s.dieNow()
	s.crash()
	time.Sleep(time.Until(now.Add(55 * time.Second))) // two come due while nobody is there
	s.faults.set(nil, nil)
	s.run(sleeper)
	time.Sleep(time.Until(now.Add(time.Hour + time.Minute)))
	for i, nap := range naps {
		most := 100 * time.Millisecond
		switch {
		case nap == naps[2], nap == naps[3]:
			most = time.Minute // there was no owner
		case nap > nearTimer:
			most = s.poll + 2*time.Second // its message is all there is of it, as its owner has died
		}
		out := s.awaitStatus(fmt.Sprint("i-", i), history.Completed)
		var late int64
		if _, err := fmt.Sscan(out, &late); err != nil || late < 0 || late > most.Milliseconds() {
			t.Errorf("the timer of %v fired %s ms late", nap, out)
		}
		s.whole(fmt.Sprint("i-", i))
	}
	s.clean()
}
