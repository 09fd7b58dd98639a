package history

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/go-taskhub/taskhub/internal/edm"
)

// The targets check that no input panics, that whatever can be read can be
// written, and that this then stays as it is. They run under the fuzzer's own
// limits of time and memory.

func FuzzEnvelope(f *testing.F) {
	for _, text := range lines(f, "messages.jsonl") {
		f.Add([]byte(text))
	}
	for _, form := range forms(f) {
		f.Add([]byte(form.message()))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := UnmarshalEnvelope(data)
		if err != nil {
			checkIsDecodeError(t, err)
			return
		}
		once, err := MarshalEnvelope(e)
		if err != nil {
			t.Fatalf("cannot be written: %v", err)
		}
		checkXML(t, once)
		e, err = UnmarshalEnvelope(once)
		if err != nil {
			t.Fatalf("cannot be read again: %v\n%s", err, once)
		}
		if twice, err := MarshalEnvelope(e); err != nil || string(twice) != string(once) {
			t.Fatalf("%v\n%s became\n%s", err, once, twice)
		}
		if e.Message != nil {
			checkOtherForms(t, e.Message.Event)
		}
	})
}

func FuzzExport(f *testing.F) {
	for _, text := range lines(f, "exports.jsonl") {
		f.Add([]byte(text))
	}
	for _, form := range forms(f) {
		f.Add([]byte(form.exported()))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		events, err := UnmarshalExport(data)
		if err != nil {
			checkIsDecodeError(t, err)
			return
		}
		once, err := MarshalExport(events)
		if err != nil {
			t.Fatalf("cannot be written: %v", err)
		}
		events, err = UnmarshalExport(once)
		if err != nil {
			t.Fatalf("cannot be read again: %v\n%s", err, once)
		}
		if twice, err := MarshalExport(events); err != nil || string(twice) != string(once) {
			t.Fatalf("%v\n%s became\n%s", err, once, twice)
		}
	})
}

func FuzzRow(f *testing.F) {
	for _, text := range lines(f, "rows.jsonl") {
		f.Add([]byte(text))
	}
	for _, form := range forms(f) {
		text, err := edm.Marshal(form.columns())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		row, err := edm.Unmarshal(data)
		if err != nil {
			return
		}
		e, err := DecodeRow(row)
		if err != nil {
			checkIsDecodeError(t, err)
			return
		}
		checkRow(t, e)
	})
}

func FuzzValue(f *testing.F) {
	f.Add([]byte(`{"$type":"A","a":[1.0,null,{"$type":"B"}],"b":"\ud800"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := ParseValue(data)
		if err != nil {
			checkIsDecodeError(t, err)
			return
		}
		again, err := ParseValue([]byte(v.JSON()))
		if err != nil || again != v {
			t.Fatalf("%v: %s became %s", err, v.JSON(), again.JSON())
		}
		plain, err := ParseValue([]byte(v.plain()))
		if err != nil || plain.depth > v.depth {
			t.Fatalf("%v: %s became %s", err, v.JSON(), plain.JSON())
		}
	})
}

// checkRow writes an event as a row, reads it, and writes it again.
func checkRow(t *testing.T, e Event) {
	t.Helper()
	once, err := EncodeRow(e)
	if err != nil {
		t.Fatalf("cannot be written: %v", err)
	}
	text, err := edm.Marshal(once)
	if err != nil {
		t.Fatalf("cannot be sent: %v", err)
	}
	stored, err := edm.Unmarshal(text)
	if err != nil || !edm.Equal(stored, once) {
		t.Fatalf("%v\n%v is sent as\n%s", err, once, text)
	}
	e, err = DecodeRow(stored)
	if err != nil {
		t.Fatalf("cannot be read again: %v\n%s", err, text)
	}
	if twice, err := EncodeRow(e); err != nil || !edm.Equal(twice, once) {
		t.Fatalf("%v\n%v became\n%v", err, once, twice)
	}
}

// checkOtherForms writes an event from a message to a row and an export, as a
// worker and its clients do.
func checkOtherForms(t *testing.T, e Event) {
	t.Helper()
	checkRow(t, e)
	text, err := MarshalExport([]Event{e})
	if err != nil {
		t.Fatalf("cannot be exported: %v", err)
	}
	if _, err := UnmarshalExport(text); err != nil {
		t.Fatalf("the export cannot be read: %v\n%s", err, text)
	}
}

func checkIsDecodeError(t *testing.T, err error) {
	t.Helper()
	var d *DecodeError
	if !errors.As(err, &d) {
		t.Fatalf("%T: %v", err, err)
	}
}

// checkXML checks that the queue service can carry a message.
func checkXML(t *testing.T, text []byte) {
	t.Helper()
	var escaped strings.Builder
	escaped.WriteString("<a>")
	for _, r := range string(text) {
		switch r {
		case '<', '>', '&':
			escaped.WriteString("&amp;")
		default:
			escaped.WriteRune(r)
		}
	}
	escaped.WriteString("</a>")
	d := xml.NewDecoder(strings.NewReader(escaped.String()))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("XML cannot carry it: %v\n%q", err, text)
		}
	}
}
