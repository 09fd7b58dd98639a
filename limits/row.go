package limits

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/internal/edm"
)

// Row keys: that of a limit's definition, and the beginning of those of its keys.
const (
	definitionRow = "definition"
	keyPrefix     = "key."
)

// Columns of the table.
const (
	colPartitionKey = "PartitionKey"
	colRowKey       = "RowKey"
	colKey          = "Key"
	colTaken        = "Taken"
	colHolders      = "Holders"
	colWaiting      = "Waiting"
	colUpdatedAt    = "UpdatedAt"
	colSetAt        = "SetAt"
	setPrefix       = "Set"
)

// state is the row of a limit and a key: what of it is in use, and who waits.
type state struct {
	limit, key string
	takes      []take   // of a rate
	holders    []holder // of a limit of concurrency
	waiting    []waiter
	problem    string // what of the row cannot be understood
	etag       string // empty for a row that is not stored
}

// holder is a worker with permits.
type holder struct {
	Worker string  `json:"worker"`
	N      int     `json:"permits"`
	Until  instant `json:"until"`
}

// waiter is a worker with attempts that wait.
type waiter struct {
	Worker    string  `json:"worker"`
	Calls     int     `json:"calls"`
	Instances int     `json:"instances"`
	At        instant `json:"at"` // when it said so
}

// rowKey is the row key of a limit's key: bytes that are not ASCII letters, digits, dots, dashes or underscores are written in
// hexadecimal behind a caret.
func rowKey(key string) string {
	var b strings.Builder
	b.WriteString(keyPrefix)
	for _, c := range []byte(key) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._-", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "^%02X", c)
		}
	}
	return b.String()
}

func (s *state) encode() ([]byte, error) {
	row := edm.Entity{colPartitionKey: s.limit, colRowKey: rowKey(s.key), colKey: s.key}
	for column, list := range map[string]struct {
		length int
		value  any
	}{colTaken: {len(s.takes), s.takes}, colHolders: {len(s.holders), s.holders}, colWaiting: {len(s.waiting), s.waiting}} {
		if list.length == 0 {
			continue
		}
		text, err := json.Marshal(list.value)
		if err != nil {
			return nil, err
		}
		row[column] = string(text)
	}
	return edm.Marshal(row)
}

// MarshalJSON writes a take as a short list.
func (t take) MarshalJSON() ([]byte, error) {
	if t.ID == "" {
		return json.Marshal([]any{t.Until, t.N})
	}
	return json.Marshal([]any{t.Until, t.N, t.ID})
}

var errTake = errors.New("it is not a list of an instant, a number and an id")

// UnmarshalJSON reads what MarshalJSON writes.
func (t *take) UnmarshalJSON(text []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		return err
	}
	if len(parts) < 2 || len(parts) > 3 {
		return errTake
	}
	*t = take{}
	for i, into := range []any{&t.Until, &t.N, &t.ID} {
		if i < len(parts) {
			if err := json.Unmarshal(parts[i], into); err != nil {
				return err
			}
		}
	}
	return nil
}

func decodeState(row edm.Entity, etag string) *state {
	s := &state{etag: etag}
	s.limit, _ = row[colPartitionKey].(string)
	s.key, _ = row[colKey].(string)
	for column, into := range map[string]any{colTaken: &s.takes, colHolders: &s.holders, colWaiting: &s.waiting} {
		if text, ok := row[column].(string); ok {
			if err := json.Unmarshal([]byte(text), into); err != nil {
				s.problem = fmt.Sprintf("column %s: %v", column, err)
			}
		}
	}
	return s
}

// copied is a copy whose lists can be changed.
func (s *state) copied() *state {
	c := *s
	c.takes, c.holders, c.waiting = slices.Clone(s.takes), slices.Clone(s.holders), slices.Clone(s.waiting)
	return &c
}

// Definition is a limit as its hub has it: what the code declared last, and what an operator has set in its place.
type Definition struct {
	// Declared is what the code of the worker says that started last.
	Declared durable.LimitSpec
	// Set is what holds in its place; nil when nothing was set.
	Set *durable.LimitSpec
	// UpdatedAt is when the code's definition changed last, and SetAt when Set was stored.
	UpdatedAt, SetAt time.Time
	// Problem says what of the stored row cannot be used. Empty when all is well.
	Problem string

	etag string
}

// Spec is the definition that holds.
func (d *Definition) Spec() durable.LimitSpec {
	if d.Set != nil {
		return *d.Set
	}
	return d.Declared
}

func (d *Definition) encode() ([]byte, error) {
	row := edm.Entity{colPartitionKey: d.Declared.Name, colRowKey: definitionRow, "Kind": string(d.Declared.Kind)}
	writeSpec(row, "", d.Declared)
	for column, at := range map[string]time.Time{colUpdatedAt: d.UpdatedAt, colSetAt: d.SetAt} {
		if !at.IsZero() {
			row[column] = at.UTC()
		}
	}
	if d.Set != nil {
		writeSpec(row, setPrefix, *d.Set)
	}
	return edm.Marshal(row)
}

func writeSpec(row edm.Entity, prefix string, s durable.LimitSpec) {
	if s.Kind == durable.LimitConcurrency {
		row[prefix+"Max"] = int64(s.Max)
		return
	}
	row[prefix+"Count"], row[prefix+"Burst"], row[prefix+"Per"] = int64(s.Count), int64(s.Burst), s.Per.String()
}

func decodeDefinition(row edm.Entity, etag string) *Definition {
	d := &Definition{etag: etag}
	kind, _ := row["Kind"].(string)
	name, _ := row[colPartitionKey].(string)
	d.UpdatedAt, _ = row[colUpdatedAt].(time.Time)
	d.SetAt, _ = row[colSetAt].(time.Time)
	base := durable.LimitSpec{Name: name, Kind: durable.LimitKind(kind)}
	var err error
	if d.Declared, err = readSpec(row, "", base); err != nil {
		d.Problem = err.Error()
	}
	_, count := row[setPrefix+"Count"]
	_, most := row[setPrefix+"Max"]
	if count || most {
		set, err := readSpec(row, setPrefix, base)
		if err != nil {
			d.Problem = "what was set: " + err.Error()
		} else {
			d.Set = &set
		}
	}
	return d
}

func readSpec(row edm.Entity, prefix string, s durable.LimitSpec) (durable.LimitSpec, error) {
	number := func(name string) int {
		switch n := row[prefix+name].(type) {
		case int32:
			return int(n)
		case int64:
			return int(n)
		}
		return 0
	}
	s.Count, s.Burst, s.Max = number("Count"), number("Burst"), number("Max")
	if text, ok := row[prefix+"Per"].(string); ok {
		per, err := time.ParseDuration(text)
		if err != nil {
			return s, fmt.Errorf("column %sPer: %w", prefix, err)
		}
		s.Per = per
	}
	return s.Normalize()
}
