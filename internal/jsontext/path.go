package jsontext

import (
	"errors"
	"strconv"
)

// maxPathKey bounds how much of a key from the input shows up in an error.
const maxPathKey = 64

// PathError says where in the text an error happened.
type PathError struct {
	// Path leads to the value, such as "TaskMessage.Event.Timestamp" or
	// "[3].Name".
	Path string
	// Err says what is wrong with it.
	Err error
}

func (e *PathError) Error() string { return e.Path + ": " + e.Err.Error() }

// Unwrap returns the error at the path.
func (e *PathError) Unwrap() error { return e.Err }

// AtKey puts a key in front of the path of err.
func AtKey(key []byte, err error) error {
	if len(key) > maxPathKey {
		key = append(key[:maxPathKey:maxPathKey], "…"...)
	}
	segment := string(key)
	if !isName(segment) {
		segment = strconv.Quote(segment)
	}
	return prefix(segment, err)
}

// isName tells whether a key can stand in a path as it is.
func isName(key string) bool {
	for _, c := range []byte(key) {
		if c <= ' ' || c >= 0x7F || c == '"' || c == '[' {
			return false
		}
	}
	return key != ""
}

// AtIndex puts an array index in front of the path of err.
func AtIndex(i int, err error) error {
	return prefix("["+strconv.Itoa(i)+"]", err)
}

// SplitPath returns the path of err and the error at its end. The path is
// empty when the error belongs to the whole text.
func SplitPath(err error) (string, error) {
	var p *PathError
	if errors.As(err, &p) {
		return p.Path, p.Err
	}
	return "", err
}

func prefix(segment string, err error) error {
	p, ok := err.(*PathError) //nolint:errorlint // only the outermost error may be extended in place
	if !ok {
		return &PathError{Path: segment, Err: err}
	}
	if p.Path[0] != '[' {
		segment += "."
	}
	return &PathError{Path: segment + p.Path, Err: p.Err}
}
