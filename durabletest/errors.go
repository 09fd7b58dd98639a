package durabletest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

var (
	// ErrStalled is what a [*StalledError] is.
	ErrStalled = errors.New("durabletest: the orchestration can never go on")
	// ErrLimit is what a [*LimitError] is.
	ErrLimit = errors.New("durabletest: a limit was reached")
	// ErrNotRegistered is what a [*NotRegisteredError] is.
	ErrNotRegistered = errors.New("durabletest: not registered")
	// ErrInstanceNotFound is what the environment's client returns for an instance it does not know.
	ErrInstanceNotFound = errors.New("durabletest: there is no such instance")
	// ErrInstanceExists is what it returns for a start under the id of an instance that may not be replaced.
	ErrInstanceExists = errors.New("durabletest: there is an instance of this id")
	// ErrInstanceFinished is what it returns for an event to an instance that has ended.
	ErrInstanceFinished = errors.New("durabletest: the instance has ended")

	errInOrchestrator = errors.New("durabletest: the environment was called from inside an orchestrator, where only the durable API may be used; do it in an activity or a mock")
)

// StalledError says that an orchestration waits for something that never comes: nothing is left that could happen.
type StalledError struct {
	// InstanceID and Orchestrator name the orchestration.
	InstanceID, Orchestrator string
	// At is the time on the environment's clock, After how long that is after the start.
	At    time.Time
	After time.Duration
	// Waits says what it waits for, such as `event "Approve"`.
	Waits []string
	// Kept are the names of events that have arrived and that it does not wait for.
	Kept []string
	// Suspended tells that it was suspended and not resumed.
	Suspended bool
}

// Error says what it waits for and what to do.
func (e *StalledError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "orchestration %q (instance %q) can never go on: at %s, %v after its start, ", e.Orchestrator, e.InstanceID, stamp(e.At), e.After)
	if e.Suspended {
		b.WriteString("it is suspended and nobody resumes it (use ResumeAt)")
		if len(e.Waits) > 0 {
			b.WriteString("; then it ")
		}
	} else if len(e.Waits) > 0 {
		b.WriteString("it ")
	}
	switch {
	case len(e.Waits) > 0:
		fmt.Fprintf(&b, "waits for %s, and nothing is left to happen", strings.Join(e.Waits, " and "))
	case !e.Suspended:
		b.WriteString("it waits, though for nothing that could come: coroutines wait for each other, or a task was abandoned")
	}
	if len(e.Kept) > 0 {
		fmt.Fprintf(&b, "; events that came and that nobody waits for: %s", quoted(e.Kept))
	}
	b.WriteString(". Raise events with RaiseAt or from an activity, or give the wait a time-out")
	return b.String()
}

// Is reports true for [ErrStalled].
func (e *StalledError) Is(target error) bool { return target == ErrStalled }

// What a [LimitError] is about.
const (
	limitGenerations = "generations"
	limitEpisodes    = "episodes"
)

// LimitError says that a run goes on and on.
type LimitError struct {
	// What was counted: "generations" or "episodes".
	What string
	// Limit is the bound that was reached.
	Limit int
	// InstanceID and Orchestrator name the orchestration; empty when it was not one alone.
	InstanceID, Orchestrator string
	// Waits says what it waits for.
	Waits []string
}

// Error says which limit was reached and how to raise it.
func (e *LimitError) Error() string {
	if e.What == limitGenerations {
		return fmt.Sprintf("orchestration %q (instance %q) has continued as new %d times without coming to an end. For one that never ends, "+
			"use TerminateAt, or start it with the environment's Client and let time pass with Advance; Config.MaxGenerations raises the limit",
			e.Orchestrator, e.InstanceID, e.Limit)
	}
	who := "the orchestrations have"
	if e.InstanceID != "" {
		who = fmt.Sprintf("orchestration %q (instance %q) has not ended, though orchestrations have", e.Orchestrator, e.InstanceID)
	}
	waits := ""
	if len(e.Waits) > 0 {
		waits = fmt.Sprintf("; it waits for %s", strings.Join(e.Waits, " and "))
	}
	return fmt.Sprintf("%s run %d episodes%s. For those that never end, use TerminateAt or Advance; Config.MaxEpisodes raises the limit", who, e.Limit, waits)
}

// Is reports true for [ErrLimit].
func (e *LimitError) Is(target error) bool { return target == ErrLimit }

// NotRegisteredError says that an orchestration called what the environment has neither code nor mock for.
type NotRegisteredError struct {
	// Kind tells whether it is an activity or an orchestrator.
	Kind durable.Kind
	// Name and Version are what was called.
	Name, Version string
	// By is the orchestrator that called it; "" for a start from outside.
	By string
	// Known are the names of its kind that the environment has.
	Known []string
}

// Error names it and says how to register or mock it.
func (e *NotRegisteredError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v %q", e.Kind, e.Name)
	if e.Version != "" {
		fmt.Fprintf(&b, " (version %q)", e.Version)
	}
	if e.By != "" {
		fmt.Fprintf(&b, ", which orchestrator %q calls,", e.By)
	}
	mock := "Mock"
	if e.Kind == durable.KindOrchestrator {
		mock = "MockOrchestrator"
	}
	fmt.Fprintf(&b, " is not registered: pass it to env.Register, or mock it with durabletest.%s or durabletest.%sNamed", mock, mock)
	if len(e.Known) > 0 {
		fmt.Fprintf(&b, " (known: %s)", quoted(e.Known))
	}
	return b.String()
}

// Is reports true for [ErrNotRegistered].
func (e *NotRegisteredError) Is(target error) bool { return target == ErrNotRegistered }

func quoted(names []string) string {
	q := make([]string, len(names))
	for i, n := range names {
		q[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(q, ", ")
}
