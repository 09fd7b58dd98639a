package snippets

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// healthz serves the worker's health.
func healthz(mux *http.ServeMux, w *worker.Worker) {
	mux.Handle("/healthz", w.HealthHandler())
}

// tidy deletes what ended well a month ago.
func tidy(ctx context.Context, client *taskhub.Client) error {
	_, err := client.PurgeAll(ctx, taskhub.PurgeFilter{
		CreatedTo: time.Now().AddDate(0, -1, 0),
		Statuses:  []history.Status{history.Completed, history.Terminated},
	})
	return err
}

// ofNET is a hub that .NET workers with default settings have made.
func ofNET(conn string) (taskhub.Config, worker.Config) {
	table := leases.Table
	hub := taskhub.Config{Name: "Orders", Connection: conn, LeaseMode: &table, Partitions: 4}
	return hub, worker.Config{Fleet: worker.FleetMixed, AppName: "orders-app"}
}

// What .NET workers of the hub may host.
var (
	Price = durable.DeclareActivity[Order, float64]("Price")
	Audit = durable.DeclareOrchestrator[Order, bool]("Audit")
)

// Priced calls .NET code.
var Priced = durable.NewOrchestrator("Priced", func(ctx *durable.Context, order Order) (float64, error) {
	price, err := Price.Call(ctx, order).Await()
	if err != nil {
		return 0, err
	}
	if ok, err := Audit.Call(ctx, order).Await(); err != nil || !ok {
		return 0, err
	}
	return price, nil
})

func TestOperating(t *testing.T) {
	t.Parallel()
	conf, workerConf := ofNET("embedded:")
	hub, err := taskhub.Open(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hub.Close() })
	w, err := worker.New(hub, workerConf)
	if err != nil {
		t.Fatal(err)
	}
	price := Price.With(func(context.Context, Order) (float64, error) { return 1.5, nil })
	audit := Audit.With(func(*durable.Context, Order) (bool, error) { return true, nil })
	if err := w.Register(Priced, price, audit); err != nil {
		t.Fatal(err)
	}
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	run, err := Priced.Start(t.Context(), hub.Client(), Order{})
	if err != nil {
		t.Fatal(err)
	}
	if price, err := run.Wait(t.Context()); err != nil || price != 1.5 {
		t.Errorf("%v, %v", price, err)
	}
	mux := http.NewServeMux()
	healthz(mux, w)
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/healthz", nil))
	if answer.Code != http.StatusOK {
		t.Errorf("healthz: %d %s", answer.Code, answer.Body)
	}
	if err := tidy(t.Context(), hub.Client()); err != nil {
		t.Error(err)
	}
	if err := w.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}
