package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/tables"
)

// bury puts a dead letter into the hub.
func (d *desk) bury(n int, instance, body string) string {
	d.t.Helper()
	at := time.Date(2026, 6, 1, 12, 0, n, 0, time.UTC)
	l := tables.DeadLetter{
		Queue: d.hub().Queues().Control(0).Name(), MessageID: fmt.Sprintf("5406d369-4369-4673-afae-%012d", n), InsertedAt: at, DiedAt: at.Add(time.Hour),
		Body: body, Reason: "cannot read queue message: it is \x1b[31m garbage", Attempts: 20, Deliveries: 24, Worker: "w1", InstanceID: instance, Kind: "EventRaised", Name: "Go",
	}
	if err := d.hub().Tables().PutDeadLetter(d.t.Context(), l); err != nil {
		d.t.Fatal(err)
	}
	return l.ID()
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if o := d.do("dead-letters", "list"); o.status != 0 || o.out != "" {
		t.Errorf("a hub without dead letters: %+v", o)
	}
	d.do("dead-letters", "list", "-o", "json").wantOut(t, "[]")
	first, second, third := d.bury(1, "order-1", "garbage"), d.bury(2, "order-2", `{"a":1}`), d.bury(3, "", "x")
	d.ok("dead-letters", "list").wantOut(t, "DEAD LETTER", first, second, third, "order-1", "EventRaised", "2026-06-01 13:00:01Z", "garbage")
	d.ok("dead-letters", "list", "-o", "wide").wantOut(t, "WORKER", "w1", "20")
	var list []letterJSON
	d.parse(d.ok("dead-letters", "list", "-o", "json", "--instance", "order-2"), &list)
	if len(list) != 1 || list[0].ID != second || list[0].Attempts != 20 || list[0].Body != nil {
		t.Errorf("the list is %+v", list)
	}
	d.ok("dead-letters", "show", first).wantOut(t, first, "order-1", "garbage", "Attempts", "20")
	var one letterJSON
	d.parse(d.ok("dead-letters", "show", second, "-o", "json"), &one)
	if one.Body == nil || *one.Body != `{"a":1}` {
		t.Errorf("the letter is %+v", one)
	}
	d.do("dead-letters", "show", "nothing").wantError(t, exitNotFound, "nothing", "replayed or dropped")
	d.do("dead-letters", "drop").wantError(t, exitUsage, "ID", "--all")
	d.do("dead-letters", "drop", first, "--all").wantError(t, exitUsage, "not both")

	d.ok("dead-letters", "replay", first, "--yes").wantOut(t, "1 dead letter replayed")
	if n, err := d.hub().Queues().Control(0).ApproximateCount(t.Context()); err != nil || n != 1 {
		t.Errorf("there are %d messages, %v", n, err)
	}
	d.do("dead-letters", "replay", first, "--yes").wantError(t, exitNotFound, first)
	d.ok("dead-letters", "drop", "--all", "--yes").wantOut(t, "2 dead letters dropped")
	d.do("dead-letters", "list", "-o", "json").wantOut(t, "[]")
}

// TestDeadLettersOfStrangers: what a message says of itself does not blow a table up, and a dead letter that cannot be replayed does not
// keep the others.
func TestDeadLettersOfStrangers(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.account.do(t, "dead-letters", "show", "x", "--hub", "Nowhere").wantError(t, exitNotFound, `task hub "Nowhere" does not exist`)
	d.account.do(t, "dead-letters", "replay", "x", "--yes", "--hub", "Nowhere").wantError(t, exitNotFound, `task hub "Nowhere" does not exist`)
	long := strings.Repeat("x", 5000)
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	lost := tables.DeadLetter{Queue: "elsewhere-control-00", MessageID: "5406d369-4369-4673-afae-000000000000", InsertedAt: at, DiedAt: at, Body: "x"}
	if err := d.hub().Tables().PutDeadLetter(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	d.bury(1, long, "garbage")
	d.bury(2, "order-2", "garbage")
	if o := d.ok("dead-letters", "list"); len(o.out) > 3000 {
		t.Errorf("the table has %d bytes", len(o.out))
	}
	d.ok("dead-letters", "list", "-o", "wide").wantOut(t, long)
	d.do("dead-letters", "replay", "--all", "--yes").wantError(t, exitFailure, "elsewhere-control-00", "drop it", "2 of 3 are replayed")
	if n, err := d.hub().Queues().Control(0).ApproximateCount(t.Context()); err != nil || n != 2 {
		t.Errorf("there are %d messages, %v", n, err)
	}
}
