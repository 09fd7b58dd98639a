package odata

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

type values map[string]Value

func (v values) Property(name string) (Value, bool) {
	out, ok := v[name]
	return out, ok
}

func TestFilterPrecedence(t *testing.T) {
	t.Parallel()
	row := values{"A": boolValue(true), "B": boolValue(false), "I": {Type: Int32, Num: 5}, "S": StringValue("x")}
	for text, want := range map[string]bool{
		"A or B and B":                true, // and binds closer
		"(A or B) and B":              false,
		"not A or A":                  true, // not binds closest
		"not (A or A)":                false,
		"not not A":                   true,
		"I eq 5 and not (S eq 'y')":   true,
		"5 le I and 4.5 lt I":         true,
		"I eq 5L and I eq 5.0":        true,
		"(I) gt 4 and ((I)) lt ((6))": true,
		"I gt -1":                     true,
		"I eq 5000000000":             false,
		"true":                        true,
		"false or S ge 'x'":           true,
		"S gt 5":                      false,
		"None eq None":                false,
	} {
		f, err := ParseFilter(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.Match(row); got != want {
			t.Errorf("%s is %v", text, got)
		}
	}
}

func TestFilterBounds(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		strings.Repeat("(", 10_000), strings.Repeat("not ", 5000) + "A", "I eq " + strings.Repeat("(", 5000) + "1",
		strings.Repeat("A or ", 2000) + "A", strings.Repeat("x", maxFilter+1),
	} {
		if _, err := ParseFilter(text); err == nil {
			t.Errorf("a filter of %d bytes was accepted", len(text))
		}
	}
}

func TestKeyRange(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Range{
		"":                    {},
		"PartitionKey eq 'a'": {Low: "a", High: "a", HasHigh: true, Exact: true},
		"PartitionKey ge 'a' and PartitionKey lt 'c'": {Low: "a", High: "c", HasHigh: true},
		"'c' gt PartitionKey":                         {High: "c", HasHigh: true},
		"PartitionKey eq 'a' or PartitionKey eq 'b'":  {},
		"not (PartitionKey eq 'a')":                   {},
		"PartitionKey gt 'a' and (I eq 1 or I eq 2)":  {Low: "a"},
	} {
		f, err := ParseFilter(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.KeyRange("PartitionKey"); got != want {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

func TestEntityRoundTrip(t *testing.T) {
	t.Parallel()
	const body = `{"PartitionKey":"p","RowKey":"r","A":"\ud83d\ude00\u00e4\n","I":-5,"D":1e300,"Int":2147483648,"N@odata.type":"Edm.Double","N":"-Infinity","Null":null,"odata.etag":"x","T@odata.type":"Edm.DateTime","T":"1601-01-01T00:00:00Z"}`
	e, err := new(EntityReader).Read(body)
	if err != nil {
		t.Fatal(err)
	}
	out := []byte{'{'}
	for i, p := range e.Properties {
		if i > 0 {
			out = append(out, ',')
		}
		out = AppendProperty(out, p.Name, p.Value, FullMetadata)
	}
	out = append(out, '}')
	want := `{"A":"😀ä\n","I":-5,"D":1e+300,"Int":2.147483648e+09,"N@odata.type":"Edm.Double","N":"-Infinity","T@odata.type":"Edm.DateTime","T":"1601-01-01T00:00:00Z"}`
	if string(out) != want {
		t.Errorf("got  %s\nwant %s", out, want)
	}
	again, err := new(EntityReader).Read(string(out))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range again.Properties {
		if p != e.Properties[i] {
			t.Errorf("%s: %+v and %+v", p.Name, p, e.Properties[i])
		}
	}
}

func TestETag(t *testing.T) {
	t.Parallel()
	v, ok := parseDateTime("2026-06-01T12:34:57.0100000Z")
	if got := ETag(rest.Ticks(v.Num)); !ok || got != `W/"datetime'2026-06-01T12%3A34%3A57.01Z'"` {
		t.Error(got)
	}
}

// FuzzEntity compares the JSON reader with the standard library's: what it
// accepts is valid JSON and has the same values, and what it writes reads back.
func FuzzEntity(f *testing.F) {
	f.Add(`{"PartitionKey":"p","RowKey":"r","A":1,"B":[1,{"x":null}],"C":"\ud83d\ude00"}`)
	f.Add(`{"A":"1","A@odata.type":"Edm.Int64","B":1.5e3,"C":true}`)
	f.Add(`{"A":"2026-06-01T00:00:00Z","A@odata.type":"Edm.DateTime"}`)
	f.Fuzz(func(t *testing.T, body string) {
		members, err := readMembers(body, nil)
		if err == nil {
			compareWithStandard(t, body, members)
		}
		e, err := new(EntityReader).Read(body)
		again, errAgain := usedReader(t).Read(body)
		if (err == nil) != (errAgain == nil) || err == nil && !slices.Equal(e.Properties, again.Properties) && !hasNaN(e) {
			t.Fatalf("%q: a reader that was used before reads %+v, %v, not %+v, %v", body, again, errAgain, e, err)
		}
		if err != nil {
			var known *rest.Error
			if !errors.As(err, &known) {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		for _, p := range e.Properties {
			out := append(AppendProperty([]byte{'{'}, p.Name, p.Value, FullMetadata), '}')
			back, err := new(EntityReader).Read(string(out))
			if err != nil || len(back.Properties) != 1 || back.Properties[0] != p {
				if p.Value.Type == Double && math.IsNaN(p.Value.Float()) {
					continue
				}
				t.Fatalf("%s: %v, %+v", out, err, p)
			}
		}
	})
}

// usedReader is a reader that has read other bodies.
func usedReader(t testing.TB) *EntityReader {
	t.Helper()
	r := new(EntityReader)
	for range 2 {
		if _, err := r.Read(`{"PartitionKey":"old","X":"1","X@odata.type":"Edm.Int64","A":true,"Y":1.5}`); err != nil {
			t.Fatal(err)
		}
	}
	r.Reset()
	return r
}

func hasNaN(e Entity) bool {
	return slices.ContainsFunc(e.Properties, func(p Property) bool { return p.Value.Type == Double && math.IsNaN(p.Value.Float()) })
}

// TestReaderKeepsWhatItGaveOut: bodies read one after the other do not share their properties, also when there are more of
// them than there was room for, and after a Reset nothing of them is left.
func TestReaderKeepsWhatItGaveOut(t *testing.T) {
	t.Parallel()
	r := new(EntityReader)
	for range 2 {
		var all []Entity
		for i := range 200 {
			e, err := r.Read(fmt.Sprintf(`{"RowKey":"%d","A":%d,"B":"%d","B@odata.type":"Edm.Int64","C":"x"}`, i, i, i))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.Read(`{"A":1,"B":{}}`); err == nil { // one that is refused half way
				t.Fatal("accepted")
			}
			all = append(all, e)
		}
		for i, e := range all {
			n := int64(i)
			if want := []Property{{"A", Value{Type: Int32, Num: n}}, {"B", Value{Type: Int64, Num: n}}, {"C", StringValue("x")}}; !slices.Equal(e.Properties, want) {
				t.Fatalf("%d: %+v", i, e.Properties)
			}
		}
		r.Reset()
		for _, p := range r.properties[:cap(r.properties)] {
			if p != (Property{}) {
				t.Fatalf("%+v is left", p)
			}
		}
		for _, m := range r.members[:cap(r.members)] {
			if m != (member{}) {
				t.Fatalf("%+v is left", m)
			}
		}
	}
}

func compareWithStandard(t *testing.T, body string, members []member) {
	t.Helper()
	var standard map[string]any
	if err := json.Unmarshal([]byte(strings.TrimPrefix(body, "\uFEFF")), &standard); err != nil {
		var tooBig *json.UnmarshalTypeError
		if errors.As(err, &tooBig) {
			return // a number beyond float64
		}
		t.Fatalf("%q is no JSON: %v", body, err)
	}
	last := make(map[string]member)
	for _, m := range members {
		last[m.name] = m
	}
	if len(last) != len(standard) {
		t.Fatalf("%q has %d members, not %d", body, len(standard), len(last))
	}
	for name, want := range standard {
		m, ok := last[name]
		if text, isText := want.(string); !ok || isText && (m.kind != jsonString || m.text != text) {
			t.Fatalf("%q: member %q is %+v", body, name, m)
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{"A eq 1", "not (A eq 'x''y') and B ge 1L or C", "T lt datetime'2026-01-01'", "X eq X'00'", "((1 eq A))", "-1.5e3 lt D"} {
		f.Add(seed)
	}
	row := values{"A": {Type: Int32, Num: 1}, "D": doubleValue(2)}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := ParseFilter(text)
		if err != nil {
			var known *rest.Error
			if !errors.As(err, &known) {
				t.Fatal(err)
			}
			return
		}
		filter.Match(row)
		filter.KeyRange("PartitionKey")
	})
}
