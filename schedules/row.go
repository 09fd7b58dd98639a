package schedules

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/internal/edm"
)

// Limits of what a row remembers.
const (
	// MaxQueued is how many ticks of a schedule wait at most.
	MaxQueued = 100
	// MaxBackfillTicks is how many ticks one backfill may have.
	MaxBackfillTicks = 10_000
	// MaxBackfills is how many backfills of a schedule may be under way.
	MaxBackfills = 20
	// mostRunning is how many of the last started instances are remembered.
	mostRunning = 20
)

// Schedule is a schedule as its hub keeps it: the definition and what became of it until now.
type Schedule struct {
	durable.ScheduleSpec

	// Paused says that no tick starts anything, and Note why.
	Paused bool
	Note   string
	// CreatedAt and UpdatedAt are when the definition was stored first and last.
	CreatedAt, UpdatedAt time.Time

	// NextTick is the first tick that is not decided upon; zero while the schedule is paused and when it has ended.
	NextTick time.Time
	// LastTick is the last tick on time that an instance was started for. LastInstanceID is the instance that was started
	// last, triggers and backfills included, and LastStartedAt when.
	LastTick       time.Time
	LastInstanceID string
	LastStartedAt  time.Time
	// Runs counts the ticks that count towards MaxRuns.
	Runs int64
	// Started counts the instances that were started, triggers and backfills included.
	Started int64
	// Skipped counts ticks that were dropped because an earlier instance had not ended, and Missed those that came due
	// while no worker was there, for longer than CatchUp.
	Skipped, Missed int64
	// Queued are the ticks that wait for an instance to end.
	Queued []time.Time
	// Running are the last instances that were started and not seen to have ended.
	Running []string
	// Backfills are those under way.
	Backfills []Backfill
	// LastError says why an instance could not be started for good, and LastErrorAt when.
	LastError   string
	LastErrorAt time.Time
	// Problem says what of the stored row cannot be used, so that the schedule does not tick. Empty when all is well.
	Problem string

	// Starting are the instances that are being started: they are decided upon, and the next owner starts them should
	// this one die.
	Starting []Start
	// Declared tells the definition apart that a worker's code declared last; empty when none did.
	Declared string

	partition string // the row's partition key
	etag      string
	revision  string // tells the write apart from all others
	timing    *Timing
}

// Start is an instance that is to be started.
type Start struct {
	// ID is the instance's id, and Tick what it is started for.
	ID   string    `json:"id"`
	Tick time.Time `json:"tick"`
	// Timed says that it is for a tick on time, not a trigger or a backfill.
	Timed bool `json:"timed,omitempty"`
}

// Backfill is a range of time whose ticks are started later.
type Backfill struct {
	// From and To bound the ticks, both included. From moves on.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Overlap is OverlapAllow, or OverlapQueue for one instance after the other.
	Overlap durable.ScheduleOverlap `json:"overlap"`
}

// Timing returns when the schedule ticks; nil when the row cannot be used.
func (s *Schedule) Timing() *Timing { return s.timing }

// Ended says that no tick is to come.
func (s *Schedule) Ended() bool { return !s.Paused && s.NextTick.IsZero() && s.Problem == "" }

// State is one word for what the schedule does: "active", "paused", "ended", or "damaged" when its row cannot be understood.
func (s *Schedule) State() string {
	switch {
	case s.Problem != "":
		return "damaged"
	case s.Paused:
		return "paused"
	case s.Ended():
		return "ended"
	}
	return "active"
}

// Columns of the table.
const (
	colPartitionKey = "PartitionKey"
	colRowKey       = "RowKey"
)

// encode writes a row. What is empty has no column.
func (s *Schedule) encode() ([]byte, error) {
	row := edm.Entity{
		colPartitionKey: s.partition, colRowKey: s.Name,
		"Orchestrator": s.Orchestrator, "Overlap": string(s.Overlap), "CatchUp": s.CatchUp.String(), "Paused": s.Paused,
		"Runs": s.Runs, "Started": s.Started, "Skipped": s.Skipped, "Missed": s.Missed,
	}
	if s.Input != nil {
		row["Input"] = *s.Input
	}
	for column, text := range map[string]string{
		"Version": s.Version, "Cron": s.Cron, "TimeZone": s.TimeZone, "Note": s.Note, "LastInstanceId": s.LastInstanceID, "LastError": s.LastError, "Declared": s.Declared, "Revision": s.revision,
	} {
		if text != "" {
			row[column] = text
		}
	}
	for column, d := range map[string]time.Duration{"Every": s.Every, "Jitter": s.Jitter} {
		if d != 0 {
			row[column] = d.String()
		}
	}
	if s.MaxRuns != 0 {
		row["MaxRuns"] = s.MaxRuns
	}
	for column, at := range s.times() {
		if !at.IsZero() {
			row[column] = at.UTC()
		}
	}
	return s.encodeLists(row)
}

// times are the columns with times.
func (s *Schedule) times() map[string]*time.Time {
	return map[string]*time.Time{
		"Anchor": &s.Anchor, "StartAt": &s.StartAt, "EndAt": &s.EndAt, "CreatedAt": &s.CreatedAt, "UpdatedAt": &s.UpdatedAt,
		"NextTick": &s.NextTick, "LastTick": &s.LastTick, "LastStartedAt": &s.LastStartedAt, "LastErrorAt": &s.LastErrorAt,
	}
}

// encodeLists adds the columns that are JSON.
func (s *Schedule) encodeLists(row edm.Entity) ([]byte, error) {
	for column, list := range map[string]struct {
		length int
		value  any
	}{
		"Tags": {len(s.Tags), s.Tags}, "Queued": {len(s.Queued), s.Queued}, "Running": {len(s.Running), s.Running},
		"Backfills": {len(s.Backfills), s.Backfills}, "Starting": {len(s.Starting), s.Starting},
	} {
		if list.length == 0 {
			continue
		}
		text, err := json.Marshal(list.value)
		if err != nil {
			return nil, err
		}
		row[column] = string(text)
	}
	return edm.Marshal(row)
}

var errColumn = errors.New("has another type than expected")

// reader reads columns and keeps the first that cannot be used.
type reader struct {
	row     edm.Entity
	problem error
}

func column[T any](r *reader, name string) (value T) {
	stored, ok := r.row[name]
	if !ok || stored == nil {
		return value
	}
	if value, ok = stored.(T); !ok {
		r.fail(name, errColumn)
	}
	return value
}

func (r *reader) fail(name string, err error) {
	if r.problem == nil {
		r.problem = fmt.Errorf("column %s: %w", name, err)
	}
}

// count reads a number of either size: tools write small ones as Int32.
func (r *reader) count(name string) int64 {
	if n, ok := r.row[name].(int32); ok {
		return int64(n)
	}
	return column[int64](r, name)
}

func (r *reader) duration(name string) time.Duration {
	text := column[string](r, name)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		r.fail(name, err)
	}
	return d
}

func (r *reader) list(name string, into any) {
	text := column[string](r, name)
	if text == "" {
		return
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		r.fail(name, err)
	}
}

// decode reads a row. What cannot be used is said in Problem.
func decode(raw []byte, etag string) (*Schedule, error) {
	entity, found, err := edm.UnmarshalWithETag(raw)
	if err != nil {
		return nil, err
	}
	if etag == "" {
		etag = found
	}
	r := &reader{row: entity}
	s := &Schedule{etag: etag, partition: column[string](r, colPartitionKey)}
	s.Name = column[string](r, colRowKey)
	s.Orchestrator, s.Version = column[string](r, "Orchestrator"), column[string](r, "Version")
	if text, ok := entity["Input"].(string); ok {
		s.Input = &text
	}
	s.Cron, s.TimeZone = column[string](r, "Cron"), column[string](r, "TimeZone")
	s.Every, s.Jitter, s.CatchUp = r.duration("Every"), r.duration("Jitter"), r.duration("CatchUp")
	s.Overlap, s.MaxRuns = durable.ScheduleOverlap(column[string](r, "Overlap")), r.count("MaxRuns")
	s.Paused, s.Note = column[bool](r, "Paused"), column[string](r, "Note")
	s.Runs, s.Started, s.Skipped, s.Missed = r.count("Runs"), r.count("Started"), r.count("Skipped"), r.count("Missed")
	s.LastInstanceID, s.LastError, s.Declared = column[string](r, "LastInstanceId"), column[string](r, "LastError"), column[string](r, "Declared")
	s.revision = column[string](r, "Revision")
	for name, at := range s.times() {
		*at = column[time.Time](r, name)
	}
	r.list("Tags", &s.Tags)
	r.list("Queued", &s.Queued)
	r.list("Running", &s.Running)
	r.list("Backfills", &s.Backfills)
	r.list("Starting", &s.Starting)
	s.Problem = s.understand(r.problem)
	return s, nil
}

// understand completes a schedule whose columns were read, and says what of it cannot be used.
func (s *Schedule) understand(problem error) string {
	if problem == nil {
		var spec durable.ScheduleSpec
		var timing *Timing
		if spec, timing, problem = Normalize(s.ScheduleSpec); problem == nil {
			s.ScheduleSpec, s.timing = spec, timing
			return ""
		}
	}
	return problem.Error()
}

// clone copies a schedule, so that a change that is not stored leaves no trace.
func (s *Schedule) clone() *Schedule {
	c := *s
	c.Queued, c.Running = slices.Clone(s.Queued), slices.Clone(s.Running)
	c.Backfills, c.Starting = slices.Clone(s.Backfills), slices.Clone(s.Starting)
	return &c
}

// define puts a definition in place of the present one, and keeps what became of it. Ticks that are due stay, unless the new
// definition ticks at other times.
func (s *Schedule) define(spec durable.ScheduleSpec, timing *Timing, now time.Time) {
	old := s.ScheduleSpec
	s.ScheduleSpec, s.timing, s.UpdatedAt = spec, timing, now
	same := old.Cron == spec.Cron && old.TimeZone == spec.TimeZone && old.Every == spec.Every && old.Anchor.Equal(spec.Anchor) &&
		old.StartAt.Equal(spec.StartAt) && old.EndAt.Equal(spec.EndAt)
	if same && !s.NextTick.IsZero() && !s.exhausted() {
		return
	}
	s.reset(now)
}

// reset makes the next tick the first one after now.
func (s *Schedule) reset(now time.Time) {
	s.NextTick = time.Time{}
	if !s.Paused && !s.exhausted() {
		s.NextTick = s.timing.After(now)
	}
}

func (s *Schedule) exhausted() bool { return s.MaxRuns > 0 && s.Runs >= s.MaxRuns }

// begin notes that an instance is going to be started.
func (s *Schedule) begin(start Start) {
	s.Starting = append(s.Starting, start)
	s.Running = append(s.Running, start.ID)
	if extra := len(s.Running) - mostRunning; extra > 0 {
		s.Running = s.Running[extra:]
	}
}

// finish notes what became of instances that were to be started. Those that somebody else has noted already do not count.
func (s *Schedule) finish(outcomes []outcome, now time.Time) (changed bool) {
	slices.SortFunc(outcomes, func(a, b outcome) int { return a.start.Tick.Compare(b.start.Tick) })
	for _, o := range outcomes {
		i := slices.IndexFunc(s.Starting, func(one Start) bool { return one.ID == o.start.ID })
		if i < 0 {
			continue
		}
		s.Starting = slices.Delete(s.Starting, i, i+1)
		changed = true
		if o.failure != "" {
			s.LastError, s.LastErrorAt = clip(o.failure), now
			s.Running = slices.DeleteFunc(s.Running, func(id string) bool { return id == o.start.ID })
			continue
		}
		s.Started++
		s.LastInstanceID, s.LastStartedAt = o.start.ID, now
		if o.start.Timed && o.start.Tick.After(s.LastTick) {
			s.LastTick = o.start.Tick
		}
	}
	return changed
}

// clip shortens a text that says why something went wrong.
func clip(text string) string {
	const most = 2 << 10
	if len(text) > most {
		text = text[:most] + " …"
	}
	return strings.ToValidUTF8(text, "\ufffd")
}

// outcome is what became of a start.
type outcome struct {
	start   Start
	failure string // it can never be started; empty when it was
}
