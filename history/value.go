package history

import (
	"github.com/go-taskhub/taskhub/internal/jsontext"
)

// Value is a JSON value of any shape. It is kept as text in one canonical
// spelling: no white space, strings escaped as Newtonsoft.Json does, numbers
// with the digits they came with, members in their order. Two values are equal
// (==) when they are spelled alike. The zero Value is null.
type Value struct {
	text  string // "" is null
	depth int    // how many objects and arrays are open at the deepest point
}

// ParseValue reads one JSON value. The error is a [*DecodeError].
func ParseValue(text []byte) (Value, error) {
	r := jsontext.NewReader(text)
	v, err := readValue(&r)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return Value{}, decodeError(FormatValue, err)
	}
	return v, nil
}

// IsNull tells whether the value is null.
func (v Value) IsNull() bool { return v.text == "" }

// JSON returns the canonical text.
func (v Value) JSON() string {
	if v.text == "" {
		return "null"
	}
	return v.text
}

// readValue consumes a value.
func readValue(r *jsontext.Reader) (Value, error) {
	c := copier{r: r}
	text, err := c.value(nil)
	if err != nil || string(text) == "null" {
		return Value{}, err
	}
	return Value{text: string(text), depth: c.deepest}, nil
}

// plain returns the value without the class names that objects inside it begin
// with.
func (v Value) plain() string {
	r := jsontext.NewReader([]byte(v.JSON()))
	c := copier{r: &r, plain: true}
	text, err := c.value(nil)
	if err != nil { // cannot be: the text is canonical
		return "null"
	}
	return string(text)
}

// copier writes a value in the canonical spelling while it reads it.
type copier struct {
	r       *jsontext.Reader
	plain   bool // without class names
	depth   int
	deepest int
}

func (c *copier) value(dst []byte) ([]byte, error) {
	kind, err := c.r.Peek()
	if err != nil {
		return nil, err
	}
	switch kind {
	case jsontext.Object:
		return c.object(dst)
	case jsontext.Array:
		return c.array(dst)
	case jsontext.String:
		s, err := c.r.String()
		return jsontext.AppendString(dst, s), err
	default: // numbers and words have one spelling
		raw, err := c.r.Raw()
		return append(dst, raw...), err
	}
}

func (c *copier) object(dst []byte) ([]byte, error) {
	c.enter()
	dst = append(dst, '{')
	members, first := 0, true
	err := c.r.Object(func(key []byte) error {
		isClass := first && string(key) == typeMember
		first = false
		if isClass && c.plain {
			return c.r.Skip()
		}
		if members++; members > 1 {
			dst = append(dst, ',')
		}
		dst = append(jsontext.AppendString(dst, string(key)), ':')
		var err error
		dst, err = c.value(dst)
		return err
	})
	c.depth--
	return append(dst, '}'), err
}

func (c *copier) array(dst []byte) ([]byte, error) {
	c.enter()
	dst = append(dst, '[')
	err := c.r.Array(func(i int) error {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		dst, err = c.value(dst)
		return err
	})
	c.depth--
	return append(dst, ']'), err
}

func (c *copier) enter() {
	c.depth++
	c.deepest = max(c.deepest, c.depth)
}
