package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	promexporter "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/go-taskhub/taskhub/telemetry"
)

// providers are where traces and metrics go.
type providers struct {
	traces   *sdktrace.TracerProvider
	metrics  *sdkmetric.MeterProvider
	registry *prometheus.Registry
}

// newProviders makes a Prometheus exporter, and OTLP exporters if there is an endpoint.
func newProviders(ctx context.Context, endpoint string) (*providers, error) {
	if u, err := url.Parse(endpoint); endpoint != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("--otlp is %q; give a URL such as http://127.0.0.1:4318", endpoint)
	}
	who := resource.NewSchemaless(attribute.String("service.name", "orders"))
	p := &providers{registry: prometheus.NewRegistry()}
	pull, err := promexporter.New(promexporter.WithRegisterer(p.registry))
	if err != nil {
		return nil, err
	}
	meters := []sdkmetric.Option{sdkmetric.WithResource(who), sdkmetric.WithReader(pull)}
	// The generator lets the span of an orchestration keep its id from process to process.
	tracers := []sdktrace.TracerProviderOption{sdktrace.WithResource(who), sdktrace.WithIDGenerator(telemetry.NewIDGenerator(nil))}
	if endpoint != "" {
		spans, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint+"/v1/traces"))
		if err != nil {
			return nil, err
		}
		push, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(endpoint+"/v1/metrics"))
		if err != nil {
			return nil, err
		}
		tracers = append(tracers, sdktrace.WithBatcher(spans))
		meters = append(meters, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(push)))
	}
	p.traces, p.metrics = sdktrace.NewTracerProvider(tracers...), sdkmetric.NewMeterProvider(meters...)
	return p, nil
}

// shutDown sends what was not sent yet.
func (p *providers) shutDown() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(p.traces.Shutdown(ctx), p.metrics.Shutdown(ctx))
}
