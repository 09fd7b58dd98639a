package worker

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/internal/replay"
)

// DuplicateNameError reports that two functions were registered under one name and version.
type DuplicateNameError struct {
	Kind    string // "orchestrator" or "activity"
	Name    string
	Version string
}

// Error names the function.
func (e *DuplicateNameError) Error() string {
	version := ""
	if e.Version != "" {
		version = fmt.Sprintf(" in version %q", e.Version)
	}
	return fmt.Sprintf("the %s %q is registered twice%s; every name has one function in a worker", e.Kind, e.Name, version)
}

// registry is what a worker hosts. It does not change once the worker has started.
type registry struct {
	env           durable.Environment
	orchestrators map[string]*replay.Definition // by nameKey
	anyVersion    map[string]*replay.Definition // registered without a version, by lower-case name
	activities    map[string]durable.ActivityHandler
	timeouts      map[string]durable.ActivityTimeouts
	idempotent    map[string]bool                    // activities
	limited       map[string][]durable.ActivityLimit // activities
	limits        map[string]durable.ActivityLimit
	versions      versions
	problems      error
}

func newRegistry(env durable.Environment, v versions) *registry {
	return &registry{
		env: env, versions: v, timeouts: map[string]durable.ActivityTimeouts{}, orchestrators: map[string]*replay.Definition{}, anyVersion: map[string]*replay.Definition{},
		activities: map[string]durable.ActivityHandler{}, idempotent: map[string]bool{},
		limited: map[string][]durable.ActivityLimit{}, limits: map[string]durable.ActivityLimit{},
	}
}

func (r *registry) add(items []durable.Registrable) error {
	var errs []error
	for i, item := range items {
		if err := r.addOne(item); err != nil {
			errs = append(errs, fmt.Errorf("item %d: %w", i+1, err))
		}
	}
	err := errors.Join(errs...)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("worker: register: %w", err)
	r.problems = errors.Join(r.problems, err)
	return err
}

func (r *registry) addOne(item durable.Registrable) error {
	if item == nil {
		return errors.New("the handle is nil; pass what durable.NewActivity or durable.NewOrchestrator returned")
	}
	if err := item.Validate(); err != nil {
		return err
	}
	if item.Kind() == durable.KindActivity {
		return r.addActivity(item)
	}
	return r.addOrchestrator(item)
}

func (r *registry) addActivity(item durable.Registrable) error {
	if _, taken := r.activities[item.Name()]; taken {
		return &DuplicateNameError{Kind: "activity", Name: item.Name()}
	}
	if err := r.addLimits(item); err != nil {
		return fmt.Errorf("activity %q: %w", item.Name(), err)
	}
	r.activities[item.Name()] = r.env.Handler(item)
	r.timeouts[item.Name()] = item.Timeouts()
	if a, ok := item.(interface{ IsIdempotent() bool }); ok && a.IsIdempotent() {
		r.idempotent[item.Name()] = true
	}
	return nil
}

func (r *registry) addOrchestrator(item durable.Registrable) error {
	key := nameKey(item.Name(), item.Version())
	if _, taken := r.orchestrators[key]; taken {
		return &DuplicateNameError{Kind: "orchestrator", Name: item.Name(), Version: item.Version()}
	}
	def := r.env.Definition(item)
	r.orchestrators[key] = def
	if item.Version() == "" {
		r.anyVersion[item.Name()] = def
	}
	return nil
}

// orchestrator finds the code of the instance's version, or code registered without a version, which takes any.
func (r *registry) orchestrator(name, version string) (*replay.Definition, bool) {
	if def, ok := r.orchestrators[nameKey(name, version)]; ok {
		return def, true
	}
	def, ok := r.anyVersion[name]
	return def, ok
}

// find finds the code for an instance, or says why there is none here.
func (r *registry) find(name, version string) (def *replay.Definition, reason string) {
	if reason := r.versions.refuses(version); reason != "" {
		return nil, reason
	}
	if def, ok := r.orchestrator(name, version); ok {
		return def, ""
	}
	if version != "" {
		return nil, fmt.Sprintf("no orchestrator %s is registered in this worker for version %q; register it, or run a worker that hosts it", name, version)
	}
	return nil, fmt.Sprintf("no orchestrator %s is registered in this worker; register it, or run a worker that hosts it", name)
}

// isIdempotent says whether an activity may run ahead, as its definition or the call says. One with limits may not: what is taken
// back would have used them up.
func (r *registry) isIdempotent(activity string, called bool) bool {
	return (called || r.idempotent[activity]) && len(r.limited[activity]) == 0
}

func (r *registry) activityTimeouts(name string) durable.ActivityTimeouts { return r.timeouts[name] }

func (r *registry) activity(name string) (durable.ActivityHandler, bool) {
	h, ok := r.activities[name]
	return h, ok
}

func (r *registry) err() error             { return r.problems }
func (r *registry) activityCount() int     { return len(r.activities) }
func (r *registry) orchestratorCount() int { return len(r.orchestrators) }
func (r *registry) activitiesOnly() bool   { return len(r.activities) > 0 && len(r.orchestrators) == 0 }
func nameKey(name, version string) string  { return name + "\x00" + strings.ToLower(version) }
