package tables

import (
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
)

// TestEncodingRoomIsUsedAgain: rows encoded one behind the other, in a room that others have used, are those encoded each by
// itself, and stay as they are while the room grows.
func TestEncodingRoomIsUsedAgain(t *testing.T) {
	t.Parallel()
	s := offlineStore(t, "TestHub")
	base := history.Base{EventID: 3, Timestamp: testTime}
	version := "1"
	c := Commit{InstanceID: "i'é", ExecutionID: "e", FirstRow: 5}
	for i := range 40 {
		c.Records = append(c.Records,
			Record{Event: &history.ExecutionStarted{Base: base, Name: "N", Version: &version, Input: history.String(strings.Repeat("<\"世", i*10)), Instance: history.Instance{InstanceID: "i"}}},
			Record{Event: &history.TaskCompleted{Base: base, TaskScheduledID: int32(i), Result: history.String("x")}},
			Record{Event: &history.OrchestratorStarted{Base: base}, ActivityID: "a"})
	}
	key := layout.EscapeKey(c.InstanceID)
	room := s.rooms.get()
	for range 3 {
		operations, _, err := s.encode(t.Context(), c, key, room)
		if err != nil {
			t.Fatal(err)
		}
		for i, record := range c.Records {
			row, err := history.EncodeRow(record.Event)
			if err != nil {
				t.Fatal(err)
			}
			row[colPartitionKey], row[colRowKey], row[colExecutionID] = key, layout.RowKey(c.FirstRow+i), c.ExecutionID
			if record.ActivityID != "" {
				row[colActivityID] = record.ActivityID
			}
			want, err := newOperation(aztables.TransactionTypeInsertReplace, "", row)
			if err != nil {
				t.Fatal(err)
			}
			if got := operations[i]; got.kind != want.kind || got.match != want.match || got.partition != want.partition || got.row != want.row || string(got.body) != string(want.body) {
				t.Fatalf("row %d:\n%s\nwant\n%s", i, got.body, want.body)
			}
		}
		s.rooms.put(room)
	}
}

// TestComparedAsTheServiceDoes: ids of ASCII are compared without being taken apart; the order is the same.
func TestComparedAsTheServiceDoes(t *testing.T) {
	t.Parallel()
	ordered := []string{"", "A", "a", "aa", "a\x7f", "b", "é", "é!", "😀", "\uE000", "\uFFFD"}
	for i, a := range ordered {
		for j, b := range ordered {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := compareUTF16(a, b); got != want {
				t.Errorf("%q and %q: %d", a, b, got)
			}
		}
	}
}
