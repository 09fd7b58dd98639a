package durabletest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
)

// Replayer replays exported histories against today's code. Its zero value has the defaults; [Replay], [ReplayHistory]
// and [ReplayDir] use that.
type Replayer struct {
	// Environment has the converter and the interceptors of the worker that wrote the histories. Defaults to JSON and none.
	Environment durable.Environment
	// Strict also fails where a worker would not notice a difference: another output or error, a timer that is due at
	// another time, an event sent to another instance or with another value, an open child with another id. Inputs of
	// activities and children are not compared, because histories do not have them. Defaults to false: what passes is what
	// a worker can go on with.
	Strict bool
	// Logger gets what the orchestrator logs behind the end of the history. Defaults to nothing.
	Logger *slog.Logger
	// StuckAfter is how long the orchestrator may compute or block. Defaults to 10 s.
	StuckAfter time.Duration
}

// Replayed is what came of a replay.
type Replayed struct {
	// Name and Version are the orchestrator's, InstanceID and ExecutionID those of the history.
	Name, Version           string
	InstanceID, ExecutionID string
	// Events is how many events the history has.
	Events int
	// Recorded is how the execution ended according to the history; Running or Suspended if it has not.
	Recorded history.Status
	// Status is how it ends with today's code. It differs from Recorded without failing the test where an execution
	// failed and today's code does better.
	Status history.Status
	// Output is what today's code returned, as JSON; "" while it has not ended and for null.
	Output string
	// Err is what failed the replay; the error that today's code ended with; nil without either.
	Err error
	// Waits says what today's code waits for at the end of the history.
	Waits []string
}

// Replay replays the history in a file, as the client's ExportHistory or .NET's GetOrchestrationHistoryAsync exports it,
// against today's code. The test fails, with an explanation, if the code does not decide what the history says.
//
// Of the orchestrators the one is taken that the history names; others may be passed along. Histories of running,
// suspended, completed, failed, terminated and rewound instances will do; of one that has continued as new there is only
// the last generation.
func Replay(t T, file string, orchestrators ...durable.Registrable) *Replayed {
	t.Helper()
	return Replayer{}.Replay(t, file, orchestrators...)
}

// ReplayHistory is [Replay] for a history in memory.
func ReplayHistory(t T, export []byte, orchestrators ...durable.Registrable) *Replayed {
	t.Helper()
	return Replayer{}.ReplayHistory(t, export, orchestrators...)
}

// ReplayDir is [Replay] for every file in a folder and below whose name ends in .json, each in a subtest of its own. A
// folder without any fails the test.
func ReplayDir(t T, dir string, orchestrators ...durable.Registrable) {
	t.Helper()
	Replayer{}.ReplayDir(t, dir, orchestrators...)
}

// Replay is the function [Replay] with the replayer's settings.
func (r Replayer) Replay(t T, file string, orchestrators ...durable.Registrable) *Replayed {
	t.Helper()
	export, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("durabletest: Replay: %v", err)
		return &Replayed{Err: err}
	}
	return r.replay(t, file+": ", export, orchestrators)
}

// ReplayHistory is the function [ReplayHistory] with the replayer's settings.
func (r Replayer) ReplayHistory(t T, export []byte, orchestrators ...durable.Registrable) *Replayed {
	t.Helper()
	return r.replay(t, "", export, orchestrators)
}

// ReplayDir is the function [ReplayDir] with the replayer's settings.
func (r Replayer) ReplayDir(t T, dir string, orchestrators ...durable.Registrable) {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.EqualFold(filepath.Ext(file), ".json") {
			files = append(files, file)
		}
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s has no histories: files whose names end in .json", dir)
	}
	if err != nil {
		t.Fatalf("durabletest: ReplayDir: %v", err)
		return
	}
	parent, hasSubtests := t.(*testing.T)
	for _, file := range files {
		if !hasSubtests {
			r.Replay(t, file, orchestrators...)
			continue
		}
		name, err := filepath.Rel(dir, file)
		if err != nil {
			name = file
		}
		parent.Run(filepath.ToSlash(name), func(t *testing.T) { r.Replay(t, file, orchestrators...) })
	}
}

// replay replays a history and reports what is wrong; where says where it is from.
func (r Replayer) replay(t T, where string, export []byte, orchestrators []durable.Registrable) *Replayed {
	t.Helper()
	p, err := r.prepare(export, orchestrators)
	if err != nil {
		t.Fatalf("durabletest: %s%v", where, err)
		return &Replayed{Err: err}
	}
	done, err := p.run()
	if err != nil {
		t.Errorf("durabletest: %s%v", where, err)
		done.Err = err
	}
	return done
}

// performance is one replay.
type performance struct {
	r          Replayer
	events     []history.Event
	started    *history.ExecutionStarted
	definition *replay.Definition
}

// prepare reads a history and finds its orchestrator.
func (r Replayer) prepare(export []byte, orchestrators []durable.Registrable) (*performance, error) {
	events, err := history.UnmarshalExport(plainText(export))
	if err != nil {
		return nil, fmt.Errorf("this is not a history: %w. Export one with the client's ExportHistory or with .NET's GetOrchestrationHistoryAsync", err)
	}
	p := &performance{r: r, events: events, started: startOf(events)}
	switch {
	case len(events) == 0:
		return nil, errors.New("the history is empty: the instance had not begun when it was exported, or did not exist")
	case p.started == nil:
		return nil, errors.New("the history has no ExecutionStarted event, so it does not say which orchestrator it is of")
	case strings.HasPrefix(p.started.Instance.InstanceID, "@"):
		return nil, fmt.Errorf("this is the history of entity %q; only orchestrations can be replayed", p.started.Instance.InstanceID)
	}
	p.definition, err = r.find(p.started, orchestrators)
	return p, err
}

// plainText returns a file's text without a byte order mark, and that of UTF-16, which PowerShell redirects into, as UTF-8.
func plainText(file []byte) []byte {
	if rest, ok := bytes.CutPrefix(file, []byte{0xff, 0xfe}); ok {
		units := make([]uint16, len(rest)/2)
		for i := range units {
			units[i] = binary.LittleEndian.Uint16(rest[2*i:])
		}
		return []byte(string(utf16.Decode(units)))
	}
	return bytes.TrimPrefix(file, []byte("\ufeff"))
}

func startOf(events []history.Event) *history.ExecutionStarted {
	for _, e := range events {
		if s, ok := e.(*history.ExecutionStarted); ok {
			return s
		}
	}
	return nil
}

// find returns the orchestrator that a history is of.
func (r Replayer) find(started *history.ExecutionStarted, orchestrators []durable.Registrable) (*replay.Definition, error) {
	if len(orchestrators) == 0 {
		return nil, fmt.Errorf("the history is of orchestrator %q: pass its handle", started.Name)
	}
	known := newRegistry()
	var names []string
	for i, item := range orchestrators {
		switch {
		case isNil(item):
			return nil, fmt.Errorf("orchestrator %d is nil; pass what durable.NewOrchestrator returned", i+1)
		case item.Kind() != durable.KindOrchestrator:
			return nil, fmt.Errorf("%v %q is not an orchestrator; a replay needs no activities, their results are in the history", item.Kind(), item.Name())
		}
		if err := item.Validate(); err != nil {
			return nil, err
		}
		known.orchestrators[versionKey(item.Name(), item.Version())] = registered{item: item, definition: r.Environment.Definition(item)}
		names = append(names, item.Name())
	}
	def, ok := known.orchestrator(started.Name, deref(started.Version))
	if !ok {
		return nil, fmt.Errorf("the history is of orchestrator %q (version %q), which is not among those passed: %s",
			started.Name, deref(started.Version), quoted(names))
	}
	return def, nil
}

// run replays the history as a worker does that loads it, and judges what came of it.
func (p *performance) run() (*Replayed, error) {
	logger := p.r.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	s := replay.NewSession(replay.Config{Definition: p.definition, Logger: logger, StuckAfter: p.r.StuckAfter})
	defer s.Unload()
	turn, err := s.Advance(p.events, nil)
	done := p.result()
	if err != nil {
		return done, err
	}
	j := &judge{performance: p, s: s, turn: turn}
	if turn.Recorded != nil {
		done.Recorded = turn.Recorded.Status
	} else if suspendedAtEnd(p.events) {
		done.Recorded = history.Suspended
	}
	done.Status = done.Recorded
	if out := turn.Outcome; out != nil {
		done.Status, done.Err = out.Status, out.Err
		if out.Status == history.Completed {
			done.Output = deref(out.Result)
		}
	} else {
		for _, a := range turn.Committed {
			if _, state, _ := s.Lookup(a.ActionID()); state == replay.Open {
				done.Waits = append(done.Waits, awaited(a))
			}
		}
		done.Waits = append(done.Waits, eventsAwaited(s.Waiting())...)
	}
	return done, j.verdict()
}

func (p *performance) result() *Replayed {
	return &Replayed{
		Name: p.started.Name, Version: deref(p.started.Version), InstanceID: p.started.Instance.InstanceID,
		ExecutionID: deref(p.started.Instance.ExecutionID), Events: len(p.events), Recorded: history.Running,
	}
}

func suspendedAtEnd(events []history.Event) bool {
	suspended := false
	for _, e := range events {
		switch e.Kind() {
		case history.KindExecutionSuspended:
			suspended = true
		case history.KindExecutionResumed:
			suspended = false
		}
	}
	return suspended
}
