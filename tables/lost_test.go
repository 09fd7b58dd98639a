package tables

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/storage"
)

// losing loses the answer to the n-th request whose URL contains a text, after the service has carried it out.
type losing struct {
	http http.Transport
	text string
	n    int64
	seen atomic.Int64
}

var errLost = errors.New("the answer was lost")

func (l *losing) Do(req *http.Request) (*http.Response, error) {
	response, err := l.http.RoundTrip(req)
	if err == nil && strings.Contains(req.URL.String(), l.text) && l.seen.Add(1) == l.n {
		_ = response.Body.Close()
		return nil, errLost
	}
	return response, err
}

func TestLostAnswers(t *testing.T) {
	t.Parallel()
	names, err := layout.NewNames(testkit.Hub(t))
	if err != nil {
		t.Fatal(err)
	}
	setup := New(Config{Account: testkit.Account(t), Names: names})
	if err := setup.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = setup.Delete(context.Background()) })
	records := append(firstEpisode("i", "e1"), filler(300, "x")...) // four transactions

	store := func(n int64) *Store {
		transport := &losing{text: "$batch", n: n}
		account := testkit.Open(t, storage.Config{Transport: transport})
		t.Cleanup(transport.http.CloseIdleConnections)
		return New(Config{Account: account, Names: names})
	}
	for lost := range int64(4) {
		s := store(lost + 1)
		id := string(rune('a' + lost))
		done, err := s.Commit(t.Context(), Commit{InstanceID: id, ExecutionID: "e1", Records: records, CommitID: "c1"})
		last := lost == 3
		if last != errors.Is(err, ErrConflict) || !last && err != nil {
			t.Fatalf("the answer to transaction %d is lost: %v", lost+1, err)
		}
		h := mustLoad(t, setup, id)
		if len(h.Records) != len(records) || h.CommitID != "c1" || !last && h.ETag != done.ETag {
			t.Errorf("%d records, %q", len(h.Records), h.CommitID)
		}
		if sentinel, err := s.ReadCommit(t.Context(), id); err != nil || sentinel.CommitID != "c1" {
			t.Errorf("%+v, %v", sentinel, err)
		}
	}
	if _, err := store(1).Commit(t.Context(), Commit{InstanceID: "z", ExecutionID: "e1", Records: records}); !errors.Is(err, ErrConflict) {
		t.Errorf("without a commit id nobody can tell: %v", err)
	}
}
