package layout

import (
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNames(t *testing.T) {
	t.Parallel()
	n, err := NewNames("MyHub")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ got, want string }{
		{n.Hub(), "MyHub"},
		{n.ControlQueue(0), "myhub-control-00"},
		{n.ControlQueue(15), "myhub-control-15"},
		{n.WorkItemQueue(), "myhub-workitems"},
		{n.HistoryTable(), "MyHubHistory"},
		{n.InstancesTable(), "MyHubInstances"},
		{n.PartitionsTable(), "MyHubPartitions"},
		{n.ActiveTable(), "MyHubActive"},
		{n.DeadLettersTable(), "MyHubDeadLetters"},
		{n.SchedulesTable(), "MyHubSchedules"},
		{n.LimitsTable(), "MyHubLimits"},
		{n.LeaseContainer(), "myhub-leases"},
		{n.AppLeaseContainer(), "myhub-applease"},
		{n.AppLeaseInfoBlob(), "myhub-appleaseinfo"},
		{n.LargeMessageContainer(), "myhub-largemessages"},
		{TaskHubInfoBlob, "taskhub.json"},
		{IntentBlob(n.ControlQueue(1)), "intent/myhub-control-01"},
		{OwnershipBlob(n.ControlQueue(1)), "ownership/myhub-control-01"},
		{LegacyLeaseBlob(n.ControlQueue(1)), "default/myhub-control-01"},
		{MessageBlobName("order-42", "5406d369-4369-4673-afae-6671a2fa1e57", "ExecutionStarted"),
			"order-42/message-5406d36943694673afae6671a2fa1e57-ExecutionStarted.json.gz"},
		{MessageBlobName("a/b", "5406D36943694673AFAE6671A2FA1E57", "TaskCompleted"),
			"a/b/message-5406d36943694673afae6671a2fa1e57-TaskCompleted.json.gz"},
		{HistoryBlobName("large-input-100k", RowKey(1), "ExecutionStarted", "Input", 0x073CE5AE),
			"large-input-100k/history-0000000000000001-ExecutionStarted-073CE5AE-Input.json.gz"},
		{HistoryBlobName("x^2y", "", "Input", "Input", 0xFFFFFFFF), "x^2y/history--Input-7FFFFFFF-Input.json.gz"},
		{AppLeaseID(""), "811c9dc5-0000-0000-0000-000000000000"},
		{AppLeaseID("myapp"), "1312a8a6-0000-0000-0000-000000000000"},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
}

func TestHubNameRule(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"abc", "A1b", "TaskHub", strings.Repeat("x", 45)} {
		if _, err := NewNames(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "ab", "1ab", "my-hub", "my_hub", "hüb", "hub\n", " hub", "$root", strings.Repeat("x", 46)} {
		names, err := NewNames(bad)
		var invalid *InvalidHubNameError
		if !errors.As(err, &invalid) || invalid.Name != bad {
			t.Errorf("%q: error %v, want *InvalidHubNameError", bad, err)
		}
		if names != (Names{}) {
			t.Errorf("%q: names %v beside an error", bad, names)
		}
	}
}

func TestPartition(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		id                         string
		hash                       uint32
		mod4, mod16, mod3, mod1, _ int
	}{
		{id: "", hash: 2166136261, mod4: 1, mod16: 5, mod3: 1},
		{id: "abcdef", hash: 4282878506, mod4: 2, mod16: 10, mod3: 2},
		{id: "order-42", hash: 1461995252, mod4: 0, mod16: 4, mod3: 2},
		{id: "Order-42", hash: 1358274324, mod4: 0, mod16: 4, mod3: 0},
		{id: "@Counter@k1", hash: 248782027, mod4: 3, mod16: 11, mod3: 1},
		{id: "d41d8cd98f00b204e9800998ecf8427e", hash: 2735692068, mod4: 0, mod16: 4, mod3: 0},
		{id: "aae324dcc8f943e490b37ec5e5bbf9da:1", hash: 2037975301, mod4: 1, mod16: 5, mod3: 1},
		{id: "héllo", hash: 1252296000, mod4: 0, mod16: 0, mod3: 0},
		{id: "日本", hash: 2670128721, mod4: 1, mod16: 1, mod3: 0},
	} {
		if got := fnv1a(c.id); got != c.hash {
			t.Errorf("hash of %q is %d, want %d", c.id, got, c.hash)
		}
		for n, want := range map[int]int{4: c.mod4, 16: c.mod16, 3: c.mod3, 1: 0} {
			if got := Partition(c.id, n); got != want {
				t.Errorf("partition of %q among %d is %d, want %d", c.id, n, got, want)
			}
		}
	}
}

func TestPartitionPanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("no panic for zero partitions")
		}
	}()
	Partition("x", 0)
}

func TestEscapeKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ id, key string }{
		{"a/b", "a^0b"},
		{`x#y?z\w`, "x^2y^3z^1w"},
		{"^", "^^"},
		{"\x00", "^\u00C0"},
		{"\r\n", "^\u00CD^\u00CA"},
		{"\u007F\u009F", "^\u013F^\u015F"},
		{"@Counter@k1", "@Counter@k1"},
		{"50% o'brien 日本 😀", "50% o'brien 日本 😀"},
		{"^0", "^^0"},
		{"", ""},
	} {
		if got := EscapeKey(c.id); got != c.key {
			t.Errorf("EscapeKey(%q) = %q, want %q", c.id, got, c.key)
		}
		if got := UnescapeKey(c.key); got != c.id {
			t.Errorf("UnescapeKey(%q) = %q, want %q", c.key, got, c.id)
		}
	}
}

func TestUnescapeForeignKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ key, id string }{
		{"^x", "x"},
		{"a^", "a^"},
		{"^\u0200", "\u0140"},
		{"^😀", "😀"},
		{"^\uE000", "\uE000"},
	} {
		if got := UnescapeKey(c.key); got != c.id {
			t.Errorf("UnescapeKey(%q) = %q, want %q", c.key, got, c.id)
		}
	}
}

func FuzzEscapeKey(f *testing.F) {
	for _, s := range []string{"", "a/b", "^^0", "\x00\x7f\u009f", "日本😀"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if !utf8.ValidString(id) {
			return
		}
		key := EscapeKey(id)
		if strings.ContainsAny(key, `/\#?`) || strings.ContainsFunc(key, isControl) {
			t.Errorf("key %q of %q is not allowed", key, id)
		}
		if back := UnescapeKey(key); back != id {
			t.Errorf("%q became %q and then %q", id, key, back)
		}
	})
}

func TestRowKey(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0000000000000000", 10: "000000000000000A", 255: "00000000000000FF", math.MaxInt: "7FFFFFFFFFFFFFFF"} {
		if got := RowKey(n); got != want {
			t.Errorf("RowKey(%d) = %s, want %s", n, got, want)
		}
		if got, ok := ParseRowKey(want); !ok || got != n {
			t.Errorf("ParseRowKey(%s) = %d, %v", want, got, ok)
		}
	}
	for _, bad := range []string{"", SentinelRowKey, "A", "000000000000000a", "00000000000000000", "-000000000000001", "+000000000000001", "8000000000000000", "000000000000000G"} {
		if n, ok := ParseRowKey(bad); ok {
			t.Errorf("ParseRowKey(%q) = %d", bad, n)
		}
	}
	if SentinelRowKey < RowKey(math.MaxInt) {
		t.Error("the sentinel does not sort last")
	}
}

func TestValidateInstanceID(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"a", "order-42", "@Counter@k1", "o'brien 50%", "日本", "^", "...", "aae324dcc8f943e490b37ec5e5bbf9da:1",
		strings.Repeat("é", 100), strings.Repeat("😀", 50)} {
		if err := ValidateInstanceID(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, c := range []struct{ id, text string }{
		{"", "empty"},
		{"a/b", "character /"},
		{`a\b`, `character \`},
		{"a#b", "character #"},
		{"a?b", "character ?"},
		{"a\tb", "control character U+0009"},
		{"a\u0085b", "control character U+0085"},
		{"a\u007f", "control character U+007F"},
		{strings.Repeat("x", 101), "101 characters"},
		{strings.Repeat("😀", 51), "102 characters"},
		{"a\xffb", "UTF-8"},
		{"..", "relative"},
		{strings.Repeat("x", 10_000), "10000 characters"},
	} {
		err := ValidateInstanceID(c.id)
		var invalid *InvalidInstanceIDError
		if !errors.As(err, &invalid) || invalid.ID != c.id {
			t.Errorf("%q: error %v, want *InvalidInstanceIDError", c.id, err)
			continue
		}
		if !strings.Contains(err.Error(), c.text) || len(err.Error()) > 400 {
			t.Errorf("error %q does not say %q", err, c.text)
		}
	}
}

func TestUTF16Len(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int{"": 0, "abc": 3, "é": 1, "日本": 2, "😀": 2, "\xff\xfe": 2} {
		if got := UTF16Len(s); got != want {
			t.Errorf("UTF16Len(%q) = %d, want %d", s, got, want)
		}
	}
}
