package main

import (
	"testing"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/tables"
)

func TestDoctor(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ok("doctor").wantOut(t, "Nothing is wrong")
	d.ok("doctor", "-o", "json").wantOut(t, "[]")
	running := history.Running
	if _, err := d.hub().Tables().MergeInstance(t.Context(), tables.InstanceUpdate{InstanceID: "lost-1", Status: &running}, ""); err != nil {
		t.Fatal(err)
	}
	letter := d.bury(1, "order-1", "garbage")
	o := d.do("doctor", "--settle", "1ms")
	if o.status != exitFailure {
		t.Errorf("the status is %d", o.status)
	}
	o.wantOut(t, "status-without-history", `instance "lost-1"`, "--fix would show the instance as failed", "dead-letters", letter, "To do")
	d.do("doctor", "--fix").wantError(t, exitUsage, "--yes")
	if in := d.get("lost-1"); in.RuntimeStatus != "Running" {
		t.Errorf("without --fix it is %s", in.RuntimeStatus)
	}
	var found []findingJSON
	d.parse(d.do("doctor", "--settle", "1ms", "--fix", "--yes", "-o", "json"), &found)
	if len(found) != 2 || found[0].Repaired || !found[1].Repaired || found[1].InstanceID != "lost-1" {
		t.Errorf("found %+v", found)
	}
	if in := d.get("lost-1"); in.RuntimeStatus != "Failed" {
		t.Errorf("after the repair it is %s", in.RuntimeStatus)
	}
	d.ok("dead-letters", "drop", letter, "--yes")
	d.ok("doctor", "--settle", "1ms").wantOut(t, "Nothing is wrong")
}
