package odata

import (
	"bytes"
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// Entity is a body's content: its keys, where it names them, and its other
// properties in the order of the body, without null ones.
type Entity struct {
	PartitionKey, RowKey       string
	HasPartitionKey, HasRowKey bool
	Properties                 []Property
}

// Limits of "Understanding the Table service data model".
const (
	MaxProperties    = 252
	maxPropertyName  = 255
	maxPropertyBytes = 64 << 10
	maxEntityBytes   = 1 << 20
	maxKeyBytes      = 1 << 10
)

func invalidInput(format string, args ...any) error {
	return rest.Errorf(400, "InvalidInput", format, args...)
}

// ErrTooManyProperties refuses an entity with more than 252 own properties.
var ErrTooManyProperties = &rest.Error{Status: 400, Code: "TooManyProperties",
	Message: "The entity contains more properties than allowed. Each entity can include up to 252 properties to store data. Each entity also has 3 system properties."}

// ErrEntityTooLarge refuses an entity of more than 1 MiB.
var ErrEntityTooLarge = &rest.Error{Status: 400, Code: "EntityTooLarge",
	Message: "The entity is larger than the maximum allowed size (1MB)."}

var errPropertyTooLarge = &rest.Error{Status: 400, Code: "PropertyValueTooLarge",
	Message: "The property value exceeds the maximum allowed size (64KB). If the property value is a string, it is UTF-16 encoded and the maximum number of characters should be 32K or less."}

// EntityReader reads one body after the other; it keeps the room that one
// needed for the next.
type EntityReader struct {
	members []member
	types   annotations
	// properties are those of all bodies since the last Reset.
	properties []Property
}

// maxKept is how much room of each kind a reader keeps.
const maxKept = 1024

// Reset ends the use of what was read so far: the properties of those
// entities are overwritten by the next ones.
func (r *EntityReader) Reset() {
	if cap(r.members) > maxKept || cap(r.types) > maxKept || cap(r.properties) > maxKept {
		*r = EntityReader{}
		return
	}
	// Nothing may hold on to the bodies.
	clear(r.members[:cap(r.members)])
	clear(r.types[:cap(r.types)])
	clear(r.properties[:cap(r.properties)])
	r.properties = r.properties[:0]
}

// room returns a slice without elements for n properties. What was given out
// before stays as it is.
func (r *EntityReader) room(n int) []Property {
	used := len(r.properties)
	if cap(r.properties)-used < n {
		r.properties, used = make([]Property, 0, max(n, 2*cap(r.properties), 16)), 0
	}
	return r.properties[used : used : used+n]
}

// Read reads the JSON body of an insert, merge or replace. The texts of the
// result are parts of the body; its properties last until Reset.
func (r *EntityReader) Read(body string) (Entity, error) {
	members, err := readMembers(body, r.members[:0])
	if err != nil {
		return Entity{}, invalidInput("One of the request inputs is not valid: %s.", err)
	}
	r.members = members
	if r.types, err = readAnnotations(members, r.types[:0]); err != nil {
		return Entity{}, err
	}
	if name, found := duplicate(members); found {
		return Entity{}, rest.Errorf(400, "DuplicatePropertiesSpecified", "A property is specified more than one time: '%s'.", name)
	}
	e := Entity{Properties: r.room(len(members) - len(r.types))}
	for i := range members {
		if isMetadata(members[i].name) {
			continue
		}
		if err := e.add(&members[i], r.types); err != nil {
			return Entity{}, err
		}
	}
	if len(e.Properties) > MaxProperties {
		return Entity{}, ErrTooManyProperties
	}
	r.properties = r.properties[:len(r.properties)+len(e.Properties)]
	return e, nil
}

// duplicate finds a name that occurs twice. Few members are compared with
// each other, which costs less than a map.
func duplicate(members []member) (string, bool) {
	if len(members) <= 24 {
		for i := range members {
			for j := range i {
				if members[i].name == members[j].name {
					return members[i].name, true
				}
			}
		}
		return "", false
	}
	seen := make(map[string]bool, len(members))
	for _, m := range members {
		if seen[m.name] {
			return m.name, true
		}
		seen[m.name] = true
	}
	return "", false
}

// isMetadata reports a member that speaks about the entity or a property.
func isMetadata(name string) bool {
	return strings.HasPrefix(name, "odata.") || strings.Contains(name, "@odata.")
}

// annotations are the types that a body gives to properties.
type annotations []annotation

type annotation struct {
	name string
	t    Type
}

func (a annotations) find(name string) (Type, bool) {
	for i := range a {
		if a[i].name == name {
			return a[i].t, true
		}
	}
	return 0, false
}

// readAnnotations collects the types that "Name@odata.type" members give.
func readAnnotations(members []member, types annotations) (annotations, error) {
	for i := range members {
		m := &members[i]
		name, ok := strings.CutSuffix(m.name, "@odata.type")
		if !ok || name == "" {
			continue
		}
		t, known := ParseType(m.text)
		if m.kind != jsonString || !known {
			return nil, rest.Errorf(400, "InvalidValueType", "The value specified is invalid: '%s' is no type of property '%s'.", m.text, name)
		}
		types = append(types, annotation{name, t})
	}
	return types, nil
}

func (e *Entity) add(m *member, types annotations) error {
	switch m.name {
	case "Timestamp":
		return nil
	case "PartitionKey", "RowKey":
		if m.kind == jsonNull {
			return nil
		}
		if m.kind != jsonString {
			return rest.Errorf(400, "InvalidValueType", "The value specified is invalid: '%s' must be a string.", m.name)
		}
		if err := CheckKey(m.name, m.text); err != nil {
			return err
		}
		if m.name == "PartitionKey" {
			e.PartitionKey, e.HasPartitionKey = m.text, true
		} else {
			e.RowKey, e.HasRowKey = m.text, true
		}
		return nil
	}
	if err := checkPropertyName(m.name); err != nil {
		return err
	}
	if m.kind == jsonNull {
		return nil
	}
	t, annotated := types.find(m.name)
	v, ok := m.convert(t, annotated)
	if !ok {
		if annotated {
			return invalidInput("One of the request inputs is not valid: the value of property '%s' is not a value of type %s.", m.name, t)
		}
		return invalidInput("One of the request inputs is not valid: property '%s' has no value of a supported type.", m.name)
	}
	if (v.Type == String && UTF16Bytes(v.Text) > maxPropertyBytes) || (v.Type == Binary && len(v.Text) > maxPropertyBytes) {
		return errPropertyTooLarge
	}
	e.Properties = append(e.Properties, Property{m.name, v})
	return nil
}

// convert gives a member its type: the annotated one, or the one its JSON
// form implies.
func (m *member) convert(t Type, annotated bool) (Value, bool) {
	switch m.kind {
	case jsonString:
		if !annotated {
			return StringValue(m.text), true
		}
		return parseText(t, m.text)
	case jsonTrue, jsonFalse:
		return boolValue(m.kind == jsonTrue), !annotated || t == Boolean
	case jsonNumber:
		if annotated {
			if !t.number() {
				return Value{}, false
			}
			return parseText(t, m.text)
		}
		if n, err := strconv.ParseInt(m.text, 10, 32); err == nil {
			return Value{Type: Int32, Num: n}, true
		}
		return parseDouble(m.text)
	}
	return Value{}, false
}

func checkPropertyName(name string) error {
	if len(name) > maxPropertyName {
		return rest.Errorf(400, "PropertyNameTooLong", "The property name exceeds the maximum allowed length (255).")
	}
	for i, c := range name {
		ok := c == '_' || unicode.IsLetter(c) || i > 0 && (unicode.IsDigit(c) || unicode.IsMark(c) || c == ':')
		if !ok {
			return rest.Errorf(400, "PropertyNameInvalid", "The property name is invalid: '%s'.", name)
		}
	}
	if name == "" {
		return rest.Errorf(400, "PropertyNameInvalid", "The property name is invalid: it is empty.")
	}
	return nil
}

// CheckKey applies the rules for PartitionKey and RowKey values: up to 1 KiB,
// none of / \ # ? and no control characters.
func CheckKey(name, key string) error {
	if UTF16Bytes(key) > maxKeyBytes {
		return rest.Errorf(400, "KeyValueTooLarge", "The %s value exceeds the maximum allowed size (1KB).", name)
	}
	for _, c := range key {
		if c < 0x20 || 0x7F <= c && c <= 0x9F || c == '/' || c == '\\' || c == '#' || c == '?' {
			return rest.Errorf(400, "OutOfRangeInput", "The '%s' parameter of value '%s' is out of range.", name, key)
		}
	}
	return nil
}

// Size is what an entity counts towards the limit of 1 MiB.
func Size(partitionKey, rowKey string, properties []Property) int {
	n := 4 + UTF16Bytes(partitionKey) + UTF16Bytes(rowKey)
	for _, p := range properties {
		n += 8 + UTF16Bytes(p.Name) + p.Value.Size()
	}
	return n
}

// CheckSize applies that limit.
func CheckSize(partitionKey, rowKey string, properties []Property) error {
	if Size(partitionKey, rowKey, properties) > maxEntityBytes {
		return ErrEntityTooLarge
	}
	return nil
}

// ETag is the ETag of an entity with a time stamp.
func ETag(stamp rest.Ticks) string {
	return string(AppendETag(make([]byte, 0, maxETag), stamp))
}

const maxETag = 48

// AppendETag writes it.
func AppendETag(b []byte, stamp rest.Ticks) []byte {
	var text [maxETag]byte
	b = append(b, `W/"datetime'`...)
	for _, c := range appendDateTime(text[:0], stamp) {
		if c == ':' {
			b = append(b, "%3A"...)
		} else {
			b = append(b, c)
		}
	}
	return append(b, `'"`...)
}

// Level says how much OData metadata a client wants ("Payload format for
// Table service operations").
type Level uint8

// The levels.
const (
	NoMetadata Level = iota
	MinimalMetadata
	FullMetadata
)

// String is the level's name in a media type.
func (l Level) String() string {
	return [...]string{"nometadata", "minimalmetadata", "fullmetadata"}[l]
}

// ContentType is the media type of an answer of that level.
func (l Level) ContentType() string {
	return "application/json;odata=" + l.String() + ";streaming=true;charset=utf-8"
}

// AppendProperty writes a member with its annotation, where the level has one.
func AppendProperty(b []byte, name string, v Value, level Level) []byte {
	if annotate(name, v, level) {
		b = AppendString(b, name+"@odata.type")
		b = append(b, ':')
		b = AppendString(b, v.Type.String())
		b = append(b, ',')
	}
	b = AppendString(b, name)
	b = append(b, ':')
	return appendValue(b, v)
}

func annotate(name string, v Value, level Level) bool {
	if level == NoMetadata {
		return false
	}
	switch v.Type {
	case Int64, GUID, Binary:
		return true
	case DateTime:
		return level == FullMetadata || name != "Timestamp"
	case Double:
		f := v.Float()
		return math.IsNaN(f) || math.IsInf(f, 0)
	}
	return false
}

func appendValue(b []byte, v Value) []byte {
	switch v.Type {
	case String, GUID:
		return AppendString(b, v.Text)
	case Int32:
		return strconv.AppendInt(b, v.Num, 10)
	case Int64:
		b = append(b, '"')
		b = strconv.AppendInt(b, v.Num, 10)
		return append(b, '"')
	case Boolean:
		return strconv.AppendBool(b, v.Num != 0)
	case DateTime:
		b = append(b, '"')
		b = appendDateTime(b, rest.Ticks(v.Num))
		return append(b, '"')
	case Binary:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, []byte(v.Text))
		return append(b, '"')
	}
	return appendDouble(b, v.Float())
}

func appendDouble(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Infinity"`...)
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, 64)
	if !bytes.ContainsAny(b[start:], ".e") {
		b = append(b, ".0"...)
	}
	return b
}
