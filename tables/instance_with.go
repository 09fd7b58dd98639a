package tables

import (
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/history"
)

// With returns the row as a read without the input would show it after an update was merged into it; nil when that cannot be
// told without reading. The row itself is not changed; of nil it returns nil.
func (r *InstanceRow) With(u InstanceUpdate, etag string) *InstanceRow {
	if r == nil || r.Problem != nil || r.tagsBlob != "" || r.OutputBlob != "" || u.OutputBlob != "" || isElsewhere(u.Output) || isElsewhere(u.Tags) {
		return nil
	}
	row := *r
	row.ETag = etag
	over(&row.ExecutionID, u.ExecutionID)
	over(&row.Name, u.Name)
	over(&row.Status, u.Status)
	for _, text := range []struct{ into, from **string }{{&row.Version, &u.Version}, {&row.Output, &u.Output}, {&row.CustomStatus, &u.CustomStatus}} {
		if *text.from != nil {
			*text.into = *text.from
		}
	}
	if row.CustomStatus != nil && *row.CustomStatus == NullText {
		row.CustomStatus = nil
	}
	overTime(&row.CreatedTime, u.CreatedTime)
	overTime(&row.LastUpdatedTime, u.LastUpdatedTime)
	row.CompletedTime = laterTime(row.CompletedTime, u.CompletedTime)
	row.ScheduledStart = laterTime(row.ScheduledStart, u.ScheduledTime)
	if u.Generation != nil {
		row.Generation, row.HasGeneration = *u.Generation, true
	}
	if u.Hub != "" {
		row.Hub = u.Hub
	}
	if u.Tags != nil {
		var err error
		if row.Tags, err = parseTags(*u.Tags); err != nil {
			return nil
		}
	}
	return &row
}

// isElsewhere says whether a value may be kept in a blob, or be taken for the address of one.
func isElsewhere(value *string) bool {
	return value != nil && (large(*value) || strings.HasPrefix(*value, "http"))
}

func over[T string | history.Status](into *T, value *T) {
	if value != nil {
		*into = *value
	}
}

// stored is a time as a column keeps it.
func stored(t time.Time) time.Time { return t.UTC().Truncate(100 * time.Nanosecond) }

func overTime(into *time.Time, value *time.Time) {
	if value != nil {
		*into = stored(*value)
	}
}

func laterTime(old, value *time.Time) *time.Time {
	if value == nil {
		return old
	}
	t := stored(*value)
	return &t
}
