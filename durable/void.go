package durable

// Void is the input or output of what has none. It is written as null and reads
// from anything.
type Void struct{}

// MarshalJSON returns null.
func (Void) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// UnmarshalJSON ignores the text.
func (*Void) UnmarshalJSON([]byte) error { return nil }
