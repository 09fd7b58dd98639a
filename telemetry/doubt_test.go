package telemetry_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// losing loses the answers of some transactions, after they were carried out.
type losing struct {
	count atomic.Int64
	lost  atomic.Int64
}

func (l *losing) Do(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultClient.Do(req)
	if err == nil && strings.HasSuffix(req.URL.Path, "$batch") && l.count.Add(1)%2 == 0 {
		l.lost.Add(1)
		_ = resp.Body.Close()
		return nil, errors.New("the answer was lost")
	}
	return resp, err
}

// TestLostAnswers: commits whose answers are lost are found in the history, and their spans are written once.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	inFleets(t, func(t *testing.T, fleet worker.Fleet) {
		s := newScene(t, fleet)
		transport := &losing{}
		hub, err := taskhub.Open(within(t), taskhub.Config{Name: s.name, Connection: s.conn, Telemetry: s.tracing(), Transport: transport, Logger: logger()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = hub.Close() })
		p := programs()[0]
		stop := s.run(hub, worker.Config{}, p.entry, hello)
		s.begin("Chain", 3)
		s.ended("i")
		s.await(p.want)
		stop()
		s.await(p.want)
		if transport.lost.Load() == 0 {
			t.Error("no answer was lost")
		}
	})
}
