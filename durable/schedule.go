package durable

import (
	"errors"
	"maps"
	"time"
)

// ScheduleOverlap says what becomes of a tick of a schedule while an instance that the schedule started earlier has not
// ended.
type ScheduleOverlap string

// The policies for ticks that meet an instance that still runs.
const (
	// OverlapSkip drops the tick and counts it. It is the default.
	OverlapSkip ScheduleOverlap = "skip"
	// OverlapQueue keeps the tick until the instance has ended; up to 100 ticks wait, and what is beyond is dropped.
	OverlapQueue ScheduleOverlap = "queue"
	// OverlapAllow starts another instance beside it.
	OverlapAllow ScheduleOverlap = "allow"
)

// ScheduleSpec is the definition of a schedule: which orchestrator is started when. Either Cron or Every is required. The
// client that stores it checks it, and names the field that cannot be used.
type ScheduleSpec struct {
	// Name identifies the schedule in its hub: 1 to 64 ASCII letters, digits, dots, dashes and underscores, beginning
	// with a letter or a digit. Required.
	Name string
	// Orchestrator is the name of what is started. Required.
	Orchestrator string
	// Version is the version to start. Defaults to "".
	Version string
	// Input is the serialized input of every instance, up to 30,720 characters; nil for null.
	Input *string
	// Tags are set on every instance. Defaults to none.
	Tags map[string]string

	// Cron is a text of five fields, minute, hour, day of month, month and day of week, or of six with the seconds in
	// front. In a text of five fields that restricts both kinds of days one of them has to fit, as in Unix; in one of six
	// both have to, as in NCRONTAB. Defaults to none.
	Cron string
	// TimeZone is the IANA name of the zone in which Cron is meant, such as "Europe/Berlin". Defaults to UTC.
	TimeZone string
	// Every is the time between two ticks, in whole seconds. Defaults to none.
	Every time.Duration
	// Anchor is one of the ticks of Every, which has others before and after it. Defaults to 1970-01-01T00:00:00Z.
	Anchor time.Time
	// StartAt and EndAt bound the ticks, both included. Default to no bounds.
	StartAt, EndAt time.Time
	// MaxRuns ends the schedule after so many ticks that have started an instance. Defaults to no end.
	MaxRuns int64

	// Overlap says what happens while an earlier instance has not ended. Defaults to OverlapSkip.
	Overlap ScheduleOverlap
	// CatchUp is how late a tick may be started that came due while no worker was there, at least 10 seconds. Ticks that
	// are later still are missed, and counted. Defaults to 24 hours.
	CatchUp time.Duration
	// Jitter delays each tick by a part of this time, up to 24 hours, that follows from the schedule's name and the tick.
	// Defaults to no delay.
	Jitter time.Duration
}

// The tags of every instance that a schedule starts; its children inherit them.
const (
	// TagSchedule is the name of the schedule.
	TagSchedule = "taskhub.schedule"
	// TagScheduledTime is the tick, in the form of RFC 3339 in UTC.
	TagScheduledTime = "taskhub.scheduledTime"
)

// ScheduledTime returns the tick for which a schedule started the instance. It is false for an instance that was started
// otherwise.
func ScheduledTime(ctx *Context) (time.Time, bool) {
	at, err := time.Parse(time.RFC3339, ctx.Tags()[TagScheduledTime])
	return at, err == nil
}

// Schedule is a handle on a schedule: which orchestrator is started when, with which input. A worker that declares it
// stores it in its hub, see RegisterSchedules of package worker; [Schedule.Create] does so without a worker.
type Schedule struct {
	spec  ScheduleSpec
	input func(Converter) (*string, error)
	err   error
}

// NewSchedule defines a schedule that starts an orchestrator with an input. What is wrong with it is reported where it is
// created or declared.
func NewSchedule[I, O any](name string, o *Orchestrator[I, O], input I, timing ScheduleTiming, opts ...ScheduleOption) *Schedule {
	s := &Schedule{spec: ScheduleSpec{Name: name}}
	if o == nil {
		s.err = errors.New("the orchestrator is nil; pass what NewOrchestrator or DeclareOrchestrator returned")
		return s
	}
	s.spec.Orchestrator, s.spec.Version = o.def.name, o.def.version
	s.err = o.def.callable()
	s.input = func(c Converter) (*string, error) {
		text, err := marshal(c, input)
		if err != nil {
			return nil, o.payloadError("the input", err)
		}
		return text, nil
	}
	if timing != nil {
		timing.applySchedule(&s.spec)
	}
	for _, opt := range opts {
		opt.applySchedule(&s.spec)
	}
	return s
}

// Name returns the schedule's name.
func (s *Schedule) Name() string { return s.spec.Name }

// Orchestrator returns the name and the version of what the schedule starts.
func (s *Schedule) Orchestrator() (name, version string) { return s.spec.Orchestrator, s.spec.Version }

// Spec returns the definition, with the input as the converter writes it; nil means JSON.
func (s *Schedule) Spec(c Converter) (ScheduleSpec, error) {
	if s.err != nil {
		return ScheduleSpec{}, &ScheduleError{Schedule: s.spec.Name, Field: "Orchestrator", Reason: "cannot be used: " + s.err.Error()}
	}
	spec := s.spec
	spec.Tags = maps.Clone(spec.Tags)
	text, err := s.input(converterOr(c))
	if err != nil {
		return ScheduleSpec{}, &ScheduleError{Schedule: s.spec.Name, Field: "Input", Reason: "cannot be written: " + err.Error()}
	}
	spec.Input = text
	return spec, nil
}

// ErrInvalidSchedule is what every [*ScheduleError] is.
var ErrInvalidSchedule = errors.New("durable: the schedule cannot be used")

// ScheduleError says which field of a schedule cannot be used. Nothing was changed.
type ScheduleError struct {
	Schedule string
	Field    string // a field of ScheduleSpec
	Reason   string // what is wrong with it and what to do, beginning with a verb
}

// Error names schedule and field.
func (e *ScheduleError) Error() string {
	return "schedule " + quote(e.Schedule) + ": " + e.Field + " " + e.Reason
}

// Is makes errors.Is(err, ErrInvalidSchedule) true.
func (e *ScheduleError) Is(target error) bool { return target == ErrInvalidSchedule }

// ScheduleOption is an option of [NewSchedule].
type ScheduleOption interface{ applySchedule(*ScheduleSpec) }

// ScheduleTiming says when a schedule ticks: what [Cron] or [Every] returns.
type ScheduleTiming interface{ applySchedule(*ScheduleSpec) }

// CronTiming is what [Cron] returns.
type CronTiming struct{ text, zone string }

// Cron ticks by a cron text of five fields, or six with the seconds in front, in UTC; see [ScheduleSpec].
func Cron(text string) CronTiming { return CronTiming{text: text} }

// In says in which time zone the text is meant, by its IANA name, such as "Europe/Berlin".
func (c CronTiming) In(zone string) CronTiming { return CronTiming{c.text, zone} }

func (c CronTiming) applySchedule(s *ScheduleSpec) { s.Cron, s.TimeZone = c.text, c.zone }

// IntervalTiming is what [Every] returns.
type IntervalTiming struct {
	every  time.Duration
	anchor time.Time
}

// Every ticks each time an interval has passed, counted from 1970-01-01T00:00:00Z.
func Every(d time.Duration) IntervalTiming { return IntervalTiming{every: d} }

// From counts from another point in time, before which there are ticks, too.
func (i IntervalTiming) From(anchor time.Time) IntervalTiming { return IntervalTiming{i.every, anchor} }

func (i IntervalTiming) applySchedule(s *ScheduleSpec) {
	s.Every, s.Anchor = i.every, i.anchor
	if i.every == 0 {
		s.Every = -1 // zero would count as not given
	}
}

type scheduleOption func(*ScheduleSpec)

func (o scheduleOption) applySchedule(s *ScheduleSpec) { o(s) }

// WithOverlap says what happens to a tick while an earlier instance has not ended. Defaults to [OverlapSkip].
func WithOverlap(o ScheduleOverlap) ScheduleOption {
	return scheduleOption(func(s *ScheduleSpec) { s.Overlap = o })
}

// WithCatchUp says how late a tick may be started after an outage. Defaults to 24 hours.
func WithCatchUp(d time.Duration) ScheduleOption {
	return scheduleOption(func(s *ScheduleSpec) { s.CatchUp = d })
}

// WithJitter delays each tick by a part of d, always the same one. Defaults to no delay.
func WithJitter(d time.Duration) ScheduleOption {
	return scheduleOption(func(s *ScheduleSpec) { s.Jitter = d })
}

// WithBounds keeps the ticks from start to end, both included; a zero time is no bound.
func WithBounds(start, end time.Time) ScheduleOption {
	return scheduleOption(func(s *ScheduleSpec) { s.StartAt, s.EndAt = start, end })
}

// WithMaxRuns ends the schedule after n ticks that have started an instance. Defaults to no end.
func WithMaxRuns(n int64) ScheduleOption {
	return scheduleOption(func(s *ScheduleSpec) { s.MaxRuns = n })
}

func (o VersionOption) applySchedule(s *ScheduleSpec) { s.Version = o.version }
func (o TagsOption) applySchedule(s *ScheduleSpec)    { s.Tags = addTags(s.Tags, o.tags) }
