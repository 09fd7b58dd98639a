package durable_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-taskhub/taskhub/durable"
)

// recorder writes down what passes through it.
type recorder struct {
	durable.PassThrough
	name string
	log  *[]string
}

func (r recorder) add(format string, args ...any) {
	*r.log = append(*r.log, r.name+" "+fmt.Sprintf(format, args...))
}

func (r recorder) Orchestration(next durable.OrchestrationHandler) durable.OrchestrationHandler {
	return func(ctx *durable.Context, input *string) (*string, error) {
		if !ctx.IsReplaying() {
			r.add("begin %s %s", ctx.Name(), *input)
		}
		output, err := next(ctx, input)
		if output != nil && !ctx.Unloading() {
			r.add("end %s", *output)
		}
		return output, err
	}
}

func (r recorder) Activity(next durable.ActivityHandler) durable.ActivityHandler {
	return func(ctx context.Context, input *string) (*string, error) {
		r.add("activity %s %s", durable.ActivityInfo(ctx).Name, *input)
		return next(ctx, input)
	}
}

func (r recorder) Client(next durable.ClientHandler) durable.ClientHandler {
	return func(ctx context.Context, call *durable.ClientCall) error {
		r.add("%s %s", call.Operation, call.InstanceID)
		if call.Operation == durable.OperationStart {
			call.Start.Tags = map[string]string{"by": r.name}
		}
		return next(ctx, call)
	}
}

func TestInterceptors(t *testing.T) {
	t.Parallel()
	var log []string
	outer, inner := recorder{name: "outer", log: &log}, recorder{name: "inner", log: &log}
	o := durable.NewOrchestrator("O", func(ctx *durable.Context, n int) (int, error) { return double.Call(ctx, n).Await() })
	h := hubWith(func(h *memHub) { h.env.Interceptors = []durable.Interceptor{outer, nil, inner} }, o, double)
	c := durable.InterceptClient(h, outer, inner)
	r, err := o.Start(context.Background(), c, 2, durable.WithInstanceID("i"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := r.Wait(context.Background()); out != 4 {
		t.Fatal(err)
	}
	in, err := r.Status(context.Background())
	if err != nil || in.Tags["by"] != "inner" {
		t.Errorf("%+v, %v", in, err)
	}
	_, _ = r.RaiseEvent(context.Background(), "e", 1), r.Terminate(context.Background(), "x")
	want := []string{
		"outer start i", "inner start i", "outer wait i", "inner wait i", "outer begin O 2", "inner begin O 2",
		"outer activity Double [2]", "inner activity Double [2]", "inner end 4", "outer end 4", "outer get i", "inner get i",
		"outer raise i", "inner raise i", "outer terminate i", "inner terminate i",
	}
	if !slices.Equal(log, want) {
		t.Errorf("log:\n%s", strings.Join(log, "\n"))
	}
	if durable.InterceptClient(h) != durable.Client(h) {
		t.Error("a client without interceptors was wrapped")
	}
}

type refusing struct{ durable.PassThrough }

var errRefused = errors.New("refused")

func (refusing) Activity(durable.ActivityHandler) durable.ActivityHandler {
	return func(context.Context, *string) (*string, error) { panic(errRefused) }
}

func (refusing) Client(durable.ClientHandler) durable.ClientHandler {
	return func(context.Context, *durable.ClientCall) error { return errRefused }
}

func TestInterceptorsRefuse(t *testing.T) {
	t.Parallel()
	o := orchestrate(func(ctx *durable.Context) (int, error) { return double.Call(ctx, 1).Await() })
	h := hubWith(func(h *memHub) { h.env.Interceptors = []durable.Interceptor{refusing{}} }, o, double)
	if _, err := o.Start(context.Background(), durable.InterceptClient(h, refusing{}), durable.Void{}); !errors.Is(err, errRefused) {
		t.Errorf("Start: %v", err)
	}
	var p *durable.PanicError
	if _, err := run(t, h, o, durable.Void{}); !errors.As(err, &p) || p.Value != "refused" {
		t.Errorf("a panicking interceptor: %v", err)
	}
}
