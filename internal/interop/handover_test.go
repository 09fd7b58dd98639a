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
	"github.com/go-taskhub/taskhub/leases"
)

// leg is the time in which one side's worker runs the hub.
type leg struct {
	side side
	// idle workers host no activities, so that whatever needs one stays half finished.
	idle bool
	// kill ends the worker at once instead of letting it stop. The last leg's worker runs until all is done.
	kill bool
}

// relay is how a hub passes from worker to worker.
type relay struct {
	legs  []leg
	mode  leases.Mode
	style durable.ErrorStyle
}

func (r relay) name() string {
	var parts []string
	for i, l := range r.legs {
		part := l.side.String()
		switch {
		case i == len(r.legs)-1:
		case l.kill:
			part += " killed"
		default:
			part += " stopped"
		}
		if l.idle {
			part += " without activities"
		}
		parts = append(parts, part)
	}
	return fmt.Sprintf("%s, %v, %s", strings.Join(parts, ", "), r.mode, (&pair{style: r.style}).styleName())
}

// relays are the ones of every run: each side takes over from the other after a stop and after a kill, and both error
// styles and the managers of .NET's defaults and ours are there. Full runs have all combinations.
func relays() []relay {
	if !full() {
		return []relay{
			{[]leg{{goSide, true, false}, {netSide, false, true}, {side: goSide}}, leases.Safe, durable.FailureDetails},
			{[]leg{{netSide, true, true}, {goSide, false, true}, {side: netSide}}, leases.Table, durable.SerializedExceptions},
			{[]leg{{goSide, false, true}, {side: netSide}}, leases.Safe, durable.SerializedExceptions},
			{[]leg{{netSide, false, false}, {side: goSide}}, leases.Table, durable.FailureDetails},
		}
	}
	var all []relay
	for _, first := range []side{goSide, netSide} {
		for _, mode := range []leases.Mode{leases.Safe, leases.Table, leases.Legacy} {
			for _, style := range []durable.ErrorStyle{durable.FailureDetails, durable.SerializedExceptions} {
				second := leg{side: first.other()}
				for _, kill := range []bool{false, true} {
					all = append(all,
						relay{[]leg{{first, true, kill}, second}, mode, style},
						relay{[]leg{{first, false, kill}, second}, mode, style},
						relay{[]leg{{first, true, kill}, {first.other(), false, !kill}, {side: first}}, mode, style})
				}
			}
		}
	}
	return all
}

// copies says whether answers may be stored twice: what a killed worker had sent and not deleted comes again, and .NET
// keeps a row of the second answer. Go does not.
func (r relay) copies() bool {
	killed := false
	for _, l := range r.legs {
		if killed && l.side == netSide {
			return true
		}
		killed = killed || l.kill
	}
	return false
}

// TestHandedOver: half-finished instances of each orchestrator pass from the worker of one side to the worker of the
// other, and end as they would have ended undisturbed.
//
// After a kill the next worker waits for leases (30 seconds) and then for the locks of the messages that the dead one
// held: 30 seconds if it was a Go worker, five minutes if it was a .NET worker, which [shortLocks] makes 20 seconds.
func TestHandedOver(t *testing.T) {
	t.Parallel()
	for _, r := range relays() {
		t.Run(r.name(), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, r.mode, r.style)
			p.handOver(r)
		})
	}
}

// job is an instance that is handed over.
type job struct {
	id, name, input string
	status          history.Status
	output          string // exactly, or a part of a failure's text
	check           func(output string) error
}

const handedPoint = `{"X":3,"Y":2.5,"Label":"grüße \"quoted\" 世界 😀","When":"2026-01-02T03:04:05.678Z"}`

// jobs has an instance of each orchestrator that both sides host.
func jobs() []job {
	large := strings.Repeat("é", 60_000)
	list := []job{
		{name: "HelloSequence", output: `["Hello Tokyo!","Hello Seattle!","Hello London!"]`},
		{name: "Empty", input: `"x"`, output: `"done x"`},
		{name: "OneActivity", input: `"you"`, output: `"Hello you!"`},
		{name: "FanOut", input: "20", output: "2870"},
		{name: "Chain", input: "6", output: "55"},
		{name: "EchoPoint", input: handedPoint, check: samePoint},
		{name: "NoInputs", output: `"null"`},
		{name: "TimerOnly", input: "12000", output: `"fired"`},
		{name: "Approval", input: "8000", output: `"timed out"`},
		{id: "approved", name: "Approval", input: "90000", output: `"approved: yes"`},
		{name: "WaitForever", input: `"x"`, output: `"Go=last"`},
		{id: "suspended", name: "WaitForever", input: `"x"`, output: `"Go=while suspended"`},
		{id: "terminated", name: "WaitForever", input: `"x"`, status: history.Terminated, output: "no longer needed"},
		{name: "Parent", input: `"kid"`, output: `"Hello kid!|Hello kid2!"`},
		{name: "ParentOfFailing", input: `"boom"`, output: `"caught: activity failed: boom"`},
		{name: "FailsHard", input: `"boom"`, status: history.Failed, output: "activity failed: boom"},
		{name: "ThrowsSelf", input: `"bad"`, status: history.Failed, output: "orchestrator said no: bad"},
		{name: "FailsNested", input: `"n"`, status: history.Failed, output: "outer n"},
		{name: "Retries", input: `"k"`, output: `"ok after 3"`},
		{name: "SubRetries", input: `"s"`, output: `"gave up: SubOrchestrationFailedException"`},
		{name: "Counter", input: "1", output: "9"},
		{name: "EventCounter", input: "3", output: `"E:a,E:b,E:c"`},
		{name: "CounterWithEvents", input: "1", output: `"Ec"`},
		{name: "Family", input: "2", output: `"((leaf leaf) (leaf leaf))"`},
		{name: "Deterministic", check: twoInstants},
		{name: "SlowChain", input: `"4x1000"`, output: "4000"},
		{name: "SlowFan", input: `"6x1500"`, output: "9000"},
		{name: "LargeResult", input: "60000", output: quoted(strings.Repeat("r", 60_000))},
		{name: "LargeInput", input: quoted(large), output: "60000"},
		{id: "target", name: "WaitForever", input: `"x"`, output: `"FromSender=payload"`},
		{name: "Sender", input: `"target"`, output: `"sent"`},
	}
	for i := range list {
		if list[i].id == "" {
			list[i].id = strings.ToLower(list[i].name)
		}
		if list[i].status == history.Running {
			list[i].status = history.Completed
		}
	}
	return list
}

func samePoint(output string) error {
	var got, want map[string]any
	if err := json.Unmarshal([]byte(output), &got); err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(handedPoint), &want); err != nil {
		return err
	}
	delete(got, "$type")
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("want %s", handedPoint)
	}
	return nil
}

// twoInstants checks the output of Deterministic: the second instant is two seconds after the first, and .NET's timers
// fire up to a second early.
func twoInstants(output string) error {
	fields := strings.Fields(strings.Trim(output, `"`))
	if len(fields) != 3 || fields[2] != "True" && fields[2] != "False" {
		return fmt.Errorf("has %d parts", len(fields))
	}
	before, err := time.Parse(time.RFC3339Nano, fields[0])
	if err != nil {
		return err
	}
	after, err := time.Parse(time.RFC3339Nano, fields[1])
	if err != nil {
		return err
	}
	if after.Sub(before) < time.Second {
		return fmt.Errorf("the timer took %v", after.Sub(before))
	}
	return nil
}

func (p *pair) handOver(r relay) {
	list := jobs()
	for i, l := range r.legs {
		w := p.startLeg(l, i, i == len(r.legs)-1)
		if i == 0 {
			p.open()
			// .NET's workers delete an event whose instance has not begun: the sender starts after its target has.
			last := len(list) - 1
			p.startJobs(l.side, list[:last])
			p.awaitStarted(w, list[:last])
			p.startJobs(l.side, list[last:])
			p.awaitStarted(w, list[last:])
			p.firstEvents(w)
		}
		if i == len(r.legs)-1 {
			break
		}
		if !l.idle {
			p.awaitProgress(w)
		}
		if l.kill {
			w.kill()
		} else {
			w.stop()
		}
		if i == 0 {
			p.eventsBetween(l.side.other())
		}
	}
	p.lastEvents(r.legs[0].side)
	p.checkJobs(list, r.copies())
	p.emptyQueues()
}

// netLeg is how long a .NET worker runs that is to stop by itself.
const netLeg = 45 * time.Second

func (p *pair) startLeg(l leg, i int, last bool) *workerProcess {
	p.t.Helper()
	var args []string
	if l.idle {
		args = append(args, "--only-orchestrations", "all")
		if l.side == netSide {
			args = append(args, "--activities", "0") // it would fetch work items, fail, and lock them
		}
	}
	if l.side == netSide && !l.kill && !last {
		args = append(args, "--seconds", fmt.Sprint(netLeg.Seconds()))
	}
	return p.worker(l.side, fmt.Sprintf("w%d", i), args...)
}

// startJobs starts the jobs with a side's client.
func (p *pair) startJobs(s side, list []job) {
	p.t.Helper()
	var steps []func()
	for i, j := range list {
		if s == netSide && (i%4 == 0 || full()) {
			steps = append(steps, func() { p.begin(netSide, j.name, j.id, j.input) })
			continue
		}
		req := durable.StartRequest{Name: j.name, InstanceID: j.id}
		if j.input != "" {
			req.Input = &j.input
		}
		steps = append(steps, func() {
			if _, err := p.client.StartOrchestration(p.within(patience), req); err != nil {
				p.t.Errorf("starting %s: %v", j.id, err)
			}
		})
	}
	parallel(steps...)
}

// during waits for what a worker does; one that has ended by itself, as .NET's do, does nothing any more.
func (p *pair) during(w *workerProcess, what string, condition func() bool) {
	p.t.Helper()
	p.eventually(what, func() bool {
		select {
		case <-w.done:
			return true
		default:
			return condition()
		}
	})
}

func (p *pair) awaitStarted(w *workerProcess, list []job) {
	p.t.Helper()
	for _, j := range list {
		p.during(w, j.id+" has started", func() bool {
			in, err := p.client.GetStatus(p.within(time.Minute), j.id)
			return err == nil && in.Status != history.Pending
		})
	}
}

// awaitProgress lets a worker with activities get into the middle. Flaky counts its attempts in the worker's memory, so
// the instance that calls it has to be through.
func (p *pair) awaitProgress(w *workerProcess) {
	p.t.Helper()
	p.during(w, "retries has ended", func() bool {
		in, err := p.client.GetStatus(p.within(time.Minute), "retries")
		return err == nil && in.Status.IsTerminal()
	})
	p.during(w, "slowchain has got on", func() bool {
		events, err := p.client.History(p.within(time.Minute), "slowchain")
		return err == nil && len(events) > 6
	})
}

func (p *pair) raise(s side, id, name, data string) {
	p.t.Helper()
	p.call(s, "raise", "--id", id, "--event", name, "--data", data)
}

func (p *pair) firstEvents(w *workerProcess) {
	p.raise(w.side, "eventcounter", "E", `"a"`)
	p.raise(w.side, "counterwithevents", "E", `"a"`)
	p.call(w.side, "suspend", "--id", "suspended", "--reason", "hold on")
	p.during(w, "suspended is so", func() bool {
		in, err := p.client.GetStatus(p.within(time.Minute), "suspended")
		return err == nil && in.Status == history.Suspended
	})
}

// eventsBetween happen while no worker runs.
func (p *pair) eventsBetween(s side) {
	p.raise(s, "eventcounter", "E", `"b"`)
	p.raise(s, "counterwithevents", "E", `"b"`)
	p.raise(s, "approved", "Approval", `"yes"`)
	p.raise(s, "suspended", "Go", `"while suspended"`)
	p.call(s, "terminate", "--id", "terminated", "--reason", "no longer needed")
}

func (p *pair) lastEvents(s side) {
	p.eventually("the second event is counted", func() bool {
		in, err := p.client.GetInstance(p.within(time.Minute), "eventcounter")
		return err == nil && text(in.CustomStatus) == `"2 events"`
	})
	p.raise(s, "eventcounter", "E", `"c"`)
	p.raise(s, "counterwithevents", "E", `"c"`)
	p.raise(s, "waitforever", "Go", `"last"`)
	p.call(s, "resume", "--id", "suspended", "--reason", "go on")
}

func (p *pair) checkJobs(list []job, copies bool) {
	p.t.Helper()
	for _, j := range list {
		in, err := p.client.WaitForCompletion(p.within(patience), j.id, "")
		if err != nil {
			p.t.Errorf("waiting for %s: %v", j.id, err)
			p.explain(j.id)
			continue
		}
		got := text(in.Output)
		right := got == j.output || j.status == history.Failed && strings.Contains(got, j.output)
		if j.check != nil {
			err = j.check(got)
			right = err == nil
		}
		if in.Status != j.status || !right {
			p.t.Errorf("%s is %v with %s, want %v with %s: %v", j.id, in.Status, short(got), j.status, short(j.output), err)
			p.explain(j.id)
		}
		p.wellFormed(j.id, copies)
	}
	same := []string{"slowchain", "suspended", "family"}
	if full() {
		same = nil
		for _, j := range list {
			same = append(same, j.id)
		}
	}
	p.sameState(same...)
}
