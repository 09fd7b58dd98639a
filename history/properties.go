package history

import (
	"iter"
	"maps"
	"slices"
)

// Properties is a dictionary of JSON values that an application attached to an
// error. It keeps the order of its entries and, when it was read from a queue
// message, the name of the .NET class it had there. A nil *Properties is empty.
type Properties struct {
	dictionary[Value]
}

// NewProperties makes a dictionary with the entries of m in the order of their
// names. It carries no class name: .NET then takes its ordinary dictionary. The
// name "$type" is left out, because in the JSON of both sides it means the class.
func NewProperties(m map[string]Value) *Properties {
	p := new(Properties)
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if name != typeMember {
			p.set(name, m[name])
		}
	}
	return p
}

// Get returns the value of a property. Names are compared exactly.
func (p *Properties) Get(name string) (Value, bool) {
	if p == nil {
		return Value{}, false
	}
	return p.get(name)
}

// Len returns the number of properties.
func (p *Properties) Len() int {
	if p == nil {
		return 0
	}
	return len(p.entries)
}

// All yields names and values in their order.
func (p *Properties) All() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if p == nil {
			return
		}
		for _, e := range p.entries {
			if !yield(e.name, e.value) {
				return
			}
		}
	}
}
