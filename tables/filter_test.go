package tables

import (
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/history"
)

func TestFilterString(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 6, 1, 12, 34, 56, 789012000, time.UTC)
	tests := []struct {
		name   string
		filter Filter
		want   string
	}{
		{"everything", Filter{}, "RowKey eq ''"},
		{"one id", Filter{InstanceID: "o'brien/1"}, "(PartitionKey eq 'o''brien^01')"},
		{"prefix", Filter{IDPrefix: "order-"}, "(PartitionKey ge 'order-') and (PartitionKey lt 'order.')"},
		{"prefix with quote", Filter{IDPrefix: "o'"}, "(PartitionKey ge 'o''') and (PartitionKey lt 'o(')"},
		{"prefix before quote", Filter{IDPrefix: "o&"}, "(PartitionKey ge 'o&') and (PartitionKey lt 'o''')"},
		{"entities excluded", Filter{ExcludeEntities: true}, "(PartitionKey lt '@' or PartitionKey ge 'A')"},
		{"entities excluded, prefix", Filter{ExcludeEntities: true, IDPrefix: "x"}, "(PartitionKey ge 'x') and (PartitionKey lt 'y')"},
		{"statuses", Filter{Statuses: []history.Status{history.Running, history.Failed}}, "(RuntimeStatus eq 'Running' or RuntimeStatus eq 'Failed')"},
		{"hubs", Filter{Hubs: []string{"a", "B"}}, "(TaskHubName eq 'a' or TaskHubName eq 'B')"},
		{"range", Filter{within: keyRange{from: "a", before: "b"}}, "(PartitionKey ge 'a') and (PartitionKey lt 'b')"},
		{"behind", Filter{within: keyRange{after: "a'"}, IDPrefix: "a"}, "(PartitionKey gt 'a''') and (PartitionKey ge 'a') and (PartitionKey lt 'b')"},
		{
			"time and name",
			Filter{CreatedFrom: from, CreatedTo: from.Add(time.Hour).In(time.FixedZone("", 3600)), Name: "it's"},
			"(CreatedTime ge datetime'2026-06-01T12:34:56.7890120Z') and (CreatedTime le datetime'2026-06-01T13:34:56.7890120Z') and (Name eq 'it''s')",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := test.filter.String(); got != test.want {
				t.Errorf("filter\n got %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestSuccessor(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		prefix, want string
		ok           bool
	}{
		{"a", "b", true},
		{"a\uFFFF", "b", true},
		{"\uFFFF", "", false},
		{"\uD7FF", "\U00010000", true},
		{"\U0010FFFF", "\uE000", true},
		{"x😀", "x😁", true},
		{"z\U000103FF", "z\U00010400", true},
	} {
		got, ok := successor(test.prefix)
		if got != test.want || ok != test.ok {
			t.Errorf("successor(%q) = %q, %v; want %q, %v", test.prefix, got, ok, test.want, test.ok)
		}
		if ok && compareUTF16(test.prefix+"\uFFFF\uFFFF", got) >= 0 {
			t.Errorf("successor(%q) = %q is not behind all texts with the prefix", test.prefix, got)
		}
	}
}

func TestFilterMatches(t *testing.T) {
	t.Parallel()
	row := &InstanceRow{InstanceID: "order-1", Tags: map[string]string{"team": "blue", "tier": "gold"}}
	for _, test := range []struct {
		filter Filter
		want   bool
	}{
		{Filter{}, true},
		{Filter{IDPrefix: "order-"}, true},
		{Filter{IDPrefix: "Order-"}, false},
		{Filter{Tags: map[string]string{"team": "blue"}}, true},
		{Filter{Tags: map[string]string{"team": "blue", "tier": "silver"}}, false},
		{Filter{Tags: map[string]string{"region": ""}}, false},
		{Filter{ExcludeEntities: true}, true},
	} {
		if got := test.filter.matches(row); got != test.want {
			t.Errorf("%+v: %v, want %v", test.filter, got, test.want)
		}
	}
	entity := &InstanceRow{InstanceID: "@counter@k"}
	if (Filter{ExcludeEntities: true}).matches(entity) {
		t.Error("an entity is not excluded")
	}
	if !(Filter{ExcludeEntities: true, IDPrefix: "@counter"}).impossible() {
		t.Error("a prefix of entities with entities excluded can match nothing")
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	partition, row, empty := "1!8!YWJj", "1!4!", ""
	if got := pageToken(nil, nil); got != "" {
		t.Errorf("token of the last page: %q", got)
	}
	if got := pageToken(&empty, &empty); got != "" {
		t.Errorf("token of empty headers: %q", got)
	}
	p, err := parseToken(pageToken(&partition, &row))
	if err != nil || *p.Partition != partition || *p.Row != row {
		t.Errorf("token round trip: %+v, %v", p, err)
	}
	for _, bad := range []string{"x", "e30", "bm90IGpzb24", strings.Repeat("A", 50)} {
		if _, err := parseToken(bad); err == nil {
			t.Errorf("token %q is accepted", bad)
		}
	}
}
