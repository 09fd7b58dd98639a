//go:build unix

package emulator_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/go-taskhub/taskhub/emulator"
)

// TestManyConnections has 10,000 uploads (2,000 in the short run) under way at
// one time, which together are many times what the server may hold: it takes as many as it may, refuses
// the others with the service's error, and its memory stays bounded. It is not
// parallel, so that it measures itself.
func TestManyConnections(t *testing.T) {
	const (
		size    = 64 << 10
		budget  = 16 << 20
		perConn = 64 << 10 // stacks and buffers of both ends
	)
	n := 2000
	if longRun() {
		n = 10_000
	}
	if n = min(n, openFiles(t)/2-500); n < 1000 {
		t.Skipf("only %d connections are possible; raise the limit of open files (ulimit -n)", n)
	}
	s := newServer(t, emulator.Config{MaxBodies: budget, Logger: slog.New(slog.DiscardHandler)})
	l, err := s.Listen(t.Context(), emulator.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	c := newClients(t, s.ConnectionString(), s.Transport())
	if _, err := c.blobs.CreateContainer(t.Context(), "uploads", nil); err != nil {
		t.Fatal(err)
	}
	before := memory()
	head := fmt.Sprintf("PUT /devstoreaccount1/uploads/b?%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\nx-ms-blob-type: BlockBlob\r\nConnection: close\r\n\r\n",
		newRawClient(t, c).signature, size)
	conns := make([]net.Conn, n)
	inParallel(n, func(i int) {
		conn, err := net.Dial("tcp", l.BlobAddr())
		if err != nil {
			t.Error(err)
			return
		}
		conns[i] = conn
		if _, err := io.WriteString(conn, head+"x"); err != nil {
			t.Error(err)
		}
	})
	defer func() {
		for _, conn := range conns {
			if conn != nil {
				_ = conn.Close()
			}
		}
	}()
	if t.Failed() {
		return
	}
	used := memory() - before
	t.Logf("%d uploads of %d KiB use %d MiB", n, size>>10, used>>20)
	if limit := int64(budget + n*perConn); used > limit {
		t.Errorf("%d MiB are in use, want at most %d", used>>20, limit>>20)
	}
	var stored, busy atomic.Int64
	rest := strings.Repeat("x", size-1)
	inParallel(n, func(i int) {
		switch status, code := finish(conns[i], rest); {
		case status == http.StatusCreated:
			stored.Add(1)
		case status == http.StatusServiceUnavailable && code == "ServerBusy":
			busy.Add(1)
		default:
			t.Errorf("upload %d ended with status %d %s", i, status, code)
		}
	})
	t.Logf("%d were stored, %d refused", stored.Load(), busy.Load())
	if stored.Load() < budget/size/2 || busy.Load() == 0 {
		t.Error("the budget was not used, or not kept")
	}
	smoke(t, newClients(t, l.ConnectionString(), pooled(t)))
}

// finish sends the rest of a body and reads the answer.
func finish(conn net.Conn, rest string) (status int, code string) {
	if _, err := io.WriteString(conn, rest); err != nil {
		return 0, err.Error()
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 512), nil)
	if err != nil {
		return 0, err.Error()
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = conn.Close()
	return resp.StatusCode, resp.Header.Get("X-Ms-Error-Code")
}

func inParallel(n int, fn func(i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				fn(int(i))
			}
		})
	}
	all.Wait()
}

// memory is what the program uses, without what the next collection frees.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func openFiles(t *testing.T) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	return int(min(limit.Cur, 1<<20))
}
