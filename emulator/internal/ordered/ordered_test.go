package ordered

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"unicode/utf16"
)

func TestMapAgainstModel(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	m := New[int, int](cmp.Compare[int])
	model := map[int]int{}
	for step := range 60_000 {
		key := rng.IntN(4000)
		switch {
		case step > 30_000 && rng.IntN(3) > 0, rng.IntN(4) == 0:
			_, want := model[key]
			if got := m.Delete(key); got != want {
				t.Fatalf("Delete(%d) = %v, want %v", key, got, want)
			}
			delete(model, key)
		default:
			m.Set(key, step)
			model[key] = step
		}
		if step%5000 == 0 {
			compareWithModel(t, m, model, rng.IntN(4000))
		}
	}
	compareWithModel(t, m, model, 0)
}

func compareWithModel(t *testing.T, m *Map[int, int], model map[int]int, from int) {
	t.Helper()
	keys := make([]int, 0, len(model))
	for k, v := range model {
		keys = append(keys, k)
		if got, ok := m.Get(k); !ok || got != v {
			t.Fatalf("Get(%d) = %d, %v, want %d", k, got, ok, v)
		}
	}
	slices.Sort(keys)
	var all, tail []int
	m.All(func(k, _ int) bool { all = append(all, k); return true })
	for k := range m.From(from) {
		tail = append(tail, k)
	}
	if m.Len() != len(keys) || !slices.Equal(all, keys) {
		t.Fatalf("walk of %d entries differs from %d of the model", len(all), len(keys))
	}
	at, _ := slices.BinarySearch(keys, from)
	if !slices.Equal(tail, keys[at:]) {
		t.Fatalf("walk from %d differs", from)
	}
	if k, _, ok := m.Min(); ok != (len(keys) > 0) || ok && k != keys[0] {
		t.Fatalf("Min() = %d, %v", k, ok)
	}
}

func TestAppendKeepsChunksFull(t *testing.T) {
	t.Parallel()
	m := New[int, int](cmp.Compare[int])
	for i := range 10 * maxChunk {
		m.Set(i, i)
	}
	if len(m.chunks) > 11 {
		t.Fatalf("%d chunks for %d appended entries", len(m.chunks), m.Len())
	}
}

func TestCompareText(t *testing.T) {
	t.Parallel()
	words := []string{"", "a", "A", "ab", "b", "ä", "日本", "\uE000", "\uFFFD", "\U0001F600", "\U0010FFFF", "x\U0001F600", "x\uFFFD", "\uD7FF"}
	for _, a := range words {
		for _, b := range words {
			want := slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
			if got := cmp.Compare(CompareText(a, b), 0); got != want {
				t.Errorf("CompareText(%q, %q) = %d, want %d", a, b, got, want)
			}
		}
	}
}
