package history

import (
	"testing"
	"time"
)

// benchEnvelope is an activity's request, the most frequent message.
func benchEnvelope() *Envelope {
	at := time.Date(2026, 6, 1, 12, 34, 56, 789012000, time.UTC)
	id := Instance{InstanceID: "order-42", ExecutionID: String("aae324dcc8f943e490b37ec5e5bbf9da")}
	return &Envelope{
		ActivityID: "5406d369-4369-4673-afae-6671a2fa1e57",
		Message: &Message{
			Event: &TaskScheduled{
				Base: Base{EventID: 3, Timestamp: at}, Name: "Charge", Version: String(""),
				Input: String(`[{"quantity":3,"item":"a book","price":12.5}]`),
			},
			Target:  id,
			Context: &ExecutionContext{Tags: &Tags{dictionary[tagValue]{class: &dictionaryOfStrings}}},
		},
		SequenceNumber: 4, Episode: Int32(1), Sender: &id,
	}
}

func BenchmarkMarshalEnvelope(b *testing.B) {
	e := benchEnvelope()
	b.ReportAllocs()
	for b.Loop() {
		text, err := MarshalEnvelope(e)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(text)))
	}
}

func BenchmarkUnmarshalEnvelope(b *testing.B) {
	text, err := MarshalEnvelope(benchEnvelope())
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := UnmarshalEnvelope(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLargeEnvelope(b *testing.B) {
	e := benchEnvelope()
	input := make([]byte, 1<<20)
	for i := range input {
		input[i] = "abcdefg\"x\n"[i%10]
	}
	e.Message.Event.(*TaskScheduled).Input = String(string(input))
	text, err := MarshalEnvelope(e)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("marshal", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := MarshalEnvelope(e); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("unmarshal", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := UnmarshalEnvelope(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEncodeRow(b *testing.B) {
	e := &TaskCompleted{Base: Base{EventID: -1, Timestamp: time.Now()}, TaskScheduledID: 3, Result: String(`"ok"`)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := EncodeRow(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeRow(b *testing.B) {
	row, err := EncodeRow(&TaskCompleted{Base: Base{EventID: -1, Timestamp: time.Now()}, TaskScheduledID: 3, Result: String(`"ok"`)})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeRow(row); err != nil {
			b.Fatal(err)
		}
	}
}
