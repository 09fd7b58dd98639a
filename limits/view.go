package limits

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

// Limit is a limit with what is in use of it. It is a snapshot: changing it changes nothing.
type Limit struct {
	Definition
	// Uses are those of the limit's keys that are in use or were of late, in the order of keys. A limit without keys has at most one, with
	// an empty key.
	Uses []Use
}

// Use is what is in use of a limit and key.
type Use struct {
	Key string
	// Used is how many attempts count at present: those that began in the last span of time, or that run. Tokens and permits that
	// workers have taken and not used yet count, too.
	Used int
	// Left is how many more may begin now.
	Left int
	// Next is when one more may begin, while none is left of a rate.
	Next time.Time
	// Waiting are the workers that said of late that attempts wait there.
	Waiting []Waiting
	// Holders are the workers that have permits of a limit of concurrency.
	Holders []Holder
}

// Waiting is a worker with attempts that wait.
type Waiting struct {
	Worker string
	// Calls is how many attempts wait, and Instances those of how many instances.
	Calls, Instances int
	At               time.Time // when it said so
}

// Holder is a worker with permits.
type Holder struct {
	Worker  string
	Permits int
	// Until is when they end unless they are renewed.
	Until time.Time
}

// Waiting returns how many attempts wait, over all keys and workers.
func (l *Limit) Waiting() (calls int) {
	for _, u := range l.Uses {
		for _, w := range u.Waiting {
			calls += w.Calls
		}
	}
	return calls
}

// List reads all limits, in the order of names, or the one with a name.
func (s *Store) List(ctx context.Context, name string) ([]*Limit, error) {
	rows, now, err := s.rows(ctx, name)
	if err != nil {
		return nil, err
	}
	if now.IsZero() {
		now = time.Now()
	}
	byName := map[string]*Limit{}
	var states []*state
	for _, row := range rows {
		if key, _ := row[colRowKey].(string); key == definitionRow {
			d := decodeDefinition(row, "")
			byName[d.Declared.Name] = &Limit{Definition: *d}
		} else if strings.HasPrefix(key, keyPrefix) {
			states = append(states, decodeState(row, ""))
		}
	}
	for _, st := range states {
		if l := byName[st.limit]; l != nil {
			l.Uses = append(l.Uses, use(st, l.Spec(), now.UnixMilli()))
		}
	}
	list := make([]*Limit, 0, len(byName))
	for _, l := range byName {
		slices.SortFunc(l.Uses, func(a, b Use) int { return cmp.Compare(a.Key, b.Key) })
		l.Uses = slices.DeleteFunc(l.Uses, func(u Use) bool { return u.Key != "" && u.Used == 0 && len(u.Waiting) == 0 })
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b *Limit) int { return cmp.Compare(a.Declared.Name, b.Declared.Name) })
	return list, nil
}

func use(st *state, spec durable.LimitSpec, now instant) Use {
	u := Use{Key: st.key}
	for _, w := range st.waiting {
		if now-w.At <= staleAfter.Milliseconds() {
			u.Waiting = append(u.Waiting, Waiting{Worker: shortName(w.Worker), Calls: w.Calls, Instances: w.Instances, At: timeAt(w.At)})
		}
	}
	if spec.Kind == durable.LimitConcurrency {
		for _, h := range st.holders {
			if h.N > 0 && h.Until >= now {
				u.Used += h.N
				u.Holders = append(u.Holders, Holder{Worker: shortName(h.Worker), Permits: h.N, Until: timeAt(h.Until)})
			}
		}
		u.Left = max(spec.Max-u.Used, 0)
		return u
	}
	ws := windows(spec)
	for _, t := range st.takes {
		if t.Until+ws[0].length > now {
			u.Used += t.N
		}
	}
	if u.Left = left(st.takes, ws, now); u.Left == 0 {
		u.Next = timeAt(opens(st.takes, ws, 1))
	}
	return u
}

// shortName is a worker's name without what tells its lives apart.
func shortName(worker string) string {
	if i := strings.LastIndexByte(worker, '/'); i >= 0 {
		return worker[:i]
	}
	return worker
}

func timeAt(at instant) time.Time { return time.UnixMilli(at).UTC() }

// ValidName says whether a limit can have a name.
func ValidName(name string) bool {
	_, err := durable.LimitSpec{Name: name, Kind: durable.LimitConcurrency, Max: 1}.Normalize()
	return err == nil
}
