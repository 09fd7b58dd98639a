package history

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-taskhub/taskhub/internal/edm"
)

// lines reads a file of testdata. What is in it was recorded from .NET.
func lines(t testing.TB, name string) []string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []string
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		out = append(out, s.Text())
	}
	if err := s.Err(); err != nil || len(out) == 0 {
		t.Fatalf("%s: %d lines, %v", name, len(out), err)
	}
	return out
}

// TestRecordedMessages reads messages that .NET sent and writes them again.
func TestRecordedMessages(t *testing.T) {
	t.Parallel()
	for i, text := range lines(t, "messages.jsonl") {
		e, err := UnmarshalEnvelope([]byte(text))
		if err != nil {
			t.Errorf("line %d: %v", i+1, err)
			continue
		}
		if again, err := MarshalEnvelope(e); err != nil || string(again) != text {
			t.Errorf("line %d: %v\ngot  %s\nwant %s", i+1, err, again, text)
		}
	}
}

// TestRecordedRows reads rows that .NET wrote and writes them again.
func TestRecordedRows(t *testing.T) {
	t.Parallel()
	for i, text := range lines(t, "rows.jsonl") {
		row, err := edm.Unmarshal([]byte(text))
		if err != nil {
			t.Errorf("line %d: %v", i+1, err)
			continue
		}
		e, err := DecodeRow(row)
		if err != nil {
			t.Errorf("line %d: %v", i+1, err)
			continue
		}
		again, err := EncodeRow(e)
		if err != nil {
			t.Errorf("line %d: %v", i+1, err)
			continue
		}
		for name, v := range row { // what belongs to the table
			if strings.HasSuffix(name, "Key") || strings.HasSuffix(name, "BlobName") || name == "ExecutionId" {
				again[name] = v
			}
		}
		if !edm.Equal(again, row) {
			t.Errorf("line %d:\ngot  %v\nwant %v", i+1, again, row)
		}
	}
}

// TestRecordedExports reads histories that .NET printed and prints them again.
func TestRecordedExports(t *testing.T) {
	t.Parallel()
	for i, text := range lines(t, "exports.jsonl") {
		events, err := UnmarshalExport([]byte(text))
		if err != nil {
			t.Errorf("line %d: %v", i+1, err)
			continue
		}
		if again, err := MarshalExport(events); err != nil || string(again) != text {
			t.Errorf("line %d: %v\ngot  %s\nwant %s", i+1, err, again, text)
		}
	}
}
