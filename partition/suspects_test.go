package partition

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/tables"
)

// killer hosts activities of which one ends the process that runs it, and orchestrators of which one does.
type killer struct {
	next   *scene // the process
	deaths int
	slow   time.Duration // how long the innocent activity takes
}

var errProcess = errors.New("the process is dead")

func (k *killer) kill() {
	k.next.faults.set(func(*http.Request) error { return errProcess }, nil)
	close(k.next.lease.lost)
}

func (k *killer) items() []durable.Registrable {
	slow := durable.NewActivity("Slow", func(ctx context.Context, in string) (string, error) {
		time.Sleep(k.slow)
		return in + "!", nil
	})
	deadly := durable.NewActivity("Deadly", func(ctx context.Context, in string) (string, error) {
		time.Sleep(time.Second)
		k.kill()
		return in, errProcess
	})
	return []durable.Registrable{
		slow, deadly,
		durable.NewOrchestrator("Innocent", func(ctx *durable.Context, in string) (string, error) { return slow.Call(ctx, in).Await() }),
		durable.NewOrchestrator("Guilty", func(ctx *durable.Context, in string) (string, error) { return deadly.Call(ctx, in).Await() }),
		durable.NewOrchestrator("GuiltyCode", func(*durable.Context, string) (string, error) { k.kill(); return "", nil }),
		durable.NewOrchestrator("Waiter", func(ctx *durable.Context, _ string) (string, error) {
			return durable.WaitForEvent[string](ctx, "Go").Await()
		}),
	}
}

// live starts one process after another until the condition holds.
func (k *killer) live(s *scene, most int, enough func() bool) {
	s.t.Helper()
	for ; k.deaths <= most; k.deaths++ {
		k.next = s.besides()
		k.next.run(k.items()...)
		over := false
		after(s.t, 2*time.Hour, "it dies or there is nothing left to do", func() bool {
			select {
			case <-k.next.part.Done():
				return true
			default:
			}
			over = enough()
			return over
		})
		if over {
			return
		}
		time.Sleep(time.Minute)
	}
	s.t.Errorf("%d processes died", k.deaths)
}

func (s *scene) begin(name, id string) {
	s.t.Helper()
	in := `"x"`
	if _, err := s.hub.Client().StartOrchestration(context.Background(), durable.StartRequest{Name: name, InstanceID: id, Input: &in}); err != nil {
		s.t.Fatal(err)
	}
}

// TestNeighboursOfAKiller: an activity that this process alone knows of ends it, again and again. Its instance fails in the end;
// those that had work in the processes that died get through, however many deaths that takes.
func TestNeighboursOfAKiller(t *testing.T) {
	inGoFleet(t, func(t *testing.T) { synctest.Test(t, testNeighboursOfAKiller) })
}

func testNeighboursOfAKiller(t *testing.T) {
	s := slowScene(t)
	s.stop(s.part)
	k := &killer{slow: 5 * time.Second} // the process never lives that long
	const innocents = 5
	for i := range innocents {
		s.begin("Innocent", fmt.Sprint("innocent", i))
	}
	for _, id := range []string{"guilty1", "guilty2"} {
		s.begin("Guilty", id)
	}
	k.live(s, 70, func() bool {
		for _, id := range []string{"guilty1", "guilty2"} {
			if is, _ := s.status(id); is != history.Failed {
				return false
			}
		}
		return true
	})
	if k.deaths < 30 {
		t.Errorf("only %d processes died", k.deaths)
	}
	t.Logf("%d processes died", k.deaths)
	for i := range innocents {
		id := fmt.Sprint("innocent", i)
		after(t, 10*time.Minute, id+" completes", func() bool { is, out := s.status(id); return is == history.Completed && out == `"x!"` })
	}
	s.cleanUp()
}

// TestNeighboursOfKillerMessages: messages end the process that applies them. Those that come with them are applied, and only the
// messages that did it become dead letters.
func TestNeighboursOfKillerMessages(t *testing.T) { inVirtualTime(t, testNeighboursOfKillerMessages) }

func testNeighboursOfKillerMessages(t *testing.T) {
	s := slowScene(t)
	s.stop(s.part)
	k := &killer{}
	guilty := []string{"guilty1", "guilty2"}
	for _, id := range guilty {
		s.begin("GuiltyCode", id)
	}
	for i := range 5 {
		s.begin("Waiter", fmt.Sprint("innocent", i))
	}
	k.live(s, 70, func() bool {
		for _, id := range guilty {
			if is, _ := s.status(id); is != history.Failed {
				return false
			}
		}
		return true
	})
	if k.deaths < 30 {
		t.Errorf("only %d processes died", k.deaths)
	}
	t.Logf("%d processes died", k.deaths)
	for i := range 5 {
		id := fmt.Sprint("innocent", i)
		after(t, 10*time.Minute, id+" runs", func() bool { is, _ := s.status(id); return is == history.Running })
		if err := s.hub.Client().RaiseEvent(context.Background(), id, "Go", "x"); err != nil {
			t.Fatal(err)
		}
		after(t, 10*time.Minute, id+" completes", func() bool { is, _ := s.status(id); return is == history.Completed })
	}
	for _, l := range s.letters() {
		if l.InstanceID != guilty[0] && l.InstanceID != guilty[1] {
			t.Errorf("a dead letter is %+v", l)
		}
	}
	s.cleanUp()
}

// TestSuspectsAreChargedWhenTried: of many instances with a record only the group that is tried is charged, and a survived trial
// takes the charge back. Without suspects the list is written as often as ever.
func TestSuspectsAreChargedWhenTried(t *testing.T) {
	inGoFleet(t, func(t *testing.T) { synctest.Test(t, testSuspectsAreChargedWhenTried) })
}

func testSuspectsAreChargedWhenTried(t *testing.T) {
	s := slowScene(t)
	s.stop(s.part)
	queue := s.hub.Queues().Control(0).Name()
	var rows []tables.ActiveRow
	for i := range 8 { // of instances that nobody hosts: nothing becomes of them
		rows = append(rows, tables.ActiveRow{Queue: queue, Owner: "dead", InstanceID: fmt.Sprint("i", i), Attempts: int32(4 + i)})
	}
	for i := range rows {
		s.begin("Nobody", rows[i].InstanceID)
	}
	s.run(durable.NewOrchestrator("Nobody", func(ctx *durable.Context, _ string) (string, error) {
		return "", durable.Sleep(ctx, 30*24*time.Hour)
	}))
	for _, r := range rows {
		s.awaitStatus(r.InstanceID, history.Running)
	}
	s.stop(s.part)
	if err := s.hub.Tables().PutActive(context.Background(), rows); err != nil {
		t.Fatal(err)
	}
	var writes atomic.Int32
	next := s.besides()
	next.faults.set(func(req *http.Request) error {
		if req.Method == http.MethodPost && concernsActiveList(req) {
			writes.Add(1)
		}
		return nil
	}, nil)
	next.run()
	time.Sleep(trialDelay / 2)
	attempts := map[string]int32{}
	for _, r := range next.active() {
		attempts[r.InstanceID] = r.Attempts
	}
	for i, r := range rows {
		want := r.Attempts
		if i == 0 {
			want++ // not a suspect yet
		}
		if attempts[r.InstanceID] != want {
			t.Errorf("%s is charged with %d owners instead of %d", r.InstanceID, attempts[r.InstanceID], want)
		}
	}
	next.crash()
}
