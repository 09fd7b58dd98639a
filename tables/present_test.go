package tables

import (
	"fmt"
	"testing"

	"github.com/go-taskhub/taskhub/history"
)

func TestFindInstances(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.scanPage = 10
	for i := range 100 {
		row := &InstanceRow{InstanceID: fmt.Sprintf("n-%03d", i), ExecutionID: "e", Hub: "h", CreatedTime: testTime, LastUpdatedTime: testTime, Status: history.Pending}
		if i%2 == 0 {
			row.Output = history.String("out")
		}
		if i%10 == 9 {
			continue
		}
		if _, err := s.InsertInstance(t.Context(), row); err != nil {
			t.Fatal(err)
		}
	}
	all := make([]string, 0, 103)
	for i := range 100 {
		all = append(all, fmt.Sprintf("n-%03d", 99-i))
	}
	all = append(all, "a", "z^/", "n-050") // outside, and twice
	found, err := s.FindInstances(t.Context(), all, true)
	if err != nil || len(found) != 102 {
		t.Fatalf("%d found, %v", len(found), err)
	}
	for _, id := range all {
		row, known := found[id]
		exists := id[0] == 'n' && id[4] != '9'
		if !known || exists != (row != nil) || exists && (row.InstanceID != id || row.ETag == "" || (row.Output != nil) != ((id[4]-'0')%2 == 0)) {
			t.Errorf("%s: %v, %+v", id, known, row)
		}
	}
	// Two ids with many rows between them are not worth reading all of these.
	found, err = s.FindInstances(t.Context(), []string{"n-000", "n-098"}, false)
	if err != nil || found["n-000"] == nil || found["n-000"].Output != nil {
		t.Errorf("%v, %v", found, err)
	}
	if _, known := found["n-098"]; known {
		t.Error("all rows were read for two")
	}
	if found, err = s.FindInstances(t.Context(), nil, false); err != nil || len(found) != 0 {
		t.Errorf("%v, %v", found, err)
	}
}

// TestRowsOfOthersAreNotDecoded: a row is only left out when it is certain whose it is.
func TestRowsOfOthersAreNotDecoded(t *testing.T) {
	t.Parallel()
	wanted := map[string]string{"a": "a", "é": "é"}
	for raw, keep := range map[string]bool{
		`{"odata.etag":"x","PartitionKey":"a","RowKey":""}`:        true,
		`{"PartitionKey":"b","Output":"{\"PartitionKey\":\"a\"}"}`: false,
		`{"Output":"{\"PartitionKey\":\"b\"}","PartitionKey":"a"}`: true,
		`{"PartitionKey":"\u00e9"}`:                                true,
		`{"PartitionKey":"\u00e8"}`:                                true, // it is not looked at closely
		`{"PartitionKey":"é"}`:                                     true,
		`{"PartitionKey" : "b"}`:                                   true,
		`{"PartitionKey":"b`:                                       true,
		`{}`:                                                       true,
		`{"PartitionKey":"ab"}`:                                    false,
	} {
		if got := worthDecoding([][]byte{[]byte(raw), []byte("last")}, wanted); (len(got) == 2) != keep || string(got[len(got)-1]) != "last" {
			t.Errorf("%s: %q", raw, got)
		}
	}
}
