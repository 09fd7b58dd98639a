package schedules

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/internal/layout"
)

// Limits of definitions.
const (
	// DefaultCatchUp is how late a tick may be started when the definition says nothing.
	DefaultCatchUp = 24 * time.Hour
	// MinCatchUp is the shortest time that can be given for it: a partition may be without an owner for so long.
	MinCatchUp = 10 * time.Second
	// MaxJitter is the longest jitter.
	MaxJitter = 24 * time.Hour
	// MaxText is the longest input, and the longest set of tags as JSON, in UTF-16 units.
	MaxText = 30_720
	// MaxNote is the longest note, in characters.
	MaxNote = 1024
	// longestText is the longest name or version of an orchestrator, in UTF-16 units.
	longestText = 1024
)

var nameRule = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func quoted(text string) string { return strconv.Quote(text) }

func fault(s *durable.ScheduleSpec, field, reason string) error {
	return &durable.ScheduleError{Schedule: s.Name, Field: field, Reason: reason}
}

// CheckName says whether a schedule can have a name. The error is a [*durable.ScheduleError].
func CheckName(name string) error {
	if nameRule.MatchString(name) {
		return nil
	}
	reason := "is empty; give 1 to 64 ASCII letters, digits, dots, dashes and underscores"
	if name != "" {
		reason = "cannot be used; give 1 to 64 ASCII letters, digits, dots, dashes and underscores, with a letter or digit in front"
	}
	return &durable.ScheduleError{Schedule: name, Field: "Name", Reason: reason}
}

// Normalize checks a definition and fills in what was left out. The error is a [*durable.ScheduleError].
func Normalize(s durable.ScheduleSpec) (durable.ScheduleSpec, *Timing, error) {
	if err := CheckName(s.Name); err != nil {
		return s, nil, err
	}
	s.Tags = maps.Clone(s.Tags)
	s.Cron = strings.Join(strings.Fields(s.Cron), " ")
	if s.Overlap == "" {
		s.Overlap = durable.OverlapSkip
	}
	if s.CatchUp == 0 {
		s.CatchUp = DefaultCatchUp
	}
	for _, check := range []func(*durable.ScheduleSpec) error{checkTarget, checkTags, checkTimes, checkPolicies} {
		if err := check(&s); err != nil {
			return s, nil, err
		}
	}
	timing, err := newTiming(&s)
	if err != nil {
		return s, nil, err
	}
	if s.Cron != "" && timing.cron.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return s, nil, fault(&s, "Cron", quoted(s.Cron)+" names a day that does not come")
	}
	return s, timing, nil
}

func checkTarget(s *durable.ScheduleSpec) error {
	for field, text := range map[string]string{"Orchestrator": s.Orchestrator, "Version": s.Version} {
		switch {
		case layout.UTF16Len(text) > longestText:
			return fault(s, field, fmt.Sprintf("is longer than %d characters; shorten it", longestText))
		case !utf8.ValidString(text):
			return fault(s, field, "is not UTF-8; give a text that is")
		}
	}
	if strings.TrimSpace(s.Orchestrator) == "" {
		return fault(s, "Orchestrator", "is empty; give the name that a worker registers")
	}
	if s.Input != nil && !utf8.ValidString(*s.Input) {
		return fault(s, "Input", "is not UTF-8; give JSON")
	}
	if s.Input != nil && layout.UTF16Len(*s.Input) > MaxText {
		return fault(s, "Input", fmt.Sprintf("is longer than %d characters; keep it elsewhere, and give where", MaxText))
	}
	return nil
}

func checkTags(s *durable.ScheduleSpec) error {
	for name := range s.Tags {
		switch {
		case name == "" || name == "$type":
			return fault(s, "Tags", fmt.Sprintf("has %q, which cannot be stored; rename it", name))
		case strings.HasPrefix(name, "taskhub."):
			return fault(s, "Tags", fmt.Sprintf(`has %q; names that begin with "taskhub." are set by the schedule, so rename it`, name))
		}
	}
	if text, err := json.Marshal(s.Tags); err != nil || layout.UTF16Len(string(text)) > MaxText {
		return fault(s, "Tags", fmt.Sprintf("has more than %d characters; leave some out", MaxText))
	}
	return nil
}

// The years that times can be in: the Table service knows no earlier ones, and .NET no later ones.
const (
	firstYear = 1900
	lastYear  = 9999
)

func checkTimes(s *durable.ScheduleSpec) error {
	switch {
	case s.Cron == "" && s.Every == 0:
		return fault(s, "Cron", "is empty, and so is Every; give one of the two")
	case s.Cron != "" && s.Every != 0:
		return fault(s, "Every", "is set, and so is Cron; give one of the two")
	case s.Cron == "" && s.Every < time.Second:
		return fault(s, "Every", fmt.Sprintf("is %s; give at least one second", max(s.Every, 0)))
	case s.Every%time.Second != 0:
		return fault(s, "Every", fmt.Sprintf("is %v; give whole seconds", s.Every))
	case s.Cron == "" && s.TimeZone != "":
		return fault(s, "TimeZone", "goes with Cron; leave it out, for an interval is the same in every zone")
	case s.Cron != "" && !s.Anchor.IsZero():
		return fault(s, "Anchor", "goes with Every; leave it out")
	}
	for _, at := range []struct {
		field string
		value *time.Time
	}{{"Anchor", &s.Anchor}, {"StartAt", &s.StartAt}, {"EndAt", &s.EndAt}} {
		if at.value.IsZero() {
			*at.value = time.Time{}
			continue
		}
		*at.value = at.value.UTC().Truncate(time.Second)
		if y := at.value.Year(); y < firstYear || y > lastYear {
			return fault(s, at.field, fmt.Sprintf("is in the year %d; give one from %d to %d", y, firstYear, lastYear))
		}
	}
	if !s.EndAt.IsZero() && s.EndAt.Before(s.StartAt) {
		return fault(s, "EndAt", "is before StartAt; swap them")
	}
	return nil
}

func checkPolicies(s *durable.ScheduleSpec) error {
	switch {
	case checkOverlap(s.Overlap) != nil:
		return fault(s, "Overlap", checkOverlap(s.Overlap).Error())
	case s.CatchUp < MinCatchUp:
		return fault(s, "CatchUp", fmt.Sprintf("is %v; give at least %v, for which a partition may be without an owner", s.CatchUp, MinCatchUp))
	case s.Jitter < 0 || s.Jitter > MaxJitter:
		return fault(s, "Jitter", fmt.Sprintf("is %v; give up to %v, or nothing", s.Jitter, MaxJitter))
	case s.MaxRuns < 0:
		return fault(s, "MaxRuns", fmt.Sprintf("is %d; give a positive number, or nothing for no end", s.MaxRuns))
	}
	return nil
}

func checkOverlap(o durable.ScheduleOverlap) error {
	switch o {
	case durable.OverlapSkip, durable.OverlapQueue, durable.OverlapAllow:
		return nil
	}
	return fmt.Errorf("is %q; use skip, queue or allow", o)
}

// digest tells definitions apart.
func digest(s *durable.ScheduleSpec) string {
	text, err := json.Marshal(s) // maps in the order of their keys
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// due is when a tick is to be started: jitter delays it by a time that follows from the schedule and the tick.
func due(s *durable.ScheduleSpec, tick time.Time) time.Time {
	if s.Jitter <= 0 || tick.IsZero() {
		return tick
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(InstanceID(s.Name, tick))) // never fails
	sum := h.Sum64()
	sum ^= sum >> 33 // neighbours differ in their last characters, which move few of the upper bits
	sum *= 0xff51afd7ed558ccd
	sum ^= sum >> 33
	return tick.Add(time.Duration(sum % uint64(s.Jitter)).Truncate(time.Millisecond))
}

// tickForm is how a tick is written in instance ids.
const tickForm = "20060102T150405Z"

// InstanceID is the id of the instance that a schedule starts for a tick.
func InstanceID(name string, tick time.Time) string { return name + "-" + tick.UTC().Format(tickForm) }
