// Package ordered holds a sorted map for in-memory tables, listings and
// queues: point access, seeks and walks in key order.
package ordered

import (
	"slices"
	"sort"
)

// maxChunk is the number of entries after which a chunk is split. Insertion
// moves at most a chunk's entries and the list of chunks.
const maxChunk = 256

// Map is a sorted map. It is not safe for concurrent use.
type Map[K, V any] struct {
	compare func(a, b K) int
	chunks  [][]entry[K, V]
	size    int
}

type entry[K, V any] struct {
	key   K
	value V
}

// New makes an empty map ordered by compare.
func New[K, V any](compare func(a, b K) int) *Map[K, V] {
	return &Map[K, V]{compare: compare}
}

// Len is the number of entries.
func (m *Map[K, V]) Len() int { return m.size }

// find returns the chunk and the place in it where key is or belongs.
func (m *Map[K, V]) find(key K) (chunk, place int, found bool) {
	if len(m.chunks) == 0 {
		return 0, 0, false
	}
	chunk = sort.Search(len(m.chunks), func(i int) bool {
		c := m.chunks[i]
		return m.compare(c[len(c)-1].key, key) >= 0
	})
	if chunk == len(m.chunks) {
		chunk--
		return chunk, len(m.chunks[chunk]), false
	}
	c := m.chunks[chunk]
	place = sort.Search(len(c), func(i int) bool { return m.compare(c[i].key, key) >= 0 })
	return chunk, place, m.compare(c[place].key, key) == 0
}

// Get returns the value of a key.
func (m *Map[K, V]) Get(key K) (V, bool) {
	c, i, ok := m.find(key)
	if !ok {
		var zero V
		return zero, false
	}
	return m.chunks[c][i].value, true
}

// Set inserts or replaces an entry. An equal key is replaced, too: it may
// share its memory with the value.
func (m *Map[K, V]) Set(key K, value V) {
	c, i, ok := m.find(key)
	if ok {
		m.chunks[c][i] = entry[K, V]{key, value}
		return
	}
	m.size++
	if len(m.chunks) == 0 {
		m.chunks = append(m.chunks, []entry[K, V]{{key, value}})
		return
	}
	m.chunks[c] = slices.Insert(m.chunks[c], i, entry[K, V]{key, value})
	if len(m.chunks[c]) > maxChunk {
		m.split(c, i)
	}
}

// split halves a chunk; one that grows at its end, as logs and queues do,
// stays nearly full.
func (m *Map[K, V]) split(c, inserted int) {
	full := m.chunks[c]
	at := len(full) / 2
	if c == len(m.chunks)-1 && inserted == len(full)-1 {
		at = len(full) - 1
	}
	right := slices.Clone(full[at:])
	clear(full[at:])
	m.chunks[c] = full[:at]
	m.chunks = slices.Insert(m.chunks, c+1, right)
}

// Delete removes a key and reports whether it was there.
func (m *Map[K, V]) Delete(key K) bool {
	c, i, ok := m.find(key)
	if !ok {
		return false
	}
	m.size--
	m.chunks[c] = slices.Delete(m.chunks[c], i, i+1)
	switch n := len(m.chunks[c]); {
	case n == 0:
		m.chunks = slices.Delete(m.chunks, c, c+1)
	case n < maxChunk/4 && c+1 < len(m.chunks) && n+len(m.chunks[c+1]) <= maxChunk/2:
		m.chunks[c] = append(m.chunks[c], m.chunks[c+1]...)
		m.chunks = slices.Delete(m.chunks, c+1, c+2)
	}
	return true
}

// Min returns the first entry.
func (m *Map[K, V]) Min() (key K, value V, ok bool) {
	if len(m.chunks) == 0 {
		return key, value, false
	}
	e := m.chunks[0][0]
	return e.key, e.value, true
}

// All walks the entries in order until yield returns false. The map must not
// change meanwhile.
func (m *Map[K, V]) All(yield func(K, V) bool) {
	m.walk(0, 0, yield)
}

// From walks the entries from a key on, itself included.
func (m *Map[K, V]) From(key K) func(yield func(K, V) bool) {
	return func(yield func(K, V) bool) {
		c, i, _ := m.find(key)
		m.walk(c, i, yield)
	}
}

func (m *Map[K, V]) walk(c, i int, yield func(K, V) bool) {
	for ; c < len(m.chunks); c++ {
		for _, e := range m.chunks[c][min(i, len(m.chunks[c])):] {
			if !yield(e.key, e.value) {
				return
			}
		}
		i = 0
	}
}

// CompareText orders strings by their UTF-16 code units, the ordinal order of
// the services. It differs from the order of UTF-8 bytes only between
// characters beyond U+FFFF, whose surrogates sort low, and U+E000 to U+FFFF.
func CompareText(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x >= 0xEE && y >= 0xEE && (x >= 0xF0) != (y >= 0xF0) {
			x, y = y, x
		}
		if x < y {
			return -1
		}
		return 1
	}
	return len(a) - len(b)
}
