package edm

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/internal/jsontext"
)

// Marshal writes an entity as the body of an insert, merge or replace:
// properties in the order of their names, each annotation right behind its
// value. The annotation is there whenever the JSON alone would not tell the
// type. Dates are written in UTC with seven digits of a second, as .NET does;
// what is finer than that is cut off.
//
// The error is an [*Error] naming the property.
func Marshal(e Entity) ([]byte, error) {
	return Append(make([]byte, 0, 64+estimate(e)), e)
}

// Append is [Marshal] into a buffer of the caller's.
func Append(dst []byte, e Entity) ([]byte, error) {
	var room [32]string
	names := room[:0]
	for name := range e {
		names = append(names, name)
	}
	slices.Sort(names)
	dst = append(dst, '{')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendProperty(dst, name, e[name]); err != nil {
			return nil, &Error{Property: name, Err: err}
		}
	}
	return append(dst, '}'), nil
}

// estimate guesses the size of an entity's text, so that most need one buffer.
func estimate(e Entity) int {
	n := 0
	for name, value := range e {
		n += len(name) + 12
		switch v := value.(type) {
		case string:
			n += len(v) + len(v)/8
		case []byte:
			n += len(name) + len(v)*4/3 + 40
		case time.Time, GUID:
			n += len(name) + 80
		}
	}
	return n
}

func appendProperty(dst []byte, name string, value any) ([]byte, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	dst = jsontext.AppendString(dst, name)
	dst = append(dst, ':')
	var annotation string
	switch v := value.(type) {
	case nil:
		return append(dst, "null"...), nil
	case string:
		return jsontext.AppendString(dst, v), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case int32:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		annotation = typeInt64
		dst = append(dst, '"')
		dst = strconv.AppendInt(dst, v, 10)
		dst = append(dst, '"')
	case float64:
		annotation = typeDouble
		dst = appendDouble(dst, v)
	case time.Time:
		annotation = typeDateTime
		var err error
		if dst, err = jsontext.AppendTime(append(dst, '"'), v.UTC(), false); err != nil {
			return nil, err
		}
		dst = append(dst, `Z"`...)
	case []byte:
		annotation = typeBinary
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, v)
		dst = append(dst, '"')
	case GUID:
		annotation = typeGUID
		if !isGUID(string(v)) {
			return nil, errNotGUID
		}
		dst = jsontext.AppendString(dst, string(v))
	default:
		return nil, fmt.Errorf("an entity cannot hold a value of type %T", value)
	}
	return appendAnnotation(dst, name, annotation), nil
}

func appendAnnotation(dst []byte, name, annotation string) []byte {
	dst = append(dst, ',')
	dst = jsontext.AppendString(dst, name)
	dst = append(dst[:len(dst)-1], typeSuffix...)
	dst = append(dst, `":"`...)
	dst = append(dst, annotation...)
	return append(dst, '"')
}

var errNotGUID = errors.New("is not a GUID of the form 00000000-0000-0000-0000-000000000000")

// checkName refuses names that would read as something else than a property.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("a property needs a name")
	case strings.HasPrefix(name, metadataPrefix), strings.Contains(name, "@"):
		return errors.New("names with @ or beginning with odata. are reserved for metadata")
	}
	return nil
}

// appendDouble writes a number that no reader takes for a whole one.
func appendDouble(dst []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, `"NaN"`...)
	case math.IsInf(v, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(v, -1):
		return append(dst, `"-Infinity"`...)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, v, 'g', -1, 64)
	for _, c := range dst[start:] {
		if c == '.' || c == 'e' {
			return dst
		}
	}
	return append(dst, ".0"...)
}
