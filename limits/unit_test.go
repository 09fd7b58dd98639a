package limits

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/internal/edm"
)

func TestTakes(t *testing.T) {
	t.Parallel()
	ws := []window{{length: 1000, most: 10}, {length: 100, most: 4}}
	takes := []take{{Until: 5000, N: 4}, {Until: 5200, N: 3}}
	for at, want := range map[instant]int{5000: 0, 5099: 0, 5100: 1, 5250: 1, 5300: 3, 6000: 4} {
		if got := left(takes, ws, at); got != want {
			t.Errorf("at %d are %d left, want %d", at, got, want)
		}
	}
	for n, want := range map[int]instant{1: 5100, 2: 5300, 3: 5300, 4: 6000} {
		if got := opens(takes, ws, n); got != want {
			t.Errorf("%d can begin from %d on, want %d", n, got, want)
		}
	}
	if opens(nil, ws, 4) != 0 || left(nil, ws, 0) != 4 {
		t.Error("nothing is taken")
	}
}

// TestOpens: from the instant that opens returns on, and not a millisecond earlier, as much is left.
func TestOpens(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		ws := []window{{length: 1 + r.Int64N(1000), most: 1 + r.IntN(20)}, {length: 1 + r.Int64N(100), most: 1 + r.IntN(20)}}
		var takes []take
		for range r.IntN(10) {
			takes = append(takes, take{Until: 1 + r.Int64N(2000), N: 1 + r.IntN(5)})
		}
		n := 1 + r.IntN(min(ws[0].most, ws[1].most))
		at := opens(takes, ws, n)
		if left(takes, ws, at) < n || at > 0 && left(takes, ws, at-1) >= n {
			t.Fatalf("%d of %v in %v from %d on: %d then, %d before", n, takes, ws, at, left(takes, ws, at), left(takes, ws, at-1))
		}
	}
}

// TestPrune: adding takes up never lets more begin.
func TestPrune(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	ws := []window{{length: 10_000, most: 1000}}
	var takes []take
	for range 500 {
		takes = append(takes, take{Until: r.Int64N(20_000), N: 1, ID: "x"})
	}
	pruned := prune(append([]take{}, takes...), ws, 8000)
	if len(pruned) > mostTakes {
		t.Errorf("%d takes are left", len(pruned))
	}
	for at := instant(8000); at < 31_000; at += 50 {
		if a, b := left(pruned, ws, at), left(takes, ws, at); a > b || b-a > 20 {
			t.Fatalf("at %d are %d left, before %d", at, a, b)
		}
	}
}

func TestRows(t *testing.T) {
	t.Parallel()
	s := &state{
		limit: "api", key: "a/b #?%+'ü", takes: []take{{1, 2, "x"}, {3, 4, ""}}, holders: []holder{{"w/1", 3, 4}}, waiting: []waiter{{"w/1", 5, 2, 9}},
	}
	body, err := s.encode()
	if err != nil {
		t.Fatal(err)
	}
	row, err := edm.Unmarshal(body)
	if err != nil {
		t.Fatal(err)
	}
	if row[colRowKey] != "key.a^2Fb^20^23^3F^25^2B^27^C3^BC" || row[colTaken] != `[[1,2,"x"],[3,4]]` {
		t.Errorf("the row is %v", row)
	}
	if got := decodeState(row, ""); !reflect.DeepEqual(got, s) {
		t.Errorf("read back %+v", got)
	}
	row[colTaken] = "[[1]]"
	if got := decodeState(row, ""); got.problem == "" {
		t.Error("a damaged row counts as whole")
	}
	for _, text := range []string{"", "[]", `{"a":1}`, `["x",1]`, "[1,2,3,4]", "[1,2,3]"} {
		if err := json.Unmarshal([]byte(text), new(take)); err == nil {
			t.Errorf("%q is a take", text)
		}
	}
	d := &Definition{Declared: rate("api", 5, time.Hour, 0).LimitSpec, Set: &durable.LimitSpec{Name: "api", Kind: durable.LimitRate, Count: 7, Per: time.Minute, Burst: 2}}
	if body, err = d.encode(); err != nil {
		t.Fatal(err)
	}
	if row, err = edm.Unmarshal(body); err != nil {
		t.Fatal(err)
	}
	if got := decodeDefinition(row, ""); !reflect.DeepEqual(got, d) {
		t.Errorf("read back %+v", got)
	}
	row["SetPer"] = "soon"
	if got := decodeDefinition(row, ""); got.Problem == "" || got.Spec().Count != 5 {
		t.Errorf("a damaged definition: %+v", got)
	}
}

// TestClock: whatever the clocks of the machine do, the service's time is within the bounds.
func TestClock(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		service := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.Int64N(int64(time.Hour))))
		mine := reading{steady: time.Duration(r.Int64N(int64(time.Hour))), wall: time.Duration(r.Int64N(int64(1e18)))}
		c := newClock(func() reading { return mine })
		pass := func(d time.Duration) {
			service = service.Add(d)
			mine.steady += d
			mine.wall += d
		}
		trouble := func() {
			switch r.IntN(4) {
			case 0: // the machine sleeps: the steady clock stands still
				slept := time.Duration(r.Int64N(int64(time.Hour)))
				service, mine.wall = service.Add(slept), mine.wall+slept
			case 1: // the wall clock is set
				mine.wall += time.Duration(r.Int64N(int64(time.Minute))) - 30*time.Second
			}
		}
		for range 50 {
			sent := mine
			pass(time.Duration(r.Int64N(int64(200 * time.Millisecond))))
			etag, date := "", service.Truncate(time.Second)
			if r.IntN(2) == 0 {
				etag = `W/"datetime'` + strings.ReplaceAll(service.Format(time.RFC3339Nano), ":", "%3A") + `'"`
			}
			pass(time.Duration(r.Int64N(int64(200 * time.Millisecond))))
			c.observe(sent, date, etag)
			pass(time.Duration(r.Int64N(int64(time.Minute))))
			trouble()
			if lo, hi, known := c.now(); !known || service.UnixMilli() < lo || service.UnixMilli() > hi {
				t.Fatalf("%v is not within %v and %v", service, timeAt(lo), timeAt(hi))
			}
		}
	}
	if _, ok := timeOf(`"0x8D9"`); ok {
		t.Error("that is no time")
	}
}

// TestLostAnswer: the tokens of a write whose answer was lost are found in the row and used; none is taken twice.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var lost atomic.Int64
		w := s.worker("w", s.store(nil, func(req *http.Request) error {
			if (req.Method == http.MethodPut || req.Method == http.MethodPost) && strings.Contains(req.URL.Path, "HubLimits") && lost.Load() < 3 {
				lost.Add(1)
				return errLost
			}
			return nil
		}), rate("r", 10, time.Hour, 0))
		w.call("i", 25, nil)
		s.until(10, time.Minute)
		time.Sleep(30 * time.Minute)
		if s.count() != 10 {
			t.Errorf("%d have begun", s.count())
		}
		s.until(25, 3*time.Hour)
		s.window(10, time.Hour)
		if n := lost.Load(); n != 3 {
			t.Errorf("%d answers were lost", n)
		}
	})
}

// TestPause: who pauses between the right to begin and the attempt begins too late, and waits again.
func TestPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		slow := s.worker("slow", s.store(nil, nil), rate("r", 5, 10*time.Second, 0))
		var pauses atomic.Int64
		slow.pause = func() time.Duration { return time.Duration(max(11-pauses.Add(1), 0)) * 2 * time.Second }
		slow.call("i", 5, nil)
		fast := s.worker("fast", s.store(nil, nil), rate("r", 5, 10*time.Second, 0))
		fast.call("j", 20, nil)
		s.until(25, 5*time.Minute)
		s.window(5, 10*time.Second)
		if st := slow.l.Stats()[0]; st.Lapsed == 0 {
			t.Errorf("none came too late: %+v", st)
		}
	})
}

// TestNoLimits: an activity without limits is found to have none without taking memory.
func TestNoLimits(t *testing.T) { //nolint:paralleltest // allocations are counted
	var none *Limiter
	some := New(Config{Activities: map[string][]durable.ActivityLimit{"A": {rate("r", 1, time.Hour, 0)}}})
	if none.Limited("B") || some.Limited("B") || !some.Limited("A") {
		t.Error("which activities have limits is mixed up")
	}
	if n := testing.AllocsPerRun(100, func() { _ = none.Limited("B") || some.Limited("B") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	none.Stop(t.Context())
	some.Stop(t.Context())
	some.Stop(t.Context())
}
