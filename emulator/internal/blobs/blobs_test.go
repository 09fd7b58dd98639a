package blobs

import (
	"errors"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/emulator/internal/ordered"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// TestLeaseOverTime walks a lease through its states on a clock of its own.
func TestLeaseOverTime(t *testing.T) {
	t.Parallel()
	const a, b = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
	start := rest.TicksOf(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC))
	var l lease
	do := func(after time.Duration, q leaseRequest) error {
		return l.apply(q, start.Add(after), "fresh", rest.NewResponse(200))
	}
	state := func(after time.Duration, want leaseState) {
		t.Helper()
		if got := l.state(start.Add(after)); got != want {
			t.Fatalf("after %v: %v, want %v", after, got, want)
		}
	}
	must := func(err error, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Fatalf("%v, want %v", err, want)
		}
	}
	must(do(0, leaseRequest{action: "acquire", proposed: a, seconds: 15}), nil)
	state(14*time.Second, leased)
	state(15*time.Second, expired)
	must(do(20*time.Second, leaseRequest{action: "renew", id: a}), nil) // nobody wrote meanwhile
	state(34*time.Second, leased)
	must(do(40*time.Second, leaseRequest{action: "change", id: a, proposed: b}), errNoLease)
	must(do(40*time.Second, leaseRequest{action: "acquire", proposed: b, seconds: 30}), nil)
	must(do(41*time.Second, leaseRequest{action: "renew", id: a}), errLeaseMismatch)
	must(do(42*time.Second, leaseRequest{action: "break", period: 10}), nil)
	state(51*time.Second, breaking)
	must(do(50*time.Second, leaseRequest{action: "break", period: 60}), nil) // never longer
	state(52*time.Second, broken)
	must(do(53*time.Second, leaseRequest{action: "acquire", proposed: a, seconds: -1}), nil)
	state(1000*time.Hour, leased)
	must(do(1000*time.Hour, leaseRequest{action: "break", period: -1}), nil)
	state(1000*time.Hour, broken)
	l.written(start.Add(1001 * time.Hour))
	state(1001*time.Hour, available)
	must(do(1001*time.Hour, leaseRequest{action: "break"}), errNoLease)
	must(do(1001*time.Hour, leaseRequest{action: "release", id: a}), errLeaseMismatch)
}

func TestAfter(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"a/", "a\uFFFF", "\uD7FF", "\U0010FFFF", "x\U0010FFFF"} {
		next, ok := after(prefix)
		if !ok {
			t.Errorf("nothing follows %q", prefix)
		}
		for _, tail := range []string{"", "a", "\uFFFF\uFFFF", "\U0010FFFF"} {
			if ordered.CompareText(next, prefix+tail) <= 0 {
				t.Errorf("%q does not follow %q", next, prefix+tail)
			}
		}
	}
	if _, ok := after("\uFFFF"); ok {
		t.Error("something follows the last character")
	}
}

func TestVersionETag(t *testing.T) {
	t.Parallel()
	if got := (version{0x8DB0123456789AB}).etag(); got != `"0x8DB0123456789AB"` {
		t.Error(got)
	}
}

func FuzzBlockList(f *testing.F) {
	f.Add(`<?xml version="1.0" encoding="utf-8"?><BlockList><Latest>QQ==</Latest><Committed>Qg==</Committed></BlockList>`)
	f.Add(`<BlockList/>`)
	f.Fuzz(func(t *testing.T, body string) {
		entries, err := readBlockList([]byte(body))
		var known *rest.Error
		if err != nil && !errors.As(err, &known) {
			t.Fatal(err)
		}
		if _, err := chooseBlocks(nil, entries, 0); len(entries) > 0 && err == nil {
			t.Fatal("blocks came from nowhere")
		}
	})
}
