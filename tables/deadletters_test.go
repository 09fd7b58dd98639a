package tables

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func letter(i int) DeadLetter {
	at := time.Date(2026, 6, 1, 12, 0, i, 0, time.UTC)
	return DeadLetter{
		Queue: "hub-control-00", MessageID: fmt.Sprintf("5406d369-4369-4673-afae-%012d", i), InsertedAt: at, DiedAt: at.Add(time.Hour),
		Body: `{"a":"ü"}`, Reason: "it panics", Attempts: 20, Deliveries: 25, Worker: "w", InstanceID: "it's 1", ExecutionID: "e", Kind: "EventRaised", Name: "E",
	}
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := t.Context()
	if list, next, err := s.ListDeadLetters(ctx, "", "", 0); err != nil || len(list) != 0 || next != "" {
		t.Fatalf("without a table there are %d letters, %q, %v", len(list), next, err)
	}
	if one, err := s.GetDeadLetter(ctx, "x"); one != nil || err != nil {
		t.Fatalf("without a table there is %v, %v", one, err)
	}
	if err := s.DeleteDeadLetter(ctx, "x"); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		d := letter(i)
		if i == 3 {
			d.InstanceID = ""
		}
		for range 2 { // once more, as after a crash
			if err := s.PutDeadLetter(ctx, d); err != nil {
				t.Fatal(err)
			}
		}
	}
	var all []DeadLetter
	for token, first := "", true; first || token != ""; first = false {
		page, next, err := s.ListDeadLetters(ctx, "", token, 2)
		if err != nil {
			t.Fatal(err)
		}
		all, token = append(all, page...), next
	}
	if len(all) != 5 {
		t.Fatalf("%d letters", len(all))
	}
	for i, d := range all {
		want := letter(i)
		want.Body = "" // a listing leaves it out
		if i == 3 {
			want.InstanceID = ""
		}
		if d != want {
			t.Errorf("letter %d is %+v, not %+v", i, d, want)
		}
	}
	if mine, _, err := s.ListDeadLetters(ctx, "it's 1", "", 0); err != nil || len(mine) != 4 {
		t.Errorf("%d letters of the instance, %v", len(mine), err)
	}
	d := letter(1)
	got, err := s.GetDeadLetter(ctx, d.ID())
	if err != nil || got == nil || *got != d {
		t.Errorf("read %+v, %v", got, err)
	}
	if err := s.DeleteDeadLetter(ctx, d.ID()); err != nil {
		t.Fatal(err)
	}
	if got, err = s.GetDeadLetter(ctx, d.ID()); got != nil || err != nil {
		t.Errorf("after its deletion there is %v, %v", got, err)
	}
}

// TestLargeDeadLetter: whatever a queue takes fits.
func TestLargeDeadLetter(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	d := letter(1)
	d.Body, d.Reason, d.Name = strings.Repeat("\x01ü", 1<<16/3), strings.Repeat("ü", 50_000), strings.Repeat("n", 50_000)
	if err := s.PutDeadLetter(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	got, err := s.GetDeadLetter(t.Context(), d.ID())
	if err != nil || got.Body != d.Body || len(got.Reason) < 8000 || len(got.Reason) > 9000 {
		t.Errorf("the body has %d bytes, the reason %d: %v", len(got.Body), len(got.Reason), err)
	}
}
