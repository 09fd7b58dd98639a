package taskhub

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/storage"
)

func TestConfigFaults(t *testing.T) {
	t.Parallel()
	account := testkit.Account(t)
	for name, test := range map[string]struct {
		cfg  Config
		want string
	}{
		"no name":            {Config{Account: account}, "Name is missing"},
		"bad name":           {Config{Account: account, Name: "my-hub"}, "my-hub"},
		"partitions":         {Config{Account: account, Name: "Hub", Partitions: 17}, "1 to 16"},
		"negative":           {Config{Account: account, Name: "Hub", Partitions: -1}, "1 to 16"},
		"polls":              {Config{Account: account, Name: "Hub", MinPoll: time.Second, MaxPoll: time.Millisecond}, "MinPoll"},
		"mode":               {Config{Account: account, Name: "Hub", LeaseMode: new(leases.Mode(9))}, "LeaseMode"},
		"two accounts":       {Config{Account: account, Connection: "UseDevelopmentStorage=true", Name: "Hub"}, "Account is set"},
		"no connection":      {Config{Name: "Hub"}, "connection string"},
		"bad connection":     {Config{Name: "Hub", Connection: "AccountKey=secret"}, "AccountName"},
		"nobody listens":     {Config{Name: "Hub", Connection: deadAccount}, "127.0.0.1"},
		"credential is lost": {Config{Name: "Hub", AccountName: "acct"}, "Credential"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			h, err := Open(ctx, test.cfg)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, %v", h, err)
			}
			if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), deadKey)) {
				t.Errorf("the error shows a key: %v", err)
			}
		})
	}
}

const (
	deadKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
	deadAccount = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=" + deadKey +
		";BlobEndpoint=http://127.0.0.1:9/devstoreaccount1;QueueEndpoint=http://127.0.0.1:9/devstoreaccount1;TableEndpoint=http://127.0.0.1:9/devstoreaccount1;"
)

func TestReadsCreateNothing(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	h := openHub(t, cfg)
	c := h.Client()
	ctx := t.Context()
	calls := map[string]func() error{
		"get":       func() error { _, err := c.GetInstance(ctx, "i"); return err },
		"status":    func() error { _, err := c.GetStatus(ctx, "i"); return err },
		"wait":      func() error { _, err := c.WaitForCompletion(ctx, "i", ""); return err },
		"raise":     func() error { return c.RaiseEvent(ctx, "i", "e", 1) },
		"terminate": func() error { return c.Terminate(ctx, "i", "r") },
		"suspend":   func() error { return c.Suspend(ctx, "i", "r") },
		"resume":    func() error { return c.Resume(ctx, "i", "r") },
		"query":     func() error { _, err := c.QueryPage(ctx, Query{}, ""); return err },
		"count":     func() error { _, err := c.Count(ctx, Query{}); return err },
		"history":   func() error { _, err := c.History(ctx, "i"); return err },
		"export":    func() error { _, err := c.ExportHistory(ctx, "i"); return err },
		"purge":     func() error { _, err := c.Purge(ctx, "i"); return err },
	}
	for name, call := range calls {
		err := call()
		var missing *HubNotFoundError
		if !errors.Is(err, ErrHubNotFound) || !errors.As(err, &missing) || missing.Hub != cfg.Name || missing.Account == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	hubs, err := List(ctx, Config{Account: cfg.Account})
	if err != nil || slices.ContainsFunc(hubs, func(i Info) bool { return i.Name == cfg.Name }) {
		t.Errorf("hubs %v, %v", hubs, err)
	}
	names, err := listQueues(ctx, cfg.Account, strings.ToLower(cfg.Name))
	if err != nil || len(names) != 0 {
		t.Errorf("queues %v, %v", names, err)
	}
	if before := cfg.Account.Counts(); h.Partitions() != layout.DefaultPartitions || h.LeaseMode() != leases.Safe {
		t.Errorf("partitions %d, %v, %v", h.Partitions(), h.LeaseMode(), before)
	}
}

func TestEnsureOnceAndTogether(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	var wg sync.WaitGroup
	hubs := make([]*Hub, 4)
	for i := range hubs {
		h, err := Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		hubs[i] = h
		for range 3 {
			wg.Go(func() {
				if err := h.Ensure(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	before := cfg.Account.Counts()
	if err := hubs[0].Ensure(t.Context()); err != nil {
		t.Error(err)
	}
	if after := cfg.Account.Counts(); after.Sub(before).Total() != 0 {
		t.Errorf("a hub known to exist costs %v", after.Sub(before))
	}
	found, err := List(t.Context(), Config{Account: cfg.Account})
	if err != nil || !slices.Contains(found, Info{Name: cfg.Name, Partitions: 4}) {
		t.Errorf("hubs %v, %v", found, err)
	}
	for range 2 {
		if err := hubs[0].Delete(t.Context()); err != nil {
			t.Error(err)
		}
	}
	found, err = List(t.Context(), Config{Account: cfg.Account})
	if err != nil || slices.ContainsFunc(found, func(i Info) bool { return i.Name == cfg.Name }) {
		t.Errorf("hubs %v, %v", found, err)
	}
}

func TestPartitionCount(t *testing.T) {
	t.Parallel()
	for _, mode := range []leases.Mode{leases.Safe, leases.Legacy, leases.Table} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			cfg := testConfig(t)
			first := cfg
			first.Partitions, first.LeaseMode = 7, &mode
			h := openHub(t, first)
			if err := h.Ensure(t.Context()); err != nil {
				t.Fatal(err)
			}
			late := openHub(t, cfg)
			if late.Partitions() != 7 || late.LeaseMode() != mode {
				t.Errorf("found %d partitions, %v", late.Partitions(), late.LeaseMode())
			}
			if err := late.Ensure(t.Context()); err != nil || late.Partitions() != 7 || late.LeaseMode() != mode {
				t.Errorf("made of it %d partitions, %v, %v", late.Partitions(), late.LeaseMode(), err)
			}
			wrong := cfg
			wrong.Partitions = 4
			_, err := Open(t.Context(), wrong)
			var count *PartitionCountError
			if !errors.As(err, &count) || count.Stored != 7 || count.Configured != 4 || count.Hub != cfg.Name {
				t.Errorf("another number: %v", err)
			}
			if queues, err := h.controlQueues(t.Context()); err != nil || len(queues) != 7 {
				t.Errorf("queues %v, %v", queues, err)
			}
		})
	}
}

func TestPartitionCountOfAHubMadeMeanwhile(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	early := openHub(t, cfg)
	explicit := cfg
	explicit.Partitions = 3
	earlyExplicit := openHub(t, explicit)
	other := cfg
	other.Partitions = 2
	h := openHub(t, other)
	if err := h.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := early.Ensure(t.Context()); err != nil || early.Partitions() != 2 || early.Queues().Partitions() != 2 {
		t.Errorf("%d partitions, %v", early.Partitions(), err)
	}
	var count *PartitionCountError
	if _, err := earlyExplicit.Client().StartOrchestration(t.Context(), durable.StartRequest{Name: "n", InstanceID: "i"}); !errors.As(err, &count) {
		t.Errorf("start in a hub of another number: %v", err)
	}
	if _, err := h.Client().GetInstance(t.Context(), "i"); !errors.Is(err, ErrInstanceNotFound) {
		t.Errorf("the refused start left something: %v", err)
	}
}

func TestHubDeletedUnderAClient(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	h := openHub(t, cfg)
	c := h.Client()
	for _, id := range []string{"a", "b"} {
		if _, err := c.StartOrchestration(t.Context(), durable.StartRequest{Name: "n", InstanceID: id}); err != nil {
			t.Fatal(err)
		}
		if in, err := c.GetInstance(t.Context(), id); err != nil || in.Status != history.Pending {
			t.Errorf("%+v, %v", in, err)
		}
		other, err := Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(other.Delete(t.Context()), other.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestDeleteBreaksNoLeasesButItsOwnHubs(t *testing.T) {
	t.Parallel()
	h := newHubForTest(t)
	manager, err := leases.New(leases.Config{Account: h.Account(), Names: h.Names(), Partitions: h.Partitions(), OnAcquired: func(l *leases.Lease) {
		_ = l.Release(context.Background())
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := manager.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for owner := ""; owner == "" && time.Now().Before(deadline); {
		if owner, err = h.appLeaseOwner(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := manager.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.Delete(t.Context()); err != nil { // although the app lease is held
		t.Error(err)
	}
	_, err = h.Account().BlobService().NewContainerClient(h.Names().AppLeaseContainer()).GetProperties(t.Context(), nil)
	if !storage.IsNotFound(err) {
		t.Errorf("the app lease's container: %v", err)
	}
}

// TestHubWhoseCreationWasCutShort: whoever created the hub has written some of the rows by which the table manager counts
// partitions, and died. Creating it again completes it.
func TestHubWhoseCreationWasCutShort(t *testing.T) {
	t.Parallel()
	cfg, mode := testConfig(t), leases.Table
	cfg.LeaseMode = &mode
	part := cfg
	part.Partitions = 3
	h := openHub(t, part)
	if err := h.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.Queues().Control(2).DeleteQueue(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg.Partitions = 4
	again := openHub(t, cfg)
	if err := again.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if queues, err := again.controlQueues(t.Context()); err != nil || len(queues) != 4 || again.Partitions() != 4 {
		t.Errorf("%d partitions, queues %v, %v", again.Partitions(), queues, err)
	}
	keys, _, err := again.partitionKeys(t.Context())
	if err != nil || len(keys) != 4 {
		t.Errorf("rows %v, %v", keys, err)
	}
}
