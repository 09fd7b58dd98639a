package partition

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/queues"
)

// leasePeriod is that of a Go fleet's leases.
const leasePeriod = 15 * time.Second

func receives(req *http.Request) bool {
	return req.Method == http.MethodGet && strings.HasSuffix(req.URL.Path, "-control-00/messages")
}

// TestPain01OwnedAndNotRead: whatever stops the loop that receives, the partition does not stay with a worker that does not read
// it. The next owner finds what lies there, and the first one writes nothing any more.
func TestPain01OwnedAndNotRead(t *testing.T) {
	t.Parallel()
	for name, ail := range map[string]struct {
		before func(*http.Request) error
		why    error
		within time.Duration
	}{
		"its request hangs": {func(req *http.Request) error {
			if receives(req) {
				<-req.Context().Done()
				return req.Context().Err()
			}
			return nil
		}, errUnread, time.Minute}, // each is given up after some time, and the next one hangs
		"it is not scheduled": {func(req *http.Request) error {
			if receives(req) {
				time.Sleep(5 * leasePeriod) // and heeds nothing meanwhile
			}
			return nil
		}, ErrLeaseLost, leasePeriod + time.Second},
		"it panics": {func(req *http.Request) error {
			if receives(req) {
				panic("the test's transport panics")
			}
			return nil
		}, &LoopPanicError{}, time.Second},
		"its requests are refused": {func(req *http.Request) error {
			if receives(req) {
				return errInjected
			}
			return nil
		}, errUnread, time.Minute},
		"its request hangs and cannot be cancelled": {func(req *http.Request) error {
			if receives(req) {
				<-req.Context().Done()
				time.Sleep(leasePeriod)
				return req.Context().Err()
			}
			return nil
		}, ErrLeaseLost, leasePeriod + time.Second},
	} {
		for _, f := range []Fleet{Mixed, Go} {
			t.Run(name+"/"+f.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { testUnreadPartition(t, ail.before, ail.why, ail.within) })
			})
		}
	}
}

func testUnreadPartition(t *testing.T, ail func(*http.Request) error, why error, within time.Duration) {
	var runs atomic.Int32
	s := stage(t)
	next := s.besides()
	s.faults.set(ail, nil)
	s.period = leasePeriod
	began := time.Now()
	s.run(single(&runs))
	first, lease := s.part, s.lease
	started := next.startOnly("Single", "i")
	select {
	case <-lost(first):
	case <-time.After(patience + time.Minute):
		t.Fatal("the partition is not given up")
	}
	if took := time.Since(began); took > within {
		t.Errorf("it was given up after %v", took)
	}
	var panicked *LoopPanicError
	if got := first.Failure(); !errors.Is(got, why) && !(errors.As(got, &panicked) && errors.As(why, &panicked)) {
		t.Errorf("the failure is %v", got)
	}
	orderly := errors.Is(why, errUnread) // it renews while it drains
	if !orderly && first.owned() == nil {
		t.Error("it may still write")
	}
	started()
	next.run(single(&runs))
	next.awaitStatus("i", history.Completed)
	next.whole("i")
	next.clean()
	<-first.Done()
	if n, r := runs.Load(), lease.renewals.Load(); n != 1 || !orderly && r > 0 {
		t.Errorf("the code ran %d times, the lease was renewed %d times", n, r)
	}
}

// lost is closed when a partition gives itself up.
func lost(p *Partition) <-chan struct{} {
	c := make(chan struct{})
	go func() {
		defer close(c)
		for end := time.Now().Add(10 * time.Minute); p.Failure() == nil && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return c
}

// startOnly starts an instance in a hub without an owner; the start is in the queue when the returned function is called.
func (s *scene) startOnly(name, id string) (done func()) {
	s.t.Helper()
	_, err := s.hub.Client().StartOrchestration(within(s.t), durable.StartRequest{Name: name, InstanceID: id})
	return func() {
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestPain01PanickingHandler: what panics is one message's handling. It is set aside; the partition goes on with the others, and
// the message is taken up later.
func TestPain01PanickingHandler(t *testing.T) { inVirtualTime(t, testPanickingHandler) }

func testPanickingHandler(t *testing.T) {
	var runs atomic.Int32
	s := newScene(t, single(&runs))
	sessions := s.part.sessions
	sessions.mu.Lock()
	byID := sessions.byID
	sessions.byID = nil // whoever enters an instance panics
	sessions.mu.Unlock()
	s.start("Single", "i", "")
	eventually(t, "the message was set aside", func() bool { return len(s.part.holds.all()) == 0 && s.part.health.lastReceive.Load() > 0 })
	time.Sleep(time.Second)
	if s.part.Failure() != nil || s.part.owned() != nil {
		t.Fatalf("the partition has ended: %v", s.part.Failure())
	}
	sessions.mu.Lock()
	sessions.byID = byID
	sessions.mu.Unlock()
	s.awaitStatus("i", history.Completed)
	s.whole("i")
	s.clean()
}

// TestPain01PanickingSession: a panic while an instance is worked on costs the instance's turn or the partition, not the process.
func TestPain01PanickingSession(t *testing.T) { inVirtualTime(t, testPanickingSession) }

func testPanickingSession(t *testing.T) {
	var runs atomic.Int32
	s := stage(t)
	s.start("Single", "i", "")
	var panics atomic.Int32
	s.ended = func(string) {
		if panics.Add(1) == 1 {
			panic("the host panics")
		}
	}
	s.run(single(&runs))
	eventually(t, "the panic is over", func() bool {
		if s.part.Failure() != nil {
			<-s.part.Done()
			s.run(single(&runs))
		}
		return panics.Load() > 0 && s.messages(s.hub.Queues().Control(0)) == 0
	})
	s.awaitStatus("i", history.Completed)
	s.whole("i")
	s.clean()
}

// TestPain01FullBuffer: instances that do not get on fill the partition's memory.
func TestPain01FullBuffer(t *testing.T) {
	TestFullBufferLosesThePartition(t)
}

// TestPutOffMessagesDoNotWaitForTheNextOwner: this owner does not host the orchestrator, and puts its start off for longer and longer.
// When the partition moves to an owner that does, as in a deployment, the instance starts at once.
func TestPutOffMessagesDoNotWaitForTheNextOwner(t *testing.T) {
	inVirtualTime(t, testPutOffMessages)
}

func testPutOffMessages(t *testing.T) {
	var runs atomic.Int32
	s := stage(t)
	s.start("Single", "i", "")
	s.run()
	time.Sleep(time.Minute) // 2, 4, 8, 16 and 32 seconds: it comes back after a minute and two seconds
	eventually(t, "it is put off again", func() bool { return len(s.part.holds.all()) == 0 })
	s.stop(s.part)
	began := time.Now()
	s.run(single(&runs))
	s.awaitStatus("i", history.Completed)
	if took := time.Since(began); took > time.Second {
		t.Errorf("it waited for %v", took)
	}
	s.whole("i")
	s.clean()
}

// TestAnswersFromElsewhereAreSoonSeen: while another worker runs an activity, the partition looks at its queue more often than when
// it is idle.
func TestAnswersFromElsewhereAreSoonSeen(t *testing.T) { inVirtualTime(t, testAnswersFromElsewhere) }

func testAnswersFromElsewhere(t *testing.T) {
	const takes = 7 * time.Second
	a := durable.NewActivity("A", func(_ context.Context, in string) (string, error) {
		time.Sleep(takes)
		return in + "!", nil
	})
	s := stage(t)
	s.poll, s.deaf, s.lock = 30*time.Second, true, 0
	other := s.besides()
	other.hostElsewhere(a)
	other.serveWork(0)
	s.run(caller(a), a)
	time.Sleep(time.Minute) // it is idle
	s.start("Caller", "i", `"x"`)
	began := time.Now()
	s.awaitStatus("i", history.Completed)
	if late := time.Since(began) - takes; late > 2*time.Second {
		t.Errorf("the result was seen %v late", late)
	}
	time.Sleep(time.Minute)
	before := s.hub.Account().Counts().Calls["queue.get"]
	time.Sleep(time.Minute)
	if n := s.hub.Account().Counts().Calls["queue.get"] - before; n > 2*60/30+1 {
		t.Errorf("an idle partition looked %d times in a minute", n)
	}
	s.clean()
}

// TestPain01HungDrain: another worker wants the partition, and the calls hang with which this one would give its messages back. It lets go
// of the partition all the same.
func TestPain01HungDrain(t *testing.T) { inVirtualTime(t, testHungDrain) }

func testHungDrain(t *testing.T) {
	var runs atomic.Int32
	s := newScene(t, single(&runs))
	s.faults.set(func(req *http.Request) error {
		if strings.Contains(req.URL.Path, "-control-00/messages") {
			<-req.Context().Done()
			return req.Context().Err()
		}
		return nil
	}, nil)
	for i := range 1000 {
		s.part.holds.add(s.part.queue, queues.Receipt{ID: strconv.Itoa(i), PopReceipt: "x"}, time.Now().Add(time.Hour))
	}
	began := time.Now()
	close(s.lease.handOver)
	<-s.lease.released
	if took := time.Since(began); took > drainLimit+10*time.Second {
		t.Errorf("the partition was let go of after %v", took)
	}
}
