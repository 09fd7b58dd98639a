package durable

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"
)

// Limit is a [RateLimit] or a [ConcurrencyLimit]: how much of an activity, or of several, runs in a whole hub. Limits are heeded by this
// module's workers, whichever of them runs an activity, and across restarts. .NET workers know of none.
type Limit interface {
	// Spec returns the limit as its hub keeps it.
	Spec() LimitSpec
}

// RateLimit bounds how often activities begin: in every span of the length Per at most Count attempts begin in the whole hub, retries
// included. The span may begin anywhere, so a server that counts in fixed hours never counts more than Count either.
type RateLimit struct {
	// Name identifies the limit in its hub. Activities that name the same limit share it. 1 to 64 ASCII letters, digits, dots, dashes
	// and underscores, beginning with a letter or a digit. Required.
	Name string
	// Count is how many attempts may begin in Per, 1 to 1,000,000,000. Required.
	Count int
	// Per is the span, one second to 366 days. Required.
	Per time.Duration
	// Burst is how many may begin at once; those that follow are spread out, so that in every span of Per·Burst/Count at most Burst
	// begin. What Count allows in half a second may always begin at once. Defaults to Count: nothing is spread out.
	Burst int
}

// Spec implements [Limit].
func (l RateLimit) Spec() LimitSpec {
	return LimitSpec{Name: l.Name, Kind: LimitRate, Count: l.Count, Per: l.Per, Burst: l.Burst}
}

// ConcurrencyLimit bounds how many attempts at activities run at one time in the whole hub.
type ConcurrencyLimit struct {
	// Name is as for [RateLimit]. Required.
	Name string
	// Max is how many run at one time, 1 to 1,000,000. Required.
	Max int
}

// Spec implements [Limit].
func (l ConcurrencyLimit) Spec() LimitSpec {
	return LimitSpec{Name: l.Name, Kind: LimitConcurrency, Max: l.Max}
}

// LimitKind tells the two kinds of limits apart.
type LimitKind string

// The kinds of limits.
const (
	LimitRate        LimitKind = "rate"
	LimitConcurrency LimitKind = "concurrency"
)

// LimitSpec is a limit of either kind. Count, Per and Burst belong to a [RateLimit], Max to a [ConcurrencyLimit].
type LimitSpec struct {
	Name  string
	Kind  LimitKind
	Count int
	Per   time.Duration
	Burst int
	Max   int
}

// Spec implements [Limit].
func (s LimitSpec) Spec() LimitSpec { return s }

// String says in short what is allowed, such as "5000 per 1h0m0s, 100 at once".
func (s LimitSpec) String() string {
	switch {
	case s.Kind == LimitConcurrency:
		return fmt.Sprintf("%d at a time", s.Max)
	case s.Burst > 0 && s.Burst < s.Count:
		return fmt.Sprintf("%d per %v, %d at once", s.Count, s.Per, s.Burst)
	}
	return fmt.Sprintf("%d per %v", s.Count, s.Per)
}

// The bounds of limits.
const (
	mostCount    = 1_000_000_000
	mostMax      = 1_000_000
	shortestPer  = time.Second
	longestPer   = 366 * 24 * time.Hour
	mostLimitKey = 128
)

var limitName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Normalize checks a limit and fills in what was left out. The error is a [*LimitError].
func (s LimitSpec) Normalize() (LimitSpec, error) {
	if reason := s.nameFault(); reason != "" {
		return s, s.fault("Name", reason)
	}
	switch s.Kind {
	case LimitRate:
		return s.normalizeRate()
	case LimitConcurrency:
		if s.Max < 1 || s.Max > mostMax {
			return s, s.fault("Max", fmt.Sprintf("is %d; give 1 to %d", s.Max, mostMax))
		}
		s.Count, s.Per, s.Burst = 0, 0, 0
		return s, nil
	}
	return s, s.fault("Kind", fmt.Sprintf("is %q; it is rate or concurrency", s.Kind))
}

func (s LimitSpec) nameFault() string {
	switch {
	case s.Name == "":
		return "is empty; give 1 to 64 ASCII letters, digits, dots, dashes and underscores"
	case !limitName.MatchString(s.Name):
		return "cannot be used; give 1 to 64 ASCII letters, digits, dots, dashes and underscores, with a letter or digit in front"
	}
	return ""
}

func (s LimitSpec) normalizeRate() (LimitSpec, error) {
	switch {
	case s.Count < 1 || s.Count > mostCount:
		return s, s.fault("Count", fmt.Sprintf("is %d; give 1 to %d", s.Count, mostCount))
	case s.Per <= 0:
		return s, s.fault("Per", fmt.Sprintf("is %v; give the span of time that Count is for, such as an hour", s.Per))
	case s.Per < shortestPer:
		return s, s.fault("Per", fmt.Sprintf("is %v; give at least a second, and a Count for it", s.Per))
	case s.Per > longestPer:
		return s, s.fault("Per", fmt.Sprintf("is %v; give at most %v", s.Per, longestPer))
	case s.Burst < 0:
		return s, s.fault("Burst", fmt.Sprintf("is %d; give 1 to Count, or nothing", s.Burst))
	case s.Burst > s.Count:
		return s, s.fault("Burst", fmt.Sprintf("is %d, more than Count, which is %d", s.Burst, s.Count))
	case s.Burst == 0:
		s.Burst = s.Count
	}
	s.Max = 0
	return s, nil
}

func (s LimitSpec) fault(field, reason string) error {
	return &LimitError{Limit: s.Name, Field: field, Reason: reason}
}

// Differs names the first field in which two limits of one name differ; empty when they are the same.
func (s LimitSpec) Differs(other LimitSpec) (field string) {
	switch {
	case s.Kind != other.Kind:
		return "Kind"
	case s.Count != other.Count:
		return "Count"
	case s.Per != other.Per:
		return "Per"
	case s.Burst != other.Burst:
		return "Burst"
	case s.Max != other.Max:
		return "Max"
	}
	return ""
}

// ErrInvalidLimit is what every [*LimitError] is.
var ErrInvalidLimit = errors.New("durable: the limit cannot be used")

// LimitError says which field of a limit cannot be used. Nothing was changed.
type LimitError struct {
	Limit  string
	Field  string // a field of LimitSpec, or Key
	Reason string // what is wrong with it and what to do, beginning with a verb
}

// Error names limit and field.
func (e *LimitError) Error() string {
	return "limit " + quote(e.Limit) + ": " + e.Field + " " + e.Reason
}

// Is makes errors.Is(err, ErrInvalidLimit) true.
func (e *LimitError) Is(target error) bool { return target == ErrInvalidLimit }

// LimitOption is what [WithLimit] and [WithLimitPer] return.
type LimitOption struct {
	limit Limit
	input reflect.Type // of the key's function; nil without one
	key   func(env *environment, raw *string) (string, error)
}

// WithLimit puts an activity under a limit. Attempts that have to wait are begun later; they use no slot of a worker meanwhile. Several
// options add up: an attempt begins when all of its limits let it. An activity with a limit never runs ahead of its decision, see
// [Idempotent].
//
// The options of all activities that name one limit have to agree, and the hub keeps what they say. What an operator sets, see
// "taskhub limit set", holds in its place until it is removed.
func WithLimit(l Limit) LimitOption { return LimitOption{limit: l} }

// WithLimitPer is [WithLimit] with a limit that holds for each key on its own, such as a customer's id, which a function takes from
// the activity's input. Keys are up to 128 bytes of UTF-8; an attempt whose key cannot be used fails. The function must be of the
// activity's input type, which registration checks.
func WithLimitPer[I any](l Limit, key func(input I) string) LimitOption {
	o := LimitOption{limit: l, input: reflect.TypeFor[I]()}
	if key == nil {
		return o
	}
	o.key = func(env *environment, raw *string) (_ string, err error) {
		var input I
		if err := env.readActivityInput(raw, &input); err != nil {
			return "", err
		}
		defer func() {
			if v := recover(); v != nil {
				err = newPanicError(v)
			}
		}()
		return key(input), nil
	}
	return o
}

func (o LimitOption) applyActivityDefinition(a *activityDefaults) {
	a.limits = slices.Clone(a.limits) // other handles may share the list
	for i, other := range a.limits {
		if o.limit != nil && other.limit != nil && other.limit.Spec().Name == o.limit.Spec().Name {
			a.limits[i] = o
			return
		}
	}
	a.limits = append(a.limits, o)
}

// validate says what of the option cannot be used by an activity with an input of a type.
func (o LimitOption) validate(input reflect.Type) error {
	if o.limit == nil {
		return errors.New("WithLimit was given nil; give a RateLimit or a ConcurrencyLimit")
	}
	spec, err := o.limit.Spec().Normalize()
	switch {
	case err != nil:
		return err
	case o.input != nil && o.key == nil:
		return spec.fault("Key", "is a nil function; use WithLimit for a limit without keys")
	case o.input != nil && o.input != input:
		return spec.fault("Key", fmt.Sprintf("takes %v, but the activity's input is %v", o.input, input))
	}
	return nil
}

// ActivityLimit is a limit of an activity, as a worker heeds it.
type ActivityLimit struct {
	LimitSpec
	// Key takes the key from a serialized input; nil for a limit without keys. Its error is one of the attempt.
	Key func(input *string) (string, error)
}

// Limits returns the limits of an activity in this environment; none for an orchestrator. The activity must be valid.
func (e Environment) Limits(r Registrable) []ActivityLimit {
	a, ok := r.(interface {
		limits(*environment) []ActivityLimit
	})
	if !ok {
		return nil
	}
	return a.limits(e.resolve())
}

func (a *Activity[I, O]) limits(env *environment) []ActivityLimit {
	var list []ActivityLimit
	for _, o := range a.defaults.limits {
		spec, err := o.limit.Spec().Normalize()
		if err != nil {
			continue // Validate reports it
		}
		l := ActivityLimit{LimitSpec: spec}
		if o.key != nil {
			l.Key = func(raw *string) (string, error) {
				key, err := o.key(env, raw)
				if err != nil {
					return "", fmt.Errorf("the key of limit %s: %w", quote(spec.Name), err)
				}
				return key, spec.checkKey(key)
			}
		}
		list = append(list, l)
	}
	return list
}

func (s LimitSpec) checkKey(key string) error {
	switch {
	case len(key) > mostLimitKey:
		return Permanent(s.fault("Key", fmt.Sprintf("has %d bytes; give at most %d", len(key), mostLimitKey)))
	case !utf8.ValidString(key):
		return Permanent(s.fault("Key", "is not valid UTF-8"))
	}
	return nil
}
