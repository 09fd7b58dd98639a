package durabletest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/internal/replay"
)

// registry is what the environment's worker hosts. Names are looked up as package worker does: exactly, versions without
// regard to case, and code without a version takes any.
type registry struct {
	orchestrators map[string]registered // by name and version
	activities    map[string]registered
}

type registered struct {
	item       durable.Registrable
	definition *replay.Definition
	handler    durable.ActivityHandler
}

func newRegistry() registry {
	return registry{orchestrators: map[string]registered{}, activities: map[string]registered{}}
}

func versionKey(name, version string) string { return name + "\x00" + strings.ToLower(version) }

func (r *registry) orchestrator(name, version string) (*replay.Definition, bool) {
	found, ok := r.orchestrators[versionKey(name, version)]
	if !ok {
		found, ok = r.orchestrators[versionKey(name, "")]
	}
	return found.definition, ok
}

// Register adds activities and orchestrators, as a worker's Register does. They run as they are; [Mock] and
// [MockOrchestrator] take precedence, in whichever order the calls come. What cannot be registered, a nil function, an
// empty name, a name that is taken, fails the test at once.
func (env *Env) Register(items ...durable.Registrable) {
	env.t.Helper()
	for i, item := range items {
		if err := env.register(item); err != nil {
			env.t.Fatalf("durabletest: Register: item %d: %v", i+1, err)
			return
		}
	}
}

func (env *Env) register(item durable.Registrable) error {
	if isNil(item) {
		return fmt.Errorf("it is nil; pass what durable.NewActivity or durable.NewOrchestrator returned")
	}
	if err := item.Validate(); err != nil {
		return fmt.Errorf("%w; what the test does not run itself is mocked: durabletest.Mock, durabletest.MockOrchestrator", err)
	}
	r := registered{item: item, definition: env.cfg.Environment.Definition(item), handler: env.cfg.Environment.Handler(item)}
	names, key, version := env.registry.activities, item.Name(), ""
	if item.Kind() == durable.KindOrchestrator {
		names, key = env.registry.orchestrators, versionKey(item.Name(), item.Version())
		if item.Version() != "" {
			version = fmt.Sprintf(" in version %q", item.Version())
		}
	}
	if have, taken := names[key]; taken && have.item != item {
		return fmt.Errorf("the %v %q is registered twice%s; every name has one function in a worker", item.Kind(), item.Name(), version)
	}
	names[key] = r
	return nil
}

// adopt registers the orchestrator that a test runs, unless it is only declared or registered already.
func (env *Env) adopt(o durable.Registrable) error {
	have, ok := env.registry.orchestrators[versionKey(o.Name(), o.Version())]
	if ok && (have.item == o || o.Definition() == nil) {
		return nil
	}
	if o.Definition() == nil || env.mockOf(durable.KindOrchestrator, o.Name()) != nil {
		return nil // found when it is started
	}
	return env.register(o)
}

// notRegistered makes the error of a call that the environment cannot serve.
func (env *Env) notRegistered(kind durable.Kind, name, version string) *NotRegisteredError {
	e := &NotRegisteredError{Kind: kind, Name: name, Version: version}
	items := env.registry.activities
	if kind == durable.KindOrchestrator {
		items = env.registry.orchestrators
	}
	for _, r := range items {
		e.Known = append(e.Known, r.item.Name())
	}
	for key, b := range env.behaviors {
		if key.kind == kind && b.mocked != nil {
			e.Known = append(e.Known, key.name)
		}
	}
	slices.Sort(e.Known)
	e.Known = slices.Compact(e.Known)
	return e
}
