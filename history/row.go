package history

import (
	"errors"
	"fmt"

	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/jsontext"
)

// Columns that every event has.
const (
	columnEventID   = "EventId"
	columnIsPlayed  = "IsPlayed"
	columnTimestamp = "_Timestamp"
	columnEventType = "EventType"
	columnReason    = "Reason"
	columnStatus    = "OrchestrationStatus"
)

// rewoundPrefix begins the Reason of rows that a rewind took out of the history.
const rewoundPrefix = "Rewound: "

// EncodeRow writes an event as columns of the history table. The keys, the
// column ExecutionId, and the blobs of values too long for a column are the
// table's business and not in it.
//
// Numbers, booleans, dates and strings have columns of their own types, and
// those that are null have no column. A status is its name. Every object is the
// JSON text that Newtonsoft.Json writes for it without type names, and the four
// letters null when there is none. A date before 1601, which tables cannot
// hold, has no column either: it was never set.
func EncodeRow(e Event) (edm.Entity, error) {
	const room = 14 // what most rows take with their keys; one more would double what the map takes
	row := make(edm.Entity, room)
	if err := PutRow(row, e); err != nil {
		return nil, err
	}
	return row, nil
}

// PutRow is [EncodeRow] into columns of the caller's, so that rows which are written one after the other need one map. After
// an error the columns are worthless.
func PutRow(columns edm.Entity, e Event) error {
	if e == nil {
		return fmt.Errorf("cannot write %s: the event is nil", FormatRow)
	}
	w := rowWriter{columns: columns}
	e.putColumns(&w)
	b := e.Common()
	w.columns[columnEventID] = b.EventID
	w.columns[columnIsPlayed] = b.IsPlayed
	w.time(columnTimestamp, b.Timestamp)
	w.columns[columnEventType] = e.Kind().String()
	if w.err != nil {
		return fmt.Errorf("cannot write %s: %w", FormatRow, w.err)
	}
	return nil
}

// DecodeRow reads an event from columns of the history table. Columns it does
// not know are ignored, missing ones give defaults. A column of another type
// than .NET writes is an error, because .NET fails over it too. The error is a
// [*DecodeError].
func DecodeRow(row edm.Entity) (Event, error) {
	k, err := rowKind(row)
	if err != nil {
		return nil, decodeError(FormatRow, jsontext.AtKey([]byte(columnEventType), err))
	}
	e, err := decodeRowAs(row, k)
	if err != nil {
		return nil, decodeError(FormatRow, err)
	}
	return e, nil
}

func rowKind(row edm.Entity) (Kind, error) {
	value, ok := row[columnEventType]
	if !ok || value == nil {
		return 0, errMissing
	}
	name, ok := value.(string)
	if !ok {
		return 0, typeError(value, "Edm.String")
	}
	k, ok := ParseKind(name)
	if !ok || NewEvent(k) == nil {
		return 0, fmt.Errorf("%s is not a kind of event", excerpt([]byte(name)))
	}
	return k, nil
}

func decodeRowAs(row edm.Entity, k Kind) (Event, error) {
	e := NewEvent(k)
	r := rowReader{columns: row}
	b := e.Common()
	r.int32(columnEventID, &b.EventID)
	r.boolean(columnIsPlayed, &b.IsPlayed)
	r.time(columnTimestamp, &b.Timestamp)
	e.takeColumns(&r)
	if r.err != nil {
		return nil, r.err
	}
	return e, nil
}

// typeError says that a column has another type than it should.
func typeError(got any, want string) error {
	name := edm.TypeName(got)
	if name == "" {
		name = fmt.Sprintf("%T", got)
	}
	return fmt.Errorf("is of type %s where %s is needed", name, want)
}

var errRewound = errors.New("the event that was rewound is itself a GenericEvent")
