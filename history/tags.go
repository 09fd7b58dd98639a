package history

import (
	"iter"
	"maps"
	"slices"
)

// Tags is a dictionary of strings that goes with an orchestration. It keeps the
// order of its entries and, when it was read from a queue message, the name of
// the .NET class it had there. A nil *Tags is empty.
type Tags struct {
	dictionary[tagValue]
}

// tagValue is a string that .NET may leave null.
type tagValue struct {
	text   string
	isNull bool
}

// NewTags makes a dictionary with the entries of m in the order of their names.
// It carries no class name: .NET then takes its ordinary dictionary. The name
// "$type" is left out, because in the JSON of both sides it means the class.
func NewTags(m map[string]string) *Tags {
	t := new(Tags)
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if name != typeMember {
			t.set(name, tagValue{text: m[name]})
		}
	}
	return t
}

// Get returns the value of a tag. Names are compared exactly.
func (t *Tags) Get(name string) (string, bool) {
	if t == nil {
		return "", false
	}
	v, ok := t.get(name)
	return v.text, ok
}

// Len returns the number of tags.
func (t *Tags) Len() int {
	if t == nil {
		return 0
	}
	return len(t.entries)
}

// All yields names and values in their order. A null value is "".
func (t *Tags) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		if t == nil {
			return
		}
		for _, e := range t.entries {
			if !yield(e.name, e.value.text) {
				return
			}
		}
	}
}

// Map returns a new map with the tags, nil when t is nil.
func (t *Tags) Map() map[string]string {
	if t == nil {
		return nil
	}
	return maps.Collect(t.All())
}
