package taskhub

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/storage"
)

func ids(t *testing.T, h *Hub) []string {
	t.Helper()
	var all []string
	for i, err := range h.Client().Query(t.Context(), Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, i.InstanceID)
	}
	return all
}

// TestTrackingPrefix has two hubs share their tables, as .NET's TrackingStoreNamePrefix makes them.
func TestTrackingPrefix(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	cfg.TrackingPrefix = "P" + testkit.Hub(t)
	second := cfg
	second.Name = testkit.Hub(t)
	one, two := openHub(t, cfg), openHub(t, second)
	mustStart(t, one, durable.StartRequest{InstanceID: "a-1"})
	mustStart(t, two, durable.StartRequest{InstanceID: "b-1"})
	mustStart(t, two, durable.StartRequest{InstanceID: "b-2"})
	names, err := listTables(t.Context(), cfg.Account)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{cfg.TrackingPrefix + "History", cfg.TrackingPrefix + "Instances"} {
		if !slices.Contains(names, name) {
			t.Errorf("there is no table %s", name)
		}
	}
	for _, name := range names {
		if strings.HasPrefix(name, cfg.Name) || strings.HasPrefix(name, second.Name) {
			t.Errorf("there is a table %s", name)
		}
	}
	hubs, err := List(t.Context(), Config{Account: cfg.Account})
	for _, name := range []string{cfg.Name, second.Name} {
		if err != nil || !slices.Contains(hubs, Info{Name: name, Partitions: layout.DefaultPartitions, OtherTables: true}) {
			t.Errorf("hub %s is not listed: %+v, %v", name, hubs, err)
		}
	}
	if a, b := ids(t, one), ids(t, two); !slices.Equal(a, []string{"a-1"}) || !slices.Equal(b, []string{"b-1", "b-2"}) {
		t.Errorf("one has %v, two has %v", a, b)
	}
	if counts, err := one.Client().Count(t.Context(), Query{}); err != nil || counts[history.Pending] != 1 {
		t.Errorf("%v, %v", counts, err)
	}
	setStatus(t, one, "a-1", history.Completed, "1")
	setStatus(t, two, "b-1", history.Completed, "1")
	if progress, err := one.Client().PurgeAll(t.Context(), PurgeFilter{}); err != nil || progress.Instances != 1 {
		t.Errorf("%+v, %v", progress, err)
	}

	without := cfg
	without.Name, without.TrackingPrefix = second.Name, ""
	_, err = Open(t.Context(), without)
	var other *TrackingPrefixError
	if !errors.As(err, &other) || other.Stored != cfg.TrackingPrefix || other.Hub != second.Name {
		t.Errorf("without the prefix: %v", err)
	}
	without.TrackingPrefix = "an odd one"
	if _, err = Open(t.Context(), without); !errors.As(err, new(*InvalidTrackingPrefixError)) {
		t.Errorf("an odd prefix: %v", err)
	}

	if err := two.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustStart(t, one, durable.StartRequest{InstanceID: "a-2"})
	if left := ids(t, one); !slices.Equal(left, []string{"a-2"}) {
		t.Errorf("left are %v", left)
	}
	if found, err := one.hasRowsIn(t.Context(), cfg.TrackingPrefix+"Instances", "ne"); err != nil || found {
		t.Errorf("the deleted hub has rows: %v, %v", found, err)
	}
	if err := one.Delete(t.Context()); err != nil { // the last one takes the tables
		t.Fatal(err)
	}
	if there, err := tableExists(t.Context(), cfg.Account, cfg.TrackingPrefix+"Instances"); err != nil || there {
		t.Errorf("the table is there: %v, %v", there, err)
	}
}

// TestTrackingAccount keeps queues in one account and everything else in another.
func TestTrackingAccount(t *testing.T) {
	t.Parallel()
	tracking, err := storage.Open(storage.Config{ConnectionString: "embedded:"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tracking.Close(); err != nil {
			t.Error(err)
		}
	})
	cfg := testConfig(t)
	cfg.TrackingAccount = tracking
	h := openHub(t, cfg)
	c := h.Client()
	big := `"` + strings.Repeat("x", 100_000) + `"`
	mustStart(t, h, durable.StartRequest{InstanceID: "a", Input: &big})
	if in, err := c.Get(t.Context(), "a"); err != nil || in.Input == nil || *in.Input != big {
		t.Errorf("%v", err)
	}
	if got := received(t, h, "a"); len(got) != 1 {
		t.Errorf("%d messages", len(got))
	}
	names, err := layout.NewNames(cfg.Name)
	if err != nil {
		t.Fatal(err)
	}
	if there, err := tableExists(t.Context(), cfg.Account, names.InstancesTable()); err != nil || there {
		t.Errorf("the main account has the table: %v, %v", there, err)
	}
	if _, err := leases.ReadHubInfo(t.Context(), tracking, names); err != nil {
		t.Error(err)
	}
	late := openHub(t, cfg)
	if late.Partitions() != layout.DefaultPartitions || late.TrackingAccount() != tracking || late.Account() != cfg.Account {
		t.Error("the hub is not found again")
	}
	cfg.TrackingConnection = "embedded:"
	if _, err := Open(t.Context(), cfg); !errors.As(err, new(*ConfigError)) {
		t.Error(err)
	}
}

func TestBase64Hub(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	cfg.Base64Queues = true
	h := openHub(t, cfg)
	big := `"` + strings.Repeat("é", 60_000) + `"`
	for id, input := range map[string]*string{"small é": history.String(`"é"`), "big": &big} {
		mustStart(t, h, durable.StartRequest{InstanceID: id, Input: input})
		got := received(t, h, id)
		if len(got) != 1 {
			t.Fatalf("%s: %d messages", id, len(got))
		}
		text, err := base64.StdEncoding.DecodeString(got[0].Text)
		if err != nil || !strings.HasPrefix(string(text), `{"$type":"DurableTask.AzureStorage.MessageData"`) {
			t.Errorf("%s: the message is %.60s, %v", id, got[0].Text, err)
		}
		started, ok := got[0].Envelope.Message.Event.(*history.ExecutionStarted)
		if !ok || *started.Input != *input {
			t.Errorf("%s: received %T", id, got[0].Envelope.Message.Event)
		}
		if in, err := h.Client().Get(t.Context(), id); err != nil || *in.Input != *input {
			t.Errorf("%s: %v", id, err)
		}
		if err := h.Client().RaiseEvent(t.Context(), id, "e", "x"); err != nil {
			t.Error(err)
		}
	}
	plain := openHub(t, Config{Name: cfg.Name, Account: cfg.Account}) // a reader need not know
	if got := received(t, plain, "big"); len(got) != 1 || got[0].Envelope == nil {
		t.Errorf("%d messages", len(got))
	}
}

func TestAnotherLeaseModeIsRefused(t *testing.T) {
	t.Parallel()
	modes := []leases.Mode{leases.Safe, leases.Legacy, leases.Table}
	for _, stored := range modes {
		cfg := testConfig(t)
		cfg.LeaseMode = &stored
		h := openHub(t, cfg)
		if err := h.Ensure(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, configured := range modes {
			cfg.LeaseMode = &configured
			made, err := Create(t.Context(), cfg)
			if configured == stored {
				if err != nil {
					t.Errorf("%v: %v", stored, err)
				} else if err := made.Close(); err != nil {
					t.Error(err)
				}
				continue
			}
			var refused *LeaseModeError
			if !errors.As(err, &refused) || refused.Stored != stored || refused.Configured != configured || strings.Count(err.Error(), cfg.Name) != 1 {
				t.Errorf("%v on a hub of %v: %v", configured, stored, err)
			}
			if shown, err := h.shows(t.Context(), configured); err != nil || shown {
				t.Errorf("%v on a hub of %v left something: %v", configured, stored, err)
			}
		}
	}
}

func TestErrorsNameTheHubOnce(t *testing.T) {
	t.Parallel()
	if _, err := List(t.Context(), Config{}); !errors.Is(err, storage.ErrNoConnection) || strings.Contains(err.Error(), `hub ""`) {
		t.Errorf("list: %v", err)
	}
	cfg := testConfig(t)
	h := openHub(t, cfg)
	if err := h.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg.Partitions = 9
	if _, err := Open(t.Context(), cfg); !errors.As(err, new(*PartitionCountError)) || strings.Count(err.Error(), cfg.Name) != 1 {
		t.Errorf("open: %v", err)
	}
	if err := Delete(t.Context(), Config{}); !errors.As(err, new(*ConfigError)) {
		t.Errorf("delete: %v", err)
	}
}

// TestDeleteOfDamagedHubs deletes hubs that cannot be opened any more.
func TestDeleteOfDamagedHubs(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(t *testing.T, h *Hub) error{
		"nothing there": func(*testing.T, *Hub) error { return nil },
		"taskhub.json is no JSON": func(t *testing.T, h *Hub) error {
			if err := h.Ensure(t.Context()); err != nil {
				return err
			}
			_, err := h.Account().Blobs().UploadBuffer(t.Context(), h.Names().LeaseContainer(), layout.TaskHubInfoBlob, []byte("{"), nil)
			return err
		},
		"partition rows without queues": func(t *testing.T, h *Hub) error {
			if err := h.Ensure(t.Context()); err != nil {
				return err
			}
			table := h.Account().Tables().NewClient(h.Names().PartitionsTable())
			if _, err := table.CreateTable(t.Context(), nil); err != nil {
				return err
			}
			_, err := table.AddEntity(t.Context(), []byte(`{"PartitionKey":"","RowKey":"odd"}`), nil)
			return err
		},
		"no tables": func(t *testing.T, h *Hub) error {
			if err := h.Ensure(t.Context()); err != nil {
				return err
			}
			return h.Tables().Delete(t.Context())
		},
		"an app lease of somebody unknown": func(t *testing.T, h *Hub) error {
			if err := h.Ensure(t.Context()); err != nil {
				return err
			}
			_, err := h.Account().Blobs().UploadBuffer(t.Context(), h.Names().AppLeaseContainer(), h.Names().AppLeaseInfoBlob(), []byte("garbage"), nil)
			if err != nil {
				return err
			}
			client, err := lease.NewContainerClient(h.Account().BlobService().NewContainerClient(h.Names().AppLeaseContainer()), nil)
			if err == nil {
				_, err = client.AcquireLease(t.Context(), -1, nil)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig(t)
			h, err := Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			if err := damage(t, h); err != nil {
				t.Fatal(err)
			}
			if err := Delete(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			if left := leftovers(t, cfg); len(left) != 0 {
				t.Errorf("left are %v", left)
			}
		})
	}
}

// leftovers lists what is there of a hub.
func leftovers(t *testing.T, cfg Config) []string {
	t.Helper()
	var left []string
	all, err := listTables(t.Context(), cfg.Account)
	if err != nil {
		t.Fatal(err)
	}
	queues, err := listQueues(t.Context(), cfg.Account, "")
	if err != nil {
		t.Fatal(err)
	}
	all = append(all, queues...)
	pager := cfg.Account.BlobService().NewListContainersPager(nil)
	for pager.More() {
		page, err := pager.NextPage(context.WithoutCancel(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.ContainerItems {
			all = append(all, *c.Name)
		}
	}
	for _, name := range all {
		if strings.HasPrefix(strings.ToLower(name), strings.ToLower(cfg.Name)) {
			left = append(left, name)
		}
	}
	return left
}

// TestSerializedExceptions reads what hubs without failure details have of a failure: its text.
func TestSerializedExceptions(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	cfg.ErrorStyle = durable.SerializedExceptions
	h := openHub(t, cfg)
	if err := h.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	ran(t, h, "f", history.Failed, "card declined", nil)
	in, err := h.Client().Get(t.Context(), "f")
	if err != nil || in.Status != history.Failed || in.Failure != nil || in.Output == nil || *in.Output != "card declined" {
		t.Errorf("%+v, %v", in, err)
	}
}
