package edm

import (
	"fmt"
	"time"
)

// Entity holds the properties of a table entity by name. A value is one of
// string, int32, int64, float64, bool, [time.Time], []byte and [GUID]; nil is
// a JSON null, which the service does not store.
//
// PartitionKey, RowKey and Timestamp are properties like the others.
type Entity map[string]any

// GUID is a value of type Edm.Guid: 32 hex digits in groups of 8, 4, 4, 4 and
// 12, with dashes between them.
type GUID string

// MaxProperties is how many properties an entity may have here. The service
// allows 255, the keys and the Timestamp included.
const MaxProperties = 1024

// TimestampProperty is the property in which the service keeps when the entity
// was last written. It is the one date that may come without an annotation.
const TimestampProperty = "Timestamp"

// Error says which property of an entity cannot be read or written, and why.
type Error struct {
	// Property is the name of the property; empty when the text as a whole is
	// at fault.
	Property string
	// Err says what is wrong.
	Err error
}

func (e *Error) Error() string {
	if e.Property == "" {
		return "table entity: " + e.Err.Error()
	}
	return fmt.Sprintf("table entity: property %s: %v", e.Property, e.Err)
}

// Unwrap returns what is wrong.
func (e *Error) Unwrap() error { return e.Err }

// TypeName returns the type of a property's value in the Entity Data Model,
// such as "Edm.Int32", and "" for nil and for values an entity cannot hold.
func TypeName(value any) string {
	switch value.(type) {
	case string:
		return typeString
	case int32:
		return typeInt32
	case int64:
		return typeInt64
	case float64:
		return typeDouble
	case bool:
		return typeBoolean
	case time.Time:
		return typeDateTime
	case []byte:
		return typeBinary
	case GUID:
		return typeGUID
	default:
		return ""
	}
}

const (
	typeString   = "Edm.String"
	typeInt32    = "Edm.Int32"
	typeInt64    = "Edm.Int64"
	typeDouble   = "Edm.Double"
	typeBoolean  = "Edm.Boolean"
	typeDateTime = "Edm.DateTime"
	typeBinary   = "Edm.Binary"
	typeGUID     = "Edm.Guid"
)

const (
	metadataPrefix = "odata."
	typeSuffix     = "@odata.type"
	etagProperty   = "odata.etag"
)

func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return false
			}
		}
	}
	return true
}
