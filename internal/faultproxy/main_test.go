package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/go-taskhub/taskhub/internal/faultproxy/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// freePorts returns the first of n consecutive ports that nothing listens on.
func freePorts(t *testing.T, n int) int {
	t.Helper()
	for first := 21500; first < 60000; first += n {
		if allFree(t, first, n) {
			return first
		}
	}
	t.Fatal("no free ports")
	return 0
}

func allFree(t *testing.T, first, n int) bool {
	t.Helper()
	for port := first; port < first+n; port++ {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

// TestCommand runs the command as a user does: it passes, disturbs, logs, obeys the control port and prints the counts.
func TestCommand(t *testing.T) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(service.Close)
	_, servicePort, err := net.SplitHostPort(service.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	first := freePorts(t, 4)
	log := filepath.Join(t.TempDir(), "log")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"--listen", strconv.Itoa(first), "--target", servicePort, "--log", log,
			"--rule", `{"operation":"blob","nth":2,"fault":"500"}`}, in)
		_ = in.Close()
	}()
	lines := bufio.NewReader(out)
	ready, err := lines.ReadString('\n')
	if err != nil || !strings.HasPrefix(ready, "proxy ready blob=127.0.0.1:") {
		t.Fatalf("%q, %v, %v", ready, err, <-done)
	}
	client := &http.Client{}
	t.Cleanup(client.CloseIdleConnections)
	get := func(port int, path string) (int, string) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+strconv.Itoa(port)+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	for _, want := range []int{http.StatusNoContent, http.StatusInternalServerError} {
		if status, _ := get(first, "/acct/c/b"); status != want {
			t.Errorf("status %d, want %d", status, want)
		}
	}
	var sum proxy.Summary
	if _, text := get(first+3, "/counts"); json.Unmarshal([]byte(text), &sum) != nil || sum.Total != 2 || sum.Disturbed != 1 {
		t.Errorf("counts %s", text)
	}
	stop()
	last, err := io.ReadAll(lines)
	if err != nil || json.Unmarshal(last, &sum) != nil || sum.Operations["blob.get.blob"].Calls != 2 {
		t.Errorf("at the end %q, %v", last, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(log); err != nil || strings.Count(string(text), "\n") != 2 {
		t.Errorf("log %q, %v", text, err)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{}, {"--listen", "1"}, {"--listen", "70000", "--target", "1"}, {"--listen", "1", "--target", "2", "x"}, {"--listen", "1", "--target", "2", "--rate", "2"},
		{"--listen", "1", "--target", "2", "--rate", "0.5", "--kinds", "burn"}, {"--listen", "1", "--target", "2", "--rule", "{"}, {"--nope"},
	} {
		if _, err := parse(args); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	rules, err := spreadRules(0.3, "503, lost,delay:1ms")
	if err != nil || len(rules) != 3 {
		t.Fatalf("%+v, %v", rules, err)
	}
	pass := 1.0
	for _, r := range rules {
		share := pass * r.Rate
		if math.Abs(share-0.1) > 1e-9 {
			t.Errorf("%v gets %v of all", r.Fault.Kind, share)
		}
		pass -= share
	}
}
