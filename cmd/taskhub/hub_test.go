package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
)

// account is an account that commands are told of by the environment.
type account struct {
	console
	conn string
}

func newAccount(conn string) account {
	return account{console{env: map[string]string{connectionVariable: conn}}, conn}
}

func (a account) hubs(t *testing.T) []hubJSON {
	t.Helper()
	o := a.do(t, "hub", "list", "-o", "json")
	o.wantSuccess(t)
	var hubs []hubJSON
	if err := json.Unmarshal([]byte(o.out), &hubs); err != nil {
		t.Fatal(err)
	}
	return hubs
}

func (a account) open(t *testing.T) *storage.Account {
	t.Helper()
	opened, err := storage.Open(storage.Config{ConnectionString: a.conn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	})
	return opened
}

func TestListNothing(t *testing.T) {
	t.Parallel()
	a := newAccount(emptyAccount(t))
	o := a.do(t, "hub", "list")
	if want := "There is no task hub in storage account devstoreaccount1.\n"; o.status != exitOK || o.out != "" || o.err != want {
		t.Errorf("%+v", o)
	}
	if o := a.do(t, "hub", "list", "-o", "json"); o.status != exitOK || o.out != "[]\n" || o.err != "" {
		t.Errorf("%+v", o)
	}
	a.do(t, "hub", "delete", "Orders", "--yes").wantError(t, exitNotFound, `no task hub "Orders": it has none`)
}

func TestCreateListDelete(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		flags []string
		want  string
		parts int
	}{
		{"defaults", nil, "4 partitions, partition manager safe", 4},
		{"legacy", []string{"--mode", "legacy", "--partitions", "1"}, "1 partition, partition manager legacy", 1},
		{"table", []string{"--mode", "table", "--partitions", "16"}, "16 partitions, partition manager table", 16},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a, hub := newAccount(testkit.Conn(t)), testkit.Hub(t)
			create := append([]string{"hub", "create", hub}, test.flags...)
			o := a.do(t, create...)
			o.wantSuccess(t)
			o.wantOut(t, fmt.Sprintf("Created task hub %q in storage account devstoreaccount1: %s.", hub, test.want))
			if hubs := a.hubs(t); !slices.Contains(hubs, hubJSON{hub, test.parts}) {
				t.Errorf("hubs %v", hubs)
			}
			for _, again := range [][]string{create, create[:3]} { // with and without the settings that it has
				o := a.do(t, again...)
				o.wantSuccess(t)
				o.wantOut(t, fmt.Sprintf("Task hub %q exists in storage account devstoreaccount1: %s.", hub, test.want))
			}
			o = a.do(t, "__complete", "hub", "delete", hub[:4])
			o.wantOut(t, hub)
			o = a.do(t, "hub", "delete", hub, "--yes")
			o.wantSuccess(t)
			o.wantOut(t, fmt.Sprintf("Deleted task hub %q", hub), hub+"History", strings.ToLower(hub)+"-control-00", strings.ToLower(hub)+"-applease")
			if hubs := a.hubs(t); slices.ContainsFunc(hubs, func(h hubJSON) bool { return h.Name == hub }) {
				t.Errorf("hubs %v", hubs)
			}
			a.do(t, "hub", "delete", hub, "--yes").wantError(t, exitNotFound, fmt.Sprintf("no task hub %q", hub))
		})
	}
}

// What a hub has cannot be changed by creating it again.
func TestCreateOtherwise(t *testing.T) {
	t.Parallel()
	a, hub := newAccount(testkit.Conn(t)), testkit.Hub(t)
	a.do(t, "hub", "create", hub, "--partitions", "2").wantSuccess(t)
	defer func() { a.do(t, "hub", "delete", hub, "--yes").wantSuccess(t) }()
	a.do(t, "hub", "create", hub, "--partitions", "3").wantError(t, exitFailure, hub, "with 2 partitions, which cannot be changed")
	a.do(t, "hub", "create", hub, "--mode", "table").wantError(t, exitFailure, hub, "partition manager safe, which cannot be changed")
	other := strings.ToLower(hub)
	for _, verb := range [][]string{{"create", other}, {"delete", other, "--yes"}} {
		a.do(t, append([]string{"hub"}, verb...)...).wantError(t, exitFailure, hub, other, "use that spelling")
	}
	parts, err := findParts(t.Context(), a.open(t), names(t, hub))
	if err != nil || len(parts.queues) != 3 || len(parts.tables) != 2 || len(parts.containers) != 2 {
		t.Errorf("%v, %v", parts, err)
	}
}

func names(t *testing.T, hub string) layout.Names {
	t.Helper()
	n, err := layout.NewNames(hub)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestConfirmation(t *testing.T) {
	t.Parallel()
	a, hub := newAccount(testkit.Conn(t)), testkit.Hub(t)
	a.do(t, "hub", "create", hub).wantSuccess(t)
	a.person = true
	for _, test := range []struct{ in, want string }{
		{"", "not confirmed; nothing was deleted"},
		{"\n", "not confirmed; nothing was deleted"},
		{"yes\n", `"yes" is not "` + hub + `"; nothing was deleted`},
		{strings.ToLower(hub) + "\n", "nothing was deleted"},
		{strings.Repeat("x", 1<<20), "nothing was deleted"},
	} {
		a.in = test.in
		o := a.do(t, "hub", "delete", hub)
		if o.status != exitFailure || o.out != "" || !strings.Contains(o.err, "cannot be undone") || !strings.HasSuffix(o.err, test.want+"\n") {
			t.Errorf("%.20q: %+v", test.in, o)
		}
	}
	a.in = " " + hub + " \r\n"
	o := a.do(t, "hub", "delete", hub)
	if o.status != exitOK || !strings.Contains(o.err, "Type the hub's name to go on: ") {
		t.Errorf("%+v", o)
	}
	o.wantOut(t, "Deleted task hub")
}

// A signal ends the question, though the read goes on.
func TestConfirmationInterrupted(t *testing.T) {
	t.Parallel()
	in, typed := io.Pipe()
	defer typed.Close()
	asked := make(chan struct{})
	w := world{in: in, err: writerFunc(func(p []byte) (int, error) {
		if string(p) == "Well? " {
			close(asked)
		}
		return len(p), nil
	})}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if answer, err := ask(ctx, w, "Well? "); answer != "" || !errors.Is(err, context.Canceled) {
		t.Errorf("%q, %v", answer, err)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// What an interrupted deletion left is found and deleted.
func TestDeleteRemains(t *testing.T) {
	t.Parallel()
	for _, mode := range []leases.Mode{leases.Safe, leases.Table} {
		for name, lose := range map[string]func(t *testing.T, a *storage.Account, parts hubParts){
			"tables": func(t *testing.T, a *storage.Account, parts hubParts) {
				for _, table := range parts.tables {
					if _, err := a.Tables().DeleteTable(t.Context(), table, nil); err != nil {
						t.Fatal(err)
					}
				}
			},
			"queues": func(t *testing.T, a *storage.Account, parts hubParts) {
				for _, queue := range parts.queues {
					if _, err := a.Queues().DeleteQueue(t.Context(), queue, nil); err != nil {
						t.Fatal(err)
					}
				}
			},
			"containers": func(t *testing.T, a *storage.Account, parts hubParts) {
				for _, container := range parts.containers {
					if _, err := a.Blobs().DeleteContainer(t.Context(), container, nil); err != nil {
						t.Fatal(err)
					}
				}
			},
		} {
			t.Run(mode.String()+" without "+name, func(t *testing.T) {
				t.Parallel()
				a, hub := newAccount(testkit.Conn(t)), testkit.Hub(t)
				a.do(t, "hub", "create", hub, "--mode", mode.String(), "--partitions", "3").wantSuccess(t)
				opened := a.open(t)
				parts, err := findParts(t.Context(), opened, names(t, hub))
				if err != nil {
					t.Fatal(err)
				}
				lose(t, opened, parts)
				a.do(t, "hub", "delete", hub, "--yes").wantSuccess(t)
				if parts, err := findParts(t.Context(), opened, names(t, hub)); err != nil || !parts.empty() {
					t.Errorf("left: %v, %v", parts, err)
				}
			})
		}
	}
}

// A table whose name happens to end like a hub's is not taken for a hub.
func TestDeleteWhatIsNoHub(t *testing.T) {
	t.Parallel()
	a, hub := newAccount(testkit.Conn(t)), testkit.Hub(t)
	opened := a.open(t)
	if _, err := opened.Tables().CreateTable(t.Context(), hub+"History", nil); err != nil {
		t.Fatal(err)
	}
	a.do(t, "hub", "delete", hub, "--yes").wantError(t, exitNotFound, fmt.Sprintf("no task hub %q, only %sHistory", hub, hub))
	if _, err := opened.Tables().DeleteTable(t.Context(), hub+"History", nil); err != nil {
		t.Errorf("the table is gone: %v", err)
	}
}

// Another hub whose name begins alike stays as it is.
func TestDeleteOnlyTheHub(t *testing.T) {
	t.Parallel()
	a, hub := newAccount(testkit.Conn(t)), testkit.Hub(t)
	longer := hub + "Active"
	for _, name := range []string{hub, longer} {
		a.do(t, "hub", "create", name, "--partitions", "2").wantSuccess(t)
	}
	a.do(t, "hub", "delete", hub, "--yes").wantSuccess(t)
	if hubs := a.hubs(t); !slices.Contains(hubs, hubJSON{longer, 2}) {
		t.Errorf("hubs %v", hubs)
	}
	a.do(t, "hub", "delete", longer, "--yes").wantSuccess(t)
}

func TestDeleteWarnsOfWorkers(t *testing.T) {
	t.Parallel()
	a, name := newAccount(testkit.Conn(t)), testkit.Hub(t)
	hub, err := taskhub.Create(t.Context(), taskhub.Config{Name: name, Account: a.open(t), Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Close()
	owned := make(chan struct{})
	manager, err := leases.New(leases.Config{
		Account: hub.Account(), Names: hub.Names(), Partitions: 1, WorkerID: "worker-in-the-test",
		OnAcquired: func(lease *leases.Lease) {
			close(owned)
			<-lease.HandOver()
			if err := lease.Release(context.Background()); err != nil {
				t.Error(err)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := manager.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-owned
	a.person, a.in = true, "\n"
	if o := a.do(t, "hub", "delete", name); !strings.Contains(o.err, `warning: worker "worker-in-the-test" is running on the hub`) || o.status != exitFailure {
		t.Errorf("%+v", o)
	}
	if err := manager.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	a.do(t, "hub", "delete", name, "--yes").wantSuccess(t)
}

// A hub that keeps its tables under another name is made, shown, handed to a fleet and deleted under both names only.
func TestHubWithTrackingPrefix(t *testing.T) {
	t.Parallel()
	a, hub := newAccount(testkit.Conn(t)), testkit.Hub(t)
	other, prefix := testkit.Hub(t), "P"+hub
	for _, name := range []string{hub, other} {
		a.do(t, "hub", "create", name, "--tracking-prefix", prefix).wantSuccess(t)
	}
	a.do(t, "start", "Anything", "--hub", hub, "--tracking-prefix", prefix).wantSuccess(t) // only its instances tell where a hub's tables are
	o := a.do(t, "hub", "show", hub, "--tracking-prefix", prefix)
	o.wantSuccess(t)
	o.wantOut(t, prefix+"History", prefix+"Instances")
	a.do(t, "hub", "set-fleet", hub, "mixed", "--tracking-prefix", prefix).wantSuccess(t)
	for _, verb := range [][]string{{"show", hub}, {"delete", hub, "--yes"}, {"set-fleet", hub, "go"}, {"create", hub}} {
		a.do(t, append([]string{"hub"}, verb...)...).wantError(t, exitUsage, "add --tracking-prefix "+prefix)
	}
	a.do(t, "hub", "show", hub, "--tracking-prefix", "a-b").wantError(t, exitUsage, "--tracking-prefix")
	a.do(t, "hub", "delete", hub, "--tracking-prefix", prefix, "--yes").wantSuccess(t)
	a.do(t, "hub", "show", other, "--tracking-prefix", prefix).wantSuccess(t)
	a.do(t, "hub", "delete", other, "--tracking-prefix", prefix, "--yes").wantSuccess(t)
	left, err := findParts(t.Context(), a.open(t), names(t, prefix))
	if err != nil || !left.empty() {
		t.Errorf("left over: %v, %v", left, err)
	}
}
