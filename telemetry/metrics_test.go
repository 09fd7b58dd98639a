package telemetry_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/embedded"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/telemetry"
	"github.com/go-taskhub/taskhub/worker"
)

// measured runs two chains and a failure with metrics, and returns what was measured.
func measured(t *testing.T, fleet worker.Fleet) (read func() map[string]float64) {
	t.Helper()
	s := newScene(t, fleet)
	reader := sdkmetric.NewManualReader()
	tel, err := telemetry.New(telemetry.Config{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))})
	if err != nil {
		t.Fatal(err)
	}
	s.hub = s.open(tel)
	s.client = s.hub.Client()
	boom := durable.NewOrchestrator("Boom", func(*durable.Context, int) (int, error) { return 0, fmt.Errorf("no") })
	s.run(s.hub, worker.Config{MaxActivities: 7}, programs()[0].entry, hello, boom)
	for range 2 {
		s.begin("Chain", 2, taskhub.IfExists(taskhub.Replace))
		s.ended("i")
	}
	s.begin("Boom", 0, taskhub.IfExists(taskhub.Replace))
	s.ended("i")
	return func() map[string]float64 { return collect(t, reader) }
}

// collect shows each measurement as one number: a value, or the count of a histogram.
func collect(t *testing.T, reader sdkmetric.Reader) map[string]float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					values[m.Name+"{"+p.Attributes.Encoded(encoder{})+"}"] = float64(p.Value)
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					values[m.Name+"{"+p.Attributes.Encoded(encoder{})+"}"] = float64(p.Value)
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					values[m.Name+"{"+p.Attributes.Encoded(encoder{})+"}"] = p.Value
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					values[m.Name+"{"+p.Attributes.Encoded(encoder{})+"}"] = float64(p.Count)
				}
			default:
				t.Errorf("%s is a %T", m.Name, data)
			}
		}
	}
	return values
}

// TestMetrics reads what a worker measures.
func TestMetrics(t *testing.T) {
	t.Parallel()
	inFleets(t, func(t *testing.T, fleet worker.Fleet) {
		read := measured(t, fleet)
		exactly := map[string]float64{
			"taskhub.orchestration.started{taskhub.orchestration.name=Chain}":                                         2,
			"taskhub.orchestration.started{taskhub.orchestration.name=Boom}":                                          1,
			"taskhub.orchestration.ended{taskhub.orchestration.name=Chain,taskhub.orchestration.status=Completed}":    2,
			"taskhub.orchestration.ended{taskhub.orchestration.name=Boom,taskhub.orchestration.status=Failed}":        1,
			"taskhub.orchestration.duration{taskhub.orchestration.name=Chain,taskhub.orchestration.status=Completed}": 2,
			"taskhub.activity.duration{taskhub.activity.name=Hello,taskhub.outcome=completed}":                        4,
			"taskhub.activity.slots{taskhub.slot.state=used}":                                                         0,
			"taskhub.activity.slots{taskhub.slot.state=free}":                                                         7,
			"taskhub.partitions.owned{}":                                       4,
			"taskhub.episode.running{}":                                        0,
			"taskhub.storage.concurrency.limit{taskhub.storage.service=queue}": 0,
		}
		atLeast := map[string]float64{
			"taskhub.episode.duration{taskhub.orchestration.name=Chain}": 2, "taskhub.commit.duration{taskhub.outcome=committed}": 3,
			"taskhub.episode.slots{}": 16,
		}
		var wrong []string
		var got map[string]float64
		for end := time.Now().Add(patience / 3); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			got, wrong = read(), nil
			for name, want := range exactly {
				if have, ok := got[name]; !ok || have != want {
					wrong = append(wrong, fmt.Sprintf("%s is %v, not %v", name, have, want))
				}
			}
			for name, want := range atLeast {
				if got[name] < want {
					wrong = append(wrong, fmt.Sprintf("%s is %v, less than %v", name, got[name], want))
				}
			}
			for _, prefix := range []string{
				"taskhub.messages.received{taskhub.partition=", "taskhub.messages.deleted{taskhub.partition=", "taskhub.queue.lag{taskhub.partition=",
				"taskhub.queue.lag{taskhub.queue=workitems}", "taskhub.orchestration.active{taskhub.partition=", "taskhub.messages.waiting{",
				"taskhub.storage.call.duration{http.response.status_code=201,taskhub.storage.operation=queue.put,taskhub.storage.service=queue}",
			} {
				if !slices.ContainsFunc(keys(got), func(name string) bool { return strings.HasPrefix(name, prefix) }) {
					wrong = append(wrong, "there is no "+prefix)
				}
			}
			if len(wrong) == 0 {
				return
			}
		}
		t.Errorf("%s\nin\n%s", strings.Join(wrong, "\n"), strings.Join(keys(got), "\n"))
	})
}

func keys(m map[string]float64) []string {
	var list []string
	for name := range m {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// TestNoInstanceIDs: no attribute of a metric has an id.
func TestNoInstanceIDs(t *testing.T) {
	t.Parallel()
	for name := range measured(t, worker.FleetMixed)() {
		if regexp.MustCompile(`=i[,}]|[0-9a-f]{32}`).MatchString(name) {
			t.Errorf("%s has an id", name)
		}
	}
}

// TestDocumented: docs/observability.md lists every instrument with its unit, and no other.
func TestDocumented(t *testing.T) {
	t.Parallel()
	listing := &listingProvider{}
	if _, err := telemetry.New(telemetry.Config{MeterProvider: listing}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(taskhub\\.[a-z_.]+)` \\| ([^|]+) \\|").FindAllStringSubmatch(string(text), -1) {
		documented = append(documented, m[1]+" "+m[2])
	}
	slices.Sort(documented)
	slices.Sort(listing.names)
	if !slices.Equal(documented, listing.names) {
		t.Errorf("documented are\n%s\n\nbut there are\n%s", strings.Join(documented, "\n"), strings.Join(listing.names, "\n"))
	}
}

// listingProvider lists the instruments that are made.
type listingProvider struct {
	embedded.MeterProvider
	mu    sync.Mutex
	names []string
}

func (p *listingProvider) Meter(string, ...metric.MeterOption) metric.Meter {
	return listingMeter{Meter: noop.Meter{}, p: p}
}

func (p *listingProvider) add(name, kind, unit string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.names = append(p.names, name+" "+kind+", "+strings.Trim(unit, "{}"))
}

type listingMeter struct {
	metric.Meter
	p *listingProvider
}

func (m listingMeter) Int64Counter(name string, options ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	m.p.add(name, "counter", metric.NewInt64CounterConfig(options...).Unit())
	return m.Meter.Int64Counter(name, options...)
}

func (m listingMeter) Float64Histogram(name string, options ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	m.p.add(name, "histogram", metric.NewFloat64HistogramConfig(options...).Unit())
	return m.Meter.Float64Histogram(name, options...)
}

func (m listingMeter) Int64ObservableCounter(name string, options ...metric.Int64ObservableCounterOption) (metric.Int64ObservableCounter, error) {
	m.p.add(name, "counter", metric.NewInt64ObservableCounterConfig(options...).Unit())
	return m.Meter.Int64ObservableCounter(name, options...)
}

func (m listingMeter) Float64ObservableCounter(name string, options ...metric.Float64ObservableCounterOption) (metric.Float64ObservableCounter, error) {
	m.p.add(name, "counter", metric.NewFloat64ObservableCounterConfig(options...).Unit())
	return m.Meter.Float64ObservableCounter(name, options...)
}

func (m listingMeter) Int64ObservableGauge(name string, options ...metric.Int64ObservableGaugeOption) (metric.Int64ObservableGauge, error) {
	m.p.add(name, "gauge", metric.NewInt64ObservableGaugeConfig(options...).Unit())
	return m.Meter.Int64ObservableGauge(name, options...)
}

func (m listingMeter) Float64ObservableGauge(name string, options ...metric.Float64ObservableGaugeOption) (metric.Float64ObservableGauge, error) {
	m.p.add(name, "gauge", metric.NewFloat64ObservableGaugeConfig(options...).Unit())
	return m.Meter.Float64ObservableGauge(name, options...)
}
