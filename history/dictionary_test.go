package history

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestTags(t *testing.T) {
	t.Parallel()
	tags := NewTags(map[string]string{"b": "2", "a": "1", "$type": "x"})
	if got := slices.Collect(maps.Keys(tags.Map())); tags.Len() != 2 || len(got) != 2 {
		t.Errorf("%d entries, %v", tags.Len(), got)
	}
	var order []string
	for name, v := range tags.All() {
		order = append(order, name+v)
	}
	if !slices.Equal(order, []string{"a1", "b2"}) {
		t.Errorf("the order is %v", order)
	}
	for range tags.All() {
		break
	}
	if v, ok := tags.Get("b"); !ok || v != "2" {
		t.Errorf("b is %q, %v", v, ok)
	}
	if _, ok := tags.Get("B"); ok {
		t.Error("case does not matter")
	}
	var none *Tags
	if _, ok := none.Get("a"); ok || none.Len() != 0 || none.Map() != nil {
		t.Error("nil is not empty")
	}
	for range none.All() {
		t.Error("nil has entries")
	}
}

func TestManyTags(t *testing.T) {
	t.Parallel()
	tags := new(Tags)
	const n = 1000
	for i := range 2 * n {
		tags.set(fmt.Sprint("tag", i%n), tagValue{text: fmt.Sprint(i)})
	}
	if tags.Len() != n {
		t.Errorf("%d entries", tags.Len())
	}
	for i := range n {
		if v, ok := tags.Get(fmt.Sprint("tag", i)); !ok || v != fmt.Sprint(i+n) || tags.entries[i].value.text != v {
			t.Fatalf("tag%d is %q, %v", i, v, ok)
		}
	}
	if _, ok := tags.Get("tag"); ok {
		t.Error("tag is there")
	}
}

func TestProperties(t *testing.T) {
	t.Parallel()
	p := NewProperties(map[string]Value{"b": value(t, ` { "x" : [ 1 , "\u00e9" ] } `), "a": {}, "$type": {}})
	if v, ok := p.Get("b"); !ok || v.JSON() != `{"x":[1,"é"]}` || v.IsNull() {
		t.Errorf("b is %s, %v", v.JSON(), ok)
	}
	if v, ok := p.Get("a"); !ok || !v.IsNull() || v.JSON() != "null" {
		t.Errorf("a is %s, %v", v.JSON(), ok)
	}
	if got := maps.Collect(p.All()); p.Len() != 2 || len(got) != 2 {
		t.Errorf("%d entries, %v", p.Len(), got)
	}
	for range p.All() {
		break
	}
	var none *Properties
	if _, ok := none.Get("a"); ok || none.Len() != 0 {
		t.Error("nil is not empty")
	}
	for range none.All() {
		t.Error("nil has entries")
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	if value(t, `{"a":1,"b":[true]}`) != value(t, "{ \"\\u0061\":1,\n\"b\":[ true ]}") {
		t.Error("two spellings of a value differ")
	}
	for _, bad := range []string{``, `{`, `[1`, `x`, `1 2`, `{"a":}`} {
		if v, err := ParseValue([]byte(bad)); err == nil {
			t.Errorf("%s is %s", bad, v.JSON())
		} else {
			checkDecodeErrorFormat(t, err)
		}
	}
	if !reflect.ValueOf(value(t, "null")).IsZero() {
		t.Error("null is not the zero value")
	}
}

func checkDecodeErrorFormat(t *testing.T, err error) {
	t.Helper()
	var d *DecodeError
	if !errors.As(err, &d) || d.Format != FormatValue {
		t.Errorf("%T %v", err, err)
	}
}

func TestFormatTime(t *testing.T) {
	t.Parallel()
	tests := map[string]time.Time{
		"2026-06-01T13:00:00Z":         testLater,
		"2026-06-01T12:34:56.789012Z":  testTime,
		"2026-06-01T12:34:56.7890121Z": testTime.Add(199),
		"0001-01-01T00:00:00":          {},
		"":                             time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	for want, at := range tests {
		if got := FormatTime(at.In(time.FixedZone("", 3600))); got != want {
			t.Errorf("FormatTime(%v) = %s, want %s", at, got, want)
		}
	}
	if at, err := ParseTime("2026-06-01T15:00:00+02:00"); err != nil || at != testLater {
		t.Errorf("%v, %v", at, err)
	}
	if _, err := ParseTime("x"); err == nil {
		t.Error("x is a date")
	}
}
