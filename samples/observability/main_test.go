package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	metricsv1 "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector is an OTLP endpoint that keeps the names of what it gets.
type collector struct {
	mu      sync.Mutex
	spans   map[string]int
	metrics map[string]bool
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var traces tracev1.ExportTraceServiceRequest
	var metrics metricsv1.ExportMetricsServiceRequest
	switch {
	case err != nil:
	case r.URL.Path == "/v1/traces":
		err = proto.Unmarshal(body, &traces)
	case r.URL.Path == "/v1/metrics":
		err = proto.Unmarshal(body, &metrics)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range traces.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				c.spans[span.GetName()+" "+span.GetKind().String()]++
			}
		}
	}
	for _, resource := range metrics.GetResourceMetrics() {
		for _, scope := range resource.GetScopeMetrics() {
			for _, m := range scope.GetMetrics() {
				c.metrics[m.GetName()] = true
			}
		}
	}
}

// TestReports: the numbers are at /metrics, and traces and metrics arrive at the OTLP endpoint.
func TestReports(t *testing.T) {
	t.Parallel()
	c := &collector{spans: map[string]int{}, metrics: map[string]bool{}}
	server := httptest.NewServer(c)
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	in, out := io.Pipe()
	done := make(chan error, 1)
	logs := &buffer{}
	go func() {
		done <- run(ctx, []string{"--metrics", "127.0.0.1:0", "--otlp", server.URL, "--orders", "3"}, out, logs)
		_ = out.Close()
	}()
	lines := bufio.NewScanner(in)
	address := ""
	for receipts := 0; receipts < 3 && lines.Scan(); {
		if at, ok := strings.CutPrefix(lines.Text(), "metrics at "); ok {
			address = at
		} else {
			receipts++
		}
	}
	go func() { _, _ = io.Copy(io.Discard, in) }()
	for _, want := range []string{
		`taskhub_orchestration_ended_total\{[^}]*taskhub_orchestration_name="Order",taskhub_orchestration_status="Completed"\} 3`,
		`taskhub_activity_duration_seconds_count\{[^}]*taskhub_activity_name="Charge",[^}]*taskhub_outcome="failed"\} 1`,
		`taskhub_partitions_owned\{[^}]*\} 4`,
		`taskhub_storage_call_duration_seconds_count\{[^}]*taskhub_storage_operation="table.batch"`,
	} {
		await(ctx, t, address, want)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, want := range map[string]int{
		"create_orchestration:Order SPAN_KIND_PRODUCER": 3, "orchestration:Order SPAN_KIND_SERVER": 3, "orchestration:Ship SPAN_KIND_SERVER": 3,
		"activity:Charge SPAN_KIND_SERVER": 4, "activity:Pack SPAN_KIND_CLIENT": 3,
	} {
		if c.spans[name] != want {
			t.Errorf("%d spans %s instead of %d", c.spans[name], name, want)
		}
	}
	if !c.metrics["taskhub.episode.duration"] {
		t.Errorf("the metrics are %v", c.metrics)
	}
	if text := logs.String(); !regexp.MustCompile(`msg=charged order=0 trace_id=[0-9a-f]{32} span_id=[0-9a-f]{16}`).MatchString(text) {
		t.Errorf("the log is\n%s", text)
	}
}

// await reads /metrics until it has a line.
func await(ctx context.Context, t *testing.T, address, pattern string) {
	t.Helper()
	line, text := regexp.MustCompile(pattern), ""
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if text = string(body); line.MatchString(text) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("there is no %s in\n%s", pattern, text)
}

// buffer is safe for concurrent use.
type buffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// TestBadInput: flags that cannot be used are refused by name.
func TestBadInput(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--otlp", "localhost:4318"}, "--otlp"}, {[]string{"--orders", "-1"}, "--orders"}, {[]string{"more"}, `"more"`},
		{[]string{"--metrics", "nowhere:xx"}, "nowhere"}, {[]string{"--conn", ""}, "connection string"},
	} {
		if err := run(t.Context(), test.args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: %v", test.args, err)
		}
	}
}
