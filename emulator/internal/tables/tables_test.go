package tables

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

func TestParseTarget(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]target{
		"People":                           {table: "People"},
		"People()":                         {table: "People", paren: true},
		"Tables('People')":                 {table: "Tables", paren: true, quoted: "People", hasQuoted: true},
		"T(PartitionKey='a''b',RowKey='')": {table: "T", paren: true, partitionKey: "a'b", entity: true},
		"T(RowKey='1,2=(3)', PartitionKey='x y')": {table: "T", paren: true, partitionKey: "x y", rowKey: "1,2=(3)", entity: true},
	} {
		if got, err := parseTarget(path); err != nil || got != want {
			t.Errorf("%s: %+v, %v", path, got, err)
		}
	}
	for _, path := range []string{"T(", "T('a", "T('a'b)", "T(PartitionKey='a')", "T(PartitionKey='a',RowKey='b',X='c')", "T(PartitionKey=a,RowKey='b')", "T(PartitionKey='a',)"} {
		if got, err := parseTarget(path); err == nil {
			t.Errorf("%s: %+v", path, got)
		}
	}
}

func sampleBatch(newline string) string {
	lines := []string{"--b", "Content-Type: multipart/mixed; boundary=\"c c\"", ""}
	for i := range 2 {
		lines = append(lines, "--c c", "Content-Type: application/http", "Content-Transfer-Encoding: binary", "",
			fmt.Sprintf("POST http://host/acc/T%d HTTP/1.1", i), fmt.Sprintf("Content-ID: %d", i), "Accept: application/json", "", "{\"A\":1}", "")
	}
	return strings.Join(append(lines, "--c c--", "--b--", ""), newline)
}

func TestParseBatch(t *testing.T) {
	t.Parallel()
	for _, newline := range []string{"\r\n", "\n"} {
		parts, err := parseBatch("multipart/mixed; boundary=b", sampleBatch(newline))
		if err != nil || len(parts) != 2 {
			t.Fatalf("%d parts, %v", len(parts), err)
		}
		p := parts[1]
		if p.method != "POST" || p.target != "http://host/acc/T1" || p.contentID != "1" || p.body != `{"A":1}` || !p.changeset {
			t.Errorf("%+v", p)
		}
	}
}

func FuzzBatch(f *testing.F) {
	f.Add("multipart/mixed; boundary=b", sampleBatch("\r\n"))
	f.Add("multipart/mixed; boundary=b", sampleBatch("\n"))
	f.Add("multipart/mixed; boundary=b", "--b\nContent-Type: application/http\n\nGET /x HTTP/1.1\n\n--b--")
	f.Fuzz(func(t *testing.T, contentType, body string) {
		parts, err := parseBatch(contentType, body)
		var known *rest.Error
		if err != nil && !errors.As(err, &known) {
			t.Fatal(err)
		}
		for _, p := range parts {
			if p.method == "" || p.target == "" {
				t.Fatalf("%+v", p)
			}
		}
	})
}

func FuzzTarget(f *testing.F) {
	f.Add("T(PartitionKey='a''b',RowKey='c')")
	f.Add("Tables('x')")
	f.Fuzz(func(t *testing.T, path string) {
		got, err := parseTarget(path)
		if err != nil || !got.entity {
			return
		}
		quote := func(s string) string { return strings.ReplaceAll(s, "'", "''") }
		again, err := parseTarget(got.table + "(PartitionKey='" + quote(got.partitionKey) + "',RowKey='" + quote(got.rowKey) + "')")
		if err != nil || again.partitionKey != got.partitionKey || again.rowKey != got.rowKey {
			t.Fatalf("%q: %+v and %+v, %v", path, got, again, err)
		}
	})
}
