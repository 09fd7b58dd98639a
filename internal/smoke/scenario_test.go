package smoke

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// patience bounds the whole scenario, on an account far away or a machine that is busy.
const patience = 5 * time.Minute

var (
	hello = durable.NewActivity("Hello", func(_ context.Context, name string) (string, error) { return "Hello " + name + "!", nil })
	echo  = durable.NewActivity("Echo", func(_ context.Context, text string) (string, error) { return text, nil })

	chain = durable.NewOrchestrator("Chain", func(ctx *durable.Context, names []string) (greetings []string, err error) {
		for _, name := range names {
			greeting, err := hello.Call(ctx, name).Await()
			if err != nil {
				return nil, err
			}
			greetings = append(greetings, greeting)
		}
		return greetings, nil
	})
	large = durable.NewOrchestrator("Large", func(ctx *durable.Context, text string) (string, error) { return echo.Call(ctx, text).Await() })
	timer = durable.NewOrchestrator("Timer", func(ctx *durable.Context, seconds int) (bool, error) {
		began := ctx.Now()
		err := durable.Sleep(ctx, time.Duration(seconds)*time.Second)
		return ctx.Now().Sub(began) >= time.Duration(seconds)*time.Second, err
	})
	event = durable.NewOrchestrator("Event", func(ctx *durable.Context, _ durable.Void) (string, error) {
		return durable.WaitForEvent[string](ctx, "Word").Await()
	})
)

// scenario does on a fresh hub what users do first, and deletes the hub.
func scenario(t *testing.T, cfg taskhub.Config, fleet worker.Fleet) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	t.Cleanup(func() { // also when something fails: accounts cost money
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := taskhub.Delete(ctx, cfg); err != nil {
			t.Errorf("the hub %s is left behind: %v", cfg.Name, err)
		}
	})
	hub := open(ctx, t, cfg)
	stop := []func(){start(ctx, t, cfg, fleet), start(ctx, t, cfg, fleet)}
	client := hub.Client()

	began := time.Now()
	runs := make([]*durable.Run[[]string], 8) // on all partitions, and so on both workers
	var err error
	for i := range runs {
		if runs[i], err = chain.Start(ctx, client, []string{"Tokyo", "Seattle", "London"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range runs {
		greetings, err := r.Wait(ctx)
		if want := []string{"Hello Tokyo!", "Hello Seattle!", "Hello London!"}; err != nil || !slices.Equal(greetings, want) {
			t.Fatalf("a chain gave %q, %v", greetings, err)
		}
	}
	t.Logf("%d chains of three took %v", len(runs), time.Since(began).Round(time.Millisecond))
	largePayload(ctx, t, client)
	timers(ctx, t, client)
	signals(ctx, t, client)
	purge(ctx, t, client, runs[0].InstanceID())

	for _, end := range stop {
		end()
	}
	if err := hub.Delete(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := open(ctx, t, cfg).Client().GetStatus(ctx, runs[1].InstanceID()); !errors.Is(err, taskhub.ErrHubNotFound) {
		t.Errorf("after its deletion the hub answers %v", err)
	}
}

// open opens the hub and closes it with the test.
func open(ctx context.Context, t *testing.T, cfg taskhub.Config) *taskhub.Hub {
	t.Helper()
	hub, err := taskhub.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := hub.Close(); err != nil {
			t.Error(err)
		}
	})
	return hub
}

// start runs a worker with a connection of its own, until the function that it returns is called.
func start(ctx context.Context, t *testing.T, cfg taskhub.Config, fleet worker.Fleet) (stop func()) {
	t.Helper()
	w, err := worker.New(open(ctx, t, cfg), worker.Config{Fleet: fleet})
	if err == nil {
		err = w.Register(chain, large, timer, event, hello, echo)
	}
	if err == nil {
		err = w.Start(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	stop = func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := w.Stop(ctx); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop) // before the hub is closed; a second time does nothing
	return stop
}

// largePayload goes through blobs: a message has room for 64 KiB.
func largePayload(ctx context.Context, t *testing.T, client *taskhub.Client) {
	t.Helper()
	text := strings.Repeat("a large payload; ", 20_000)
	run, err := large.Start(ctx, client, text)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := run.Wait(ctx); err != nil || got != text {
		t.Errorf("a payload of %d bytes came back with %d, %v", len(text), len(got), err)
	}
}

func timers(ctx context.Context, t *testing.T, client *taskhub.Client) {
	t.Helper()
	run, err := timer.Start(ctx, client, 2)
	if err != nil {
		t.Fatal(err)
	}
	if late, err := run.Wait(ctx); err != nil || !late {
		t.Errorf("a timer of two seconds fired in time: %v, %v", late, err)
	}
}

// signals raises an event to one instance and terminates another.
func signals(ctx context.Context, t *testing.T, client *taskhub.Client) {
	t.Helper()
	woken, err := event.Start(ctx, client, durable.Void{})
	if err == nil {
		err = woken.RaiseEvent(ctx, "Word", "go")
	}
	if err != nil {
		t.Fatal(err)
	}
	if word, err := woken.Wait(ctx); err != nil || word != "go" {
		t.Errorf("the event was %q, %v", word, err)
	}
	ended, err := event.Start(ctx, client, durable.Void{})
	if err == nil {
		err = ended.Terminate(ctx, "enough")
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ended.Wait(ctx); !errors.Is(err, durable.ErrTerminated) {
		t.Errorf("terminated, the instance ended with %v", err)
	}
}

func purge(ctx context.Context, t *testing.T, client *taskhub.Client, id string) {
	t.Helper()
	if _, err := client.Purge(ctx, id); err != nil {
		t.Error(err)
	}
	if _, err := client.GetStatus(ctx, id); !errors.Is(err, taskhub.ErrInstanceNotFound) {
		t.Errorf("the purged instance answers %v", err)
	}
}
