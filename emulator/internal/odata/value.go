// Package odata is the data model of Table Storage on the wire: typed property
// values, entities in OData's JSON, and $filter expressions.
package odata

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-taskhub/taskhub/emulator/internal/ordered"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// Type is an EDM type of a property.
type Type uint8

// The types of the article "Understanding the Table service data model".
const (
	String Type = iota
	Int32
	Int64
	Double
	Boolean
	DateTime
	GUID
	Binary
	numTypes
)

var typeNames = [numTypes]string{"Edm.String", "Edm.Int32", "Edm.Int64", "Edm.Double", "Edm.Boolean", "Edm.DateTime", "Edm.Guid", "Edm.Binary"}

// String is the type's EDM name.
func (t Type) String() string { return typeNames[t] }

// Valid reports whether t is a known type.
func (t Type) Valid() bool { return t < numTypes }

// Textual reports whether values of the type are in Value.Text.
func (t Type) Textual() bool { return t == String || t == GUID || t == Binary }

// ParseType reads an EDM name.
func ParseType(name string) (Type, bool) {
	for t, n := range typeNames {
		if n == name {
			return Type(t), true
		}
	}
	return 0, false
}

// Value is a property's value. Text holds strings, GUIDs in lower case and
// the bytes of binaries; Num holds integers, truth values, ticks and the bits
// of doubles.
type Value struct {
	Type Type
	Text string
	Num  int64
}

// StringValue is an Edm.String.
func StringValue(s string) Value { return Value{Type: String, Text: s} }

// TicksValue is an Edm.DateTime.
func TicksValue(t rest.Ticks) Value { return Value{Type: DateTime, Num: int64(t)} }

func doubleValue(f float64) Value { return Value{Type: Double, Num: int64(math.Float64bits(f))} }

// Float is the number of a double.
func (v Value) Float() float64 { return math.Float64frombits(uint64(v.Num)) }

func boolValue(b bool) Value {
	if b {
		return Value{Type: Boolean, Num: 1}
	}
	return Value{Type: Boolean}
}

// oldest and newest bound Edm.DateTime: from 1601 on, the service says.
var (
	oldest = rest.TicksOf(time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC))
	newest = rest.TicksOf(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)) - 1
)

// parseDateTime reads ISO 8601 with up to seven digits; without a zone it is
// UTC.
func parseDateTime(text string) (Value, bool) {
	for _, layout := range [...]string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02"} {
		t, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		ticks := rest.TicksOf(t)
		return TicksValue(ticks), oldest <= ticks && ticks <= newest
	}
	return Value{}, false
}

// appendDateTime writes ticks as the service does: no more digits than needed.
func appendDateTime(b []byte, t rest.Ticks) []byte {
	return t.Time().AppendFormat(b, "2006-01-02T15:04:05.9999999Z")
}

func parseDouble(text string) (Value, bool) {
	switch text {
	case "NaN":
		return doubleValue(math.NaN()), true
	case "Infinity", "INF":
		return doubleValue(math.Inf(1)), true
	case "-Infinity", "-INF":
		return doubleValue(math.Inf(-1)), true
	}
	if strings.ContainsAny(text, "xXpP_iInN") {
		return Value{}, false
	}
	f, err := strconv.ParseFloat(text, 64)
	return doubleValue(f), err == nil
}

// parseText converts the text of an annotated property.
func parseText(t Type, text string) (Value, bool) {
	switch t {
	case String:
		return StringValue(text), true
	case Int32:
		n, err := strconv.ParseInt(text, 10, 32)
		return Value{Type: Int32, Num: n}, err == nil
	case Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		return Value{Type: Int64, Num: n}, err == nil
	case Double:
		return parseDouble(text)
	case Boolean:
		switch strings.ToLower(text) {
		case "true", "1":
			return boolValue(true), true
		case "false", "0":
			return boolValue(false), true
		}
		return Value{}, false
	case DateTime:
		return parseDateTime(text)
	case GUID:
		return Value{Type: GUID, Text: strings.ToLower(text)}, rest.ValidGUID(text)
	default:
		b, err := base64.StdEncoding.DecodeString(text)
		return Value{Type: Binary, Text: string(b)}, err == nil
	}
}

func parseHex(text string) (Value, bool) {
	b, err := hex.DecodeString(text)
	return Value{Type: Binary, Text: string(b)}, err == nil
}

// Size is what the value counts towards the limit of an entity.
func (v Value) Size() int {
	switch v.Type {
	case String:
		return 4 + UTF16Bytes(v.Text)
	case Binary:
		return 4 + len(v.Text)
	case GUID:
		return 16
	case Int32:
		return 4
	case Boolean:
		return 1
	default:
		return 8
	}
}

// UTF16Bytes is the size of text as the service stores it.
func UTF16Bytes(s string) int {
	n := 0
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			i++
			n += 2
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		n += 2
		if r > 0xFFFF {
			n += 2
		}
	}
	return n
}

func (t Type) number() bool { return t == Int32 || t == Int64 || t == Double }

// Compare orders two values; ok is false when their types cannot be compared.
// Numbers of different types compare by amount. NaN equals nothing.
func Compare(a, b Value) (order int, ok bool) {
	switch {
	case a.Type == b.Type:
	case a.Type.number() && b.Type.number():
		if a.Type != Double && b.Type != Double {
			return cmp.Compare(a.Num, b.Num), true
		}
		return compareFloats(a.amount(), b.amount())
	default:
		return 0, false
	}
	switch a.Type {
	case String:
		return ordered.CompareText(a.Text, b.Text), true
	case GUID, Binary:
		return strings.Compare(a.Text, b.Text), true
	case Double:
		return compareFloats(a.Float(), b.Float())
	default:
		return cmp.Compare(a.Num, b.Num), true
	}
}

func (v Value) amount() float64 {
	if v.Type == Double {
		return v.Float()
	}
	return float64(v.Num)
}

func compareFloats(a, b float64) (int, bool) {
	switch {
	case a < b:
		return -1, true
	case a > b:
		return 1, true
	case a == b:
		return 0, true
	default:
		return 0, false
	}
}
