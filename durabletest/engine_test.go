package durabletest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/durabletest"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/internal/twins/programs"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// sequential are programs whose episodes do not depend on how fast a worker is.
var sequential = map[string]string{
	"HelloSequence": "null", "Empty": `"x"`, "Chain": "4", "TimerOnly": "20", "Parent": `"p"`, "ParentOfFailing": `"p"`, "FailsHard": `"f"`,
	"ThrowsSelf": `"t"`, "FailsNested": `"n"`, "Retries": `"r"`, "Counter": "0", "Sender": `"nobody"`,
}

// TestSameAsWorker runs programs in an environment and on a hub: the histories must be the same, row for row.
func TestSameAsWorker(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	hub, err := taskhub.Open(ctx, taskhub.Config{Name: testkit.Hub(t), Account: testkit.Account(t), Partitions: 1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Close()
	w, err := worker.New(hub, worker.Config{MaxPoll: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Register(append(programs.Orchestrators(), programs.Activities()...)...); err != nil {
		t.Fatal(err)
	}
	if err := w.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Stop(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}()
	env := durabletest.New(t)
	env.Register(append(programs.Orchestrators(), programs.Activities()...)...)
	for name, input := range sequential {
		for _, c := range []durable.Client{hub.Client(), env.Client()} {
			if _, err := durable.Start[any](ctx, c, name, json.RawMessage(input), durable.WithInstanceID(name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	env.Settle()
	for name := range sequential {
		if _, err := hub.Client().WaitForCompletion(ctx, name, ""); err != nil {
			t.Fatal(err)
		}
		export, err := hub.Client().ExportHistory(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		got, want := normalized(t, durabletest.Inspect[any](env, name).History), normalized(t, export)
		if got != want {
			t.Errorf("%s\nenvironment: %s\nworker:      %s", name, got, want)
		}
		durabletest.Replayer{Strict: true}.ReplayHistory(t, export, programs.Orchestrators()...)
	}
}

// normalized is a history without times and with names for execution ids.
func normalized(t *testing.T, export []byte) string {
	t.Helper()
	events, err := history.UnmarshalExport(export)
	if err != nil {
		t.Fatal(err)
	}
	var execution string
	for _, e := range events {
		switch e := e.(type) {
		case *history.ExecutionStarted:
			execution = *e.Instance.ExecutionID
		case *history.TimerCreated:
			e.FireAt = durabletest.DefaultStart.Add(e.FireAt.Sub(e.Timestamp))
		case *history.TimerFired:
			e.FireAt = time.Time{}
		}
		e.Common().Timestamp = time.Time{}
	}
	text, err := history.MarshalExport(events)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), execution, "EXECUTION")
}

// TestSameAsDotNet runs programs in an environment whose histories .NET has recorded, and compares what was decided and
// what came of it.
func TestSameAsDotNet(t *testing.T) {
	t.Parallel()
	env := durabletest.New(t)
	env.Register(append(programs.Orchestrators(), programs.Activities()...)...)
	for id, start := range map[string][2]string{
		"hello": {"HelloSequence", "null"}, "retries": {"Retries", `"x"`}, "approval": {"Approval", "600000"}, "counter": {"Counter", "0"},
		"parent": {"Parent", `"p"`}, "failed": {"FailsHard", `"f"`}, "running": {"WaitForever", `"w"`},
	} {
		if _, err := durable.Start[any](t.Context(), env.Client(), start[0], json.RawMessage(start[1]), durable.WithInstanceID(id)); err != nil {
			t.Fatal(err)
		}
		if id == "approval" {
			env.RaiseAt(time.Minute, "Approval", "yes", durabletest.To(id))
		}
		env.Settle()
		recorded, err := os.ReadFile(filepath.Join(histories, id+".json"))
		if err != nil {
			t.Fatal(err)
		}
		got, want := story(t, durabletest.Inspect[any](env, id).History), story(t, recorded)
		if got != want {
			t.Errorf("%s\nenvironment: %s\n.NET:        %s", id, got, want)
		}
	}
}

// story lists decisions and answers.
func story(t *testing.T, export []byte) string {
	t.Helper()
	events, err := history.UnmarshalExport(export)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range events {
		switch e := e.(type) {
		case *history.OrchestratorStarted, *history.OrchestratorCompleted:
			continue
		case *history.TaskScheduled:
			b.WriteString(e.Name)
		case *history.SubOrchestrationCreated:
			b.WriteString(e.Name)
		case *history.TaskCompleted:
			b.WriteString(*e.Result)
		case *history.SubOrchestrationCompleted:
			b.WriteString(*e.Result)
		case *history.TaskFailed:
			b.WriteString(*e.Reason + e.Failure.ErrorType + e.Failure.ErrorMessage)
		case *history.EventRaised:
			b.WriteString(e.Name + *e.Input)
		case *history.ExecutionCompleted:
			b.WriteString(*e.Result)
		}
		b.WriteString(" " + e.Kind().String() + " " + fmt.Sprint(e.Common().EventID) + "; ")
	}
	return b.String()
}
