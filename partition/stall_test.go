package partition

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestFullBufferLosesThePartition: a partition whose buffer is full and whose instances make no progress stops, instead of
// renewing its lease for nothing.
func TestFullBufferLosesThePartition(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.stop(s.part)
	for i := range 20 {
		s.put(eventMessage("i"+strconv.Itoa(i), messageA, "1", time.Now().UTC()))
	}
	leave := make(chan struct{})
	s.faults.set(func(req *http.Request) error {
		if req.Method == http.MethodGet && strings.Contains(req.URL.Path, "History") {
			<-leave
			return errors.New("the test held the request")
		}
		return nil
	}, nil)
	s.lease, s.host = newFakeLease(time.Hour), newFakeHost(nil)
	cfg := s.config()
	cfg.MaxPending, cfg.Slots, cfg.StuckAfter = 2, make(chan struct{}, 1), 200*time.Millisecond
	p := New(cfg)
	p.Start()
	eventually(t, "it gives up", func() bool { return errors.Is(context.Cause(p.work), errStalled) })
	if err := p.owned(); err == nil {
		t.Error("it may still write")
	}
	close(leave)
	s.stop(p)
}
