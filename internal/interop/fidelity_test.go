package interop

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/twins/programs"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/worker"
)

// points are values in the forms that .NET's serializer reads and writes. Each goes from a client through an orchestrator
// of one side to an activity of the other and back.
var points = []string{
	`{"X":3,"Y":2.5,"Label":"x","When":"2026-01-02T03:04:05.678Z"}`,
	`{"X":0,"Y":0.0,"Label":"","When":"2026-01-02T03:04:05Z"}`,
	`{"X":-1,"Y":-0.1,"Label":"y","When":"2026-01-02T03:04:05.1234567Z"}`,
	`{"X":2147483647,"Y":1.7976931348623157E+308,"Label":"z","When":"9999-12-31T23:59:59.9999999Z"}`,
	`{"X":-2147483648,"Y":5E-324,"Label":"z","When":"0001-01-01T00:00:00Z"}`,
	`{"X":1,"Y":0.3333333333333333,"Label":"z","When":"2026-06-01T00:00:00Z"}`,
	`{"X":1,"Y":1E+16,"Label":"z","When":"2026-06-01T00:00:00Z"}`,
	`{"X":1,"Y":1.0,"Label":null,"When":"2026-06-01T00:00:00Z"}`,
	`{"X":1,"Y":1.0,"Label":"\u0000\u0001\b\t\n\f\r\u001f\u007f\u0085\u2028\u2029\"\\/","When":"2026-06-01T00:00:00Z"}`,
	`{"X":1,"Y":1.0,"Label":"<a href='x'>&amp;</a> é 世界 😀 \u202eabc","When":"2026-06-01T00:00:00Z"}`,
	`{"X":1,"Y":1.0,"Label":"{\"$type\":\"System.String\",\"a\":[1]}","When":"2026-06-01T00:00:00Z"}`,
	`{"X":1,"Y":1.0,"Label":"https://account.example/container/x.json.gz","When":"2026-06-01T00:00:00Z"}`,
}

// texts are what a greeting activity is given, as JSON, and the name that it greets. Newtonsoft reads any scalar as a text.
var texts = map[string]string{
	`"you"`: "you", `""`: "", `12345678901234567890`: "12345678901234567890", `1.50`: "1.50", `"null"`: "null",
	`"\ud83d\ude00 \u0000 \u2028"`: "😀 \x00 \u2028", `"2026-01-02T03:04:05Z"`: "2026-01-02T03:04:05Z",
}

// samePointAs compares two points as values: empty and absent texts are one in Go.
func samePointAs(got, want string) error {
	var g, w map[string]any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		return fmt.Errorf("%s: %w", got, err)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		return err
	}
	delete(g, "$type") // .NET names the class
	for _, m := range []map[string]any{g, w} {
		if m["Label"] == nil {
			m["Label"] = ""
		}
		when, _ := m["When"].(string)
		m["When"] = strings.TrimSuffix(when, "Z")
	}
	if !reflect.DeepEqual(g, w) {
		return fmt.Errorf("%s came back as %s", want, got)
	}
	return nil
}

// otherApp is the name of an application that does not hold the hub's app lease: a .NET worker of it owns no partition, and
// runs activities all the same.
const otherApp = "activities-only"

// TestValues: what one side's orchestrator passes to the other side's activity comes back as the same value, and both
// sides show the same of it.
func TestValues(t *testing.T) {
	t.Parallel()
	for _, s := range []side{goSide, netSide} {
		t.Run(fmt.Sprintf("%v orchestrators, %v activities", s, s.other()), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, leases.Safe, durable.FailureDetails)
			args := []string{"--only-orchestrations", "all"}
			if s == netSide {
				args = append(args, "--activities", "0")
			}
			p.worker(s, "orchestrators", args...)
			p.open()
			p.activities(s.other())
			p.values()
		})
	}
}

// activities runs the activities of a side beside orchestrators of the other.
func (p *pair) activities(s side) {
	p.t.Helper()
	if s == netSide {
		var names []string
		for _, a := range programs.Activities() {
			names = append(names, a.Name())
		}
		own := *p
		own.commands[netSide] = append([]string{"env", "DTFX_APP_NAME=" + otherApp}, p.commands[netSide]...)
		own.worker(netSide, "activities", "--only-activities", strings.Join(names, ","))
		return
	}
	p.inProcess(programs.Activities())
}

// inProcess runs a worker in this process until the test ends. Without orchestrators it owns no partition.
func (p *pair) inProcess(items []durable.Registrable) {
	p.t.Helper()
	w, err := worker.New(p.hub, worker.Config{Fleet: worker.FleetMixed, ID: "in-process", MaxPoll: 300 * time.Millisecond})
	if err == nil {
		err = w.Register(items...)
	}
	if err == nil {
		err = w.Start(p.within(patience))
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		if err := w.Stop(within(p.t, patience)); err != nil {
			p.t.Errorf("stopping the worker: %v", err)
		}
	})
}

func (p *pair) values() {
	start := func(name, id, input string) {
		_, err := p.client.StartOrchestration(p.within(time.Minute), durable.StartRequest{Name: name, InstanceID: id, Input: &input})
		if err != nil {
			p.t.Fatal(err)
		}
	}
	for i, point := range points {
		start("EchoPoint", fmt.Sprint("point-", i), point)
	}
	for input := range texts {
		start("OneActivity", "text-"+fmt.Sprintf("%x", input), input)
	}
	start("NoInputs", "none", "null")
	start("FailsHard", "fails", `"<&> \u0001 é"`)
	start("LargeInput", "large", quoted(strings.Repeat("世😀", 20_000)))
	start("LargeResult", "big", "70000")
	for i, point := range points {
		in := p.await(fmt.Sprint("point-", i), history.Completed)
		if err := samePointAs(text(in.Output), point); err != nil {
			p.t.Error(err)
		}
	}
	for input, name := range texts {
		in := p.await("text-"+fmt.Sprintf("%x", input), history.Completed)
		if want := quoted("Hello " + name + "!"); text(in.Output) != want {
			p.t.Errorf("%s: %s, want %s", input, text(in.Output), want)
		}
	}
	p.expect("none", history.Completed, `"null"`)
	p.expect("large", history.Completed, "60000")
	p.expect("big", history.Completed, quoted(strings.Repeat("r", 70_000)))
	in := p.await("fails", history.Failed)
	if want := "activity failed: <&> \x01 é"; !strings.HasSuffix(text(in.Output), want) {
		p.t.Errorf("the failure reads %q", text(in.Output))
	}
	p.sameState("point-2", "point-8", "fails", "none", "large")
	p.sameQuery()
	p.emptyQueues()
}
