package durabletest

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/go-taskhub/taskhub/durable"
)

// AssertCalled fails the test, which goes on, unless an activity was called, or an orchestrator was started as a child.
// It reports whether that was so, as its kin do.
func (env *Env) AssertCalled(item durable.Registrable) bool {
	env.t.Helper()
	if len(env.Calls(item)) > 0 {
		return true
	}
	env.t.Errorf("%s was not called; %s", subject(item), env.calledInstead())
	return false
}

// AssertCalledTimes fails the test unless an activity was called just so often, retries included.
func (env *Env) AssertCalledTimes(item durable.Registrable, times int) bool {
	env.t.Helper()
	calls := env.Calls(item)
	if len(calls) == times {
		return true
	}
	env.t.Errorf("%s was called %d times, want %d%s", subject(item), len(calls), times, listed(calls))
	return false
}

// AssertNotCalled fails the test if an activity was called, or an orchestrator was started as a child.
func (env *Env) AssertNotCalled(item durable.Registrable) bool {
	env.t.Helper()
	calls := env.Calls(item)
	if len(calls) == 0 {
		return true
	}
	env.t.Errorf("%s was called %d times, want never%s", subject(item), len(calls), listed(calls))
	return false
}

// AssertCalledWith fails the test unless an activity was called with an input.
func AssertCalledWith[I, O any](env *Env, activity *durable.Activity[I, O], input I) bool {
	env.t.Helper()
	want, err := throughConverter(env, input)
	if err != nil {
		env.t.Fatalf("durabletest: AssertCalledWith: activity %q: the input: %v", activity.Name(), err)
		return false
	}
	for _, have := range Inputs(env, activity) {
		if reflect.DeepEqual(have, want) {
			return true
		}
	}
	env.t.Errorf("%s was not called with %+v%s", subject(activity), input, listed(env.Calls(activity)))
	return false
}

// throughConverter returns what an activity gets for an input: what is not serialized is gone.
func throughConverter[I any](env *Env, input I) (I, error) {
	var got I
	raw, err := env.serialize(input)
	if err == nil {
		err = env.parse(raw, &got)
	}
	return got, err
}

// AssertSent fails the test unless an orchestration sent an event of the name to an instance.
func (env *Env) AssertSent(instanceID, event string) bool {
	env.t.Helper()
	for _, s := range env.sent {
		if s.To == instanceID && strings.EqualFold(s.Name, event) {
			return true
		}
	}
	env.t.Errorf("no event %q was sent to instance %q", event, instanceID)
	return false
}

func subject(item durable.Registrable) string { return fmt.Sprintf("%v %q", item.Kind(), item.Name()) }

// listed lists calls for an error text.
func listed(calls []Call) string {
	if len(calls) == 0 {
		return "; it was never called"
	}
	var b strings.Builder
	for _, c := range calls {
		fmt.Fprintf(&b, "\n\t%s by %q with %s", stamp(c.At), c.InstanceID, show(c.Input))
	}
	return b.String()
}

func (env *Env) calledInstead() string {
	var names []string
	seen := map[string]bool{}
	for _, c := range env.calls {
		if !seen[c.Name] {
			seen[c.Name] = true
			names = append(names, c.Name)
		}
	}
	if len(names) == 0 {
		return "nothing was called"
	}
	return "called were " + quoted(names)
}
