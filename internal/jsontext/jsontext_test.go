package jsontext

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestAppendString(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"", `""`},
		{"plain <&>'/ text \x7f", `"plain <&>'/ text ` + "\x7f" + `"`},
		{"\b\t\n\f\r\"\\", `"\b\t\n\f\r\"\\"`},
		{"\x00\x01\x1f", `"\u0000\u0001\u001f"`},
		{"\u0085\u2028\u2029", `"\u0085\u2028\u2029"`},
		{"\u0080é日😀\uFEFF", "\"\u0080é日😀\uFEFF\""},
		{"\uFFFE\uFFFF", `"\ufffe\uffff"`},
		{"\uFFFD", "\"\uFFFD\""},
		{"a\xed\xa0\x80b\xed\xbf\xbf", `"a\ud800b\udfff"`},
		{"\xed\xa0\xbd\xed\xb8\x80\xed\xb8\x80", `"😀\ude00"`},
		{"a\xffb\xed\xa0", "\"a\uFFFDb\uFFFD\uFFFD\""},
	}
	for _, tt := range tests {
		if got := string(AppendString(nil, tt.in)); got != tt.want {
			t.Errorf("AppendString(%q) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestReadString(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long text ", 20)
	tests := []struct{ in, want string }{
		{`""`, ""},
		{`"a\/\b\t\n\f\r\"\\\'"`, "a/\b\t\n\f\r\"\\'"},
		{`"\u0041\u00e9\uD83D\ude00"`, "Aé😀"},
		{`"\ud800"`, "\xed\xa0\x80"},
		{`"\ud800x"`, "\xed\xa0\x80x"},
		{`"\ud800\u0041"`, "\xed\xa0\x80A"},
		{`"\ude00\ud83d"`, "\xed\xb8\x80\xed\xa0\xbd"},
		{"\"raw \x01 control\"", "raw \x01 control"},
		{"\"bad \xff\"", "bad \uFFFD"},
		{"\"bad \xff \\n\"", "bad \uFFFD \n"},
		{`"` + long + `"`, long},
		{`"` + long + `\"` + long + `"`, long + `"` + long},
		{`"` + long + "é\xff" + `"`, long + "é\uFFFD"},
	}
	for _, tt := range tests {
		r := NewReader([]byte(tt.in))
		got, err := r.String()
		if err == nil {
			err = r.End()
		}
		if err != nil || got != tt.want {
			t.Errorf("String(%s) = %q, %v, want %q", tt.in, got, err, tt.want)
		}
		s := NewReader([]byte(tt.in))
		if err := s.Skip(); err != nil || s.End() != nil {
			t.Errorf("Skip(%s): %v", tt.in, err)
		}
	}
}

// TestSyntax compares what is JSON with the standard library. Only control
// characters in strings and the escape \' are accepted beyond it.
func TestSyntax(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		``, ` `, `null`, `nul`, `nullx`, `true`, `tru`, `false`, `falsy`, `x`,
		`0`, `-0`, `-`, `01`, `1.`, `1.5`, `.5`, `1e`, `1e5`, `1E+5`, `1e-`, `+1`, `1x`, `NaN`,
		`"`, `"a`, `"\`, `"\x"`, `"\u12"`, `"\u12g4"`, `"a"b`, `"\"`,
		`{}`, `{ }`, `{`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":1 "b":2}`, `{"a":1`, `{"a":1,`, `{a:1}`, `{"a" 1}`, `{"a":1}}`,
		`[]`, `[ ]`, `[`, `[1,]`, `[,]`, `[1 2]`, `[1`, `[1,`, `[[],{}]`, `]`,
		" \t\r\n{\"a\" : [ 1 , \"x\" , null , true ] } ",
	} {
		r := NewReader([]byte(in))
		err := r.Skip()
		if err == nil {
			err = r.End()
		}
		if want := json.Valid([]byte(in)); (err == nil) != want {
			t.Errorf("%q: got %v, the standard library says %v", in, err, want)
		}
		var syntax *SyntaxError
		if err != nil && !errors.As(err, &syntax) {
			t.Errorf("%q: %T is not a *SyntaxError", in, err)
		}
	}
}

func TestDepth(t *testing.T) {
	t.Parallel()
	nested := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	r := NewReader(nested(MaxDepth))
	if err := r.Skip(); err != nil {
		t.Error(err)
	}
	r = NewReader(nested(MaxDepth + 1))
	if err := r.Skip(); err == nil {
		t.Error("one level too many is accepted")
	}
	r = NewReader([]byte(strings.Repeat("[", 1<<20)))
	if err := r.Skip(); err == nil {
		t.Error("a million levels are accepted")
	}
}

func TestInt(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   string
		bits int
		want int64
		ok   bool
	}{
		{"0", 32, 0, true},
		{"2147483647", 32, 1<<31 - 1, true},
		{"2147483648", 32, 0, false},
		{"-2147483648", 32, -1 << 31, true},
		{"-2147483649", 32, 0, false},
		{"9223372036854775807", 64, 1<<63 - 1, true},
		{"9223372036854775808", 64, 0, false},
		{"-9223372036854775808", 64, -1 << 63, true},
		{"-9223372036854775809", 64, 0, false},
		{"99999999999999999999", 64, 0, false},
		{"1.0", 64, 0, false},
		{"1e3", 64, 0, false},
		{`"1"`, 64, 0, false},
		{"null", 64, 0, false},
	}
	for _, tt := range tests {
		r := NewReader([]byte(tt.in))
		got, err := r.Int(tt.bits)
		if (err == nil) != tt.ok || got != tt.want {
			t.Errorf("Int(%s, %d) = %d, %v", tt.in, tt.bits, got, err)
		}
	}
}

func TestTime(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in, trimmed, full string
		want              time.Time
	}{
		{"2026-06-01T12:34:56Z", "2026-06-01T12:34:56", "2026-06-01T12:34:56.0000000", time.Date(2026, 6, 1, 12, 34, 56, 0, time.UTC)},
		{"2026-06-01T12:34:56.789012Z", "2026-06-01T12:34:56.789012", "2026-06-01T12:34:56.7890120", time.Date(2026, 6, 1, 12, 34, 56, 789012000, time.UTC)},
		{"2026-06-01 12:34:56.000000199", "2026-06-01T12:34:56.0000001", "2026-06-01T12:34:56.0000001", time.Date(2026, 6, 1, 12, 34, 56, 100, time.UTC)},
		{"2026-06-01T12:34:56+02:00", "2026-06-01T12:34:56", "2026-06-01T12:34:56.0000000", time.Date(2026, 6, 1, 10, 34, 56, 0, time.UTC)},
		{"2026-06-01T12:34:56-0230", "2026-06-01T12:34:56", "2026-06-01T12:34:56.0000000", time.Date(2026, 6, 1, 15, 4, 56, 0, time.UTC)},
		{"2026-06-01T12:34:56+02", "2026-06-01T12:34:56", "2026-06-01T12:34:56.0000000", time.Date(2026, 6, 1, 10, 34, 56, 0, time.UTC)},
		{"0001-01-01T00:00:00", "0001-01-01T00:00:00", "0001-01-01T00:00:00.0000000", time.Time{}},
		{"9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.9999999", "9999-12-31T23:59:59.9999999", time.Date(9999, 12, 31, 23, 59, 59, 999999900, time.UTC)},
		{"2024-02-29T00:00:00Z", "2024-02-29T00:00:00", "2024-02-29T00:00:00.0000000", time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)},
	}
	for _, tt := range tests {
		got, err := ParseTime(tt.in)
		if err != nil || !got.Equal(tt.want) {
			t.Errorf("ParseTime(%s) = %v, %v", tt.in, got, err)
			continue
		}
		trimmed, _ := AppendTime(nil, got, true)
		full, _ := AppendTime(nil, got, false)
		if string(trimmed) != tt.trimmed || string(full) != tt.full {
			t.Errorf("%s is written as %s and %s", tt.in, trimmed, full)
		}
	}
	for _, in := range []string{
		"", "2026-06-01", "2026-06-01T12:34", "2026-06-01T12:34:5", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-02-29T00:00:00Z",
		"2026-06-31T00:00:00Z", "2026-06-01T24:00:00Z", "2026-06-01T12:60:00Z", "2026-06-01T12:34:60Z", "2026-06-01T12:34:56.Z",
		"2026-06-01T12:34:56.5X", "2026-06-01T12:34:56+1", "2026-06-01T12:34:56+15:00", "2026-06-01T12:34:56+02:60", "2026-06-01T12:34:56+ab:cd",
		"0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "2026/06/01T12:34:56Z", "x026-06-01T12:34:56Z",
	} {
		if got, err := ParseTime(in); err == nil {
			t.Errorf("ParseTime(%s) = %v", in, got)
		}
	}
	if _, err := AppendTime(nil, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), true); !errors.Is(err, ErrDateRange) {
		t.Errorf("year 10000: %v", err)
	}
}

func TestPath(t *testing.T) {
	t.Parallel()
	r := NewReader([]byte(`{"a":{"b c":[1,{"":"x"}]}}`))
	var walk func() error
	walk = func() error {
		switch k, _ := r.Peek(); k {
		case Object:
			return r.Object(func([]byte) error { return walk() })
		case Array:
			return r.Array(func(int) error { return walk() })
		case String:
			return errors.New("found")
		default:
			return r.Skip()
		}
	}
	path, err := SplitPath(walk())
	if want := `a."b c"[1].""`; path != want || err.Error() != "found" {
		t.Errorf("got %s: %v, want %s", path, err, want)
	}
	if path, _ := SplitPath(AtKey([]byte(strings.Repeat("k", 1000)), errors.New("x"))); len(path) > 80 {
		t.Errorf("the path has %d bytes", len(path))
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in    string
		found bool
	}{
		{`{"t":1}`, true}, {`{"a":{"t":2},"b":[1],"t":1}`, true}, {`{}`, false}, {`{"T":1}`, false},
		{`[]`, false}, {``, false}, {`{"a":x,"t":1}`, false}, {`{"a" 1}`, false}, {`{"a":1;"t":1}`, false}, {`{"\u0074":1}`, true},
	}
	for _, tt := range tests {
		r := NewReader([]byte(tt.in))
		value, found := r.Find("t")
		if found != tt.found {
			t.Errorf("%s: found %v", tt.in, found)
		}
		if n, err := value.Int(32); found && (err != nil || n != 1) {
			t.Errorf("%s: %d, %v", tt.in, n, err)
		}
		if r.pos != 0 {
			t.Errorf("%s: the reader moved", tt.in)
		}
	}
}

func FuzzStrings(f *testing.F) {
	f.Add("a\"\\\x00é\u2028\xed\xa0\x80\xff😀")
	f.Fuzz(func(t *testing.T, s string) {
		text := AppendString(nil, s)
		if !json.Valid(text) {
			t.Fatalf("%q is written as %s", s, text)
		}
		r := NewReader(text)
		once, err := r.String()
		if err != nil {
			t.Fatal(err)
		}
		if again := AppendString(nil, once); string(again) != string(text) {
			t.Fatalf("%s became %s", text, again)
		}
	})
}

func FuzzSkip(f *testing.F) {
	f.Add([]byte(`{"a":[1,-2.5e+3,"x\u0041",true,null,{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := NewReader(data)
		err := r.Skip()
		if err == nil {
			err = r.End()
		}
		if err != nil && json.Valid(data) && strings.Count(string(data), "[")+strings.Count(string(data), "{") <= MaxDepth {
			t.Fatalf("%q is JSON, but: %v", data, err)
		}
	})
}
