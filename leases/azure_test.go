package leases

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/storage"
)

// These tests run against real storage: Azurite, or the embedded one.

func newAzureWorker(t *testing.T, account *storage.Account, hub string, g *ledger, name string, options ...option) *testWorker {
	t.Helper()
	w := blankWorker(t, g, name)
	cfg := w.config(testNames(t, hub), append([]option{func(c *Config) { c.Account = account }}, options...))
	m, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.manager = m
	t.Cleanup(func() {
		w.shutdown()
		if t.Failed() && testing.Verbose() {
			t.Logf("%s: %+v\n%s", name, w.manager.Status(), w.log)
		}
	})
	return w
}

func kindOf(err error) error {
	for _, kind := range []error{errTaken, errMissing, errExists, errNoStore} {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return err
}

func second(_ string, err error) error { return err }

func TestBlobStore(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	names := testNames(t, testkit.Hub(t))
	s := newAzureBlobs(testkit.Account(t), names.LeaseContainer())
	const blob = "intent/x-control-00"
	a, b, c := newGUID(), newGUID(), newGUID()
	check := func(what string, err, want error) {
		t.Helper()
		if got := kindOf(err); !errors.Is(got, want) || (want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	head := func() blobInfo {
		t.Helper()
		info, err := s.head(ctx, blob)
		if err != nil {
			t.Fatal(err)
		}
		list, err := s.list(ctx)
		if err != nil || len(list) != 1 || list[0] != info {
			t.Errorf("list %v, %v; head %v", list, err, info)
		}
		return info
	}

	_, err := s.list(ctx)
	check("list without container", err, errNoStore)
	_, err = s.head(ctx, blob)
	check("head without container", err, errNoStore)
	check("add without container", s.add(ctx, blob, nil), errNoStore)
	check("acquire without container", s.acquire(ctx, blob, a, 15*time.Second), errNoStore)
	check("create", s.create(ctx), nil)
	check("create again", s.create(ctx), nil)
	_, err = s.head(ctx, blob)
	check("head", err, errMissing)
	_, _, err = s.read(ctx, blob)
	check("read", err, errMissing)
	renew := func(name, id string) error { _, err := s.renew(ctx, name, id); return err }
	check("renew", renew(blob, a), errMissing)
	check("acquire", s.acquire(ctx, blob, a, 15*time.Second), errMissing)
	check("add", s.add(ctx, blob, []byte("1")), nil)
	check("add again", s.add(ctx, blob, []byte("2")), errExists)
	if info := head(); info.leased {
		t.Error("leased")
	}

	check("acquire", s.acquire(ctx, blob, a, 15*time.Second), nil)
	check("acquire again with the same id", s.acquire(ctx, blob, a, 15*time.Second), nil)
	check("acquire with another", s.acquire(ctx, blob, b, 15*time.Second), errTaken)
	before := head()
	_, err = s.write(ctx, blob, []byte("2"), "")
	check("write without id", err, errTaken)
	_, err = s.write(ctx, blob, []byte("2"), b)
	check("write with another", err, errTaken)
	etag, err := s.write(ctx, blob, []byte("3"), a)
	check("write", err, nil)
	if info := head(); !info.leased || info.etag != etag || info.etag == before.etag {
		t.Errorf("after the write %v, etag %s, before %v", info, etag, before)
	}
	if text, e, err := s.read(ctx, blob); string(text) != "3" || e != etag || err != nil {
		t.Errorf("read %s %s %v, want %s", text, e, err, etag)
	}
	check("renew with another", renew(blob, b), errTaken)
	check("change with another", s.change(ctx, blob, b, c), errTaken)
	check("change", s.change(ctx, blob, a, b), nil)
	check("change again, as after a lost answer", s.change(ctx, blob, a, b), nil)
	check("renew with the old id", renew(blob, a), errTaken)
	check("renew", renew(blob, b), nil)
	if now, err := s.renew(ctx, blob, b); err != nil || now != etag {
		t.Errorf("renewal tells the etag %s, %v, want %s", now, err, etag)
	}
	check("exchange with another id", second(s.exchange(ctx, blob, []byte("4"), a, etag)), errTaken)
	check("exchange with an old etag", second(s.exchange(ctx, blob, []byte("4"), b, before.etag)), errTaken)
	exchanged, err := s.exchange(ctx, blob, []byte("4"), b, etag)
	check("exchange", err, nil)
	if now, err := s.renew(ctx, blob, b); err != nil || now != exchanged {
		t.Errorf("renewal after the exchange tells the etag %s, %v, want %s", now, err, exchanged)
	}
	check("release with the old id", s.release(ctx, blob, a), errTaken)
	check("release", s.release(ctx, blob, b), nil)
	if head().leased {
		t.Error("leased after the release")
	}
	check("renew after the release", renew(blob, b), errTaken)

	check("container lease", s.acquire(ctx, "", a, time.Minute), nil)
	check("container lease, other id", s.acquire(ctx, "", b, time.Minute), errTaken)
	check("container lease, change", s.change(ctx, "", a, b), nil)
	check("container lease, renew old", renew("", a), errTaken)
	check("container lease, renew", renew("", b), nil)
	check("container lease, for ever", s.acquire(ctx, "", b, forEver), nil)
	check("container lease, for ever, renew", renew("", b), nil)
	check("container lease, for a minute again", s.acquire(ctx, "", b, time.Minute), nil)
	check("container lease, for ever again", s.acquire(ctx, "", b, forEver), nil)
	check("container lease, change one for ever", s.change(ctx, "", b, a), nil)
	check("container lease, break", s.breakLease(ctx, ""), nil)
	check("container lease, renew a broken one", renew("", a), errTaken)
	check("container lease, break nothing", s.breakLease(ctx, ""), nil)
	check("container lease, acquire a broken one", s.acquire(ctx, "", b, forEver), nil)
	check("container lease, release", s.release(ctx, "", b), nil)
	check("container lease, break a released one", s.breakLease(ctx, ""), nil)
	check("container lease, once more", s.acquire(ctx, "", b, forEver), nil)
	check("remove without id", s.remove(ctx, ""), errTaken)
	check("remove", s.remove(ctx, b), nil)
	check("remove again", s.remove(ctx, ""), nil)
}

func TestRowStore(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	names := testNames(t, testkit.Hub(t))
	account := testkit.Account(t)
	s := newAzureRows(account, names.PartitionsTable())
	if _, _, err := s.query(ctx); !errors.Is(err, errNoStore) {
		t.Errorf("query without table: %v", err)
	}
	for range 2 {
		if err := s.create(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		if err := s.add(ctx, row{queue: names.ControlQueue(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.add(ctx, row{queue: names.ControlQueue(0)}); !errors.Is(err, errExists) {
		t.Errorf("add again: %v", err)
	}
	fresh := newAzureRows(account, names.PartitionsTable())
	rows, served, err := s.query(ctx)
	if err != nil || len(rows) != 3 {
		t.Fatalf("%v, %v", rows, err)
	}
	for _, r := range rows {
		if age := served.Sub(r.timestamp); age > 5*time.Second || age < -5*time.Second || r.etag == "" {
			t.Errorf("served %v: %+v", served, r)
		}
	}
	now := ticks(time.Now())
	written := make([]row, 3)
	for i, r := range rows {
		written[i] = row{
			queue: r.queue, etag: r.etag, currentOwner: `o'brien "x" <&> ` + "\u00e9\u2028", nextOwner: "n",
			ownedSince: now, lastRenewal: now, expiresAt: now.Add(30 * time.Second), isDraining: true,
		}
	}
	etags, err := fresh.replace(ctx, written) // one that has not queried yet
	if err != nil {
		t.Fatal(err)
	}
	rows, _, err = s.query(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rows {
		want := written[i]
		want.etag, want.timestamp = etags[i], r.timestamp
		if r != want {
			t.Errorf("read %+v, wrote %+v", r, want)
		}
	}

	// One row that has changed makes the whole transaction fail.
	stale := []row{{queue: rows[0].queue, etag: rows[0].etag}, {queue: rows[1].queue, etag: written[1].etag}}
	if _, err := s.replace(ctx, stale); !errors.Is(err, errTaken) {
		t.Errorf("stale etag: %v", err)
	}
	if _, err := s.replace(ctx, []row{{queue: "nobody", etag: rows[0].etag}}); !isGone(err) {
		t.Errorf("missing row: %v", err)
	}
	// A full replace removes columns.
	if etags, err = s.replace(ctx, []row{{queue: rows[0].queue, etag: rows[0].etag}}); err != nil || etags[0] == "" {
		t.Errorf("replace: %v", err)
	}
	rows, _, err = s.query(ctx)
	if err != nil || rows[0] != (row{queue: rows[0].queue, etag: etags[0], timestamp: rows[0].timestamp}) || rows[1].currentOwner == "" {
		t.Errorf("%+v, %v", rows, err)
	}
	for range 2 {
		if err := s.remove(ctx); err != nil {
			t.Error(err)
		}
	}
}

// What is left in storage is byte for byte what .NET leaves, but for names, ids and times.
func TestContentsAreDotNets(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	hub := testkit.Hub(t)
	account := testkit.Account(t)
	w := newAzureWorker(t, account, hub, nil, "go1").start()
	eventually(t, 5*time.Second, "owns 4", func() bool { return w.owned() == 4 })
	names := testNames(t, hub)
	leases, app := newAzureBlobs(account, names.LeaseContainer()), newAzureBlobs(account, names.AppLeaseContainer())
	queue := names.ControlQueue(2)
	held, _, err := leases.read(ctx, layout.OwnershipBlob(queue))
	if err != nil {
		t.Fatal(err)
	}
	r, ok := decodeRecord(held)
	if want := `{"PartitionId":"` + queue + `","Owner":"go1","Token":"` + r.token() + `","Epoch":1}`; !ok || string(held) != want {
		t.Errorf("a held lease: %s, want %s", held, want)
	}
	w.shutdown()

	for what, text := range map[string]string{
		layout.IntentBlob(queue):    `{"PartitionId":"` + queue + `","Owner":null,"Token":null,"Epoch":1}`,
		layout.OwnershipBlob(queue): `{"PartitionId":"` + queue + `","Owner":null,"Token":null,"Epoch":1}`,
	} {
		got, _, err := leases.read(ctx, what)
		if err != nil || string(got) != text {
			t.Errorf("%s: %s, %v", what, got, err)
		}
		props, err := leases.container.NewBlobClient(what).GetProperties(ctx, nil)
		if err != nil || *props.ContentType != "application/octet-stream" || len(props.Metadata) != 0 || *props.BlobType != "BlockBlob" {
			t.Errorf("%s: %v %v %v", what, *props.ContentType, props.Metadata, err)
		}
	}
	info, _, err := app.read(ctx, names.AppLeaseInfoBlob())
	if want := `{"OwnerId":"` + layout.AppLeaseID("test") + `","DesiredSwapId":null}`; err != nil || string(info) != want {
		t.Errorf("app lease info: %s, %v", info, err)
	}
	stored, err := ReadHubInfo(ctx, account, names)
	if err != nil || stored.PartitionCount != 4 || stored.TaskHubName != hub || time.Since(stored.CreatedAt) > time.Minute {
		t.Errorf("taskhub.json: %+v, %v", stored, err)
	}
	state, err := Inspect(ctx, account, names)
	if err != nil || state.Rows != 0 || len(state.Live) != 0 || state.Info == nil {
		t.Errorf("Inspect: %+v, %v", state, err)
	}
}

// The recordings of .NET decode, and encode again byte for byte.
func TestRecordings(t *testing.T) {
	t.Parallel()
	var blobs map[string]struct{ Text string }
	readJSON(t, testkit.Shared(t, "golden", "safe-exceptions", "blobs.json"), &blobs)
	seen := 0
	for name, b := range blobs {
		switch {
		case strings.Contains(name, "-leases/intent/"), strings.Contains(name, "-leases/ownership/"):
			r, ok := decodeRecord([]byte(b.Text))
			if !ok || string(encodeJSON(r)) != b.Text {
				t.Errorf("%s: %s", b.Text, encodeJSON(r))
			}
		case strings.HasSuffix(name, "-appleaseinfo"):
			var info appInfo
			if err := json.Unmarshal([]byte(b.Text), &info); err != nil || string(encodeJSON(info)) != b.Text {
				t.Errorf("%s: %s, %v", b.Text, encodeJSON(info), err)
			}
		case strings.HasSuffix(name, "/taskhub.json"):
			var info hubInfoJSON
			if err := json.Unmarshal([]byte(b.Text), &info); err != nil || string(encodeJSON(info)) != b.Text {
				t.Errorf("%s: %s, %v", b.Text, encodeJSON(info), err)
			}
			created, err := time.Parse(time.RFC3339Nano, info.CreatedAt)
			if err != nil || formatHubTime(created) != info.CreatedAt {
				t.Errorf("%s: %v, %v", info.CreatedAt, created, err)
			}
		default:
			continue
		}
		seen++
	}
	if seen < 10 {
		t.Errorf("only %d blobs", seen)
	}

	writes, err := os.Open(testkit.Shared(t, "golden", "table-details", "writes.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writes.Close() }()
	seen = 0
	for lines := json.NewDecoder(writes); ; {
		var w struct{ Table, Body string }
		if err := lines.Decode(&w); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(w.Table, "Partitions") || w.Body == "" {
			continue
		}
		r, err := decodeRow([]byte(w.Body))
		if err != nil || !bytes.Equal(encodeRow(r), []byte(w.Body)) {
			t.Errorf("%s: %s, %v", w.Body, encodeRow(r), err)
		}
		seen++
	}
	if seen < 50 {
		t.Errorf("only %d rows", seen)
	}
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
}

// How fast a fresh hub is owned, and one that was given up. The bounds leave room for a busy machine; the rules themselves
// (a second, and two) are tested in TestOneWorkerOwnsAll and TestRollingDeployment.
func TestRealStartAndSuccession(t *testing.T) {
	t.Parallel()
	for _, mode := range kinds {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			hub, g, account := testkit.Hub(t), newLedger(t), testkit.Account(t)
			a := newAzureWorker(t, account, hub, g, "a", withMode(mode), withPartitions(16)).start()
			begin := time.Now()
			eventually(t, 20*time.Second, "a owns 16", func() bool { return a.owned() == 16 })
			t.Logf("owned after %v, %v", time.Since(begin), account.Counts().Calls)

			// A standby whose own leases are all waited for or elsewhere.
			b := newAzureWorker(t, account, hub, g, "b", withMode(mode), withPartitions(16)).start()
			eventually(t, 20*time.Second, "b looks", func() bool { return count(b, Unknown) == 0 })
			a.shutdown()
			begin = time.Now()
			most := 16
			if mode == mixedKinds[Legacy] {
				most = 12 // b may have asked for some already; those are handed out once a must have noticed
			}
			eventually(t, 20*time.Second, "b owns 16", func() bool { return b.owned() >= most })
			t.Logf("taken over after %v", time.Since(begin))
			b.shutdown()
		})
	}
}

// Balance with real leases of 15 s. That a takeover is due three seconds after the leases' end is tested in
// TestTakeoverIsBounded; here the bound leaves room for storage that answers slowly.
func TestRealBalance(t *testing.T) {
	t.Parallel()
	for _, mode := range kinds {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			hub, g, account := testkit.Hub(t), newLedger(t), testkit.Account(t)
			short := func(c *Config) { c.Duration = 15 * time.Second }
			var ws []*testWorker
			for _, name := range []string{"a", "b", "c"} {
				ws = append(ws, newAzureWorker(t, account, hub, g, name, withMode(mode), withPartitions(8), short).start())
			}
			begin := time.Now()
			eventually(t, 90*time.Second, "balanced", func() bool { return balanced(ws, 8) })
			t.Logf("balanced after %v: %v", time.Since(begin), g.owned())
			// One dies; the others have its partitions when its leases have ended.
			ws[0].die()
			begin = time.Now()
			eventually(t, 45*time.Second, "taken over", func() bool { return ws[1].owned()+ws[2].owned() == 8 })
			t.Logf("taken over %v after the death", time.Since(begin))
			var stops sync.WaitGroup
			for _, w := range ws[1:] {
				stops.Go(w.shutdown)
			}
			stops.Wait()
		})
	}
}
