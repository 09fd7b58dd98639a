package edm

import (
	"bytes"
	"math"
	"time"
)

// Equal tells whether two entities have the same properties with the same
// types and values. A property that is nil counts as absent, as it is in
// storage; dates are equal when they are the same instant.
func Equal(a, b Entity) bool {
	for name, v := range a {
		if !EqualValue(v, b[name]) {
			return false
		}
	}
	for name, v := range b {
		if v != nil && a[name] == nil {
			return false
		}
	}
	return true
}

// EqualValue is [Equal] for one value.
func EqualValue(a, b any) bool {
	switch a := a.(type) {
	case time.Time:
		b, ok := b.(time.Time)
		return ok && a.Equal(b)
	case []byte:
		b, ok := b.([]byte)
		return ok && bytes.Equal(a, b)
	case float64:
		b, ok := b.(float64)
		return ok && (a == b || math.IsNaN(a) && math.IsNaN(b))
	default:
		if _, ok := b.([]byte); ok {
			return false
		}
		return a == b
	}
}
