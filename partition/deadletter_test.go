package partition

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/tables"
	"github.com/go-taskhub/taskhub/taskhub"
)

// after is eventually for bubbles, where waiting costs nothing.
func after(t *testing.T, limit time.Duration, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !condition(); time.Sleep(max(limit/1000, 100*time.Millisecond)) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v it did not come about that %s", limit, what)
		}
	}
}

// slowScene is a scene whose owner looks at an idle queue as rarely as usual: hours are to pass.
func slowScene(t *testing.T, items ...durable.Registrable) *scene {
	t.Helper()
	s := stage(t)
	s.lock, s.poll = 20*time.Second, 5*time.Second
	s.run(items...)
	return s
}

func (s *scene) letters() []tables.DeadLetter {
	s.t.Helper()
	list, _, err := s.hub.Tables().ListDeadLetters(context.Background(), "", "", 0)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range list {
		one, err := s.hub.Tables().GetDeadLetter(context.Background(), list[i].ID())
		if err != nil || one == nil {
			s.t.Fatalf("dead letter %s: %v, %v", list[i].ID(), one, err)
		}
		list[i] = *one
	}
	return list
}

// goWaiter waits for an event named Go and returns what it brings.
var goWaiter = durable.NewOrchestrator("Waiter", func(ctx *durable.Context, _ durable.Void) (string, error) {
	return durable.WaitForEvent[string](ctx, "Go").Await()
})

func poisonFor(id string) *history.Envelope {
	input := strconv.Quote(unstorable)
	return &history.Envelope{
		ActivityID: "5406d369-4369-4673-afae-6671a2fa1e57",
		Message: &history.Message{
			Event:  &history.EventRaised{Base: history.Base{EventID: -1, Timestamp: time.Now().UTC()}, Name: "Go", Input: &input},
			Target: history.Instance{InstanceID: id},
		},
	}
}

// unstorable is what the Table service of these tests does not take.
const unstorable = "unstorable"

func refuseUnstorable(req *http.Request) error {
	if !strings.Contains(req.URL.Path, "$batch") {
		return nil
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return err
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	if bytes.Contains(body, []byte(unstorable)) && !bytes.Contains(body, []byte("DeadLetters(")) {
		return &azcore.ResponseError{StatusCode: http.StatusBadRequest, ErrorCode: "InvalidInput"}
	}
	return nil
}

// TestPoisonousMessage: what a message brings can never be stored. It is tried twenty times, with the good messages that come
// with it applied meanwhile, and becomes a dead letter, and its instance fails with a text that names it.
func TestPoisonousMessage(t *testing.T) { inVirtualTime(t, testPoisonousMessage) }

func testPoisonousMessage(t *testing.T) {
	counting := durable.NewOrchestrator("Counting", func(ctx *durable.Context, _ durable.Void) (int, error) {
		for n := 0; ; n++ {
			if last, err := durable.WaitForEvent[string](ctx, "Go").Await(); err != nil || last == "end" {
				return n, err
			}
			if err := durable.SetCustomStatus(ctx, n+1); err != nil {
				return n, err
			}
		}
	})
	s := slowScene(t, counting)
	s.faults.set(refuseUnstorable, nil)
	s.start("Counting", "i", "")
	s.awaitStatus("i", history.Running)
	s.put(poisonFor("i"))
	for range 3 {
		s.raise("i", "Go", "good")
	}
	after(t, time.Minute, "the good ones are applied", func() bool {
		in, err := s.hub.Client().GetInstance(context.Background(), "i")
		return err == nil && in.Status == history.Running && deref(in.CustomStatus) == "3"
	})
	after(t, 12*time.Hour, "the instance fails", func() bool { is, _ := s.status("i"); return is == history.Failed })
	letters := s.letters()
	if len(letters) != 1 {
		t.Fatalf("%d dead letters", len(letters))
	}
	l := letters[0]
	if l.Attempts != mostAttempts || l.InstanceID != "i" || l.Kind != "EventRaised" || l.Name != "Go" || !strings.Contains(l.Body, unstorable) ||
		l.Reason == "" || l.Queue != s.hub.Queues().Control(0).Name() || l.Worker != "w1" {
		t.Errorf("the dead letter is %+v", l)
	}
	if _, output := s.status("i"); !strings.Contains(output, l.ID()) || !strings.HasPrefix(output, DeadLetterError) {
		t.Errorf("the instance failed with %q, which does not name %s", output, l.ID())
	}
	s.cleanUp()

	s.faults.set(nil, nil) // mended
	s.replay(l.ID())
	after(t, time.Minute, "the message is applied after all", func() bool {
		in, err := s.hub.Client().GetInstance(context.Background(), "i")
		return err == nil && in.Status == history.Running && deref(in.CustomStatus) == "4"
	})
	s.raise("i", "Go", "end")
	after(t, time.Minute, "the instance ends", func() bool { is, out := s.status("i"); return is == history.Completed && out == "4" })
	s.cleanUp()
}

// replay replays a dead letter, which is gone then.
func (s *scene) replay(id string) {
	s.t.Helper()
	if err := s.hub.Client().ReplayDeadLetter(context.Background(), id); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.hub.Client().DeadLetter(context.Background(), id); !errors.Is(err, taskhub.ErrDeadLetterNotFound) {
		s.t.Errorf("the dead letter is still there: %v", err)
	}
	if err := s.hub.Client().ReplayDeadLetter(context.Background(), id); !errors.Is(err, taskhub.ErrDeadLetterNotFound) {
		s.t.Errorf("it can be replayed once more: %v", err)
	}
}

// cleanUp is clean in virtual time.
func (s *scene) cleanUp() {
	s.t.Helper()
	after(s.t, time.Hour, "no message and no row of the active list is left", func() bool {
		return s.messages(s.hub.Queues().Control(0)) == 0 && s.messages(s.hub.Queues().WorkItems()) == 0 && len(s.active()) == 0
	})
}

var bomb = durable.DeclareOrchestrator[durable.Void, string]("Bomb")

func explode(name string) {
	if name == bomb.Name() {
		panic("boom")
	}
}

// TestPoisonousStart: the engine panics over a start. A parent is told, and goes on.
func TestPoisonousStart(t *testing.T) { inVirtualTime(t, testPoisonousStart) }

func testPoisonousStart(t *testing.T) {
	parent := durable.NewOrchestrator("Parent", func(ctx *durable.Context, _ durable.Void) (string, error) {
		_, err := bomb.Call(ctx, durable.Void{}).Await()
		return fmt.Sprint("the child says: ", err), nil
	})
	s := slowScene(t, parent)
	s.host.bomb = explode
	s.start("Bomb", "top", "")
	s.start("Parent", "parent", "")
	after(t, 12*time.Hour, "the instance fails", func() bool { is, _ := s.status("top"); return is == history.Failed })
	after(t, 12*time.Hour, "the parent goes on", func() bool { is, _ := s.status("parent"); return is == history.Completed })
	letters := s.letters()
	if len(letters) != 2 {
		t.Fatalf("%d dead letters", len(letters))
	}
	for _, l := range letters {
		_, output := s.status(l.InstanceID)
		if l.InstanceID != "top" {
			if _, output = s.status("parent"); l.Kind != "ExecutionStarted" {
				t.Errorf("a dead letter is %+v", l)
			}
		}
		if !strings.Contains(output, l.ID()) || !strings.Contains(l.Reason, "boom") {
			t.Errorf("%q does not name %s, or %q is not the reason", output, l.ID(), l.Reason)
		}
	}
	s.cleanUp()

	s.stop(s.part)
	s.run(parent, bomb.With(func(*durable.Context, durable.Void) (string, error) { return "defused", nil }))
	for _, l := range letters {
		s.replay(l.ID())
	}
	after(t, time.Hour, "the instance runs after all", func() bool { is, _ := s.status("top"); return is == history.Completed })
	s.cleanUp()
}

// TestReplayRewindsParents: a dead letter has failed a child, that its parent, and that the parent's parent. With the replay all
// of them go on.
func TestReplayRewindsParents(t *testing.T) { inVirtualTime(t, testReplayRewindsParents) }

func testReplayRewindsParents(t *testing.T) {
	child := durable.NewOrchestrator("Child", func(ctx *durable.Context, _ durable.Void) (string, error) {
		if _, err := durable.WaitForEvent[string](ctx, "Go").Await(); err != nil {
			return "", err
		}
		_, err := durable.WaitForEvent[string](ctx, "End").Await()
		return "done", err
	})
	middle := durable.NewOrchestrator("Middle", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return child.Call(ctx, durable.Void{}, durable.WithInstanceID("child")).Await()
	})
	top := durable.NewOrchestrator("Top", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return middle.Call(ctx, durable.Void{}, durable.WithInstanceID("middle")).Await()
	})
	s := slowScene(t, top, middle, child)
	s.faults.set(refuseUnstorable, nil)
	s.start("Top", "top", "")
	s.awaitStatus("child", history.Running)
	s.put(poisonFor("child"))
	after(t, 12*time.Hour, "all fail", func() bool { is, _ := s.status("top"); return is == history.Failed })
	s.faults.set(nil, nil)
	s.replay(s.letters()[0].ID())
	s.raise("child", "End", "x")
	after(t, time.Hour, "all complete", func() bool {
		is, out := s.status("top")
		return is == history.Completed && out == `"done"`
	})
	s.cleanUp()
}

// TestUndecodableMessage: it stays away longer and longer, and becomes a dead letter. The instance it seems to be for fails.
func TestUndecodableMessage(t *testing.T) { inVirtualTime(t, testUndecodableMessage) }

func testUndecodableMessage(t *testing.T) {
	s := slowScene(t, goWaiter)
	s.start("Waiter", "meant", "")
	s.start("Waiter", "large", "")
	s.start("Waiter", "other", "")
	s.awaitStatus("meant", history.Running)
	s.awaitStatus("large", history.Running)
	s.awaitStatus("other", history.Running)
	queue := s.hub.Queues().Control(0)
	texts := []string{
		"garbage",
		`{"TaskMessage":{"Event":{"$type":"DurableTask.Core.History.FutureEvent, DurableTask.Core","EventId":-1},"OrchestrationInstance":{"InstanceId":"meant"}}}`,
		`{"CompressedBlobName":"large/message-5406d36943694673afae6671a2fa1e57-EventRaised.json.gz"}`,
	}
	for _, text := range texts {
		if err := queue.PutText(context.Background(), text); err != nil {
			t.Fatal(err)
		}
	}
	after(t, 12*time.Hour, "all are dead letters", func() bool { return len(s.letters()) == len(texts) })
	after(t, time.Hour, "the instance fails", func() bool { is, _ := s.status("meant"); return is == history.Failed })
	for _, l := range s.letters() {
		if !slices.Contains(texts, l.Body) || l.Reason == "" || l.Attempts < mostAttempts {
			t.Errorf("a dead letter is %+v", l)
		}
	}
	s.raise("other", "Go", "on")
	after(t, time.Minute, "the other one ends", func() bool { is, _ := s.status("other"); return is == history.Completed })
	s.cleanUp()
}

// TestContentLost: a message whose content is gone, of an instance with the same id that was purged, does not fail the one that was started
// right after it. One that was put later fails its instance.
func TestContentLost(t *testing.T) { inVirtualTime(t, testContentLost) }

func testContentLost(t *testing.T) {
	s := slowScene(t, goWaiter)
	lost := func(id string) {
		t.Helper()
		text := `{"CompressedBlobName":"` + id + `/message-5406d36943694673afae6671a2fa1e57-EventRaised.json.gz"}`
		if err := s.hub.Queues().Control(0).PutText(context.Background(), text); err != nil {
			t.Fatal(err)
		}
	}
	s.start("Waiter", "anew", "")
	s.start("Waiter", "own", "")
	s.awaitStatus("anew", history.Running)
	s.awaitStatus("own", history.Running)
	lost("anew")
	time.Sleep(2 * time.Minute)
	lost("own")
	after(t, 12*time.Hour, "both are dead letters", func() bool { return len(s.letters()) == 2 })
	after(t, time.Hour, "the instance fails", func() bool { is, _ := s.status("own"); return is == history.Failed })
	s.raise("anew", "Go", "on")
	after(t, time.Minute, "the other one ends", func() bool { is, _ := s.status("anew"); return is == history.Completed })
	s.cleanUp()
}

// TestUnhostedIsNoAttempt: an instance whose orchestrator nobody hosts waits for days, over deploys and graceful ends, and runs
// when somebody hosts it.
func TestUnhostedIsNoAttempt(t *testing.T) { inVirtualTime(t, testUnhostedIsNoAttempt) }

func testUnhostedIsNoAttempt(t *testing.T) {
	s := slowScene(t)
	s.start("Waiter", "i", "")
	s.raise("i", "Go", "on")
	for range 26 {
		time.Sleep(11 * time.Minute)
		s.stop(s.part)
		s.run()
	}
	if n := len(s.letters()); n != 0 {
		t.Fatalf("%d dead letters", n)
	}
	s.stop(s.part)
	s.run(goWaiter)
	after(t, time.Hour, "it runs", func() bool { is, _ := s.status("i"); return is == history.Completed })
	s.cleanUp()
}

// attemptsOf receives messages of the control queue without a worker and says how many attempts they count.
func (s *scene) attemptsOf() []int {
	s.t.Helper()
	var list []int
	for {
		batch, err := s.hub.Queues().Control(0).Receive(context.Background(), queues.MaxReceive, time.Second)
		if err != nil {
			s.t.Fatal(err)
		}
		if len(batch) == 0 {
			return list
		}
		for _, d := range batch {
			list = append(list, d.Attempts)
		}
	}
}

// age receives what is in the control queue so many times without doing anything.
func (s *scene) age(times int) {
	s.t.Helper()
	for range times {
		s.attemptsOf()
		time.Sleep(time.Second)
	}
}

// TestAttemptsOfDeadOwners: an owner dies with its process while it runs an episode. The attempt stands, as it was written
// before; after twenty of them the message is given up without being tried.
func TestAttemptsOfDeadOwners(t *testing.T) { inVirtualTime(t, testAttemptsOfDeadOwners) }

func testAttemptsOfDeadOwners(t *testing.T) {
	s := slowScene(t)
	s.stop(s.part)
	var next *scene
	dead := errors.New("the process is dead")
	deadly := durable.NewOrchestrator("Deadly", func(ctx *durable.Context, _ durable.Void) (string, error) {
		next.faults.set(func(*http.Request) error { return dead }, nil)
		close(next.lease.lost)
		return "", nil
	})
	req := durable.StartRequest{Name: "Deadly", InstanceID: "i"}
	if _, err := s.hub.Client().StartOrchestration(context.Background(), req); err != nil {
		t.Fatal(err)
	}
	deaths := 0
	for ; deaths < 40; deaths++ {
		next = s.besides() // its process is another one
		next.run(deadly)
		done := false
		after(t, time.Hour, "it dies or gives up", func() bool {
			select {
			case <-next.part.Done():
				return true
			default:
			}
			is, _ := s.status("i")
			done = is == history.Failed
			return done
		})
		if done {
			break
		}
		time.Sleep(time.Minute)
	}
	if deaths != mostAttempts+freeDeliveries {
		t.Errorf("it was given up after %d deaths", deaths)
	}
	letters := s.letters()
	if len(letters) != 1 || letters[0].Attempts != mostAttempts {
		t.Fatalf("the dead letters are %+v", letters)
	}
	if _, output := s.status("i"); !strings.Contains(output, letters[0].ID()) {
		t.Errorf("the instance failed with %q", output)
	}
}

// TestWhatDoesNotCount: deploys, storage that is out of order, and owners that are asked for their partition leave a message's
// count as it is.
func TestWhatDoesNotCount(t *testing.T) { inVirtualTime(t, testWhatDoesNotCount) }

func testWhatDoesNotCount(t *testing.T) {
	s := slowScene(t)
	s.stop(s.part)
	if _, err := s.hub.Client().StartOrchestration(context.Background(), durable.StartRequest{Name: "Waiter", InstanceID: "i"}); err != nil {
		t.Fatal(err)
	}
	s.age(6)
	for range 25 {
		s.faults.set(refuseCommits, nil)
		s.run(goWaiter)
		time.Sleep(20 * time.Second)
		s.faults.set(nil, nil)
		s.stop(s.part)
		time.Sleep(11 * time.Minute)
		if counts := s.attemptsOf(); !slices.Equal(counts, []int{0}) {
			t.Fatalf("the attempts are %v", counts)
		}
		time.Sleep(time.Minute)
	}
	s.run(goWaiter)
	after(t, 20*time.Minute, "it runs", func() bool { is, _ := s.status("i"); return is == history.Running })
	s.raise("i", "Go", "on")
	after(t, time.Minute, "it ends", func() bool { is, _ := s.status("i"); return is == history.Completed })
	if n := len(s.letters()); n != 0 {
		t.Errorf("%d dead letters", n)
	}
	s.cleanUp()
}

// refuseCommits lets no change of a history or an instance through.
func refuseCommits(req *http.Request) error {
	if strings.Contains(req.URL.Path, "$batch") && !concernsActiveList(req) {
		return errors.New("connection refused")
	}
	return nil
}

// TestAppliedMessageDoesNotCount: a message that was applied and is kept for a while says that nothing was tried in vain.
func TestAppliedMessageDoesNotCount(t *testing.T) {
	inGoFleet(t, func(t *testing.T) { synctest.Test(t, testAppliedMessageDoesNotCount) })
}

func testAppliedMessageDoesNotCount(t *testing.T) {
	long := durable.NewActivity("Long", func(ctx context.Context, in string) (string, error) {
		time.Sleep(time.Minute)
		return in, nil
	})
	s := slowScene(t)
	s.stop(s.part)
	s.lock = time.Minute
	in := `"x"`
	if _, err := s.hub.Client().StartOrchestration(context.Background(), durable.StartRequest{Name: "Caller", InstanceID: "i", Input: &in}); err != nil {
		t.Fatal(err)
	}
	s.age(6)
	s.run(caller(long), long)
	s.awaitStatus("i", history.Running)
	s.crash()
	time.Sleep(2 * time.Minute)
	if counts := s.attemptsOf(); !slices.Equal(counts, []int{0}) {
		t.Fatalf("the attempts are %v", counts)
	}
}

// TestPoisonLeavesOthersAlone: with a few poisonous instances and messages in the hub, all others are as quick as without.
func TestPoisonLeavesOthersAlone(t *testing.T) { inVirtualTime(t, testPoisonLeavesOthersAlone) }

func testPoisonLeavesOthersAlone(t *testing.T) {
	echo := durable.NewActivity("Echo", func(ctx context.Context, in string) (string, error) {
		time.Sleep(100 * time.Millisecond)
		return in, nil
	})
	measure := func(poison bool) time.Duration {
		s := slowScene(t, caller(echo), echo, goWaiter)
		s.host.bomb = explode
		s.faults.set(refuseUnstorable, nil)
		if poison {
			for i := range 10 {
				s.start("Bomb", fmt.Sprint("bomb", i), "")
				s.start("Nobody", fmt.Sprint("nobody", i), "")
				s.put(poisonFor(fmt.Sprint("bomb", i)))
				if err := s.hub.Queues().Control(0).PutText(context.Background(), fmt.Sprint("garbage", i)); err != nil {
					t.Fatal(err)
				}
			}
		}
		var sum time.Duration
		instances := 45
		if !poison {
			instances = 10
		}
		for i := range instances {
			id := fmt.Sprint("good", i)
			began := time.Now()
			s.start("Caller", id, `"x"`)
			s.awaitQuick(id)
			sum += time.Since(began)
			time.Sleep(4 * time.Minute) // through all the attempts
		}
		if poison && len(s.letters()) != 20 { // the poison for bombs goes with their failure
			t.Errorf("%d dead letters", len(s.letters()))
		}
		return sum / time.Duration(instances)
	}
	alone, among := measure(false), measure(true)
	t.Logf("mean latency %v, among poison %v", alone, among)
	if among > alone*6/5 {
		t.Errorf("the mean latency is %v among poison and %v without", among, alone)
	}
}

func (s *scene) awaitQuick(id string) {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if is, _ := s.status(id); is == history.Completed {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s did not complete", id)
		}
	}
}
