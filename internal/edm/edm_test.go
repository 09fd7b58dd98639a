package edm

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestMarshal(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 6, 1, 12, 34, 57, 0, time.UTC)
	tests := []struct {
		name string
		in   Entity
		want string
	}{
		{"empty", Entity{}, `{}`},
		{"null", Entity{"A": nil}, `{"A":null}`},
		{"string", Entity{"A": "x\"\\\n\u0001é\u2028<>&"}, `{"A":"x\"\\\n\u0001é\u2028<>&"}`},
		{"int32", Entity{"A": int32(-5)}, `{"A":-5}`},
		{"bool", Entity{"A": true, "B": false}, `{"A":true,"B":false}`},
		{"int64", Entity{"A": int64(math.MinInt64)}, `{"A":"-9223372036854775808","A@odata.type":"Edm.Int64"}`},
		{"double", Entity{"A": 1.5}, `{"A":1.5,"A@odata.type":"Edm.Double"}`},
		{"whole double", Entity{"A": 5.0}, `{"A":5.0,"A@odata.type":"Edm.Double"}`},
		{"large double", Entity{"A": 1e300}, `{"A":1e+300,"A@odata.type":"Edm.Double"}`},
		{"NaN", Entity{"A": math.NaN()}, `{"A":"NaN","A@odata.type":"Edm.Double"}`},
		{"infinities", Entity{"A": math.Inf(1), "B": math.Inf(-1)}, `{"A":"Infinity","A@odata.type":"Edm.Double","B":"-Infinity","B@odata.type":"Edm.Double"}`},
		{"date", Entity{"A": at}, `{"A":"2026-06-01T12:34:57.0000000Z","A@odata.type":"Edm.DateTime"}`},
		{"date in a zone", Entity{"A": at.In(time.FixedZone("x", 7200)).Add(1234567*100 + 99)}, `{"A":"2026-06-01T12:34:57.1234567Z","A@odata.type":"Edm.DateTime"}`},
		{"unset date", Entity{"A": time.Time{}}, `{"A":"0001-01-01T00:00:00.0000000Z","A@odata.type":"Edm.DateTime"}`},
		{"guid", Entity{"A": GUID("5406d369-4369-4673-afae-6671a2fa1e57")}, `{"A":"5406d369-4369-4673-afae-6671a2fa1e57","A@odata.type":"Edm.Guid"}`},
		{"binary", Entity{"A": []byte{0, 1, 255}}, `{"A":"AAH/","A@odata.type":"Edm.Binary"}`},
		{"sorted", Entity{"b": "2", "PartitionKey": "p", "a": "1"}, `{"PartitionKey":"p","a":"1","b":"2"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Marshal(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.ReplaceAll(tt.want, "\u2028", `\u2028`); string(got) != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestMarshalErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		in       Entity
		property string
	}{
		{"int", Entity{"A": 5}, "A"},
		{"struct", Entity{"A": struct{}{}}, "A"},
		{"no name", Entity{"": "x"}, ""},
		{"annotation", Entity{"A@odata.type": "Edm.Int64"}, "A@odata.type"},
		{"metadata", Entity{"odata.etag": "x"}, "odata.etag"},
		{"guid", Entity{"G": GUID("{5406d369}")}, "G"},
		{"year", Entity{"D": time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, "D"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Marshal(tt.in)
			var e *Error
			if !errors.As(err, &e) || e.Property != tt.property {
				t.Errorf("got %v, want an *Error for %q", err, tt.property)
			}
		})
	}
}

func TestUnmarshal(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 6, 1, 12, 34, 57, 890, time.UTC).Add(0)
	at = at.Truncate(100)
	tests := []struct {
		name, in string
		want     Entity
		etag     string
	}{
		{"minimal metadata", `{"odata.metadata":"http://x/$metadata#T/@Element","odata.etag":"W/\"datetime'2026'\"","PartitionKey":"p","RowKey":"r","Timestamp":"2026-06-01T12:34:57.0000008Z","N":5,"L@odata.type":"Edm.Int64","L":"5","B":true}`,
			Entity{"PartitionKey": "p", "RowKey": "r", "Timestamp": at, "N": int32(5), "L": int64(5), "B": true}, `W/"datetime'2026'"`},
		{"full metadata", `{"odata.type":"a.T","odata.id":"http://x","odata.etag":"e","odata.editLink":"T(PartitionKey='p',RowKey='r')","PartitionKey":"p","RowKey":"r","Timestamp@odata.type":"Edm.DateTime","Timestamp":"2026-06-01T12:34:57.0000008Z","X@odata.navigationLinkUrl":"y"}`,
			Entity{"PartitionKey": "p", "RowKey": "r", "Timestamp": at}, "e"},
		{"annotation behind", `{"D":"2026-06-01T12:34:57.0000008Z","D@odata.type":"Edm.DateTime"}`, Entity{"D": at}, ""},
		{"date with offset", `{"D":"2026-06-01T14:34:57.0000008+02:00","D@odata.type":"Edm.DateTime"}`, Entity{"D": at}, ""},
		{"date without zone", `{"D":"2026-06-01T12:34:57.000000899","D@odata.type":"Edm.DateTime"}`, Entity{"D": at}, ""},
		{"a date is a string", `{"D":"2026-06-01T12:34:57Z"}`, Entity{"D": "2026-06-01T12:34:57Z"}, ""},
		{"double", `{"A":1.5,"B":1e3,"C":"NaN","C@odata.type":"Edm.Double","D":5,"D@odata.type":"Edm.Double","E":"-Infinity","E@odata.type":"Edm.Double","F":"Infinity","F@odata.type":"Edm.Double"}`,
			Entity{"A": 1.5, "B": 1e3, "C": math.NaN(), "D": 5.0, "E": math.Inf(-1), "F": math.Inf(1)}, ""},
		{"explicit types", `{"A":"x","A@odata.type":"Edm.String","B":true,"B@odata.type":"Edm.Boolean","C":1,"C@odata.type":"Edm.Int32","D":7,"D@odata.type":"Edm.Int64"}`,
			Entity{"A": "x", "B": true, "C": int32(1), "D": int64(7)}, ""},
		{"guid and binary", `{"A":"5406D369-4369-4673-afae-6671a2fa1e57","A@odata.type":"Edm.Guid","B":"AAH/","B@odata.type":"Edm.Binary"}`,
			Entity{"A": GUID("5406D369-4369-4673-afae-6671a2fa1e57"), "B": []byte{0, 1, 255}}, ""},
		{"null", ` { "A" : null , "B":null,"B@odata.type":"Edm.Int64" } `, Entity{"A": nil, "B": nil}, ""},
		{"escapes", `{"\u0041":"\u00e9\ud83d\ude00\/\n"}`, Entity{"A": "é😀/\n"}, ""},
		{"lone surrogate", `{"A":"x\ud800y"}`, Entity{"A": "x\xed\xa0\x80y"}, ""},
		{"last one wins", `{"A":1,"A":"x"}`, Entity{"A": "x"}, ""},
		{"annotation alone", `{"A@odata.type":"Edm.Int64"}`, Entity{}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, etag, err := UnmarshalWithETag([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if !Equal(got, tt.want) || etag != tt.etag {
				t.Errorf("got  %#v %s\nwant %#v %s", got, etag, tt.want, tt.etag)
			}
			text, err := Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Unmarshal(text)
			if err != nil || !Equal(again, got) {
				t.Errorf("written again as %s it reads as %#v, %v", text, again, err)
			}
		})
	}
}

func TestUnmarshalErrors(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, property string }{
		{"empty", ``, ""},
		{"array", `[]`, ""},
		{"cut", `{"A":"x`, "A"},
		{"trailing text", `{} {}`, ""},
		{"object", `{"A":{}}`, "A"},
		{"array value", `{"A":[1]}`, "A"},
		{"long int without annotation", `{"A":2147483648}`, "A"},
		{"int32 out of range", `{"A":-2147483649,"A@odata.type":"Edm.Int32"}`, "A"},
		{"int64 out of range", `{"A":"9223372036854775808","A@odata.type":"Edm.Int64"}`, "A"},
		{"int64 not a number", `{"A":"x","A@odata.type":"Edm.Int64"}`, "A"},
		{"int64 fraction", `{"A":1.5,"A@odata.type":"Edm.Int64"}`, "A"},
		{"int64 boolean", `{"A":true,"A@odata.type":"Edm.Int64"}`, "A"},
		{"string is a number", `{"A":5,"A@odata.type":"Edm.String"}`, "A"},
		{"boolean is a string", `{"A":"true","A@odata.type":"Edm.Boolean"}`, "A"},
		{"int32 is a string", `{"A":"5","A@odata.type":"Edm.Int32"}`, "A"},
		{"double is a string", `{"A":"5","A@odata.type":"Edm.Double"}`, "A"},
		{"double too large", `{"A":1e999}`, "A"},
		{"date", `{"A":"yesterday","A@odata.type":"Edm.DateTime"}`, "A"},
		{"date does not exist", `{"A":"2026-02-30T00:00:00Z","A@odata.type":"Edm.DateTime"}`, "A"},
		{"date is a number", `{"A":5,"A@odata.type":"Edm.DateTime"}`, "A"},
		{"timestamp", `{"Timestamp":"now"}`, "Timestamp"},
		{"guid", `{"A":"5406d369","A@odata.type":"Edm.Guid"}`, "A"},
		{"binary", `{"A":"*","A@odata.type":"Edm.Binary"}`, "A"},
		{"unknown type", `{"A":"*","A@odata.type":"Edm.Geography"}`, "A"},
		{"annotation is a number", `{"A":"*","A@odata.type":5}`, "A@odata.type"},
		{"etag is a number", `{"odata.etag":5}`, "odata.etag"},
		{"no name", `{"":5}`, `""`},
		{"too many", `{` + strings.Repeat(`"a":1,`, MaxProperties) + `"b":1}`, "b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Unmarshal([]byte(tt.in))
			var e *Error
			if !errors.As(err, &e) || e.Property != tt.property {
				t.Errorf("got %v, want an *Error for %q", err, tt.property)
			}
		})
	}
}

func TestTypeName(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]any{
		"Edm.String": "", "Edm.Int32": int32(0), "Edm.Int64": int64(0), "Edm.Double": 0.0,
		"Edm.Boolean": false, "Edm.DateTime": time.Time{}, "Edm.Binary": []byte(nil), "Edm.Guid": GUID(""), "": 5,
	} {
		if got := TypeName(v); got != want {
			t.Errorf("TypeName(%T) = %q, want %q", v, got, want)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"odata.etag":"e","A":1.5,"L@odata.type":"Edm.Int64","L":"5","D":"2026-06-01T12:34:57Z","D@odata.type":"Edm.DateTime"}`))
	f.Add([]byte(`{"B":"AAH/","B@odata.type":"Edm.Binary","G":"5406d369-4369-4673-afae-6671a2fa1e57","G@odata.type":"Edm.Guid","S":"\ud800"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := Unmarshal(data)
		if err != nil {
			return
		}
		text, err := Marshal(e)
		if err != nil {
			t.Fatalf("cannot write %#v: %v", e, err)
		}
		again, err := Unmarshal(text)
		if err != nil {
			t.Fatalf("cannot read %s: %v", text, err)
		}
		if !Equal(e, again) {
			t.Fatalf("%#v became %#v", e, again)
		}
	})
}

var benchEntity = Entity{
	"PartitionKey": "order-42", "RowKey": "0000000000000005", "EventId": int32(-1), "IsPlayed": true,
	"_Timestamp": time.Date(2026, 6, 1, 12, 34, 57, 0, time.UTC), "EventType": "TaskCompleted",
	"TaskScheduledId": int32(0), "Result": `"ok"`, "ExecutionId": "aae324dcc8f943e490b37ec5e5bbf9da",
}

func BenchmarkMarshal(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Marshal(benchEntity); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnmarshal(b *testing.B) {
	text, err := Marshal(benchEntity)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Unmarshal(text); err != nil {
			b.Fatal(err)
		}
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	if !Equal(benchEntity, reflect.ValueOf(benchEntity).Interface().(Entity)) {
		t.Error("an entity does not equal itself")
	}
	for _, other := range []Entity{{}, {"A": int64(1)}, {"A": "1"}, {"B": int32(1)}, {"A": int32(1), "B": int32(1)}} {
		if Equal(Entity{"A": int32(1)}, other) {
			t.Errorf("%#v counts as equal", other)
		}
	}
}
