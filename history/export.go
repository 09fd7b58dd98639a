package history

import (
	"fmt"

	"github.com/go-taskhub/taskhub/internal/jsontext"
)

// MarshalExport writes a history as .NET's GetOrchestrationHistoryAsync returns
// it: an array of events in queue form, without class names. What only rows
// know (see [GenericEvent] and [SubOrchestrationCreated]) is left out, as it is
// there.
func MarshalExport(events []Event) ([]byte, error) {
	w := writer{buf: make([]byte, 0, 2+200*len(events)), depth: 1}
	w.buf = append(w.buf, '[')
	for i, e := range events {
		if e == nil {
			return nil, fmt.Errorf("cannot write %s: event %d is nil", FormatExport, i)
		}
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.event(e)
		if w.err != nil {
			return nil, fmt.Errorf("cannot write %s: %w", FormatExport, jsontext.AtIndex(i, w.err))
		}
	}
	return append(w.buf, ']'), nil
}

// UnmarshalExport reads what [MarshalExport] writes. The member EventType of
// each event, which may stand anywhere in it, tells its kind; other members may
// be missing. The error is a [*DecodeError].
func UnmarshalExport(text []byte) ([]Event, error) {
	r := reader{jsontext.NewReader(text)}
	var events []Event
	err := r.Array(func(int) error {
		e, _, err := r.numberedEvent()
		events = append(events, e)
		return err
	})
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, decodeError(FormatExport, err)
	}
	return events, nil
}
