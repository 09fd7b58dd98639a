package ctxs

import (
	"context"
	"log/slog"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

type repository interface {
	Get(ctx context.Context, id string) (string, error)
}

type service struct {
	ctx    context.Context
	repo   repository
	client durable.Client
}

var Charge = durable.NewActivity("Charge", charge)

var Child = durable.DeclareOrchestrator[int, int]("Child")

func charge(ctx context.Context, n int) (int, error) {
	time.Sleep(1)
	durable.Heartbeat(ctx, n)
	return n, nil
}

var global = context.Background()

func (s *service) run(ctx *durable.Context, n int) (int, error) {
	_, _ = charge(context.Background(), n)              // want `^charge takes a context\.Context, as what does I/O or waits does; do it in an activity \(in orchestrator function service\.run\)`
	_, _ = s.repo.Get(s.ctx, "x")                       // want `s\.repo\.Get takes a context\.Context`
	_ = s.ctx.Err()                                     // want `ctx is a context\.Context of the process, whose deadline and end are not in the history`
	_ = global                                          // want `global is a context\.Context of the process`
	_, _ = context.WithTimeout(context.Background(), 1) // want `context\.WithTimeout takes a context\.Context`
	_ = s.client.RaiseEvent(s.ctx, "x", "y", 1)         // want `s\.client\.RaiseEvent is for clients and activities`
	_, _ = Child.Start(s.ctx, s.client, 1)              // want `Child\.Start is for clients and activities`
	fetch(context.TODO())                               // want `fetch takes`
	ctx.Logger().InfoContext(context.Background(), "x")
	slog.New(nil).Enabled(context.Background(), slog.LevelInfo)
	return Charge.Call(ctx, n).Await()
}

var fetch = func(ctx context.Context) { time.Sleep(1) }

func capture(outer context.Context, repo repository) {
	durable.NewOrchestrator("Captures", func(ctx *durable.Context, n int) (int, error) {
		inner := context.Background()
		_ = inner
		select { // want `a select statement`
		case <-outer.Done(): // want `outer is a context\.Context of the process`
		}
		_, _ = repo.Get(outer, "x") // want `repo\.Get takes`
		return n, nil
	})
}

func foreign(ctx *durable.Context) {
	task := Charge.Call(ctx, 1)
	durable.NewActivity("Odd", func(actx context.Context, _ int) (int, error) {
		return task.Await() // want `Task\.Await in a function that takes a context\.Context runs on a goroutine that the scheduler does not know, where it panics; call it in the orchestrator itself`
	})
}

func viaHelper(ctx *durable.Context, s *service) { s.load() }

func (s *service) load() {
	_, _ = s.repo.Get(context.Background(), "x") // want `s\.repo\.Get takes .*reached from orchestrator function viaHelper via service\.load\(\)`
}
