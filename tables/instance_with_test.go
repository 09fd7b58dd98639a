package tables

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/history"
)

// TestRowWithUpdate: a row with an update over it is the row that a read finds after the merge.
func TestRowWithUpdate(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	now := time.Date(2026, 6, 1, 12, 34, 56, 123456789, time.FixedZone("", 3600))
	text := history.String
	running, failed := history.Running, history.Failed
	generation := int32(3)
	id := "o'brien/1"
	row := &InstanceRow{InstanceID: id, ExecutionID: "e1", Name: "N", Version: text(""), Input: text("1"), Status: history.Pending, Hub: "h",
		HasGeneration: true, CreatedTime: stored(now), LastUpdatedTime: stored(now), Tags: map[string]string{"a": "b"}}
	etag, err := s.InsertInstance(t.Context(), row)
	if err != nil {
		t.Fatal(err)
	}
	known, err := s.GetInstance(t.Context(), id, GetOptions{})
	if err != nil || known.ETag != etag {
		t.Fatal(err, known)
	}
	for name, u := range map[string]InstanceUpdate{
		"nothing": {},
		"begin": {ExecutionID: text("e2"), Name: text("M"), Version: text("2"), Status: &running, Input: text("2"), CreatedTime: &now, LastUpdatedTime: &now,
			ScheduledTime: &now, Generation: &generation, Tags: text(NullText), CustomStatus: text(NullText), Hub: "H"},
		"tags":   {Tags: text(`{"c":"d"}`), CustomStatus: text(`"é<"`)},
		"failed": {Status: &failed, Output: text("E: x"), CompletedTime: &now, CustomStatus: text(NullText)},
		"input":  {Input: text(strings.Repeat("x", 40_000))},
	} {
		u.InstanceID = id
		if etag, err = s.MergeInstance(t.Context(), u, known.ETag); err != nil {
			t.Fatal(name, err)
		}
		with := known.With(u, etag)
		if known, err = s.GetInstance(t.Context(), id, GetOptions{}); err != nil {
			t.Fatal(name, err)
		}
		if !reflect.DeepEqual(with, known) {
			t.Errorf("%s:\n%+v, read\n%+v", name, with, known)
		}
	}
	for name, u := range map[string]InstanceUpdate{
		"large output": {Output: text(strings.Repeat("x", 40_000))}, "blob": {OutputBlob: "b"}, "address": {Output: text("https://a.b/c")},
		"large tags": {Tags: text(strings.Repeat("x", 40_000))}, "odd tags": {Tags: text("[")},
	} {
		if with := known.With(u, etag); with != nil {
			t.Errorf("%s: %+v", name, with)
		}
	}
	if (*InstanceRow)(nil).With(InstanceUpdate{}, "") != nil {
		t.Error("of nothing something is known")
	}
}
