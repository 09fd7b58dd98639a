package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

// errBroken is what activities of scripts fail with.
var errBroken = errors.New("this attempt was to fail")

// retries outlasts every script's failing attempts, also when an attempt is repeated.
var retries = durable.WithRetry(durable.RetryPolicy{MaxAttempts: 6, FirstInterval: 700 * time.Millisecond, BackoffCoefficient: 2})

var work = durable.DeclareActivity[Step, string]("Work")

// play is the orchestrator of all instances.
var play = durable.DeclareOrchestrator[Script, string]("Play")

// programs are what a process hosts.
func (w *world) programs(n *node) []durable.Registrable {
	return []durable.Registrable{
		play.With(w.play),
		work.With(func(ctx context.Context, s Step) (string, error) { return w.work(ctx, n, s) }, durable.WithStartToClose(40*time.Second)),
	}
}

func (w *world) play(ctx *durable.Context, s Script) (string, error) {
	out := s.Done
	for i, op := range s.Ops {
		if op.Again {
			return "", durable.ContinueAsNew(ctx, Script{Ops: s.Ops[i+1:], Done: out, Gen: s.Gen + 1})
		}
		if op.Gather != nil {
			return w.gather(ctx, s, i, out)
		}
		more, err := w.playOp(ctx, op)
		if err != nil {
			return out, err
		}
		out += more
	}
	return out, nil
}

func (w *world) playOp(ctx *durable.Context, op Op) (string, error) {
	switch {
	case op.Act != nil:
		got, err := callStep(ctx, *op.Act).Await()
		return strings.TrimRight(got, "x"), err
	case op.Fan != nil:
		tasks := make([]*durable.Task[string], len(op.Fan))
		for i, s := range op.Fan {
			tasks[i] = callStep(ctx, s)
		}
		all, err := durable.WhenAll(tasks)
		for i := range all {
			all[i] = strings.TrimRight(all[i], "x")
		}
		return strings.Join(all, ""), err
	case op.Kids != nil:
		tasks := make([]*durable.Task[string], len(op.Kids))
		for i, k := range op.Kids {
			tasks[i] = play.Call(ctx, k.Script, k.options()...)
		}
		all, err := durable.WhenAll(tasks)
		return "(" + strings.Join(all, ")(") + ")", err
	case op.Sleep > 0:
		due := ctx.Now().Add(time.Duration(op.Sleep) * time.Millisecond)
		err := durable.Sleep(ctx, time.Duration(op.Sleep)*time.Millisecond)
		if early := due.Sub(ctx.Now()); early > 0 && w.skew == 0 {
			w.violate("%s: a timer fired %v early", ctx.InstanceID(), early)
		}
		return "z;", err
	case op.Wait != "":
		got, err := durable.WaitForEvent[string](ctx, op.Wait).Await()
		return got + ";", err
	case op.Race > 0:
		_, err := durable.WaitForEvent[string](ctx, "never", durable.WithTimeout(time.Duration(op.Race)*time.Millisecond)).Await()
		if !errors.Is(err, durable.ErrTimeout) {
			return "", fmt.Errorf("waiting for an event that never comes: %w", err)
		}
		return "late;", nil
	case op.Send != nil:
		return "", durable.SendEvent(ctx, op.Send.To, op.Send.Name, op.Send.Name)
	case op.Status != "":
		return "", durable.SetCustomStatus(ctx, op.Status)
	case op.Forget != nil:
		w.forgotten(ctx.InstanceID(), op.Forget.ID)
		work.Call(ctx, *op.Forget)
		return "", nil
	case op.Spawn != nil:
		_, err := play.Spawn(ctx, op.Spawn.Script, op.Spawn.options()...)
		w.spawned(ctx.InstanceID(), op.Spawn)
		return "", err
	}
	return "", nil
}

// gather takes one event in each generation until it has them all. Copies that a client sent again count once.
func (w *world) gather(ctx *durable.Context, s Script, at int, out string) (string, error) {
	op := s.Ops[at]
	var got []string
	rest := out
	if i := strings.LastIndex(out, "<"); i >= 0 {
		got, rest = strings.Split(strings.Trim(out[i:], "<>"), "+"), out[:i]
		got = slices.DeleteFunc(got, func(s string) bool { return s == "" })
	}
	if len(got) == len(op.Gather) {
		slices.Sort(got)
		return "", durable.ContinueAsNew(ctx, Script{Ops: s.Ops[at+1:], Done: rest + strings.Join(got, "+") + ";", Gen: s.Gen + 1})
	}
	next, err := durable.WaitForEvent[string](ctx, "gather").Await()
	if err != nil {
		return "", err
	}
	if !slices.Contains(got, next) {
		got = append(got, next)
	}
	return "", durable.ContinueAsNew(ctx, Script{Ops: s.Ops[at:], Done: rest + "<" + strings.Join(got, "+") + ">", Gen: s.Gen + 1})
}

func (k Kid) options() []durable.SubOrchestrationOption {
	if k.ID == "" {
		return nil
	}
	return []durable.SubOrchestrationOption{durable.WithInstanceID(k.ID)}
}

func callStep(ctx *durable.Context, s Step) *durable.Task[string] {
	s.Text = strings.Repeat("x", s.Pad)
	if s.Fails == 0 {
		return work.Call(ctx, s)
	}
	return work.Call(ctx, s, retries, durable.WithStartToClose(time.Duration(s.MS)*time.Millisecond+4*time.Second))
}

// work is the activity of all scripts. It takes its time, and fails as told.
func (w *world) work(ctx context.Context, n *node, s Step) (string, error) {
	key := durable.ActivityInfo(ctx).InstanceID + "/" + s.ID
	run := w.begun(n, key)
	if s.MS > 0 {
		timer := time.NewTimer(time.Duration(s.MS) * time.Millisecond)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return "", ctx.Err()
		case <-n.gone:
			return "", errDead
		}
	}
	if s.Until != "" && !w.healed(s.Until) {
		return "", errBroken
	}
	if run <= s.Fails {
		w.bad(n)
		switch s.How {
		case "panic":
			panic(errBroken)
		case "hang":
			select {
			case <-ctx.Done():
				return "", ctx.Err()
			case <-n.gone:
			}
		}
		return "", errBroken
	}
	w.finished(n, key)
	return s.ID + ";" + s.Text, nil
}
