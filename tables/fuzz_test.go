package tables

import (
	"log/slog"
	"reflect"
	"testing"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/payloads"
	"github.com/go-taskhub/taskhub/storage"
)

// fuzzStore decodes and makes no request.
func fuzzStore(f *testing.F) *Store {
	f.Helper()
	account, err := storage.Open(storage.Config{ConnectionString: "UseDevelopmentStorage=true"})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = account.Close() })
	names, err := layout.NewNames("Fuzz")
	if err != nil {
		f.Fatal(err)
	}
	return New(Config{Account: account, Names: names, Payloads: payloads.New(account, names), Logger: slog.New(slog.DiscardHandler)})
}

// FuzzRows decodes rows of all tables: whatever is stored, nothing panics, and a dead letter that is understood is written again
// as it was.
func FuzzRows(f *testing.F) {
	s := fuzzStore(f)
	for _, seed := range []string{
		`{"PartitionKey":"q","RowKey":"o-1","InstanceId":"i","Owner":"o","Attempts":3,"Timestamp":"2026-06-01T12:34:57Z"}`,
		`{"PartitionKey":"letters","RowKey":"20260601T120000Z-m","Queue":"q","MessageId":"m","InsertedAt":"2026-06-01T12:00:00Z","InsertedAt@odata.type":"Edm.DateTime","Attempts":20,"Deliveries":"24","Deliveries@odata.type":"Edm.Int64","Body":"e30=","Body@odata.type":"Edm.Binary"}`,
		`{"PartitionKey":"i","RowKey":"","ExecutionId":"e","RuntimeStatus":"Running","Tags":"{\"a\":\"b\"}","CreatedTime":"2026-06-01T12:34:57Z","CreatedTime@odata.type":"Edm.DateTime"}`,
		`{"PartitionKey":"i","RowKey":"sentinel","ExecutionId":"e","Local":"e:0-4,7","Seen":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","Seen@odata.type":"Edm.Binary"}`,
		`{"PartitionKey":"i","RowKey":"outbox-e-00000001","Envelope":"e30=","Envelope@odata.type":"Edm.Binary"}`,
		`{"PartitionKey":"i","RowKey":"0000000000000000","EventType":"ExecutionCompleted","EventId":"x","OrchestrationStatus":7}`,
		`{}`, `[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if letter, err := s.letterOf(raw); err == nil {
			checkLetter(t, letter)
		}
		_, _ = s.decodeInstance(raw, true)
		row, err := s.parse("i", raw)
		if err != nil {
			return
		}
		_, _, _ = outboxOf(row)
		_, _ = s.decode("i", row)
		h, _ := split([]storedRow{row})
		_ = s.extras("i", []storedRow{row}, h)
		v, ends := &Surveyed{}, map[string][]storedRow{}
		v.history(row, ends)
		v.end(ends[""])
		v.status(row)
	})
}

func checkLetter(t *testing.T, letter *DeadLetter) {
	t.Helper()
	again := letterRow(*letter)
	if len(letter.Body) <= mostLetterBytes && string(again[colBody].([]byte)) != letter.Body {
		t.Errorf("the body changed: %q", letter.Body)
	}
	if again[colRowKey] != letter.ID() {
		t.Errorf("the key changed: %q", again[colRowKey])
	}
}

// FuzzTokens reads tokens, lists of local actions and of seen messages, as they may come from anywhere.
func FuzzTokens(f *testing.F) {
	f.Add("eyJwIjoiYSJ9", []byte("0123456789abcdef01234567"))
	f.Add(pageToken(strPtr("p"), strPtr("r")), []byte{})
	f.Add("e:0-4,7", []byte{1})
	f.Add(historyPosition{Execution: "e", Row: 3}.token(), make([]byte, 48))
	f.Fuzz(func(t *testing.T, text string, binary []byte) {
		if p, err := parseToken(text); err == nil && text != "" {
			again, err := parseToken(pageToken(p.Partition, p.Row))
			if err == nil && !reflect.DeepEqual(again, p) {
				t.Errorf("%q became another position", text)
			}
		}
		_, _ = parseHistoryToken(text)
		if l, err := ParseLocal(text); err == nil && !l.Empty() {
			again, err := ParseLocal(l.String())
			if err != nil || !reflect.DeepEqual(again, l) {
				t.Errorf("%q became %q: %v", text, l.String(), err)
			}
		}
		_, _ = decodeSeen(binary)
		_, _ = parseTags(text)
		_, _ = entitiesOf(binary)
	})
}

func strPtr(s string) *string { return &s }
