package durable

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-taskhub/taskhub/internal/replay"
)

// Kind is what a [Registrable] defines.
type Kind uint8

// The kinds of definitions.
const (
	KindActivity Kind = iota
	KindOrchestrator
)

// String returns the kind in lower case, as error texts use it.
func (k Kind) String() string {
	if k == KindOrchestrator {
		return "orchestrator"
	}
	return "activity"
}

// ActivityHandler runs an activity: serialized input in, serialized output out.
// nil stands for null.
type ActivityHandler func(ctx context.Context, input *string) (*string, error)

// Registrable is what a worker registers: an [*Activity] or an [*Orchestrator].
type Registrable interface {
	// Kind tells which of the two it is.
	Kind() Kind
	// Name is the name histories know it by.
	Name() string
	// Version is the version it is registered under, normally "".
	Version() string
	// Validate reports why it cannot be registered: no name, no function.
	Validate() error
	// Definition is the orchestrator for the engine; nil for an activity.
	Definition() *replay.Definition
	// Handler runs the activity; nil for an orchestrator.
	Handler() ActivityHandler
	// Timeouts are those of an activity; zero for an orchestrator.
	Timeouts() ActivityTimeouts

	definition(env *environment) *replay.Definition
	handler(env *environment) ActivityHandler
}

// ErrInvalidDefinition is what every [*DefinitionError] is.
var ErrInvalidDefinition = errors.New("durable: invalid definition")

// DefinitionError says what is wrong with an activity or orchestrator. The
// constructors do not panic, so that a package-level definition cannot take the
// program down before main: Register, Start and Call return the error instead.
type DefinitionError struct {
	// Kind tells whether it is an activity or an orchestrator.
	Kind Kind
	// Name is its name; may be empty.
	Name string
	// Problem says what is wrong and what to do.
	Problem string
}

// Error names the definition and the problem.
func (e *DefinitionError) Error() string {
	return fmt.Sprintf("durable: %v %q: %s", e.Kind, e.Name, e.Problem)
}

// Is reports true for [ErrInvalidDefinition].
func (e *DefinitionError) Is(target error) bool { return target == ErrInvalidDefinition }

// definition is what activities and orchestrators have in common.
type definition struct {
	kind          Kind
	name, version string
	hasFunc       bool
	declared      bool // made by a Declare function
}

// callable reports why it cannot be called or started.
func (d *definition) callable() error {
	switch {
	case strings.TrimSpace(d.name) == "":
		return &DefinitionError{d.kind, d.name, "the name is empty; give it the name that histories shall know it by"}
	case !d.hasFunc && !d.declared:
		return &DefinitionError{d.kind, d.name, "the function is nil; pass one, or use the Declare function for code that is hosted elsewhere"}
	default:
		return nil
	}
}

// Validate implements [Registrable].
func (d *definition) Validate() error {
	if err := d.callable(); err != nil {
		return err
	}
	if !d.hasFunc {
		return &DefinitionError{d.kind, d.name, "it is only declared; bind a function with With before registering it"}
	}
	return nil
}
