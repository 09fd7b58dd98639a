package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/taskhub"
)

// The routes about schedules are this module's own: Durable Functions has none.

func scheduleRoutes() []route {
	const get, put, post, del = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete
	return []route{
		{get, "schedules", false, (*call).listSchedules},
		{get, "schedules/{name}", false, (*call).getSchedule},
		{put, "schedules/{name}", false, (*call).putSchedule},
		{del, "schedules/{name}", false, (*call).deleteSchedule},
		{get, "schedules/{name}/next", false, (*call).nextRuns},
		{post, "schedules/{name}/pause", false, (*call).pauseSchedule},
		{post, "schedules/{name}/resume", false, (*call).resumeSchedule},
		{post, "schedules/{name}/trigger", false, (*call).triggerSchedule},
		{post, "schedules/{name}/backfill", false, (*call).backfillSchedule},
	}
}

// scheduleBody is a schedule in answers.
type scheduleBody struct {
	Name string `json:"name"`
	scheduleDefinition
	State           string    `json:"state"`
	Note            string    `json:"note"`
	NextTick        *string   `json:"nextTick"`
	LastTick        *string   `json:"lastTick"`
	LastInstanceID  *string   `json:"lastInstanceId"`
	LastStartedTime *string   `json:"lastStartedTime"`
	Runs            int64     `json:"runs"`
	Started         int64     `json:"started"`
	Skipped         int64     `json:"skipped"`
	Missed          int64     `json:"missed"`
	Queued          []*string `json:"queued"`
	Running         []string  `json:"running"`
	Backfills       int       `json:"backfills"`
	CreatedTime     *string   `json:"createdTime"`
	LastUpdatedTime *string   `json:"lastUpdatedTime"`
	LastError       *string   `json:"lastError"`
	LastErrorTime   *string   `json:"lastErrorTime"`
	Problem         *string   `json:"problem"`
}

// scheduleDefinition is a definition in requests and answers. Lengths of time are as Go writes them, such as "1h30m".
type scheduleDefinition struct {
	Orchestrator string            `json:"orchestrator"`
	Version      string            `json:"version"`
	Input        json.RawMessage   `json:"input"`
	Tags         map[string]string `json:"tags"`
	Cron         *string           `json:"cron"`
	TimeZone     *string           `json:"timeZone"`
	Every        *string           `json:"every"`
	Anchor       *time.Time        `json:"anchor"`
	StartAt      *time.Time        `json:"startAt"`
	EndAt        *time.Time        `json:"endAt"`
	MaxRuns      int64             `json:"maxRuns"`
	Overlap      string            `json:"overlap"`
	CatchUp      *string           `json:"catchUp"`
	Jitter       *string           `json:"jitter"`
}

func newScheduleBody(s *taskhub.Schedule) *scheduleBody {
	b := &scheduleBody{
		Name: s.Name, scheduleDefinition: newDefinition(&s.ScheduleSpec), State: s.State(), Note: s.Note, NextTick: instantOf(s.NextTick), LastTick: instantOf(s.LastTick),
		LastInstanceID: textOf(s.LastInstanceID), LastStartedTime: instantOf(s.LastStartedAt), Runs: s.Runs, Started: s.Started, Skipped: s.Skipped, Missed: s.Missed,
		Queued: make([]*string, len(s.Queued)), Running: append([]string{}, s.Running...), Backfills: len(s.Backfills),
		CreatedTime: instantOf(s.CreatedAt), LastUpdatedTime: instantOf(s.UpdatedAt), LastError: textOf(s.LastError), LastErrorTime: instantOf(s.LastErrorAt), Problem: textOf(s.Problem),
	}
	for i, tick := range s.Queued {
		b.Queued[i] = instantOf(tick)
	}
	return b
}

func newDefinition(s *durable.ScheduleSpec) scheduleDefinition {
	d := scheduleDefinition{
		Orchestrator: s.Orchestrator, Version: s.Version, Input: value(s.Input), Tags: s.Tags, Cron: textOf(s.Cron), TimeZone: textOf(s.TimeZone),
		Anchor: timeOf(s.Anchor), StartAt: timeOf(s.StartAt), EndAt: timeOf(s.EndAt), MaxRuns: s.MaxRuns, Overlap: string(s.Overlap), CatchUp: lengthOf(s.CatchUp), Jitter: lengthOf(s.Jitter),
	}
	d.Every = lengthOf(s.Every)
	return d
}

func textOf(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func instantOf(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := stamp(t)
	return &text
}

func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func lengthOf(d time.Duration) *string {
	if d == 0 {
		return nil
	}
	text := d.String()
	return &text
}

// spec reads a definition. Members that it does not have are refused, so that one that is written wrongly is not left out silently.
func (c *call) spec() (durable.ScheduleSpec, error) {
	spec := durable.ScheduleSpec{Name: c.name}
	text, err := c.jsonBody()
	if err != nil {
		return spec, err
	}
	if text == nil {
		return spec, badRequest("The definition of the schedule is missing")
	}
	var d scheduleDefinition
	decoder := json.NewDecoder(strings.NewReader(*text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		return spec, badRequest("The definition of the schedule cannot be read: " + err.Error())
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return spec, badRequest(messageInvalidJSON)
	}
	spec.Orchestrator, spec.Version, spec.Tags, spec.MaxRuns, spec.Overlap = d.Orchestrator, d.Version, d.Tags, d.MaxRuns, durable.ScheduleOverlap(d.Overlap)
	if input := bytes.TrimSpace(d.Input); len(input) > 0 && string(input) != "null" {
		whole := string(input)
		spec.Input = &whole
	}
	for _, t := range []struct {
		from *string
		to   *string
	}{{d.Cron, &spec.Cron}, {d.TimeZone, &spec.TimeZone}} {
		if t.from != nil {
			*t.to = *t.from
		}
	}
	for _, t := range []struct {
		from *time.Time
		to   *time.Time
	}{{d.Anchor, &spec.Anchor}, {d.StartAt, &spec.StartAt}, {d.EndAt, &spec.EndAt}} {
		if t.from != nil {
			*t.to = *t.from
		}
	}
	return spec, d.lengths(&spec)
}

func (d *scheduleDefinition) lengths(spec *durable.ScheduleSpec) error {
	for _, l := range []struct {
		name string
		from *string
		to   *time.Duration
	}{{"every", d.Every, &spec.Every}, {"catchUp", d.CatchUp, &spec.CatchUp}, {"jitter", d.Jitter, &spec.Jitter}} {
		if l.from == nil {
			continue
		}
		length, err := time.ParseDuration(*l.from)
		if err != nil || l.name == "every" && length <= 0 {
			return badRequest(fmt.Sprintf("%s is %q: give a length of time such as 90s, 5m or 24h", l.name, *l.from))
		}
		*l.to = length
	}
	return nil
}

// scheduleFault chooses the answer to an error about a schedule; nil when another part of the package does.
func scheduleFault(err error) error {
	invalid, busy := new(durable.ScheduleError), new(taskhub.ScheduleBusyError)
	switch {
	case errors.As(err, &invalid):
		return &refusal{http.StatusBadRequest, problem{Message: invalid.Error()}}
	case errors.Is(err, taskhub.ErrScheduleNotFound):
		return &refusal{http.StatusNotFound, problem{Message: "There is no schedule of this name. Names are case-sensitive."}}
	case errors.As(err, &busy):
		return &refusal{http.StatusConflict, problem{Message: busy.Error()}}
	}
	return err
}

// answerSchedule answers with a schedule.
func (c *call) answerSchedule(status int, s *taskhub.Schedule, err error) error {
	if err != nil {
		return scheduleFault(err)
	}
	c.answerJSON(status, newScheduleBody(s))
	return nil
}

func (c *call) listSchedules() error {
	page, err := c.api.client.SchedulePage(c.r.Context(), c.r.Header.Get(headerToken), min(c.query.number("top", defaultPage), maxPage))
	if err != nil {
		return err
	}
	all := make([]*scheduleBody, len(page.Schedules))
	for i, s := range page.Schedules {
		all[i] = newScheduleBody(s)
	}
	c.w.Header().Set(headerToken, page.Next)
	c.answerJSON(http.StatusOK, all)
	return nil
}

func (c *call) getSchedule() error {
	s, err := c.api.client.GetSchedule(c.r.Context(), c.name)
	return c.answerSchedule(http.StatusOK, s, err)
}

// putSchedule creates a schedule, or replaces the definition of one that exists.
func (c *call) putSchedule() error {
	spec, err := c.spec()
	if err != nil {
		return err
	}
	s, err := c.api.client.CreateSchedule(c.r.Context(), spec)
	if !errors.Is(err, taskhub.ErrScheduleExists) {
		return c.answerSchedule(http.StatusCreated, s, err)
	}
	s, err = c.api.client.UpdateSchedule(c.r.Context(), spec)
	return c.answerSchedule(http.StatusOK, s, err)
}

func (c *call) deleteSchedule() error {
	if err := c.api.client.DeleteSchedule(c.r.Context(), c.name); err != nil {
		return scheduleFault(err)
	}
	c.answer(http.StatusNoContent)
	return nil
}

func (c *call) nextRuns() error {
	const usual = 10
	ticks, err := c.api.client.NextRuns(c.r.Context(), c.name, min(c.query.number("count", usual), maxPage))
	if err != nil {
		return scheduleFault(err)
	}
	texts := make([]*string, len(ticks))
	for i, tick := range ticks {
		texts[i] = instantOf(tick)
	}
	c.answerJSON(http.StatusOK, texts)
	return nil
}

func (c *call) pauseSchedule() error {
	s, err := c.api.client.PauseSchedule(c.r.Context(), c.name, c.query.get("note"))
	return c.answerSchedule(http.StatusOK, s, err)
}

func (c *call) resumeSchedule() error {
	s, err := c.api.client.ResumeSchedule(c.r.Context(), c.name, c.query.get("note"))
	return c.answerSchedule(http.StatusOK, s, err)
}

// runOptions reads the overlap policy that holds for this request.
func (c *call) runOptions() (options []taskhub.ScheduleRunOption) {
	if overlap := c.query.get("overlap"); overlap != "" {
		options = append(options, taskhub.UseOverlap(durable.ScheduleOverlap(overlap)))
	}
	return options
}

// triggerSchedule answers as the start of an instance does.
func (c *call) triggerSchedule() error {
	id, err := c.api.client.TriggerSchedule(c.r.Context(), c.name, c.runOptions()...)
	if err != nil {
		return scheduleFault(err)
	}
	c.answerLinks(c.links(id))
	return nil
}

func (c *call) backfillSchedule() error {
	from, ok := c.query.date("from")
	if !ok {
		return badRequest("from is missing or no time: give the first tick's, such as 2026-06-01T00:00:00Z")
	}
	to, ok := c.query.date("to")
	if !ok {
		return badRequest("to is missing or no time: give the last tick's, such as 2026-06-02T00:00:00Z")
	}
	n, err := c.api.client.BackfillSchedule(c.r.Context(), c.name, from, to, c.runOptions()...)
	if err != nil {
		return scheduleFault(err)
	}
	c.answerText(http.StatusAccepted, []byte(`{"ticks":`+strconv.Itoa(n)+`}`))
	return nil
}
