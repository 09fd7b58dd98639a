package worker_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/emulator"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// record is everything that programs say: logs and errors.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

// note records a value in every form in which it may be printed.
func (r *record) note(values ...any) {
	for _, v := range values {
		fmt.Fprintf(r, "%v %+v %#v %s %q\n", v, v, v, v, v)
	}
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// flaky fails some requests in ways that clients put into errors.
type flaky struct {
	next policy.Transporter
	mu   sync.Mutex
	n    int
}

func (f *flaky) Do(req *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.n++
	n := f.n
	f.mu.Unlock()
	if n%13 == 0 {
		return nil, &url.Error{Op: req.Method, URL: req.URL.String(), Err: errors.New("connection reset")}
	}
	return f.next.Do(req)
}

func secret() string {
	var b [64]byte
	_, _ = rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}

// TestNoSecretIsSaid: a whole run, with storage that fails and with keys and signatures that are wrong, leaves no secret in
// logs at any level, in errors, in printed configurations, and in what is stored.
func TestNoSecretIsSaid(t *testing.T) {
	t.Parallel()
	const account = "hush"
	key, wrong := secret(), secret()
	signature := url.QueryEscape(secret())
	server, err := emulator.New(emulator.Config{Accounts: map[string]string{account: key}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var said record
	logger := slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
	open := func(connection string) (*taskhub.Hub, error) {
		cfg := taskhub.Config{Name: "Hushed", Connection: connection, Transport: &flaky{next: server.Transport()}, Logger: logger, Partitions: 2}
		said.note(storage.Config{ConnectionString: connection}, &storage.Config{ConnectionString: connection})
		return taskhub.Open(t.Context(), cfg)
	}
	connection := server.ConnectionString()
	hub, err := open(connection)
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Close()
	said.note(hub.Account())
	runSomething(t, hub, logger, &said)

	base, _, _ := strings.Cut(connection, "AccountKey=")
	_, endpoints, _ := strings.Cut(connection, "BlobEndpoint=")
	for _, bad := range []string{
		strings.Replace(connection, key, wrong, 1),
		strings.Replace(connection, key, key[:20]+"!"+key[21:], 1),
		base + "BlobEndpoint=" + endpoints + ";SharedAccessSignature=sv=2021-08-06&ss=bqt&srt=sco&sp=rwdlacup&se=2099-01-01&sig=" + signature,
		base + "BlobEndpoint=" + endpoints + ";SharedAccessSignature=" + signature,
		"AccountName=" + account + ";AccountKey=" + key + ";DefaultEndpointsProtocol=ftp",
		"AccountName=" + account + ";AccountKey=" + key + ";BlobEndpoint=http://example.org/" + account,
		"AccountKey=" + key, key, "sig=" + signature, "AccountName=" + account + " AccountKey=" + key,
		"https://" + account + ".blob.core.windows.net/?sig=" + signature,
	} {
		h, err := open(bad)
		if err != nil {
			said.note(err)
			continue
		}
		_, err = h.Client().StartOrchestration(t.Context(), durable.StartRequest{Name: "Big"})
		said.note(err)
		if err == nil {
			t.Errorf("an orchestration was started with %d bytes of nonsense", len(bad))
		}
		w, err := worker.New(h, worker.Config{Logger: logger})
		if err == nil {
			err = w.Start(t.Context())
		}
		said.note(err, h.Close())
	}
	stored := everything(t, server)
	for name, hidden := range map[string]string{"key": key, "wrong key": wrong, "signature": signature} {
		raw, _ := url.QueryUnescape(hidden)
		for _, form := range []string{hidden, raw, url.QueryEscape(raw), raw[:40]} {
			if strings.Contains(said.String(), form) {
				i := strings.Index(said.String(), form)
				t.Errorf("the %s was said: …%.200s…", name, said.String()[max(0, i-150):])
			}
			if strings.Contains(stored, form) {
				t.Errorf("the %s is stored", name)
			}
		}
	}
	if len(said.String()) < 10_000 {
		t.Errorf("only %d bytes were said", len(said.String()))
	}
}

// runSomething lets a worker do a bit of everything.
func runSomething(t *testing.T, hub *taskhub.Hub, logger *slog.Logger, said *record) {
	t.Helper()
	big := durable.NewOrchestrator("Big", func(ctx *durable.Context, in string) (string, error) {
		out, err := durable.CallActivity[string](ctx, "Grow", in).Await()
		if err != nil {
			return "", err
		}
		_, err = durable.CallActivity[string](ctx, "Panic", "").Await()
		return out, err
	})
	grow := durable.NewActivity("Grow", func(_ context.Context, in string) (string, error) { return strings.Repeat(in, 60_000), nil })
	panics := durable.NewActivity("Panic", func(context.Context, string) (string, error) { panic("oh no") })
	w := startWorker(t, hub, worker.Config{Logger: logger}, big, grow, panics)
	for i := range 10 {
		startID(t, hub, "Big", `"x"`, fmt.Sprint(i))
	}
	for i := range 10 {
		in := wait(t, hub, fmt.Sprint(i))
		if in.Status != history.Failed {
			t.Errorf("instance %d is %s", i, in.Status)
		}
		said.note(in.Failure)
	}
	said.note(w.Health())
	stopWorker(t, w)
}

// everything is all that the tables and blobs of a server hold, as text.
func everything(t *testing.T, server *emulator.Server) string {
	t.Helper()
	account, err := storage.Open(storage.Config{ConnectionString: server.ConnectionString(), Transport: server.Transport()})
	if err != nil {
		t.Fatal(err)
	}
	defer account.Close()
	var text strings.Builder
	pager := account.Tables().NewListTablesPager(nil)
	for pager.More() {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range page.Tables {
			rows := account.Tables().NewClient(*table.Name).NewListEntitiesPager(&aztables.ListEntitiesOptions{})
			for rows.More() {
				list, err := rows.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, row := range list.Entities {
					text.Write(row)
				}
			}
		}
	}
	if text.Len() == 0 {
		t.Error("nothing is stored")
	}
	return text.String()
}
