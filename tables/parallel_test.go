package tables

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-taskhub/taskhub/history"
)

func TestDivide(t *testing.T) {
	t.Parallel()
	show := func(ranges []keyRange) string {
		var b strings.Builder
		for _, r := range ranges {
			fmt.Fprintf(&b, "(%s %s %s)", r.after, r.from, r.before)
		}
		return b.String()
	}
	for _, test := range []struct {
		keys      keyRange
		beginning string
		after     rune
		want      string
	}{
		{keyRange{after: "order-000999"}, "order-0", '0', "(order-000999  order-01)( order-01 order-02)"},
		{keyRange{after: "x7z", before: "x9"}, "x", '7', "(x7z  x8)( x8 x9)"},
		{keyRange{after: "x8z", before: "x9"}, "x", '8', "(x8z  x9)"},
		{keyRange{after: "t"}, "", 't', "(t  w)( w )"},
		{keyRange{after: "z"}, "", 'z', "(z  )"},
	} {
		if got := show(divide(test.keys, test.beginning, test.after, splitDigits+splitLetters[1:])); !strings.HasPrefix(got, test.want) {
			t.Errorf("%+v: %s, want %s", test, got, test.want)
		}
	}
}

func TestUnorderedReadsFindEverythingOnce(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.scanPage = 20
	var ids []string
	for i := range 150 {
		ids = append(ids, fmt.Sprintf("order-%06d", i*7), fmt.Sprintf("%032x", uint64(i)*0x9E3779B97F4A7C15))
	}
	for i := range 40 {
		ids = append(ids, fmt.Sprintf("é^/😀%02d", i), fmt.Sprintf("Zoë %d", i), strings.Repeat("a", i+1))
	}
	ids = append(ids, "@counter@k", "\uE000x", "\U0010FFFFx")
	var wg sync.WaitGroup
	next := make(chan string)
	for range 8 {
		wg.Go(func() {
			for id := range next {
				if _, err := s.InsertInstance(t.Context(), pending(id, "e")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, id := range ids {
		next <- id
	}
	close(next)
	wg.Wait()

	for name, filter := range map[string]Filter{
		"all": {}, "orders": {IDPrefix: "order-"}, "no entities": {ExcludeEntities: true, Inputs: true}, "odd": {IDPrefix: "é^/"}, "one": {InstanceID: "order-000007"}, "none": {Name: "?"},
	} {
		var want, got []string
		for row, err := range s.All(t.Context(), filter) {
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, row.InstanceID)
		}
		for row, err := range s.AllUnordered(t.Context(), filter, 6) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, row.InstanceID)
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) || name == "all" && len(got) != len(ids) {
			t.Errorf("%s: %d rows, want %d of %d", name, len(got), len(want), len(ids))
		}
		counts, err := s.CountInstances(t.Context(), filter, 4)
		if err != nil || counts[history.Pending] != len(want) {
			t.Errorf("%s: %v, %v", name, counts, err)
		}
	}
	seen := 0
	for _, err := range s.AllUnordered(t.Context(), Filter{}, 4) {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 3 {
			break
		}
	}
	if seen != 3 {
		t.Errorf("%d rows after stopping", seen)
	}
	if counts, err := s.CountInstances(t.Context(), Filter{IDPrefix: "@", ExcludeEntities: true}, 4); err != nil || !maps.Equal(counts, map[history.Status]int{}) {
		t.Errorf("%v, %v", counts, err)
	}
	if err := s.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, err := range s.AllUnordered(t.Context(), Filter{}, 4) {
		if !errors.Is(err, ErrNoTables) {
			t.Errorf("without tables: %v", err)
		}
	}
}
