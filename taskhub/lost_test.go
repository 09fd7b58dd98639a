package taskhub

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/storage"
)

// saboteur interferes with requests.
type saboteur struct {
	http   http.Transport
	mu     sync.Mutex
	before func(*http.Request) error // before the request is sent
	after  func(*http.Request) error // after it was carried out
}

func (s *saboteur) Do(req *http.Request) (*http.Response, error) {
	if err := s.call(s.before, req); err != nil {
		return nil, err
	}
	response, err := s.http.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if err := s.call(s.after, req); err != nil {
		_ = response.Body.Close()
		return nil, err
	}
	return response, nil
}

func (s *saboteur) call(f func(*http.Request) error, req *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(req)
}

func (s *saboteur) set(before, after func(*http.Request) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

var errSabotage = errors.New("connection reset")

// once fails the first request with a method whose path contains a text.
func once(method, text string) func(*http.Request) error {
	done := false
	return func(req *http.Request) error {
		if done || req.Method != method || !strings.Contains(req.URL.Path, text) {
			return nil
		}
		done = true
		return errSabotage
	}
}

// always fails every request with a method whose path contains a text.
func always(method, text string) func(*http.Request) error {
	return func(req *http.Request) error {
		if req.Method == method && strings.Contains(req.URL.Path, text) {
			return errSabotage
		}
		return nil
	}
}

func sabotagedHub(t *testing.T) (*Hub, *saboteur) {
	t.Helper()
	s := &saboteur{}
	account := testkit.Open(t, storage.Config{Transport: s, MaxRetries: 2})
	t.Cleanup(s.http.CloseIdleConnections)
	h := openHub(t, Config{Name: testkit.Hub(t), Account: account})
	if err := h.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h, s
}

func TestStartWhenAnswersAreLost(t *testing.T) {
	t.Parallel()
	h, s := sabotagedHub(t)
	instances := h.Names().InstancesTable()
	for name, lost := range map[string]struct{ method, text string }{
		"message": {http.MethodPost, "/messages"}, "row": {http.MethodPost, instances}, "look": {http.MethodGet, instances},
	} {
		s.set(nil, once(lost.method, lost.text))
		id := "lost " + name
		result := mustStart(t, h, durable.StartRequest{InstanceID: id})
		in, err := h.Client().GetInstance(t.Context(), id)
		if err != nil || in.ExecutionID != result.ExecutionID || in.Status != history.Pending {
			t.Errorf("%s: %+v, %v", name, in, err)
		}
		for _, d := range received(t, h, id) { // a message sent twice is the same start
			if started := d.Envelope.Message.Event.(*history.ExecutionStarted); *started.Instance.ExecutionID != result.ExecutionID {
				t.Errorf("%s: a message of another start", name)
			}
		}
		setStatus(t, h, id, history.Completed, "")
		s.set(nil, once(http.MethodPut, instances))
		again := mustStart(t, h, durable.StartRequest{InstanceID: id})
		if in, err := h.Client().GetInstance(t.Context(), id); err != nil || in.ExecutionID != again.ExecutionID || in.Generation != 1 {
			t.Errorf("%s: %+v, %v", name, in, err)
		}
	}
}

func TestStartThatCannotWriteItsRowTakesItsMessageBack(t *testing.T) {
	t.Parallel()
	h, s := sabotagedHub(t)
	s.set(func(req *http.Request) error {
		if always(http.MethodPost, h.Names().InstancesTable())(req) != nil {
			return &net.OpError{Op: "dial", Err: errSabotage} // it was never sent
		}
		return nil
	}, nil)
	big := `"` + strings.Repeat("x", 60_000) + `"`
	_, err := h.Client().StartOrchestration(t.Context(), durable.StartRequest{Name: "n", InstanceID: "i", Input: &big})
	if err == nil || !strings.Contains(err.Error(), `"i"`) || !strings.Contains(err.Error(), h.Name()) {
		t.Errorf("%v", err)
	}
	s.set(nil, nil)
	if n := inQueues(t, h); n != 0 {
		t.Errorf("%d messages are left", n)
	}
	if folders, err := listFolders(t, h); err != nil || len(folders) != 0 {
		t.Errorf("blobs are left: %v, %v", folders, err)
	}
	mustStart(t, h, durable.StartRequest{InstanceID: "i"})
}

// TestStartWhoseRowComesLater: a request without an answer may be carried out after the client has given up and looked.
func TestStartWhoseRowComesLater(t *testing.T) {
	t.Parallel()
	h, s := sabotagedHub(t)
	fails := always(http.MethodPost, h.Names().InstancesTable())
	var late *http.Request
	s.set(func(req *http.Request) error {
		err := fails(req)
		if err != nil && late == nil {
			body, _ := io.ReadAll(req.Body)
			late = req.Clone(context.Background())
			late.Body = io.NopCloser(bytes.NewReader(body))
		}
		return err
	}, nil)
	_, err := h.Client().StartOrchestration(t.Context(), durable.StartRequest{Name: "n", InstanceID: "i"})
	if err == nil || !strings.Contains(err.Error(), `"i"`) || !strings.Contains(err.Error(), "it is not known whether the instance was started") {
		t.Errorf("%v", err)
	}
	s.set(nil, nil)
	resp, err := s.http.RoundTrip(late)
	if err != nil || resp.StatusCode != http.StatusNoContent {
		t.Fatal(resp, err)
	}
	_ = resp.Body.Close()
	in, err := h.Client().GetInstance(t.Context(), "i")
	if err != nil || in.Status != history.Pending {
		t.Fatal(in, err)
	}
	messages := received(t, h, "i")
	if len(messages) != 1 || *messages[0].Envelope.Message.Event.(*history.ExecutionStarted).Instance.ExecutionID != in.ExecutionID {
		t.Errorf("the messages are %v, the row is %+v", messages, in)
	}
}

func TestStartWhoseRowIsUpdatedMeanwhile(t *testing.T) {
	t.Parallel()
	h, s := sabotagedHub(t)
	other := openHub(t, Config{Name: h.Name(), Account: testkit.Account(t)})
	mustStart(t, other, durable.StartRequest{InstanceID: "i"})
	setStatus(t, other, "i", history.Completed, "1")
	update := func(status history.Status) func(*http.Request) error {
		done := false
		return func(req *http.Request) error { // a late write between our look and our replacement
			if !done && req.Method == http.MethodPut && strings.Contains(req.URL.Path, h.Names().InstancesTable()) {
				done = true
				setStatus(t, other, "i", status, "2")
			}
			return nil
		}
	}
	s.set(update(history.Failed), nil)
	result := mustStart(t, h, durable.StartRequest{InstanceID: "i"})
	if in, err := h.Client().GetInstance(t.Context(), "i"); err != nil || in.ExecutionID != result.ExecutionID || in.Generation != 1 {
		t.Errorf("%+v, %v", in, err)
	}
	setStatus(t, other, "i", history.Completed, "3")
	before := inQueues(t, h)
	s.set(update(history.Running), nil)
	if _, err := h.Client().StartOrchestration(t.Context(), durable.StartRequest{Name: "n", InstanceID: "i"}); !errors.Is(err, ErrInstanceExists) {
		t.Errorf("the instance runs again: %v", err)
	}
	if after := inQueues(t, h); after != before {
		t.Errorf("%d messages became %d", before, after)
	}
}
