package durable

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"sync"
	"time"
)

// marshalJSON writes JSON without HTML escaping and with times as .NET has them.
func marshalJSON(v any) ([]byte, error) {
	if text, ok := scalarJSON(v); ok {
		return text, nil
	}
	return marshalAny(v)
}

func marshalAny(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(withPlainTimes(v)); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

var timeType = reflect.TypeFor[time.Time]()

// withPlainTimes returns v, or a copy of it in which every time.Time is in UTC and
// holds no more than .NET's 100 ns. Values of types that marshal themselves are left
// alone.
func withPlainTimes(v any) any {
	if v == nil || !holdsTimes(reflect.TypeOf(v)) {
		return v
	}
	return plainTimes(reflect.ValueOf(v)).Interface()
}

var timeHolders sync.Map // reflect.Type to bool

// holdsTimes tells whether values of a type may contain times.
func holdsTimes(t reflect.Type) bool {
	if known, ok := timeHolders.Load(t); ok {
		return known.(bool)
	}
	holds := typeHoldsTimes(t, map[reflect.Type]bool{})
	timeHolders.Store(t, holds)
	return holds
}

func typeHoldsTimes(t reflect.Type, seen map[reflect.Type]bool) bool {
	if t == timeType {
		return true
	}
	if t.Kind() == reflect.Pointer { // has the methods of what it points to
		return typeHoldsTimes(t.Elem(), seen)
	}
	if seen[t] || marshalsItself(t) {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Interface:
		return true // whatever it holds
	case reflect.Slice, reflect.Array, reflect.Map:
		return typeHoldsTimes(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); (f.IsExported() || f.Anonymous) && typeHoldsTimes(f.Type, seen) {
				return true
			}
		}
	}
	return false
}

var (
	marshalerType     = reflect.TypeFor[json.Marshaler]()
	textMarshalerType = reflect.TypeFor[interface{ MarshalText() ([]byte, error) }]()
)

func marshalsItself(t reflect.Type) bool {
	return t.Implements(marshalerType) || t.Implements(textMarshalerType) ||
		reflect.PointerTo(t).Implements(marshalerType) || reflect.PointerTo(t).Implements(textMarshalerType)
}

func plainTimes(v reflect.Value) reflect.Value {
	t := v.Type()
	if t == timeType {
		return reflect.ValueOf(v.Interface().(time.Time).UTC().Truncate(tick))
	}
	if !holdsTimes(t) {
		return v
	}
	switch t.Kind() {
	case reflect.Interface, reflect.Pointer:
		return plainElem(v)
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		c := reflect.MakeSlice(t, v.Len(), v.Len())
		plainElements(c, v)
		return c
	case reflect.Array:
		c := reflect.New(t).Elem()
		plainElements(c, v)
		return c
	case reflect.Map:
		if v.IsNil() {
			return v
		}
		c := reflect.MakeMapWithSize(t, v.Len())
		for it := v.MapRange(); it.Next(); {
			c.SetMapIndex(it.Key(), plainTimes(it.Value()))
		}
		return c
	case reflect.Struct:
		c := reflect.New(t).Elem()
		c.Set(v)
		for i := range t.NumField() {
			if t.Field(i).IsExported() {
				c.Field(i).Set(plainTimes(v.Field(i)))
			}
		}
		return c
	}
	return v
}

func plainElem(v reflect.Value) reflect.Value {
	if v.IsNil() {
		return v
	}
	elem := plainTimes(v.Elem())
	if v.Kind() == reflect.Interface {
		return elem
	}
	p := reflect.New(v.Type().Elem())
	p.Elem().Set(elem)
	return p
}

func plainElements(to, from reflect.Value) {
	for i := range from.Len() {
		to.Index(i).Set(plainTimes(from.Index(i)))
	}
}

// unmarshalJSON reads JSON, without the marks of .NET's serializer.
func unmarshalJSON(data []byte, v any) error {
	if readScalar(data, v) {
		return nil
	}
	return unmarshalAny(data, v)
}

func unmarshalAny(data []byte, v any) error {
	if bytes.Contains(data, []byte(`"$type"`)) {
		data = stripTypes(data)
	}
	err := json.Unmarshal(data, v)
	var parseError *time.ParseError
	if errors.As(err, &parseError) {
		if fixed, ok := zoneTimes(data, reflect.TypeOf(v)); ok {
			return json.Unmarshal(fixed, v)
		}
	}
	return err
}

// stripTypes removes the "$type" members of objects. An object that has nothing
// else but "$values" is Newtonsoft's way of giving an array a type, and becomes that
// array. Text that is not JSON is returned as it is, for the reader to complain of.
func stripTypes(data []byte) []byte {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var out bytes.Buffer
	if err := copyWithoutTypes(dec, &out); err != nil {
		return data
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return data
	}
	return out.Bytes()
}

func copyWithoutTypes(dec *json.Decoder, out *bytes.Buffer) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('['):
		return copyArray(dec, out)
	case json.Delim('{'):
		return copyObject(dec, out)
	}
	return writeToken(out, token)
}

func writeToken(out *bytes.Buffer, token json.Token) error {
	text, err := json.Marshal(token)
	if err != nil {
		return err
	}
	out.Write(text)
	return nil
}

func copyArray(dec *json.Decoder, out *bytes.Buffer) error {
	out.WriteByte('[')
	for first := true; dec.More(); first = false {
		if !first {
			out.WriteByte(',')
		}
		if err := copyWithoutTypes(dec, out); err != nil {
			return err
		}
	}
	out.WriteByte(']')
	_, err := dec.Token()
	return err
}

func copyObject(dec *json.Decoder, out *bytes.Buffer) error {
	start := out.Len()
	typed, members := false, 0
	var values []byte
	out.WriteByte('{')
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		if key == "$type" {
			typed = true
			if err := copyWithoutTypes(dec, new(bytes.Buffer)); err != nil {
				return err
			}
			continue
		}
		if members > 0 {
			out.WriteByte(',')
		}
		members++
		if err := writeToken(out, key); err != nil {
			return err
		}
		out.WriteByte(':')
		from := out.Len()
		if err := copyWithoutTypes(dec, out); err != nil {
			return err
		}
		if key == "$values" {
			values = bytes.Clone(out.Bytes()[from:])
		}
	}
	if typed && members == 1 && values != nil {
		out.Truncate(start)
		out.Write(values)
	} else {
		out.WriteByte('}')
	}
	_, err := dec.Token()
	return err
}

// zoneTimes adds a Z to times without a zone, where the type has a time.Time. It
// reports false when there was nothing to mend.
func zoneTimes(data []byte, t reflect.Type) ([]byte, bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == timeType {
		var s string
		if json.Unmarshal(data, &s) != nil {
			return data, false
		}
		if _, err := time.Parse("2006-01-02T15:04:05", s); err != nil {
			return data, false
		}
		return []byte(`"` + s + `Z"`), true
	}
	if t.Kind() != reflect.Interface && (!holdsTimes(t) || marshalsItself(t)) {
		return data, false
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		var list []json.RawMessage
		if json.Unmarshal(data, &list) != nil {
			return data, false
		}
		mended := false
		for i := range list {
			mended = zoneTime(&list[i], t.Elem()) || mended
		}
		return remarshal(data, list, mended)
	case reflect.Map:
		return zoneMembers(data, func(string) reflect.Type { return t.Elem() })
	case reflect.Struct:
		return zoneMembers(data, func(name string) reflect.Type { return fieldType(t, name) })
	}
	return data, false
}

func zoneTime(raw *json.RawMessage, t reflect.Type) bool {
	fixed, ok := zoneTimes(*raw, t)
	if ok {
		*raw = fixed
	}
	return ok
}

func zoneMembers(data []byte, typeOf func(string) reflect.Type) ([]byte, bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return data, false
	}
	mended := false
	for name, raw := range members {
		if t := typeOf(name); t != nil && zoneTime(&raw, t) {
			members[name], mended = raw, true
		}
	}
	return remarshal(data, members, mended)
}

func remarshal(data []byte, v any, mended bool) ([]byte, bool) {
	if !mended {
		return data, false
	}
	fixed, err := json.Marshal(v)
	return fixed, err == nil
}

// fieldType returns the type of the field that a member is read into, nil if none.
func fieldType(t reflect.Type, member string) reflect.Type {
	for _, f := range reflect.VisibleFields(t) {
		if !f.IsExported() {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			name = f.Name
		}
		if strings.EqualFold(name, member) {
			return f.Type
		}
	}
	return nil
}

// soleElement returns the only element of an array: ok for an array of at most one,
// nil for an empty one or null.
func soleElement(raw string) (element *string, ok bool) {
	dec := json.NewDecoder(strings.NewReader(raw))
	if token, err := dec.Token(); err != nil || token != json.Delim('[') {
		return nil, false
	}
	if dec.More() {
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return nil, false
		}
		if s := string(value); s != "null" {
			element = &s
		}
	}
	if token, err := dec.Token(); err != nil || token != json.Delim(']') {
		return nil, false
	}
	_, err := dec.Token()
	return element, errors.Is(err, io.EOF)
}
