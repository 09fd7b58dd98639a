package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-taskhub/taskhub/activities"
	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/limits"
)

// addLimits takes over the limits of an activity. All activities that name one limit have to mean the same.
func (r *registry) addLimits(item durable.Registrable) error {
	list := r.env.Limits(item)
	var errs []error
	for _, limit := range list {
		if other, ok := r.limits[limit.Name]; ok {
			errs = append(errs, sameLimit(other, limit))
		}
	}
	if err := errors.Join(errs...); err != nil || len(list) == 0 {
		return err
	}
	for _, limit := range list {
		r.limits[limit.Name] = limit
	}
	r.limited[item.Name()] = list
	return nil
}

func sameLimit(a, b durable.ActivityLimit) error {
	fault := func(field, x, y string) error {
		return &durable.LimitError{Limit: a.Name, Field: field, Reason: fmt.Sprintf("is %s here, but %s for another activity; give all activities that share the limit the same", y, x)}
	}
	if field := a.Differs(b.LimitSpec); field != "" {
		return fault(field, a.String(), b.String())
	}
	if (a.Key == nil) != (b.Key == nil) {
		keyed := map[bool]string{true: "none", false: "a function"}
		return fault("Key", keyed[a.Key == nil], keyed[b.Key == nil])
	}
	return nil
}

// declareLimits stores what the code says, unless the hub has it.
func (w *Worker) declareLimits(ctx context.Context) error {
	store := limits.NewStore(w.hub.TrackingAccount(), w.hub.Names())
	for _, name := range slices.Sorted(maps.Keys(w.registry.limits)) {
		if _, err := store.Declare(ctx, w.registry.limits[name].LimitSpec, time.Now().UTC()); err != nil {
			return err
		}
	}
	return nil
}

// limitsConfig is nil without limits.
func (w *Worker) limitsConfig() *limits.Config {
	if len(w.registry.limited) == 0 {
		return nil
	}
	return &limits.Config{Store: limits.NewStore(w.hub.TrackingAccount(), w.hub.Names()), Worker: w.cfg.ID, Activities: w.registry.limited}
}

// LimitHealth is a limit of activities, and what it does in this worker. The numbers that count since the start never fall.
type LimitHealth struct {
	Name string `json:"name"`
	// Kind is "rate" or "concurrency", and Definition what holds, such as "5000 per 1h0m0s".
	Kind       string `json:"kind"`
	Definition string `json:"definition"`
	// Keys is how many keys are in use, or were of late.
	Keys int `json:"keys"`
	// Waiting is how many attempts wait here for the limit, and Instances those of how many instances. What waits hidden in the
	// work-item queue does not count.
	Waiting   int `json:"waiting"`
	Instances int `json:"instances"`
	// Holding is how many tokens or permits this worker has, in use or not.
	Holding int `json:"holding"`
	// Begun counts the attempts that the limit has let begin since the start, and Lapsed those that then came to a slot too late and
	// waited again.
	Begun  int64 `json:"begun"`
	Lapsed int64 `json:"lapsed"`
	// WaitedSeconds is how long those that have begun waited, in sum.
	WaitedSeconds float64 `json:"waitedSeconds"`
	// Next is when more can be had at the earliest; zero while nothing waits for that.
	Next time.Time `json:"next,omitzero"`
	// Problem says why the hub's table of limits cannot be used at present. Activities under limits wait meanwhile.
	Problem string `json:"problem,omitempty"`
}

func limitHealth(list []limits.Stats) []LimitHealth {
	var out []LimitHealth
	for _, s := range list {
		out = append(out, LimitHealth{
			Name: s.Limit.Name, Kind: string(s.Limit.Kind), Definition: s.Limit.String(), Keys: s.Keys, Waiting: s.Waiting, Instances: s.Instances, Holding: s.Holding,
			Begun: s.Begun, Lapsed: s.Lapsed, WaitedSeconds: s.Waited.Seconds(), Next: s.Next, Problem: s.Problem,
		})
	}
	return out
}

// judgeLimits says what is wrong with limits.
func judgeLimits(a activities.Health) (reasons []string) {
	for _, s := range a.Limits {
		if s.Problem != "" && s.Waiting > 0 {
			reasons = append(reasons, fmt.Sprintf("%d activities wait for limit %q, whose row cannot be used: %s", s.Waiting, s.Limit.Name, s.Problem))
		}
	}
	return reasons
}
