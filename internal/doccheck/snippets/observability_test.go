package snippets

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/telemetry"
	"github.com/go-taskhub/taskhub/worker"
)

// observe opens a hub and makes a worker that report to OpenTelemetry.
func observe(ctx context.Context, connection string, spanExporter sdktrace.SpanExporter, reader sdkmetric.Reader) error {
	ids := telemetry.NewIDGenerator(nil)
	tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spanExporter), sdktrace.WithIDGenerator(ids))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	t, err := telemetry.New(telemetry.Config{TracerProvider: tracers, MeterProvider: meters})
	if err != nil {
		return err
	}
	hub, err := taskhub.Open(ctx, taskhub.Config{Name: "orders", Connection: connection, Telemetry: t})
	if err != nil {
		return err
	}
	w, err := worker.New(hub, worker.Config{}) // reports where the hub does, unless worker.Config.Telemetry says otherwise
	if err != nil {
		return errors.Join(err, hub.Close())
	}
	return errors.Join(w.Start(ctx), w.Stop(ctx), hub.Close(), tracers.Shutdown(ctx), meters.Shutdown(ctx))
}

// logged puts the ids of the activity's span on a record.
func logged(ctx context.Context, amount int) {
	log := slog.New(telemetry.LogHandler(slog.NewJSONHandler(os.Stderr, nil)))
	log.InfoContext(ctx, "charged", "amount", amount) // within an activity
}

func TestObserve(t *testing.T) {
	t.Parallel()
	if err := observe(t.Context(), "embedded:", tracetest.NewInMemoryExporter(), sdkmetric.NewManualReader()); err != nil {
		t.Error(err)
	}
	logged(t.Context(), 1)
}
