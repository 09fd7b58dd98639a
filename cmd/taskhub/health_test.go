package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/worker"
)

func TestHealthOfHub(t *testing.T) {
	t.Parallel()
	for _, mode := range []leases.Mode{leases.Safe, leases.Legacy, leases.Table} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			d := newDeskWithoutHub(t)
			d.account.do(t, "hub", "create", d.name, "--partitions", "2", "--mode", mode.String()).wantSuccess(t)
			o := d.do("health")
			if o.status != exitFailure || !strings.Contains(o.err, "no worker has a partition: start one, or add --idle-ok") {
				t.Errorf("%+v", o)
			}
			d.wantGolden(o, `
Hub "Hub": not healthy. Partition manager `+mode.String()+`, fleet not known, 0 workers.

PARTITION    OWNER   LEASE   SINCE   MESSAGES   VISIBLE   OLDEST
0            -       free    -       0          0
1            -       free    -       0          0
work items   -       -       -       0          0
`)
			d.ok("health", "--idle-ok").wantOut(t, ": ok.")
			d.ok("start", "Chain", "--id", "a", "--input", "7")
			if o := d.do("health", "--idle-ok"); o.status != exitFailure || !strings.Contains(o.err, "messages wait in partition ") {
				t.Errorf("%+v", o)
			}
			w := d.work()
			d.ok("wait", "a", "--timeout", "2m")
			var h hubHealth
			for end := time.Now().Add(patience); !h.Healthy; time.Sleep(50 * time.Millisecond) {
				h = hubHealth{}
				if d.parse(d.do("health", "-o", "json"), &h); time.Now().After(end) {
					t.Fatalf("%+v", h)
				}
			}
			if len(h.Workers) != 1 || h.Workers[0].Worker != "worker-"+d.name || len(h.Workers[0].Partitions) != 2 || h.Mode != mode.String() || h.Fleet != "go" || len(h.Partitions) != 2 {
				t.Errorf("%+v", h)
			}
			for i, p := range h.Partitions {
				if p.Partition != i || !p.Live || p.Owner != "worker-"+d.name || p.Since == nil || (p.Renew != nil) != (mode == leases.Table) {
					t.Errorf("%+v", p)
				}
			}
			d.account.do(t, "hub", "show", d.name).wantOut(t, "Workers            worker-"+d.name, "Partition manager  "+mode.String())
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := w.Stop(ctx); err != nil {
				t.Error(err)
			}
			if o := d.do("health"); o.status != exitFailure || strings.Contains(o.out, "held") {
				t.Errorf("%+v", o)
			}
		})
	}
}

func TestHealthOfWorker(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	w := d.work()
	server := httptest.NewServer(w.HealthHandler())
	defer server.Close()
	for end := time.Now().Add(patience); d.do("health").status != exitOK; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the worker does not get its partitions")
		}
	}
	o := do(t, "health", "--url", server.URL)
	o.wantSuccess(t)
	o.wantOut(t, `Worker "worker-`+d.name+`" of hub "`+d.name+`": ok.`, "PARTITION   STATE", "held")
	var h worker.Health
	o = do(t, "health", "--url", server.URL+"/healthz", "-o", "json")
	o.wantSuccess(t)
	if d.parse(o, &h); !h.Healthy || len(h.Partitions) != 2 {
		t.Errorf("%+v", h)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := w.Stop(ctx); err != nil {
		t.Error(err)
	}
	if o := do(t, "health", "--url", server.URL); o.status != exitFailure || !strings.Contains(o.out, "not healthy") || !strings.Contains(o.err, "the worker was stopped") {
		t.Errorf("%+v", o)
	}
}

func TestHealthOfSomethingElse(t *testing.T) {
	t.Parallel()
	for _, answer := range []struct {
		status int
		body   string
	}{{404, "no"}, {200, "<html>"}, {200, "{}"}, {500, `{"hub":"x"}`}} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(answer.status)
			_, _ = w.Write([]byte(answer.body))
		}))
		do(t, "health", "--url", server.URL).wantError(t, exitFailure, "--url", "not as a worker's health handler does")
		server.Close()
	}
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := socket.Addr().String()
	socket.Close()
	do(t, "health", "--url", "http://"+address+"/healthz").wantError(t, exitFailure, "nothing answers at http://"+address)
}

// TestHealthHidesPasswords: an address may have a password in it.
func TestHealthHidesPasswords(t *testing.T) {
	t.Parallel()
	o := do(t, "health", "--url", "http://shop:c2VjcmV0@127.0.0.1:1/healthz")
	o.wantError(t, exitFailure, "127.0.0.1:1/healthz")
	if strings.Contains(o.err, "c2VjcmV0") {
		t.Error(o.err)
	}
}
