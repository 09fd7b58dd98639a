package worker_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// TestPrograms runs the twins of the .NET peer's programs; their results are the peer's.
func TestPrograms(t *testing.T) {
	t.Parallel()
	for name, style := range map[string]durable.ErrorStyle{"details": durable.FailureDetails, "exceptions": durable.SerializedExceptions} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub := newHub(t, func(c *taskhub.Config) { c.ErrorStyle = style })
			startWorker(t, hub, worker.Config{}, twins()...)
			testPrograms(t, hub, style)
		})
	}
}

func testPrograms(t *testing.T, hub *taskhub.Hub, style durable.ErrorStyle) {
	failed := "activity failed: boom"
	said := "orchestrator said no: bad"
	if style == durable.FailureDetails {
		failed = "DurableTask.Core.Exceptions.TaskFailedException: Task 'Fail' (#0) failed with an unhandled exception: " + failed
		said = "System.ArgumentException: " + said
	}
	cases := []struct {
		name, input string
		status      history.Status
		output      string
	}{
		{"HelloSequence", "", history.Completed, `["Hello Tokyo!","Hello Seattle!","Hello London!"]`},
		{"Empty", `"x"`, history.Completed, `"done x"`},
		{"OneActivity", `"you"`, history.Completed, `"Hello you!"`},
		{"FanOut", "40", history.Completed, "22140"},
		{"Chain", "7", history.Completed, "91"},
		{"EchoPoint", `{"X":3,"Y":2.5,"Label":"grüße \"q\" 世😀","When":"2026-01-02T03:04:05.678Z"}`, history.Completed, `{"X":3,"Y":2.5,"Label":"grüße \"q\" 世😀","When":"2026-01-02T03:04:05.678Z"}`},
		{"NoInputs", "", history.Completed, `"null"`},
		{"TimerOnly", "700", history.Completed, `"fired"`},
		{"Approval", "600", history.Completed, `"timed out"`},
		{"Parent", `"kid"`, history.Completed, `"Hello kid!|Hello kid2!"`},
		{"ParentOfFailing", `"boom"`, history.Completed, `"caught: activity failed: boom"`},
		{"FailsHard", `"boom"`, history.Failed, failed},
		{"ThrowsSelf", `"bad"`, history.Failed, said},
		{"Retries", `"k"`, history.Completed, `"ok after 3"`},
		{"Counter", "1", history.Completed, "9"},
		{"Family", "2", history.Completed, `"((leaf leaf) (leaf leaf))"`},
		{"SubRetries", `"again"`, history.Completed, `"gave up: SubOrchestrationFailedException"`},
		{"SlowFan", `"4x20"`, history.Completed, "80"},
		{"LargeResult", "300000", history.Completed, `"` + strings.Repeat("r", 300000) + `"`},
		{"LargeInput", `"` + strings.Repeat("世", 25000) + `"`, history.Completed, "25000"},
	}
	var wg sync.WaitGroup
	for _, c := range cases {
		id := start(t, hub, c.name, c.input)
		wg.Go(func() {
			in := wait(t, hub, id)
			if c.name == "FailsHard" && in.Status == history.Failed && strings.HasPrefix(*in.Output, strings.SplitN(failed, ":", 2)[0]) {
				return // the text between type and message is the peer's business
			}
			expect(t, in, c.status, c.output)
		})
	}
	wg.Wait()
}
