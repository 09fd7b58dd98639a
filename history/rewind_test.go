package history

import (
	"maps"
	"testing"

	"github.com/go-taskhub/taskhub/internal/edm"
)

// TestRewoundRows checks rows that a rewind changed.
func TestRewoundRows(t *testing.T) {
	t.Parallel()
	with := func(more edm.Entity) edm.Entity {
		row := edm.Entity{"EventId": int32(1), "IsPlayed": true, "_Timestamp": testTime, "EventType": "GenericEvent"}
		maps.Copy(row, more)
		return row
	}
	tests := []struct {
		name string
		row  edm.Entity
		was  Kind // GenericEvent when it cannot be told
	}{
		{"task", with(edm.Entity{"Name": "Fail", "Version": "", "ParentTraceContext": "null", "Tags": "null", "Reason": "Rewound: TaskScheduled"}), KindTaskScheduled},
		{"failed task", with(edm.Entity{"TaskScheduledId": int32(0), "FailureDetails": "null", "Details": "d", "Reason": "Rewound: TaskFailed"}), KindTaskFailed},
		{"failed child", with(edm.Entity{"TaskScheduledId": int32(0), "FailureDetails": "null", "Reason": "Rewound: SubOrchestrationInstanceFailed"}), KindSubOrchestrationFailed},
		{"end", with(edm.Entity{"OrchestrationStatus": "Failed", "Result": "r", "FailureDetails": "null", "Reason": "Rewound: ExecutionCompleted"}), KindExecutionCompleted},
		{"end twice", with(edm.Entity{"OrchestrationStatus": "Failed", "FailureDetails": "null", "Reason": "Rewound: GenericEvent"}), KindExecutionCompleted},
		{"unknown", with(edm.Entity{"Reason": "Rewound: Something"}), KindGenericEvent},
		{"generic", with(edm.Entity{"Reason": "Rewound: GenericEvent"}), KindGenericEvent},
		{"data", with(edm.Entity{"Reason": "other", "Data": "d"}), KindGenericEvent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, err := DecodeRow(tt.row)
			if err != nil {
				t.Fatal(err)
			}
			was := KindGenericEvent
			if r := e.(*GenericEvent).Rewound; r != nil {
				was = r.Kind()
			}
			if was != tt.was {
				t.Errorf("it was a %s, want %s", was, tt.was)
			}
			if row, err := EncodeRow(e); err != nil || !edm.Equal(row, tt.row) {
				t.Errorf("%v\ngot  %v\nwant %v", err, row, tt.row)
			}
			if text, err := MarshalExport([]Event{e}); err != nil || len(text) > 120 {
				t.Errorf("the export knows of the rewind: %s, %v", text, err)
			}
		})
	}
	t.Run("leftovers of other types", func(t *testing.T) {
		t.Parallel()
		e, err := DecodeRow(with(edm.Entity{"TaskScheduledId": "x", "Reason": "Rewound: TaskFailed"}))
		if err != nil || e.(*GenericEvent).Rewound != nil {
			t.Errorf("%+v, %v", e, err)
		}
	})
	t.Run("child", func(t *testing.T) {
		t.Parallel()
		row := edm.Entity{
			"EventId": int32(1), "IsPlayed": true, "_Timestamp": testTime, "EventType": "SubOrchestrationInstanceCreated",
			"Name": "C", "Tags": "null", "Reason": "Rewound: SubOrchestrationInstanceCreated",
		}
		e, err := DecodeRow(row)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := EncodeRow(e); err != nil || !edm.Equal(again, row) {
			t.Errorf("%v\ngot  %v\nwant %v", err, again, row)
		}
	})
	if _, err := EncodeRow(&GenericEvent{Rewound: &GenericEvent{}}); err == nil {
		t.Error("a generic event that was a generic event can be written")
	}
}
