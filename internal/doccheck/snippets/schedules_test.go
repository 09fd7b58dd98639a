package snippets

import (
	"errors"
	"testing"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// ReportInput is the input of Report.
type ReportInput struct{ Team string }

// Report is what the schedule starts.
var Report = durable.NewOrchestrator("Report", func(_ *durable.Context, in ReportInput) (string, error) { return in.Team, nil })

// Nightly starts Report every morning.
var Nightly = durable.NewSchedule("nightly", Report, ReportInput{Team: "red"},
	durable.Cron("0 0 7 * * *").In("Europe/Berlin"), durable.WithOverlap(durable.OverlapQueue))

func register(w *worker.Worker) error {
	if err := w.Register(Report); err != nil {
		return err
	}
	return w.RegisterSchedules(Nightly)
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	hub, err := taskhub.Open(t.Context(), taskhub.Config{Name: "Shop", Connection: "embedded:"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hub.Close() })
	w, err := worker.New(hub, worker.Config{})
	if err == nil {
		err = register(w)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Start(t.Context()), w.Stop(t.Context())); err != nil {
		t.Error(err)
	}
	if _, err := hub.Client().GetSchedule(t.Context(), "nightly"); err != nil {
		t.Error(err)
	}
}
