package main

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-taskhub/taskhub/internal/testkit"
)

// TestRecordings checks the complete recordings.
func TestRecordings(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"safe-exceptions", "table-details"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := Check(testkit.Shared(t, "golden", name))
			if err != nil {
				t.Fatal(err)
			}
			if r.Differences() > 0 {
				t.Errorf("%d differences, the first:\n%s", r.Differences(), strings.Join(r.First, "\n"))
			}
			for category, least := range map[string]int{
				"messages": 400, "messages kept in a blob": 5, "history rows written": 500, "sentinel rows written": 100, "instances rows written": 100,
				"history rows left": 500, "sentinel rows left": 40, "instances rows left": 40, "messages left": 1,
				"blobs of long values": 9, "message blobs": 7,
			} {
				if n := r.Count(category).Checked; n < least {
					t.Errorf("only %d %s were checked", n, category)
				}
			}
			// The two requests for activities were made at times that nothing else in the recording tells.
			if long, m := r.Count("blobs of long values").Skipped, r.Count("message blobs").Skipped; long > 0 || m > 2 {
				t.Errorf("%d and %d cut texts were not completed", long, m)
			}
		})
	}
}

const (
	goodMessage = `{"$type":"DurableTask.AzureStorage.MessageData","ActivityId":"00000000-0000-0000-0000-000000000000","TaskMessage":null,` +
		`"CompressedBlobName":"a/b.json.gz","SequenceNumber":0,"Sender":null,"SerializableTraceContext":null}`
	goodRow = `{"PartitionKey":"p","RowKey":"0000000000000000","EventId":-1,"IsPlayed":false,"_Timestamp":"2026-06-01T12:34:56.7890120Z","_Timestamp@odata.type":"Edm.DateTime",` +
		`"EventType":"TaskCompleted","TaskScheduledId":0,"Result":"","ResultBlobName":"b","ExecutionId":"e"}`
)

// record writes a recording and returns its folder.
func record(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func sumOfText(text string) string { return hexSum(sha256.Sum256([]byte(text))) }

// quote makes a JSON string of a JSON text.
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

func message(text string) string { return `{"n":1,"queue":"q","text":` + quote(text) + `}` }

func write(table, op, body string) string {
	return `{"table":"` + table + `","op":"` + op + `","pk":"p","rk":"r","body":` + quote(body) + `}`
}

// TestDifferences checks that whatever is not as .NET writes it is found.
func TestDifferences(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, file, content, want string }{
		{"good message", "messages.jsonl", message(goodMessage) + "\n\n", ""},
		{"white space", "messages.jsonl", message(goodMessage) + "\n" + message(strings.Replace(goodMessage, `,"Sender"`, `, "Sender"`, 1)), "messages.jsonl:2: Sender: byte "},
		{"other order", "messages.jsonl", message(strings.Replace(goodMessage, `"SequenceNumber":0,"Sender":null`, `"Sender":null,"SequenceNumber":0`, 1)), "messages.jsonl:1: "},
		{"escape", "messages.jsonl", message(strings.Replace(goodMessage, `a/b`, `a\/b`, 1)), "messages.jsonl:1: CompressedBlobName: byte "},
		{"unknown member", "messages.jsonl", message(strings.Replace(goodMessage, `"Sender"`, `"New":[{"a":1}],"Sender"`, 1)), "messages.jsonl:1: New"},
		{"undecodable", "messages.jsonl", message(`{}`), "messages.jsonl:1: decoding: cannot read queue message: TaskMessage: is missing"},
		{"good row", "writes.jsonl", write("hubHistory", "insert", goodRow), ""},
		{"deleted row", "writes.jsonl", write("hubHistory", "delete", ""), ""},
		{"batch", "writes.jsonl", `{"op":"batch","items":[` + write("hubHistory", "insert", goodRow) + `,` + write("hubHistory", "insert", strings.Replace(goodRow, `"TaskScheduledId":0,`, ``, 1)) + `]}`,
			"writes.jsonl:1 (p r): TaskScheduledId: encoded as Edm.Int32 0, not in the recording"},
		{"unknown column", "writes.jsonl", write("hubHistory", "insert", strings.Replace(goodRow, `"EventId"`, `"Color":"red","EventId"`, 1)), "Color: recorded as Edm.String red, not encoded"},
		{"other type", "writes.jsonl", write("hubHistory", "insert", strings.Replace(goodRow, `"EventId":-1`, `"EventId":"-1"`, 1)), "history: cannot read history row: EventId: is of type Edm.String where Edm.Int32 is needed"},
		{"not an event", "writes.jsonl", write("hubHistory", "insert", strings.Replace(goodRow, `"EventType":"TaskCompleted",`, ``, 1)), "EventType: is missing"},
		{"cell with white space", "writes.jsonl", write("hubHistory", "insert", `{"PartitionKey":"p","RowKey":"0","EventId":-1,"IsPlayed":false,"_Timestamp":"2026-06-01T12:34:56Z","_Timestamp@odata.type":"Edm.DateTime","EventType":"TaskScheduled","Name":"n","ParentTraceContext":"null","Tags":"{ }"}`),
			"Tags: recorded as Edm.String { }, encoded as Edm.String {}"},
		{"no entity", "writes.jsonl", write("hubInstances", "insert", `[]`), "reading the recording"},
		{"bad annotation", "writes.jsonl", write("hubInstances", "insert", `{"A":"x","A@odata.type":"Edm.Int64"}`), "decoding: table entity: property A"},
		{"left", "final.json", `{"tables":{"hubHistory":[{"PartitionKey":["Edm.String","p"],"RowKey":["Edm.String","sentinel"],"N":["Edm.Int64","5"],"At":["Edm.DateTime","2026-06-01T12:34:56+00:00"]}]},"queues":{"q":[{"MessageText":` + quote(goodMessage) + `}]}}`, ""},
		{"left and wrong", "final.json", `{"tables":{"hubHistory":[{"PartitionKey":["Edm.String","p"],"RowKey":["Edm.String","0"]}]},"queues":{"q":[{"MessageText":"x"}]}}`, "final.json: hubHistory row 0 (p 0): history: "},
		{"blobs", "blobs.json", `{"h-largemessages/i/message-1-TaskCompleted.json.gz":{"text":` + quote(goodMessage) + `},"h-leases/x":{"text":"{}"},"h-largemessages/i/history-1.json.gz":{"text":"1"},"h-largemessages/i/history-2.json.gz":{"text":"1","textTruncated":true}}`, ""},
		{"cut and completed", "blobs.json", `{"h-largemessages/i/history-1.json.gz":{"text":"\"aa","textTruncated":true,"textLength":10,"textSha256":"` + sumOfText(`"aaaaaaaa"`) + `"}}`, ""},
		{"cut in a run that did not go on", "blobs.json", `{"h-largemessages/i/history-1.json.gz":{"text":"[aa","textTruncated":true,"textLength":10,"textSha256":"` + sumOfText(`[aaaaaaaa"`) + `"}}`, "is not JSON"},
		{"bad message in a blob", "blobs.json", `{"h-largemessages/i/message-1-TaskCompleted.json.gz":{"text":"{}"}}`, "blobs.json: h-largemessages/i/message-1-TaskCompleted.json.gz: decoding"},
		{"bad begin of a message", "blobs.json", `{"h-largemessages/i/message-1-TaskCompleted.json.gz":{"text":"{}","textTruncated":true}}`, "does not begin like a message"},
		{"bad lease", "blobs.json", `{"h-leases/x":{"text":"x"}}`, "blobs.json: h-leases/x: reading: is not JSON"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := record(t, map[string]string{tt.file: tt.content})
			var stdout, stderr bytes.Buffer
			code := run([]string{dir}, &stdout, &stderr)
			if (code != 0) != (tt.want != "") || !strings.Contains(stdout.String(), tt.want) || stderr.Len() > 0 {
				t.Errorf("exit %d, want %q in\n%s%s", code, tt.want, &stdout, &stderr)
			}
		})
	}
}

func TestUnreadable(t *testing.T) {
	t.Parallel()
	tests := map[string]map[string]string{
		"nothing":   {},
		"bad line":  {"messages.jsonl": "x"},
		"bad final": {"final.json": "x"},
		"bad blobs": {"blobs.json": "x"},
	}
	for name, files := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			if code := run([]string{record(t, files)}, &stdout, &stderr); code != 1 || stderr.Len() == 0 {
				t.Errorf("exit %d\n%s%s", code, &stdout, &stderr)
			}
		})
	}
	var stdout, stderr bytes.Buffer
	if code := run(nil, &stdout, &stderr); code != 2 || stderr.Len() == 0 {
		t.Errorf("without arguments: exit %d", code)
	}
	if code := run([]string{filepath.Join(t.TempDir(), "none")}, &stdout, &stderr); code != 1 {
		t.Errorf("without the folder: exit %d", code)
	}
}

func TestManyDifferences(t *testing.T) {
	t.Parallel()
	dir := record(t, map[string]string{"messages.jsonl": strings.Repeat(message("{}")+"\n", 50)})
	var stdout, stderr bytes.Buffer
	if code := run([]string{dir}, &stdout, &stderr); code != 1 || !strings.Contains(stdout.String(), "… and 30 more") {
		t.Errorf("exit %d\n%s", code, &stdout)
	}
}
