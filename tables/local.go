package tables

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MostRanges is how many ranges a [Local] has at most once it is written.
const MostRanges = 500

// Range is a range of action ids, both ends included.
type Range struct{ From, To int32 }

// Local names the open actions of an execution that exist nowhere but in the history and in the memory of the worker
// that committed them. Whoever loads the instance starts or sends them again. An action that was answered may be named
// still: the history tells.
type Local struct {
	ExecutionID string
	Ranges      []Range // ascending, without overlaps
}

// Has tells whether an action of an execution is named.
func (l *Local) Has(executionID string, id int32) bool {
	if l == nil || !strings.EqualFold(l.ExecutionID, executionID) {
		return false
	}
	at, found := slices.BinarySearchFunc(l.Ranges, id, func(r Range, id int32) int { return cmp.Compare(r.From, id) })
	return found || at > 0 && id <= l.Ranges[at-1].To
}

// Empty tells whether no action is named.
func (l *Local) Empty() bool { return l == nil || len(l.Ranges) == 0 }

// NewLocal names the given actions, and none of the others. Both lists are in ascending order; ids in neither may be
// named. When that takes more than [MostRanges] ranges, the smallest gaps between them are closed.
func NewLocal(executionID string, ids, others []int32) *Local {
	l := &Local{ExecutionID: executionID}
	next := 0
	for _, id := range ids {
		for next < len(others) && others[next] < id {
			next++
		}
		last := len(l.Ranges) - 1
		if last >= 0 && (next == 0 || others[next-1] < l.Ranges[last].To) {
			l.Ranges[last].To = id
			continue
		}
		l.Ranges = append(l.Ranges, Range{id, id})
	}
	l.coalesce()
	return l
}

// coalesce closes the smallest gaps. Actions in a gap may then be carried out once more after a crash.
func (l *Local) coalesce() {
	for len(l.Ranges) > MostRanges {
		gaps := make([]int32, 0, len(l.Ranges)-1)
		for i := range l.Ranges[1:] {
			gaps = append(gaps, l.Ranges[i+1].From-l.Ranges[i].To)
		}
		slices.Sort(gaps)
		limit := gaps[len(l.Ranges)-MostRanges-1]
		kept := l.Ranges[:1]
		for _, r := range l.Ranges[1:] {
			if last := &kept[len(kept)-1]; r.From-last.To <= limit {
				last.To = r.To
			} else {
				kept = append(kept, r)
			}
		}
		l.Ranges = kept
	}
}

// String is the form of the column: the execution id, a colon, and ranges such as 0-4,7. Nothing for no action.
func (l *Local) String() string {
	if l.Empty() {
		return ""
	}
	b := append([]byte(l.ExecutionID), ':')
	for i, r := range l.Ranges {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(r.From), 10)
		if r.To != r.From {
			b = strconv.AppendInt(append(b, '-'), int64(r.To), 10)
		}
	}
	return string(b)
}

// ParseLocal reads what String wrote.
func ParseLocal(text string) (*Local, error) {
	if text == "" {
		return nil, nil
	}
	colon := strings.LastIndexByte(text, ':')
	if colon < 0 {
		return nil, fmt.Errorf("%q has no colon", shorten(text))
	}
	l := &Local{ExecutionID: text[:colon]}
	last := int32(-1)
	for part := range strings.SplitSeq(text[colon+1:], ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, errA := strconv.ParseInt(from, 10, 32)
		b, errB := strconv.ParseInt(to, 10, 32)
		if errA != nil || errB != nil || int32(a) <= last || b < a {
			return nil, fmt.Errorf("%q is not a range of ids after %d", shorten(part), last)
		}
		l.Ranges, last = append(l.Ranges, Range{int32(a), int32(b)}), int32(b)
	}
	return l, nil
}

func shorten(text string) string {
	const most = 40
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
