package edm

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/go-taskhub/taskhub/internal/jsontext"
)

// Unmarshal reads one entity. Annotations decide the types; a property without
// one is what its JSON says: a string, a boolean, an Int32, or a Double when
// the number has a fraction or an exponent. Metadata is put aside.
//
// The error is an [*Error] naming the property.
func Unmarshal(data []byte) (Entity, error) {
	e, _, err := UnmarshalWithETag(data)
	return e, err
}

// UnmarshalWithETag is [Unmarshal] that also returns the entity's ETag, ""
// when the text has none.
func UnmarshalWithETag(data []byte) (Entity, string, error) {
	var d decoder
	d.properties = d.room[:0]
	d.annotations = d.annotationRoom[:0]
	if err := d.read(data); err != nil {
		path, inner := jsontext.SplitPath(err)
		return nil, "", &Error{Property: path, Err: inner}
	}
	e := make(Entity, len(d.properties))
	for i := range d.properties {
		p := &d.properties[i]
		value, err := p.value(d.annotation(p.name))
		if err != nil {
			return nil, "", &Error{Property: string(p.name), Err: err}
		}
		e[string(p.name)] = value
	}
	return e, d.etag, nil
}

// decoder collects properties and annotations first, because an annotation may
// stand before or behind its property: the service and .NET differ in that.
type decoder struct {
	properties     []property
	annotations    []annotation
	etag           string
	room           [24]property
	annotationRoom [12]annotation
}

// property is a value whose type is not known yet. What it refers to is part of
// the input, or a decoded copy where that has escapes.
type property struct {
	name []byte
	kind jsontext.Kind
	text []byte // a string's text, a number's digits, "true" or "false"
}

type annotation struct {
	name, edmType []byte
}

func (d *decoder) read(data []byte) error {
	r := jsontext.NewReader(data)
	err := r.Object(func(key []byte) error {
		if at := bytes.IndexByte(key, '@'); at >= 0 {
			return d.readAnnotation(&r, key, at)
		}
		if len(key) >= len(metadataPrefix) && string(key[:len(metadataPrefix)]) == metadataPrefix {
			return d.readMetadata(&r, key)
		}
		return d.readProperty(&r, key)
	})
	if err != nil {
		return err
	}
	return r.End()
}

func (d *decoder) readAnnotation(r *jsontext.Reader, key []byte, at int) error {
	if string(key[at:]) != typeSuffix {
		return r.Skip()
	}
	edmType, err := r.StringBytes()
	if err != nil {
		return err
	}
	if len(d.annotations) >= MaxProperties {
		return errTooMany
	}
	d.annotations = append(d.annotations, annotation{name: key[:at], edmType: edmType})
	return nil
}

func (d *decoder) readMetadata(r *jsontext.Reader, key []byte) error {
	if string(key) != etagProperty {
		return r.Skip()
	}
	var err error
	d.etag, err = r.String()
	return err
}

func (d *decoder) readProperty(r *jsontext.Reader, key []byte) error {
	if len(key) == 0 {
		return errors.New("a property needs a name")
	}
	if len(d.properties) >= MaxProperties {
		return errTooMany
	}
	p := property{name: key}
	var err error
	if p.kind, err = r.Peek(); err != nil {
		return err
	}
	switch p.kind {
	case jsontext.String:
		p.text, err = r.StringBytes()
	case jsontext.Number, jsontext.Bool, jsontext.Null:
		p.text, err = r.Raw()
	default:
		err = &jsontext.KindError{Got: p.kind, Want: "a plain value"}
	}
	d.properties = append(d.properties, p)
	return err
}

var errTooMany = fmt.Errorf("more than %d properties", MaxProperties)

// annotation returns the annotated type of a property, nil without one.
func (d *decoder) annotation(name []byte) []byte {
	for i := len(d.annotations) - 1; i >= 0; i-- {
		if bytes.Equal(d.annotations[i].name, name) {
			return d.annotations[i].edmType
		}
	}
	return nil
}

// value turns the text into a value of the annotated type.
func (p *property) value(edmType []byte) (any, error) {
	if p.kind == jsontext.Null {
		return nil, nil
	}
	switch string(edmType) {
	case "":
		return p.plain()
	case typeString:
		return string(p.text), p.need(jsontext.String)
	case typeBoolean:
		return string(p.text) == "true", p.need(jsontext.Bool)
	case typeInt32:
		if err := p.need(jsontext.Number); err != nil {
			return nil, err
		}
		return p.int32()
	case typeInt64:
		return p.int64()
	case typeDouble:
		return p.double()
	case typeDateTime:
		if err := p.need(jsontext.String); err != nil {
			return nil, err
		}
		return readTime(string(p.text))
	case typeGUID:
		if err := p.need(jsontext.String); err != nil {
			return nil, err
		}
		if !isGUID(string(p.text)) {
			return nil, errNotGUID
		}
		return GUID(string(p.text)), nil
	case typeBinary:
		return p.binary()
	default:
		return nil, errors.New("is annotated with a type that tables do not have")
	}
}

// plain gives a value without an annotation the type its JSON shows.
func (p *property) plain() (any, error) {
	switch p.kind {
	case jsontext.Bool:
		return string(p.text) == "true", nil
	case jsontext.Number:
		if bytes.ContainsAny(p.text, ".eE") {
			return p.double()
		}
		return p.int32()
	default:
		if string(p.name) == TimestampProperty {
			return readTime(string(p.text))
		}
		return string(p.text), nil
	}
}

func (p *property) need(k jsontext.Kind) error {
	if p.kind != k {
		return &jsontext.KindError{Got: p.kind, Want: k.String()}
	}
	return nil
}

func (p *property) int32() (any, error) {
	n, ok := jsontext.ParseInt(p.text, 32)
	if !ok {
		return nil, errors.New("is not a whole number of 32 bits; longer ones are strings annotated with Edm.Int64")
	}
	return int32(n), nil
}

func (p *property) int64() (any, error) {
	if p.kind == jsontext.Bool {
		return nil, p.need(jsontext.String)
	}
	n, ok := jsontext.ParseInt(p.text, 64)
	if !ok {
		return nil, errors.New("is not a whole number of 64 bits")
	}
	return n, nil
}

func (p *property) double() (any, error) {
	if p.kind == jsontext.String {
		switch string(p.text) {
		case "NaN":
			return math.NaN(), nil
		case "Infinity":
			return math.Inf(1), nil
		case "-Infinity":
			return math.Inf(-1), nil
		}
		return nil, errors.New("is a string that is none of NaN, Infinity and -Infinity")
	}
	if err := p.need(jsontext.Number); err != nil {
		return nil, err
	}
	v, err := strconv.ParseFloat(string(p.text), 64)
	if err != nil {
		return nil, errors.New("is not a number of 64 bits")
	}
	return v, nil
}

func (p *property) binary() (any, error) {
	if err := p.need(jsontext.String); err != nil {
		return nil, err
	}
	b, err := base64.StdEncoding.AppendDecode(make([]byte, 0, base64.StdEncoding.DecodedLen(len(p.text))), p.text)
	if err != nil {
		return nil, errors.New("is not Base64")
	}
	return b, nil
}

func readTime(s string) (any, error) {
	t, err := jsontext.ParseTime(s)
	if err != nil {
		return nil, err
	}
	return t.UTC(), nil
}
