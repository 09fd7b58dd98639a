package taskhub

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/tables"
)

// TestReplayForAPurgedInstance: an activity does not run again for an instance that is gone, and the dead letter stays.
func TestReplayForAPurgedInstance(t *testing.T) {
	t.Parallel()
	p := newPatient(t, FleetGo)
	l := tables.DeadLetter{
		Queue: p.hub.Queues().WorkItems().Name(), MessageID: "m", InsertedAt: time.Now(), DiedAt: time.Now(), Body: "{}",
		InstanceID: "gone", Kind: "TaskScheduled", Name: "Charge",
	}
	if err := p.hub.Tables().PutDeadLetter(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	err := p.hub.Client().ReplayDeadLetter(t.Context(), l.ID())
	if !errors.Is(err, ErrInstanceNotFound) || !strings.Contains(err.Error(), "drop the dead letter "+l.ID()) {
		t.Errorf("the replay: %v", err)
	}
	if n, err := p.hub.Queues().WorkItems().ApproximateCount(t.Context()); err != nil || n != 0 {
		t.Errorf("there are %d work items, %v", n, err)
	}
	p.start("gone", "", true)
	if err := p.hub.Client().ReplayDeadLetter(t.Context(), l.ID()); err != nil {
		t.Errorf("the replay for an instance that is there: %v", err)
	}
	if n, err := p.hub.Queues().WorkItems().ApproximateCount(t.Context()); err != nil || n != 1 {
		t.Errorf("there are %d work items, %v", n, err)
	}
}

// TestDropWhatIsNotReadable: a dead letter that somebody has edited is left out of listings, says what to do, and can be dropped.
func TestDropWhatIsNotReadable(t *testing.T) {
	t.Parallel()
	p := newPatient(t, FleetGo)
	l := tables.DeadLetter{Queue: p.hub.Queues().Control(0).Name(), MessageID: "m", InsertedAt: time.Now(), DiedAt: time.Now(), Body: "{}"}
	if err := p.hub.Tables().PutDeadLetter(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	p.edit(p.hub.Names().DeadLettersTable(), "letters", l.ID(), edm.Entity{"InsertedAt": "nonsense"})
	if page, err := p.hub.Client().DeadLetterPage(t.Context(), DeadLetterQuery{}, ""); err != nil || len(page.Letters) != 0 {
		t.Errorf("the list: %+v, %v", page, err)
	}
	if _, err := p.hub.Client().DeadLetter(t.Context(), l.ID()); err == nil || !strings.Contains(err.Error(), "drop it") || strings.Count(err.Error(), "hub \"") != 1 {
		t.Errorf("reading it: %v", err)
	}
	if err := p.hub.Client().DropDeadLetter(t.Context(), l.ID()); err != nil {
		t.Error(err)
	}
	if err := p.hub.Client().DropDeadLetter(t.Context(), l.ID()); !errors.Is(err, ErrDeadLetterNotFound) {
		t.Errorf("once more: %v", err)
	}
}
