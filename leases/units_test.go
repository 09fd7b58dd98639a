package leases

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/storage"
)

func owners(text string) []seat {
	var seats []seat
	for i, who := range strings.Split(text, "") {
		s := seat{partition: i}
		switch who {
		case "-":
			s.free = true
		case "+":
			s.free, s.eager = true, true
		case "!":
			s.free, s.barred = true, true
		case "?":
			s.fixed = true
		case "m":
			s.mine = true
		default:
			s.owner = strings.ToLower(who)
			s.fixed = who != s.owner // upper case: changing hands
		}
		seats = append(seats, s)
	}
	return seats
}

func TestPlan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		seats     string
		take, ask int
		from      string
	}{
		{"----", 4, 0, ""},
		{"mmmm", 0, 0, ""},
		{"m---", 3, 0, ""},
		{"aa--", 2, 0, ""}, // the fair share of two workers
		{"a---", 2, 0, ""}, // one stays for a, for a while
		{"a-++", 2, 0, ""}, // but what nobody takes is taken
		{"ab--", 2, 0, ""}, // three workers, at most two each
		{"aaa-", 1, 0, ""}, // free ones first
		{"!!!!", 0, 0, ""}, // not what it failed to keep
		{"!mmm", 0, 0, ""},
		{"aaaa", 0, 1, "a"}, // a newcomer asks for one, to be seen
		{"maaa", 0, 1, "a"},
		{"mmaa", 0, 0, ""},
		{"maa", 0, 0, ""}, // a difference of one is balance
		{"mabc", 0, 0, ""},
		{"abcd", 0, 0, ""},
		{"aabb", 0, 1, "ab"},
		{"aaab", 0, 1, "a"},
		{"aaaAAAAb", 0, 1, "a"},
		{"AAAA", 0, 0, ""}, // nothing can be asked for
		{"????", 0, 0, ""},
		{"maaaaaaaaaaaaaaa", 0, 4, "a"}, // half of the seven that are missing, rounded up
		{"mmmmmaaaaaaaaaaa", 0, 2, "a"},
		{"mmmmmmmmaaaaaaaa", 0, 0, ""},
		{"maaabbbcccdddeee", 0, 1, "abcde"},
	} {
		for seed := range uint64(20) {
			rng := rand.New(rand.NewPCG(seed, 1))
			take, ask := plan(owners(c.seats), rng.Shuffle)
			if len(take) != c.take || len(ask) != c.ask {
				t.Errorf("%s: take %v, ask %v", c.seats, take, ask)
			}
			for _, i := range ask {
				if !strings.Contains(c.from, c.seats[i:i+1]) {
					t.Errorf("%s: asks for %d", c.seats, i)
				}
			}
			all := slices.Concat(take, ask)
			slices.Sort(all)
			if len(slices.Compact(all)) != c.take+c.ask {
				t.Errorf("%s: twice the same in %v %v", c.seats, take, ask)
			}
		}
	}
}

// Whatever the state, workers that act one after another come to rest in balance.
func TestPlanConverges(t *testing.T) {
	t.Parallel()
	for seed := range uint64(500) {
		rng := rand.New(rand.NewPCG(seed, 2))
		n, workers := 1+rng.IntN(16), 1+rng.IntN(8)
		has := make([]int, n)
		for i := range has {
			has[i] = rng.IntN(workers+1) - 1 // -1: free
		}
		quiet := 0
		for round := 0; quiet < workers; round++ {
			if round > 40*workers {
				t.Fatalf("seed %d: no rest: %v", seed, has)
			}
			me := round % workers
			seats := make([]seat, n)
			for i, w := range has {
				seats[i] = seat{partition: i, mine: w == me, free: w < 0, eager: round > workers}
				if w >= 0 && w != me {
					seats[i].owner = string(rune('a' + w))
				}
			}
			take, ask := plan(seats, rng.Shuffle)
			for _, i := range slices.Concat(take, ask) {
				has[i] = me
			}
			quiet++
			if len(take)+len(ask) > 0 {
				quiet = 0
			}
		}
		counts := make([]int, workers)
		for _, w := range has {
			if w < 0 {
				t.Fatalf("seed %d: free: %v", seed, has)
			}
			counts[w]++
		}
		if slices.Max(counts)-slices.Min(counts) > 1 {
			t.Errorf("seed %d: %d on %d: %v", seed, n, workers, counts)
		}
	}
}

// Every worker is watched at every tick, whatever the order of names.
func TestWatchRing(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c", "d", "e"}
	watched := map[string]int{}
	for _, me := range names {
		w := newWatch(me)
		owners := map[string][]*leaseBlob{}
		for _, other := range names {
			if other != me {
				owners[other] = []*leaseBlob{{name: other + "0"}, {name: other + "1"}}
			}
		}
		seen := map[string]bool{}
		for range 8 {
			chosen := w.choose(owners)
			if len(chosen) != 2 {
				t.Fatalf("%s watches %d", me, len(chosen))
			}
			watched[chosen[0].name[:1]]++
			for _, b := range chosen {
				seen[b.name] = true
			}
		}
		if len(seen) != 8 {
			t.Errorf("%s has seen %v", me, seen)
		}
	}
	for _, name := range names {
		if watched[name] != 8 {
			t.Errorf("%s is watched %d times of 8", name, watched[name])
		}
	}
	if newWatch("x").choose(nil) != nil {
		t.Error("somebody is watched where nobody is")
	}
	if n := len(newWatch("x").choose(map[string][]*leaseBlob{"y": {{name: "y"}}})); n != 1 {
		t.Errorf("%d of one worker", n)
	}
}

func TestRemaining(t *testing.T) {
	t.Parallel()
	wall := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	began := instant{wall: wall, mono: time.Hour}
	for _, c := range []struct{ wall, mono, want time.Duration }{
		{0, 0, 30 * time.Second},
		{10 * time.Second, 10 * time.Second, 20 * time.Second},
		{-time.Hour, 10 * time.Second, 20 * time.Second},      // the wall clock was set back
		{25 * time.Second, 10 * time.Second, 5 * time.Second}, // or forward
		{time.Hour, 0, 30*time.Second - time.Hour},            // the machine slept
		{0, 31 * time.Second, -time.Second},
	} {
		now := instant{wall: wall.Add(c.wall), mono: time.Hour + c.mono}
		if got := began.remaining(30*time.Second, now); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestRowPeriod(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []struct {
		r    row
		want time.Duration
	}{
		{row{}, 30 * time.Second},
		{row{lastRenewal: now, expiresAt: now.Add(time.Minute)}, time.Minute},
		{row{lastRenewal: now, expiresAt: now.Add(24 * time.Hour)}, 5 * time.Minute},
		{row{lastRenewal: now, expiresAt: now.Add(-time.Hour)}, 30 * time.Second},
		{row{expiresAt: now}, 30 * time.Second},
		{row{lastRenewal: now}, 30 * time.Second},
	} {
		if got := c.r.period(30 * time.Second); got != c.want {
			t.Errorf("%+v: %v", c.r, got)
		}
	}
}

func TestServiceClock(t *testing.T) {
	t.Parallel()
	base := time.Date(2026, 6, 1, 12, 0, 0, 400e6, time.UTC)
	for _, c := range []struct {
		skew time.Duration
		want time.Duration // from the truth, at most
	}{
		{0, 0}, {300 * time.Millisecond, 300 * time.Millisecond}, {time.Minute, time.Second}, {-time.Minute, time.Second}, {-time.Hour, time.Second},
	} {
		var s serviceClock
		asked := instant{wall: base.Add(c.skew), mono: time.Minute}
		answered := instant{wall: base.Add(c.skew + 50*time.Millisecond), mono: time.Minute + 50*time.Millisecond}
		s.adjust(base.Truncate(time.Second), asked, answered)
		if off := s.at.Sub(base).Abs(); off > c.want+100*time.Millisecond {
			t.Errorf("skew %v: off by %v", c.skew, off)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	account, err := storage.Open(storage.Config{ConnectionString: "UseDevelopmentStorage=true"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = account.Close() }()
	good := Config{Account: account, Names: testNames(t, "Hub"), OnAcquired: func(*Lease) {}}
	for field, change := range map[string]func(*Config){
		"":                         func(*Config) {},
		"Account":                  func(c *Config) { c.Account = nil },
		"Names":                    func(c *Config) { c.Names = testNames(t, "Hub"); c.Names = Config{}.Names },
		"Partitions":               func(c *Config) { c.Partitions = 17 },
		"Mode":                     func(c *Config) { c.Mode = 3 },
		"Fleet":                    func(c *Config) { c.Fleet = 2 },
		"WorkerID":                 func(c *Config) { c.WorkerID = "a\nb" },
		"Duration":                 func(c *Config) { c.Duration = 14 * time.Second },
		"Renew":                    func(c *Config) { c.Renew = 19 * time.Second },
		"Acquire, AppRetry, Drain": func(c *Config) { c.Drain = -1 },
	} {
		cfg := good
		change(&cfg)
		m, err := New(cfg)
		var bad *ConfigError
		switch {
		case field == "" && err != nil:
			t.Error(err)
		case field == "" && (m.WorkerID() == "" || m.cfg.Partitions != 4 || m.cfg.Renew != 15*time.Second || m.cfg.hold() != 30*time.Second):
			t.Errorf("defaults %+v", m.cfg)
		case field != "" && (!errors.As(err, &bad) || bad.Field != field):
			t.Errorf("%s: %v", field, err)
		}
	}
	var missing *ConfigError
	if m, err := New(Config{Account: account, Names: good.Names}); err != nil || !errors.As(m.Start(t.Context()), &missing) || missing.Field != "OnAcquired" {
		t.Errorf("without OnAcquired: %v, %v", err, missing)
	}
	legacy := good
	legacy.Mode = Legacy
	if m, err := New(legacy); err != nil || m.cfg.Renew != 10*time.Second || m.cfg.hold() != 20*time.Second {
		t.Errorf("legacy: %v, %+v", err, m.cfg)
	}
	fleet, no := good, false
	fleet.Fleet, fleet.AppName, fleet.UseAppLease = GoFleet, "mine", &no
	if m, err := New(fleet); err != nil || m.cfg.Duration != 15*time.Second || m.cfg.Renew != 8*time.Second || m.cfg.hold() != 15*time.Second || m.cfg.AppName != GoFleetApp || !*m.cfg.UseAppLease {
		t.Errorf("a Go fleet: %v, %+v", err, m.cfg)
	}
	for _, mode := range []Mode{Safe, Legacy, Table} {
		if got, err := ParseMode(mode.String()); got != mode || err != nil {
			t.Errorf("%v: %v, %v", mode, got, err)
		}
	}
	if _, err := ParseMode("other"); err == nil {
		t.Error("ParseMode accepts anything")
	}
	for range 2 {
		if a, b := good.withDefaults().WorkerID, good.withDefaults().WorkerID; a == b {
			t.Errorf("two workers of one host are both %s", a)
		}
	}
}

func FuzzDecodeRow(f *testing.F) {
	f.Add([]byte(`{"PartitionKey":"","RowKey":"q","CurrentOwner":"x","OwnedSince":"2026-11-21T06:38:01.1146763Z","IsDraining":false,"odata.etag":"e"}`))
	f.Add([]byte(`{"CurrentOwner":1,"ExpiresAt":{},"IsDraining":"yes"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := decodeRow(text)
		if err != nil {
			return
		}
		again, err := decodeRow(encodeRow(r))
		again.etag, again.timestamp = r.etag, r.timestamp
		r.ownedSince, r.lastRenewal, r.expiresAt = ticks(r.ownedSince), ticks(r.lastRenewal), ticks(r.expiresAt)
		if err != nil || again != r {
			t.Errorf("%+v became %+v: %v", r, again, err)
		}
		if p := r.period(time.Second); p <= 0 {
			t.Errorf("period %v", p)
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add([]byte(`{"PartitionId":"myhub-control-00","Owner":null,"Token":null,"Epoch":0}`))
	f.Add([]byte(`{"PartitionId":"myhub-control-00","Owner":" ","Token":"x","Epoch":9223372036854775807}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, ok := decodeRecord(text)
		if !ok {
			return
		}
		again, ok := decodeRecord(encodeJSON(r))
		if !ok || again.PartitionID != r.PartitionID || again.owner() != r.owner() || again.token() != r.token() || again.Epoch != r.Epoch {
			t.Errorf("%+v became %+v", r, again)
		}
		if !json.Valid(encodeJSON(r)) {
			t.Error("not JSON")
		}
	})
}
