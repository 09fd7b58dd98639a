package durable_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

type declined struct {
	Code   int
	Reason string
}

func (d *declined) Error() string { return fmt.Sprintf("declined with %d: %s", d.Code, d.Reason) }

type quota int

func (q quota) Error() string { return fmt.Sprintf("quota of %d used up", int(q)) }

var errSoldOut = errors.New("sold out")

func init() {
	durable.RegisterError[*declined]("Shop.Declined")
	durable.RegisterError[quota]("Shop.Quota")
	durable.RegisterSentinel("Shop.SoldOut", errSoldOut)
}

// Errors keep their identity through an activity, a child and a client.
func TestErrorsTravel(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		err   error
		check func(error) bool
	}{
		{"registered pointer", fmt.Errorf("pay: %w", &declined{Code: 51, Reason: "funds"}), func(err error) bool {
			var d *declined
			return errors.As(err, &d) && *d == declined{Code: 51, Reason: "funds"}
		}},
		{"registered value", quota(7), func(err error) bool {
			var q quota
			return errors.As(err, &q) && q == 7
		}},
		{"sentinel", fmt.Errorf("order 7: %w", errSoldOut), func(err error) bool { return errors.Is(err, errSoldOut) }},
		{"well-known", fmt.Errorf("read: %w", io.ErrUnexpectedEOF), func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{"deadline", context.DeadlineExceeded, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }},
		{"time-out", fmt.Errorf("wait: %w", durable.ErrTimeout), func(err error) bool { return errors.Is(err, durable.ErrTimeout) }},
		{"canceled", durable.ErrCanceled, func(err error) bool { return errors.Is(err, durable.ErrCanceled) }},
		{"second of joined", errors.Join(errors.New("a"), fmt.Errorf("b: %w", &declined{Code: 5})), func(err error) bool {
			var d *declined
			return errors.As(err, &d) && d.Code == 5
		}},
		{"remote type", &durable.RemoteError{Type: "System.IO.IOException", Message: "disk", Causes: []error{errSoldOut}}, func(err error) bool {
			for e := err; e != nil; {
				var r *durable.RemoteError
				if !errors.As(e, &r) {
					return false
				}
				if r.Type == "System.IO.IOException" {
					return errors.Is(r, errSoldOut)
				}
				if len(r.Causes) == 0 {
					return false
				}
				e = r.Causes[0]
			}
			return false
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			eachWay(t, func(t *testing.T, with func(*memHub)) {
				a := durable.NewActivity("Fail", func(context.Context, int) (int, error) { return 0, tt.err })
				child := durable.NewOrchestrator("Child", func(ctx *durable.Context, _ durable.Void) (int, error) {
					n, err := a.Call(ctx, 1).Await()
					var failed *durable.TaskFailedError
					if !errors.As(err, &failed) || failed.TaskName != "Fail" || !tt.check(err) {
						t.Errorf("the caller sees %v", err)
					}
					return n, fmt.Errorf("child: %w", err)
				})
				parent := durable.NewOrchestrator("Parent", func(ctx *durable.Context, _ durable.Void) (int, error) {
					n, err := child.Call(ctx, durable.Void{}).Await()
					var failed *durable.SubOrchestrationFailedError
					var task *durable.RemoteError
					if !errors.As(err, &failed) || failed.Name != "Child" || !errors.As(err, &task) || !tt.check(err) {
						t.Errorf("the parent sees %v", err)
					}
					return n, err
				})
				_, err := run(t, hubWith(with, a, child, parent), parent, durable.Void{})
				var failed *durable.InstanceError
				if !errors.As(err, &failed) || failed.Status != history.Failed || !tt.check(err) {
					t.Errorf("the client sees %v", err)
				}
				if !strings.Contains(err.Error(), tt.err.Error()) {
					t.Errorf("the text is lost in %v", err)
				}
			})
		})
	}
}

// In the exceptions style only texts travel.
func TestExceptionsStyle(t *testing.T) {
	t.Parallel()
	a := durable.NewActivity("Fail", func(context.Context, int) (int, error) { return 0, errSoldOut })
	o := orchestrate(func(ctx *durable.Context) (int, error) { return a.Call(ctx, 1).Await() })
	h := hubWith(func(h *memHub) { h.errors = replay.Exceptions }, a, o)
	_, err := run(t, h, o, durable.Void{}, durable.WithInstanceID("i"))
	if err == nil || !strings.HasSuffix(err.Error(), "failed: sold out") || h.instances["i"].outcome.Failure != nil {
		t.Error(err)
	}
}

func TestSerializedExceptions(t *testing.T) {
	t.Parallel()
	details := `{"$type":"Shop.Declined, Shop","ClassName":"Shop.Declined","Message":"no money","Data":null,` +
		`"InnerException":{"$type":"System.TimeoutException, System.Private.CoreLib","ClassName":"System.TimeoutException","Message":"bank","InnerException":null},` +
		`"StackTraceString":"at Shop.Pay()","HResult":-2146233088,"Code":51,"Reason":"funds"}`
	own, err := durable.ExceptionOf(fmt.Errorf("pay: %w", &declined{Code: 51, Reason: "funds"}))
	if err != nil || !strings.HasPrefix(own, `{"$type":"System.Exception","ClassName":"error","Message":"pay: declined`) {
		t.Fatalf("%s, %v", own, err)
	}
	for _, text := range []string{details, own} {
		caught := failWith(t, &history.TaskFailed{Reason: history.String("no money"), Details: &text})
		var d *declined
		if !errors.As(caught, &d) || d.Code != 51 || d.Reason != "funds" {
			t.Errorf("%v: %+v", caught, d)
		}
	}
	caught := failWith(t, &history.TaskFailed{Reason: history.String("no money"), Details: &details})
	var failed *durable.TaskFailedError
	if !errors.Is(caught, durable.ErrTimeout) || !errors.As(caught, &failed) || *failed.Failure.StackTrace != "at Shop.Pay()" {
		t.Errorf("%v", caught)
	}
	for _, text := range []string{"", "not JSON", "{", "{}", "[1]", `{"Message":1}`, `{"ClassName":"X","InnerException":7}`} {
		caught := failWith(t, &history.TaskFailed{Reason: history.String("plain"), Details: &text})
		if caught == nil || caught.Error() != `activity "A" failed: plain` {
			t.Errorf("%q: %v", text, caught)
		}
	}
}

// failWith returns what a caller gets when the history has the failure.
func failWith(t *testing.T, failure *history.TaskFailed) (caught error) {
	t.Helper()
	o := orchestrate(func(ctx *durable.Context) (int, error) {
		_, caught = durable.CallActivity[int](ctx, "A", 1).Await()
		return 0, nil
	})
	s := replay.NewSession(replay.Config{Definition: o.Definition()})
	defer s.Unload()
	_, err := s.Advance(nil, []history.Event{&history.OrchestratorStarted{}, &history.ExecutionStarted{}, failure})
	if err != nil {
		t.Fatal(err)
	}
	return caught
}

func TestPanicsTravel(t *testing.T) {
	t.Parallel()
	a := durable.NewActivity("Panic", func(context.Context, int) (int, error) { panic(errSoldOut) })
	child := durable.NewOrchestrator("Child", func(_ *durable.Context, n int) (int, error) { return []int{}[n], nil })
	o := orchestrate(func(ctx *durable.Context) (string, error) {
		_, err := a.Call(ctx, 1).Await()
		var p *durable.PanicError
		if !errors.As(err, &p) || p.Value != "sold out" || !strings.Contains(p.Stack, "errors_test.go") || !errors.Is(err, errSoldOut) {
			return "", fmt.Errorf("activity: %w", err)
		}
		_, err = child.Call(ctx, 1).Await()
		if !errors.As(err, &p) || !strings.Contains(p.Value, "out of range") || !strings.Contains(p.Stack, "errors_test.go") {
			return "", fmt.Errorf("child: %w", err)
		}
		return "ok", nil
	})
	if got, err := run(t, newHub(a, child, o), o, durable.Void{}); got != "ok" {
		t.Error(err)
	}
}

func TestNonDeterminismTravels(t *testing.T) {
	t.Parallel()
	name := "Double"
	child := durable.NewOrchestrator("Child", func(ctx *durable.Context, _ int) (int, error) {
		return durable.CallActivity[int](ctx, name, 1).Await()
	})
	o := orchestrate(func(ctx *durable.Context) (string, error) {
		_, err := child.Call(ctx, 1).Await()
		var d *durable.NonDeterminismError
		if !errors.As(err, &d) {
			return "", err
		}
		return fmt.Sprintf("event %d, decision %d: expected %s, found %s", d.Event, d.EventID, d.Expected, d.Found), nil
	})
	h := hubWith(func(h *memHub) { h.reload = true }, child, o, double)
	defer h.Close()
	r, _ := o.Start(context.Background(), h, durable.Void{})
	h.step()
	h.step()
	name = "Triple"
	got, err := r.Wait(context.Background())
	if want := `event 2, decision 0: expected activity "Double" was called, found decided to call activity "Triple" there`; got != want {
		t.Errorf("%q, %v", got, err)
	}
}

func TestCausesAreLimited(t *testing.T) {
	t.Parallel()
	err := errSoldOut
	for range 1000 {
		err = fmt.Errorf("w: %w", err)
	}
	depth := 0
	for f := durable.FailureOf(err); f != nil; f = f.Inner {
		depth++
	}
	if depth != 32 {
		t.Errorf("%d levels", depth)
	}
	if durable.FailureOf(nil) != nil || durable.ErrorOf(nil) != nil || durable.Permanent(nil) != nil {
		t.Error("nil became an error")
	}
}

// However errors are joined, what travels stays small and shallow enough for .NET.
func TestJoinedCausesAreLimited(t *testing.T) {
	t.Parallel()
	var many []error
	for i := range 1000 {
		many = append(many, &declined{Code: i})
	}
	f := durable.FailureOf(errors.Join(many...))
	var joined *durable.RemoteError
	if !errors.As(durable.ErrorOf(f), &joined) || len(joined.Causes) != 16 {
		t.Errorf("kept %+v", joined)
	}
	nested := errSoldOut
	for range 100 {
		nested = errors.Join(errors.New("x"), nested)
	}
	row, err := history.EncodeRow(&history.TaskFailed{Failure: durable.FailureOf(nested)})
	if err != nil {
		t.Fatal(err)
	}
	deepest, depth := 0, 0
	for _, c := range row["FailureDetails"].(string) {
		switch c {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		deepest = max(deepest, depth)
	}
	if deepest > 40 {
		t.Errorf("%d levels of JSON", deepest)
	}
}

func TestFailureRoundTrip(t *testing.T) {
	t.Parallel()
	stack := "at X()"
	f := &history.FailureDetails{
		ErrorType: "My.Exception", ErrorMessage: "m", StackTrace: &stack, IsNonRetriable: true,
		Inner: &history.FailureDetails{ErrorType: "Shop.Declined", ErrorMessage: "declined with 9: x"},
	}
	got := durable.FailureOf(durable.ErrorOf(f))
	if got.ErrorType != f.ErrorType || got.ErrorMessage != "m" || *got.StackTrace != stack || !got.IsNonRetriable ||
		got.Inner.ErrorType != "Shop.Declined" || got.Inner.ErrorMessage != f.Inner.ErrorMessage {
		t.Errorf("%+v", got)
	}
	if !durable.IsPermanent(durable.Permanent(errSoldOut)) || durable.IsPermanent(errSoldOut) {
		t.Error("IsPermanent")
	}
	of := func(permanent bool) error {
		return &durable.InstanceError{Status: history.Failed, Failure: &history.FailureDetails{IsNonRetriable: permanent}}
	}
	if !durable.IsPermanent(of(true)) || durable.IsPermanent(of(false)) {
		t.Error("IsPermanent of an instance")
	}
}

func TestRegisteringErrors(t *testing.T) {
	t.Parallel()
	durable.RegisterError[*declined]("Shop.Declined") // again is fine
	durable.RegisterSentinel("Shop.SoldOut", errSoldOut)
	for name, f := range map[string]func(){
		"name taken":          func() { durable.RegisterError[*durable.RemoteError]("Shop.Declined") },
		"type taken":          func() { durable.RegisterError[*declined]("Other") },
		"no name":             func() { durable.RegisterError[*durable.PayloadError](" ") },
		"no type":             func() { durable.RegisterError[error]("X") },
		"sentinel taken":      func() { durable.RegisterSentinel("Shop.SoldOut", io.EOF) },
		"nil sentinel":        func() { durable.RegisterSentinel("X", nil) },
		"type for a sentinel": func() { durable.RegisterError[*durable.PayloadError]("Shop.SoldOut") },
		"sentinel for a type": func() { durable.RegisterSentinel("Shop.Declined", io.EOF) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

// Mistakes in definitions and payloads are told at the earliest moment, by name.
func TestBadInput(t *testing.T) {
	t.Parallel()
	nilActivity := durable.NewActivity[int, int]("Nil", nil)
	nameless := durable.NewActivity(" ", func(context.Context, int) (int, error) { return 0, nil })
	nilOrchestrator := durable.NewOrchestrator[int, int]("NilO", nil)
	declared, declaredO := durable.DeclareActivity[int, int]("Decl"), durable.DeclareOrchestrator[int, int]("DeclO")
	for _, tt := range []struct {
		r    durable.Registrable
		text string
	}{
		{nilActivity, `activity "Nil": the function is nil`}, {nameless, `activity " ": the name is empty`},
		{nilOrchestrator, `orchestrator "NilO": the function is nil`}, {declared, `activity "Decl": it is only declared`},
		{declaredO, `orchestrator "DeclO": it is only declared`}, {declared.With(nil), `activity "Decl": the function is nil`},
		{declaredO.With(nil), `orchestrator "DeclO": the function is nil`},
	} {
		err := tt.r.Validate()
		if !errors.Is(err, durable.ErrInvalidDefinition) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("Validate: %v, want %s", err, tt.text)
		}
		if tt.r != durable.Registrable(nameless) && (tt.r.Handler() != nil || tt.r.Definition() != nil) {
			t.Errorf("%s can be run", tt.r.Name())
		}
	}
	ctx := context.Background()
	h := newHub()
	if _, err := nilOrchestrator.Start(ctx, h, 1); !errors.Is(err, durable.ErrInvalidDefinition) {
		t.Errorf("Start: %v", err)
	}
	if _, err := declaredO.Start(ctx, nil, 1); err == nil {
		t.Error("Start without a client")
	}
	if _, err := durable.Start[int](ctx, h, "X", make(chan int)); err == nil || !strings.Contains(err.Error(), `orchestrator "X": the input`) {
		t.Errorf("Start with a channel: %v", err)
	}
	if _, err := durable.Start[int](ctx, h, "", 1); !errors.Is(err, durable.ErrInvalidDefinition) {
		t.Errorf("Start without a name: %v", err)
	}
	wrong := durable.DeclareActivity[int, []string]("Double")
	unmarshalable := durable.NewActivity("Chan", func(context.Context, int) (chan int, error) { return make(chan int), nil })
	o := orchestrate(func(ctx *durable.Context) (durable.Void, error) {
		for text, err := range map[string]error{
			`activity "Nil": the function is nil`:        nilActivity.Call(ctx, 1).Err(),
			`activity " ": the name is empty`:            nameless.Call(ctx, 1).Err(),
			`orchestrator "NilO": the function is nil`:   nilOrchestrator.Call(ctx, 1).Err(),
			`activity "": the name is empty`:             durable.CallActivity[int](ctx, "", 1).Err(),
			`activity "X": the input`:                    durable.CallActivity[int](ctx, "X", func() {}).Err(),
			`orchestrator "Y": the input`:                durable.CallSubOrchestration[int](ctx, "Y", func() {}).Err(),
			`the name of an event is empty`:              durable.WaitForEvent[int](ctx, "").Err(),
			`orchestrator "Main": the input of the next`: durable.ContinueAsNew(ctx, func() {}),
		} {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%v, want %s", err, text)
			}
		}
		_, err := nilOrchestrator.Spawn(ctx, 1)
		if !errors.Is(err, durable.ErrInvalidDefinition) {
			t.Errorf("Spawn: %v", err)
		}
		var payload *durable.PayloadError
		if _, err := wrong.Call(ctx, 1).Await(); !errors.As(err, &payload) || payload.Subject != `activity "Double"` || payload.What != "the result" {
			t.Errorf("a number read as a list: %v", err)
		}
		if _, err := unmarshalable.Call(ctx, 1).Await(); err == nil || !strings.Contains(err.Error(), `activity "Chan": the result`) {
			t.Errorf("a channel as result: %v", err)
		}
		return durable.Void{}, nil
	})
	if _, err := run(t, newHub(o, double, unmarshalable), o, durable.Void{}); err != nil {
		t.Error(err)
	}
	number := durable.NewOrchestrator("Number", func(*durable.Context, int) (func(), error) { return func() {}, nil })
	hn := newHub(number)
	if _, err := run(t, hn, number, 1); err == nil || !strings.Contains(err.Error(), `orchestrator "Number": the result`) {
		t.Errorf("a function as output: %v", err)
	}
	r, _ := durable.Start[int](ctx, hn, "Number", "text")
	if _, err := r.Wait(ctx); err == nil || !strings.Contains(err.Error(), `orchestrator "Number": the input`) {
		t.Errorf("a text as number: %v", err)
	}
}
