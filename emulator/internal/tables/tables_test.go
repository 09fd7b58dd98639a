package tables

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/go-taskhub/taskhub/emulator/internal/odata"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// TestEntityIsOnePiece: the text of an entity has the size that was reckoned, and reads back.
func TestEntityIsOnePiece(t *testing.T) {
	t.Parallel()
	properties := []odata.Property{{Name: "S", Value: odata.StringValue("é")}, {Name: strings.Repeat("n", 255), Value: odata.StringValue(strings.Repeat("x", 40_000))}}
	for i, n := range []int64{0, 1, -1, 63, 64, -64, -65, 1 << 40, math.MaxInt64, math.MinInt64} {
		properties = append(properties, odata.Property{Name: fmt.Sprint("N", i), Value: odata.Value{Type: odata.Int64, Num: n}})
	}
	for _, list := range [][]odata.Property{nil, properties[:1], properties} {
		if b := appendPacked(nil, list); len(b) != packedSize(list) {
			t.Errorf("%d bytes, reckoned were %d", len(b), packedSize(list))
		}
		e := newEntity("p", "row", 7, list)
		if e.partitionKey != "p" || e.rowKey != "row" || e.stamp != 7 || !e.packed.valid() || !slices.Equal(e.appendProperties(nil), list) {
			t.Errorf("%+v", e)
		}
	}
}

// TestBoundaryOf: what is read without the standard library's parser is what that reads.
func TestBoundaryOf(t *testing.T) {
	t.Parallel()
	for contentType, want := range map[string]string{
		"multipart/mixed; boundary=batch_a-Z09": "batch_a-Z09", "Multipart/Mixed;boundary=\"a b\"; x=y": "a b", "multipart/mixed; boundary=a; x=y": "a",
		"multipart/mixed; boundary=" + strings.Repeat("a", 200): strings.Repeat("a", 200),
		"multipart/mixed; boundary=":                            "", "multipart/mixed": "", "text/plain; boundary=a": "", "multipart/mixed; boundary=a b": "",
		"multipart/mixed; boundary=" + strings.Repeat("a", 201): "",
	} {
		if got, err := boundaryOf(contentType); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", contentType, got, err)
		}
	}
}

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
		parts, err := new(workspace).read("multipart/mixed; boundary=b", sampleBatch(newline))
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
		parts, err := new(workspace).read(contentType, body)
		var pool workspaces
		used := pool.get()
		if _, err := used.read("multipart/mixed; boundary=b", sampleBatch("\n")); err != nil {
			t.Fatal(err)
		}
		pool.put(used)
		again, errAgain := used.read(contentType, body)
		if fmt.Sprint(err) != fmt.Sprint(errAgain) || fmt.Sprintf("%+v", parts) != fmt.Sprintf("%+v", again) {
			t.Fatalf("a workspace that was used before reads %+v, %v, not %+v, %v", again, errAgain, parts, err)
		}
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
