package cluster

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Script is what an orchestration does: the input of the one orchestrator that all instances run.
type Script struct {
	Ops  []Op   `json:"ops"`
	Done string `json:"done,omitempty"` // what earlier generations put out
	Gen  int    `json:"gen,omitempty"`
}

// Op is one step of a script. Exactly one of its fields is set.
type Op struct {
	Act    *Step    `json:"act,omitempty"`    // an activity
	Fan    []Step   `json:"fan,omitempty"`    // several at a time
	Kids   []Kid    `json:"kids,omitempty"`   // children at a time
	Sleep  int      `json:"sleep,omitempty"`  // milliseconds
	Wait   string   `json:"wait,omitempty"`   // an event of this name
	Race   int      `json:"race,omitempty"`   // an event that never comes against so many milliseconds
	Send   *Letter  `json:"send,omitempty"`   // an event for another instance
	Status string   `json:"status,omitempty"` // custom status
	Forget *Step    `json:"forget,omitempty"` // an activity that nobody waits for
	Spawn  *Kid     `json:"spawn,omitempty"`  // a child that nobody waits for
	Again  bool     `json:"again,omitempty"`  // go on as a new generation
	Gather []string `json:"gather,omitempty"` // these events of one name, one for each generation
}

// Step is a call of an activity.
type Step struct {
	ID    string `json:"id"`
	MS    int    `json:"ms,omitempty"`    // how long it takes
	Fails int    `json:"fails,omitempty"` // how many attempts go wrong
	How   string `json:"how,omitempty"`   // in what way: "error", "panic", "hang"
	Until string `json:"until,omitempty"` // fails until the client has said this
	Pad   int    `json:"pad,omitempty"`   // bytes of ballast, in and out
	Text  string `json:"text,omitempty"`
}

// Kid is a child.
type Kid struct {
	ID     string `json:"id,omitempty"`
	Script Script `json:"script"`
}

// Letter is an event for another instance.
type Letter struct {
	To   string `json:"to"`
	Name string `json:"name"`
}

// Output is what the script results in.
func (s Script) Output() string {
	var b strings.Builder
	b.WriteString(s.Done)
	for _, op := range s.Ops {
		b.WriteString(op.output())
	}
	return b.String()
}

func (op Op) output() string {
	switch {
	case op.Act != nil:
		return op.Act.ID + ";"
	case op.Fan != nil:
		var b strings.Builder
		for _, s := range op.Fan {
			b.WriteString(s.ID + ";")
		}
		return b.String()
	case op.Kids != nil:
		var b strings.Builder
		for _, k := range op.Kids {
			b.WriteString("(" + k.Script.Output() + ")")
		}
		return b.String()
	case op.Sleep > 0:
		return "z;"
	case op.Wait != "":
		return op.Wait + ";"
	case op.Race > 0:
		return "late;"
	case op.Gather != nil:
		return strings.Join(slices.Sorted(slices.Values(op.Gather)), "+") + ";"
	}
	return ""
}

// repeatable tells whether the script may run twice: it names no instance of its own.
func (s Script) repeatable() bool {
	for _, op := range s.Ops {
		if op.Spawn != nil || op.Send != nil {
			return false
		}
		for _, k := range op.Kids {
			if k.ID != "" || !k.Script.repeatable() {
				return false
			}
		}
	}
	return true
}

// CustomStatus is the last one that the script sets, which later generations keep; empty for none.
func (s Script) CustomStatus() (last string) {
	for _, op := range s.Ops {
		if op.Status != "" {
			last = op.Status
		}
	}
	return last
}

// last is what the last generation does.
func (s Script) last() Script {
	for i := len(s.Ops) - 1; i >= 0; i-- {
		if s.Ops[i].Again {
			return Script{Ops: s.Ops[i+1:]}
		}
	}
	return s
}

// writer makes scripts.
type writer struct {
	rnd *rand.Rand
	has map[Kind]bool

	next int

	large int // payloads that were made large
}

func (w *writer) id(prefix string) string {
	w.next++
	return fmt.Sprintf("%s%d", prefix, w.next)
}

func (w *writer) step() Step {
	s := Step{ID: w.id("a")}
	switch n := w.rnd.IntN(20); {
	case n < 11:
	case n < 17:
		s.MS = w.rnd.IntN(1500)
	case n < 19:
		s.MS = 1500 + w.rnd.IntN(9000)
	default:
		s.MS = 9000 + w.rnd.IntN(16000)
	}
	if w.has[BadActivity] && w.rnd.IntN(4) == 0 {
		s.Fails, s.How = 1+w.rnd.IntN(2), []string{"error", "panic", "hang"}[w.rnd.IntN(3)]
	}
	if w.has[LargePayloads] && w.rnd.IntN(4) == 0 {
		w.large++
		s.Pad = 1000 << w.rnd.IntN(8)
	}
	return s
}

func (w *writer) steps(n int) []Step {
	list := make([]Step, n)
	for i := range list {
		list[i] = w.step()
	}
	return list
}

// script makes one of so many operations. Only top-level instances wait for events, whose names are returned.
func (w *writer) script(ops, depth int, top bool) (Script, []string) {
	var s Script
	var events []string
	for range ops {
		switch n := w.rnd.IntN(24); {
		case n < 9:
			step := w.step()
			s.Ops = append(s.Ops, Op{Act: &step})
		case n < 11:
			s.Ops = append(s.Ops, Op{Fan: w.steps(2 + w.rnd.IntN(5))})
		case n < 14 && depth > 0:
			var kids []Kid
			for range 1 + w.rnd.IntN(3) {
				kid, _ := w.script(1+w.rnd.IntN(2), depth-1, false)
				kids = append(kids, Kid{Script: kid, ID: w.kidID()})
			}
			s.Ops = append(s.Ops, Op{Kids: kids})
		case n < 15:
			s.Ops = append(s.Ops, Op{Sleep: 1 + w.rnd.IntN(8000)})
		case n < 16 && top:
			s.Ops = append(s.Ops, Op{Sleep: 58000 + w.rnd.IntN(20000)})
		case n < 18 && top:
			name := w.id("E")
			events = append(events, name)
			s.Ops = append(s.Ops, Op{Wait: name})
		case n < 19:
			s.Ops = append(s.Ops, Op{Race: 1 + w.rnd.IntN(4000)})
		case n < 20:
			s.Ops = append(s.Ops, Op{Status: w.id("status ")})
		case n < 21:
			step := w.step()
			step.Fails = 0
			s.Ops = append(s.Ops, Op{Forget: &step})
		case n < 22 && depth > 0:
			kid, _ := w.script(1, depth-1, false)
			s.Ops = append(s.Ops, Op{Spawn: &Kid{ID: w.id("spawned"), Script: kid}})
		case n < 23:
			s.Ops = append(s.Ops, Op{Again: true})
		default:
			step := w.step()
			s.Ops = append(s.Ops, Op{Act: &step})
		}
	}
	return s, events
}

func (w *writer) kidID() string {
	if w.rnd.IntN(2) == 0 {
		return ""
	}
	return w.id("kid")
}
