package history

// typeMember is the member in which Newtonsoft.Json keeps the class of an
// object.
const typeMember = "$type"

// indexFrom is the number of entries from which on a dictionary has an index.
// Most have a handful, where looking through them is faster.
const indexFrom = 16

// dictionary is a map that keeps the order in which its entries were first set.
type dictionary[V any] struct {
	class   *string // the text of its $type, nil when it had none
	entries []entry[V]
	index   map[string]int
}

type entry[V any] struct {
	name  string
	value V
}

func (d *dictionary[V]) find(name string) int {
	if d.index != nil {
		if i, ok := d.index[name]; ok {
			return i
		}
		return -1
	}
	for i := range d.entries {
		if d.entries[i].name == name {
			return i
		}
	}
	return -1
}

func (d *dictionary[V]) get(name string) (V, bool) {
	if i := d.find(name); i >= 0 {
		return d.entries[i].value, true
	}
	var zero V
	return zero, false
}

func (d *dictionary[V]) set(name string, value V) {
	if i := d.find(name); i >= 0 {
		d.entries[i].value = value
		return
	}
	d.entries = append(d.entries, entry[V]{name, value})
	switch {
	case d.index != nil:
		d.index[name] = len(d.entries) - 1
	case len(d.entries) == indexFrom:
		d.index = make(map[string]int, 2*indexFrom)
		for i := range d.entries {
			d.index[d.entries[i].name] = i
		}
	}
}
