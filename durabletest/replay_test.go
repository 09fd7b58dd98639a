package durabletest_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/durabletest"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/twins/programs"
)

// histories holds what DurableTask.AzureStorage 2.9.1's GetOrchestrationHistoryAsync returned for instances of the
// programs whose twins are in package programs.
const histories = "testdata/histories"

func TestReplayDir(t *testing.T) {
	t.Parallel()
	durabletest.ReplayDir(t, histories, programs.Orchestrators()...)
	durabletest.Replayer{Strict: true}.ReplayDir(t, histories, programs.Orchestrators()...)
}

func TestReplayed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		name             string
		recorded, status history.Status
		output           string
		err              string
		waits            []string
	}{
		"hello":      {name: "HelloSequence", recorded: history.Completed, status: history.Completed, output: `["Hello Tokyo!","Hello Seattle!","Hello London!"]`},
		"counter":    {name: "Counter", recorded: history.Completed, status: history.Completed, output: "9"},
		"failed":     {name: "FailsHard", recorded: history.Failed, status: history.Failed, err: "activity failed: f"},
		"rewound":    {name: "FailsHard", recorded: history.Failed, status: history.Failed, err: "activity failed: r"},
		"running":    {name: "WaitForever", recorded: history.Running, status: history.Running, waits: []string{"an event of any name"}},
		"suspended":  {name: "WaitForever", recorded: history.Suspended, status: history.Suspended, waits: []string{"an event of any name"}},
		"terminated": {name: "WaitForever", recorded: history.Terminated, status: history.Terminated},
	}
	for id, tt := range tests {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			got := durabletest.Replay(t, filepath.Join(histories, id+".json"), programs.Orchestrators()...)
			if got.InstanceID != id || got.Name != tt.name || got.Recorded != tt.recorded || got.Status != tt.status || got.Output != tt.output ||
				!slices.Equal(got.Waits, tt.waits) || len(got.ExecutionID) != 32 || got.Events < 3 {
				t.Errorf("%+v", got)
			}
			if (got.Err != nil) != (tt.err != "") || got.Err != nil && !strings.Contains(got.Err.Error(), tt.err) {
				t.Errorf("error %v, want %q", got.Err, tt.err)
			}
		})
	}
}

// asNow makes an orchestrator under the name of a recorded one.
func asNow[O any](name string, f func(ctx *durable.Context) (O, error)) durable.Registrable {
	return durable.NewOrchestrator(name, func(ctx *durable.Context, _ any) (O, error) { return f(ctx) })
}

func say(ctx *durable.Context, city string) *durable.Task[string] {
	return durable.CallActivity[string](ctx, "Say", city)
}

// TestReplayChanged replays histories on code that was changed since.
func TestReplayChanged(t *testing.T) {
	t.Parallel()
	greet := func(ctx *durable.Context, cities ...string) error {
		for _, c := range cities {
			if _, err := say(ctx, c).Await(); err != nil {
				return err
			}
		}
		return nil
	}
	tests := map[string]struct {
		file, name string
		now        func(ctx *durable.Context) (string, error)
		want       string // "" when a worker can go on
		strict     string // what strict replay says, if that differs
	}{
		"other activity": {
			"hello", "HelloSequence",
			func(ctx *durable.Context) (string, error) {
				return durable.CallActivity[string](ctx, "Shout", 1).Await()
			},
			`says that activity "Say" was called, but the code, replayed, decided to call activity "Shout" there`, "",
		},
		"shortened": {
			"hello", "HelloSequence", func(ctx *durable.Context) (string, error) { return "", greet(ctx, "a", "b") },
			`says that activity "Say" was called, but the code, replayed, ended (Completed) before it`, "",
		},
		"lengthened": {
			"hello", "HelloSequence", func(ctx *durable.Context) (string, error) { return "", greet(ctx, "a", "b", "c", "d") },
			"the orchestrator ended (Completed), but the code, replayed, still waits for something", "",
		},
		"one more at the end": {
			"hello", "HelloSequence",
			func(ctx *durable.Context) (string, error) {
				err := greet(ctx, "a", "b", "c")
				say(ctx, "d")
				return "", err
			},
			`the orchestrator ended (Completed), but the code, replayed, decided to call activity "Say" there`, "",
		},
		"timer in between": {
			"hello", "HelloSequence",
			func(ctx *durable.Context) (string, error) {
				if err := greet(ctx, "a"); err != nil {
					return "", err
				}
				return "", durable.Sleep(ctx, time.Hour)
			},
			`says that activity "Say" was called, but the code, replayed, decided to set a timer there`, "",
		},
		"guarded timer": {
			"hello", "HelloSequence",
			func(ctx *durable.Context) (string, error) {
				if ctx.Patched("wait") {
					return "", durable.Sleep(ctx, time.Hour)
				}
				return "", greet(ctx, "a", "b", "c")
			},
			"", "returned",
		},
		"fails now": {
			"hello", "HelloSequence",
			func(ctx *durable.Context) (string, error) { return "", errors.Join(greet(ctx, "a", "b", "c"), errBusy) },
			"the orchestrator ended (Completed), but the code, replayed, ended (Failed: busy)", "",
		},
		"panics now": {
			"hello", "HelloSequence",
			func(ctx *durable.Context) (string, error) {
				_ = greet(ctx, "a", "b", "c")
				panic("oh")
			},
			"ended (Failed: panic: oh", "",
		},
		"goes on as new": {
			"hello", "HelloSequence",
			func(ctx *durable.Context) (string, error) {
				return "", errors.Join(greet(ctx, "a", "b", "c"), durable.ContinueAsNew(ctx, 1))
			},
			"the orchestrator ended (Completed), but the code, replayed, ended (ContinuedAsNew)", "",
		},
		"other output": {
			"hello", "HelloSequence", func(ctx *durable.Context) (string, error) { return "new", greet(ctx, "a", "b", "c") },
			"", `the output was ["Hello Tokyo!","Hello Seattle!","Hello London!"], but the code, replayed, returned "new"`,
		},
		"failure healed": {
			"failed", "FailsHard",
			func(ctx *durable.Context) (string, error) {
				_, _ = durable.CallActivity[string](ctx, "Fail", 1).Await()
				return "fine", nil
			},
			"", "the orchestrator ended (Failed: activity failed: f), but the code, replayed, ended (Completed)",
		},
		"failure compensated": {
			"failed", "FailsHard",
			func(ctx *durable.Context) (string, error) {
				_, _ = durable.CallActivity[string](ctx, "Fail", 1).Await()
				return durable.CallActivity[string](ctx, "Compensate", 1).Await()
			},
			"", "goes on waiting",
		},
		"other error": {
			"failed", "FailsHard",
			func(ctx *durable.Context) (string, error) {
				_, _ = durable.CallActivity[string](ctx, "Fail", 1).Await()
				return "", errBusy
			},
			"", "the error was activity failed: f, but the code, replayed, failed with busy",
		},
		"rewound, other activity": {
			"rewound", "FailsHard",
			func(ctx *durable.Context) (string, error) {
				return durable.CallActivity[string](ctx, "Other", 1).Await()
			},
			`says that activity "Fail" was called, but the code, replayed, decided to call activity "Other" there`, "",
		},
		"running, decides more": {
			"running", "WaitForever",
			func(ctx *durable.Context) (string, error) {
				say(ctx, "x")
				return durable.WaitForEvent[string](ctx, "E").Await()
			},
			`nothing more was decided up to its end, but the code, replayed, also decided to call activity "Say"`, "",
		},
		"running, ends": {
			"running", "WaitForever", func(*durable.Context) (string, error) { return "", nil },
			"the orchestrator goes on, but the code, replayed, ended (Completed)", "",
		},
		"suspended, ends": {
			"suspended", "WaitForever", func(*durable.Context) (string, error) { return "", nil },
			"the orchestrator goes on, but the code, replayed, ended (Completed)", "",
		},
		"terminated, had ended": {
			"terminated", "WaitForever", func(*durable.Context) (string, error) { return "", nil },
			"the orchestrator ended (Terminated), but the code, replayed, ended (Completed)", "",
		},
		"other time": {
			"approval", "Approval",
			func(ctx *durable.Context) (string, error) {
				deadline, decision := durable.Timer(ctx, time.Hour), durable.WaitForEvent[string](ctx, "Approval")
				if durable.WhenAny(deadline, decision) == decision {
					return "approved: yes", nil
				}
				return "", nil
			},
			"", "a timer was set for ",
		},
		"other child id": {
			"parent", "Parent",
			func(ctx *durable.Context) (string, error) {
				a, err := durable.CallSubOrchestration[string](ctx, "OneActivity", "p").Await()
				if err != nil {
					return "", err
				}
				b, err := durable.CallSubOrchestration[string](ctx, "OneActivity", "p2").Await() // is done, so nobody sees it
				return a + "|" + b, err
			},
			"", "none",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(histories, tt.file+".json")
			check := func(replayer durabletest.Replayer, text string) {
				r := &recorder{}
				got := replayer.Replay(r, file, asNow(tt.name, tt.now))
				want(t, "fatal errors", r.fatals)
				if text == "" {
					want(t, "errors", r.errors)
					return
				}
				want(t, "errors", r.errors, text)
				var e *durable.NonDeterminismError
				if !errors.As(got.Err, &e) || !strings.HasPrefix(r.errors[0], "durabletest: "+file+": non-deterministic orchestrator") ||
					!strings.Contains(e.Text, "durable.Patched") || e.Expected == "" || e.Found == "" || e.Cause == "" {
					t.Errorf("%v\n%+v", got.Err, e)
				}
			}
			check(durabletest.Replayer{}, tt.want)
			switch tt.strict {
			case "none":
				check(durabletest.Replayer{Strict: true}, "")
			case "":
				check(durabletest.Replayer{Strict: true}, tt.want)
			default:
				check(durabletest.Replayer{Strict: true}, tt.strict)
			}
		})
	}
}

// TestReplayPart replays what a running instance had so far, row by row.
func TestReplayPart(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"hello", "retries", "approval", "parent", "fanout"} {
		text, err := os.ReadFile(filepath.Join(histories, id+".json"))
		if err != nil {
			t.Fatal(err)
		}
		events, err := history.UnmarshalExport(text)
		if err != nil {
			t.Fatal(err)
		}
		for n := 2; n <= len(events); n++ {
			part, err := history.MarshalExport(events[:n])
			if err != nil {
				t.Fatal(err)
			}
			durabletest.Replayer{Strict: true}.ReplayHistory(t, part, programs.Orchestrators()...)
		}
	}
}

// TestReplayOpen checks strict replay of decisions that are still open.
func TestReplayOpen(t *testing.T) {
	t.Parallel()
	child := durable.DeclareOrchestrator[int, int]("C")
	was := func(to, value, id string) durable.Registrable {
		return asNow("O", func(ctx *durable.Context) (int, error) {
			if err := durable.SendEvent(ctx, to, "E", value); err != nil {
				return 0, err
			}
			return child.Call(ctx, 1, durable.WithInstanceID(id)).Await()
		})
	}
	env := durabletest.New(t)
	durabletest.MockOrchestrator(env, child, func(_ context.Context, n int) (int, error) { return n, nil }).Takes(time.Hour)
	env.Register(was("to", "x", "c"))
	run, err := durable.Start[int](t.Context(), env.Client(), "O", 1)
	if err != nil {
		t.Fatal(err)
	}
	env.Advance(time.Minute)
	export := durabletest.Inspect[int](env, run.InstanceID()).History
	for _, tt := range []struct{ to, value, id, want string }{
		{"to", "x", "c", ""},
		{"other", "x", "c", `event "E" was sent to instance "to", but the code, replayed, sent it to "other"`},
		{"to", "y", "c", `event "E" was sent with the value "x", but the code, replayed, sent it with "y"`},
		{"to", "x", "d", `sub-orchestration "C" was started with the id "c", but the code, replayed, gave it the id "d"`},
	} {
		r := &recorder{}
		now := was(tt.to, tt.value, tt.id)
		got := durabletest.ReplayHistory(r, export, now)
		want(t, "errors", r.errors)
		if len(got.Waits) != 1 || !strings.Contains(got.Waits[0], `sub-orchestration "C"`) {
			t.Errorf("waits for %q", got.Waits)
		}
		durabletest.Replayer{Strict: true}.ReplayHistory(r, export, now)
		if tt.want != "" {
			want(t, "errors", r.errors, tt.want)
		} else {
			want(t, "errors", r.errors)
		}
	}
}

func TestReplayMistakes(t *testing.T) {
	t.Parallel()
	hello, err := os.ReadFile(filepath.Join(histories, "hello.json"))
	if err != nil {
		t.Fatal(err)
	}
	var noOrch *durable.Orchestrator[int, int]
	entity := bytes.Replace(hello, []byte(`"InstanceId":"hello"`), []byte(`"InstanceId":"@counter@1"`), 1)
	tests := map[string]struct {
		do   func(t durabletest.T)
		want string
	}{
		"no file":   {func(t durabletest.T) { durabletest.Replay(t, "testdata/none.json", programs.HelloSequence) }, "none.json"},
		"not JSON":  {func(t durabletest.T) { durabletest.ReplayHistory(t, []byte("hello"), programs.HelloSequence) }, "this is not a history"},
		"an object": {func(t durabletest.T) { durabletest.ReplayHistory(t, []byte("{}"), programs.HelloSequence) }, "ExportHistory"},
		"nothing":   {func(t durabletest.T) { durabletest.ReplayHistory(t, nil, programs.HelloSequence) }, "this is not a history"},
		"empty":     {func(t durabletest.T) { durabletest.ReplayHistory(t, []byte("[]"), programs.HelloSequence) }, "the history is empty"},
		"no start": {func(t durabletest.T) {
			durabletest.ReplayHistory(t, []byte(`[{"EventType":12}]`), programs.HelloSequence)
		}, "no ExecutionStarted"},
		"entity":        {func(t durabletest.T) { durabletest.ReplayHistory(t, entity, programs.HelloSequence) }, `entity "@counter@1"`},
		"no handle":     {func(t durabletest.T) { durabletest.ReplayHistory(t, hello) }, `of orchestrator "HelloSequence": pass its handle`},
		"other handles": {func(t durabletest.T) { durabletest.ReplayHistory(t, hello, programs.Empty, programs.Chain) }, `not among those passed: "Empty", "Chain"`},
		"nil handle":    {func(t durabletest.T) { durabletest.ReplayHistory(t, hello, noOrch) }, "orchestrator 1 is nil"},
		"activity":      {func(t durabletest.T) { durabletest.ReplayHistory(t, hello, programs.Say) }, `activity "Say" is not an orchestrator`},
		"declared": {func(t durabletest.T) {
			durabletest.ReplayHistory(t, hello, durable.DeclareOrchestrator[int, int]("HelloSequence"))
		}, "bind a function"},
		"no folder":    {func(t durabletest.T) { durabletest.ReplayDir(t, "testdata/none", programs.HelloSequence) }, "none"},
		"empty folder": {func(t durabletest.T) { durabletest.ReplayDir(t, "testdata/wrongmock", programs.HelloSequence) }, "has no histories"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{}
			tt.do(r)
			want(t, "fatal errors", r.fatals, tt.want)
			want(t, "errors", r.errors)
		})
	}
	r := &recorder{}
	durabletest.ReplayHistory(r, append([]byte("\xef\xbb\xbf"), hello...), programs.HelloSequence)
	utf16 := []byte("\xff\xfe")
	for _, c := range hello { // is ASCII
		utf16 = append(utf16, c, 0)
	}
	durabletest.ReplayHistory(r, utf16, programs.HelloSequence)
	want(t, "errors", append(r.errors, r.fatals...))
	durabletest.ReplayDir(r, histories, asNow("Nothing", func(*durable.Context) (int, error) { return 0, nil }))
	if len(r.fatals) != 11 {
		t.Errorf("a folder of 11 histories: %q", r.fatals)
	}
}

// TestReplayVersions checks that a history finds the code of its version.
func TestReplayVersions(t *testing.T) {
	t.Parallel()
	env := durabletest.New(t)
	version := func(v string, n int) *durable.Orchestrator[int, int] {
		return durable.NewOrchestrator("V", func(*durable.Context, int) (int, error) { return n, nil }, durable.WithVersion(v))
	}
	run := durabletest.Run(env, version("2.0", 2), 0)
	got := durabletest.ReplayHistory(t, run.History, version("1.0", 1), version("2.0", 2), version("", 0))
	if got.Output != "2" || got.Version != "2.0" {
		t.Errorf("%+v", got)
	}
}

func TestReplayStuck(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	r := &recorder{}
	durabletest.Replayer{StuckAfter: 10 * time.Millisecond}.Replay(r, filepath.Join(histories, "hello.json"), asNow("HelloSequence", func(*durable.Context) (int, error) {
		<-release
		return 0, nil
	}))
	want(t, "errors", r.errors, "blocked outside the durable API")
}

// TestReplayCut replays histories from which something was taken, as a rewind does, or that end in the middle.
func TestReplayCut(t *testing.T) {
	t.Parallel()
	started := &history.ExecutionStarted{
		Base: history.Base{EventID: -1}, Instance: history.Instance{InstanceID: "i", ExecutionID: history.String("e")}, Name: "O",
	}
	begin, end := &history.OrchestratorStarted{Base: history.Base{EventID: -1}}, &history.OrchestratorCompleted{Base: history.Base{EventID: -1}}
	call := func(id int32) history.Event {
		return &history.TaskScheduled{Base: history.Base{EventID: id}, Name: "A"}
	}
	was := func(id int32) history.Event { return &history.GenericEvent{Base: history.Base{EventID: id}} }
	ended := func(id int32, s history.Status) history.Event {
		return &history.ExecutionCompleted{Base: history.Base{EventID: id}, Status: s}
	}
	twice := func(ctx *durable.Context) (int, error) {
		a, b := durable.CallActivity[int](ctx, "A", 1), durable.CallActivity[int](ctx, "A", 2)
		return 0, durable.AwaitAll(a, b)
	}
	fails := func(*durable.Context) (int, error) { return 0, errBusy }
	again := func(ctx *durable.Context) (int, error) { return 0, durable.ContinueAsNew(ctx, 1) }
	waits := func(ctx *durable.Context) (int, error) { return durable.WaitForEvent[int](ctx, "E").Await() }
	tests := map[string]struct {
		events []history.Event
		now    func(ctx *durable.Context) (int, error)
		want   string
	}{
		"rewound, not run yet":    {[]history.Event{begin, started, call(0), was(1), end, begin, was(-1), was(2), end}, twice, ""},
		"rewound, fails again":    {[]history.Event{begin, started, was(0), end}, fails, ""},
		"rewound elsewhere":       {[]history.Event{begin, started, call(0), end, &history.ExecutionRewound{Base: history.Base{EventID: -1}}, end}, twice, ""},
		"cut in two by .NET":      {[]history.Event{begin, started, call(0), &history.TimerCreated{Base: history.Base{EventID: -100}}, end}, twice, ""},
		"written half":            {[]history.Event{begin, started, call(0)}, twice, ""},
		"half, ended":             {[]history.Event{begin, started}, fails, ""},
		"marked as patched":       {[]history.Event{begin, started, was(-1), call(0), end}, twice, "nothing more was decided"},
		"whole":                   {[]history.Event{begin, started, call(0), end}, twice, "nothing more was decided"},
		"fails now":               {[]history.Event{begin, started, end}, fails, "the orchestrator goes on, but the code, replayed, ended (Failed: busy)"},
		"continued":               {[]history.Event{begin, started, ended(0, history.ContinuedAsNew), end}, again, ""},
		"continued, event":        {[]history.Event{begin, started, &history.ContinueAsNew{Base: history.Base{EventID: 0}}, end}, again, ""},
		"continued, but goes on":  {[]history.Event{begin, started, ended(0, history.ContinuedAsNew), end}, waits, "it continued as new, but the code, replayed, goes on waiting"},
		"continued, but fails":    {[]history.Event{begin, started, ended(0, history.ContinuedAsNew), end}, fails, "the orchestrator ended (ContinuedAsNew), but the code, replayed, ended (Failed: busy)"},
		"goes on, but continues":  {[]history.Event{begin, started, end}, again, "the orchestrator goes on, but the code, replayed, ended (ContinuedAsNew)"},
		"canceled while it waits": {[]history.Event{begin, started, ended(0, history.Canceled), end}, waits, ""},
		"suspended and resumed": {[]history.Event{
			begin, started, end, begin, &history.ExecutionSuspended{Base: history.Base{EventID: -1}}, end, begin, &history.ExecutionResumed{Base: history.Base{EventID: -1}}, end,
		}, waits, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			export, err := history.MarshalExport(tt.events)
			if err != nil {
				t.Fatal(err)
			}
			r := &recorder{}
			durabletest.ReplayHistory(r, export, asNow("O", tt.now))
			want(t, "fatal errors", r.fatals)
			if tt.want == "" {
				want(t, "errors", r.errors)
			} else {
				want(t, "errors", r.errors, tt.want)
			}
		})
	}
}
