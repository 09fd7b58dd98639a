package tables

import (
	"slices"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
)

// Filter says which status rows a query returns, and what of them. Conditions are joined with "and"; the zero Filter
// matches every instance.
type Filter struct {
	// InstanceID wants one instance.
	InstanceID string
	// IDPrefix wants the instances whose id begins so. Prefixes and single ids are cheap; everything else makes the
	// service look at every row.
	IDPrefix string
	// Statuses wants one of these.
	Statuses []history.Status
	// CreatedFrom and CreatedTo want instances created in this time, both ends included. A generation begun with
	// continue-as-new counts as created then.
	CreatedFrom, CreatedTo time.Time
	// Name wants instances of this orchestrator.
	Name string
	// Hubs wants rows written under one of these hub names; it matters where several hubs share tables.
	Hubs []string
	// Tags wants instances that have all of these tags. The service cannot search in tags, so rows that do not match
	// are fetched and dropped.
	Tags map[string]string
	// ExcludeEntities leaves out ids that begin with '@'.
	ExcludeEntities bool

	// Inputs and Outputs ask for these columns. Default: left out.
	Inputs, Outputs bool
	// Raw leaves values kept in blobs where they are. Default: they are fetched.
	Raw bool

	within keyRange
}

// keyRange are partition keys: behind after, from from on, before before, up to upTo. Empty is open.
type keyRange struct{ after, from, before, upTo string }

// String is the OData filter, in the form in which DurableTask.AzureStorage writes it.
func (f Filter) String() string {
	var c conditions
	if !f.CreatedFrom.IsZero() {
		c.add(colCreated + " ge " + quoteTime(f.CreatedFrom))
	}
	if !f.CreatedTo.IsZero() {
		c.add(colCreated + " le " + quoteTime(f.CreatedTo))
	}
	names := make([]string, len(f.Statuses))
	for i, status := range f.Statuses {
		names[i] = status.String()
	}
	c.any(colStatus, names)
	c.any(colHub, f.Hubs)
	if f.Name != "" {
		c.any(colName, []string{f.Name})
	}
	f.addKeys(&c)
	if len(c) == 0 {
		return colRowKey + " eq ''"
	}
	return strings.Join(c, " and ")
}

// addKeys adds the conditions on the partition key.
func (f Filter) addKeys(c *conditions) {
	if f.within.after != "" {
		c.add(colPartitionKey + " gt " + quote(f.within.after))
	}
	if f.within.from != "" {
		c.add(colPartitionKey + " ge " + quote(f.within.from))
	}
	if f.within.before != "" {
		c.add(colPartitionKey + " lt " + quote(f.within.before))
	}
	if f.within.upTo != "" {
		c.add(colPartitionKey + " le " + quote(f.within.upTo))
	}
	if f.InstanceID != "" {
		c.add(keyFilter(f.InstanceID))
	}
	if prefix := layout.EscapeKey(f.IDPrefix); prefix != "" {
		c.add(colPartitionKey + " ge " + quote(prefix))
		if after, ok := successor(prefix); ok {
			c.add(colPartitionKey + " lt " + quote(after))
		}
		return
	}
	if f.ExcludeEntities {
		c.add(colPartitionKey + " lt '@' or " + colPartitionKey + " ge 'A'")
	}
}

// bounds are the keys among which all matching rows are.
func (f Filter) bounds() keyRange {
	if f.IDPrefix == "" {
		return keyRange{}
	}
	after, _ := successor(layout.EscapeKey(f.IDPrefix))
	return keyRange{before: after}
}

// impossible tells whether no row can match.
func (f Filter) impossible() bool {
	return f.ExcludeEntities && (strings.HasPrefix(f.IDPrefix, "@") || strings.HasPrefix(f.InstanceID, "@"))
}

// matches checks what the service does not: tags, and ids, for which it may use another order of characters.
func (f Filter) matches(row *InstanceRow) bool {
	if !strings.HasPrefix(row.InstanceID, f.IDPrefix) || f.ExcludeEntities && strings.HasPrefix(row.InstanceID, "@") {
		return false
	}
	for name, value := range f.Tags {
		if have, ok := row.Tags[name]; !ok || have != value {
			return false
		}
	}
	return true
}

// conditions are joined with "and", each in parentheses.
type conditions []string

func (c *conditions) add(condition string) { *c = append(*c, "("+condition+")") }

func (c *conditions) any(column string, values []string) {
	if len(values) == 0 {
		return
	}
	alternatives := make([]string, len(values))
	for i, value := range values {
		alternatives[i] = column + " eq " + quote(value)
	}
	c.add(strings.Join(alternatives, " or "))
}

func keyFilter(instanceID string) string {
	return colPartitionKey + " eq " + quote(layout.EscapeKey(instanceID))
}

// quote makes an OData text literal.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// quoteTime makes an OData date literal in .NET's round-trip form.
func quoteTime(t time.Time) string {
	return "datetime'" + t.UTC().Format("2006-01-02T15:04:05.0000000Z") + "'"
}

// successor is the smallest text after all texts that begin with prefix, in the order of UTF-16 units, and false when
// there is none.
func successor(prefix string) (string, bool) {
	runes := []rune(prefix)
	for i := len(runes) - 1; i >= 0; i-- {
		if next, ok := nextRune(runes[i]); ok {
			return string(runes[:i]) + string(next), true
		}
	}
	return "", false
}

// nextRune is the character that follows in the order of UTF-16 units, in which characters beyond U+FFFF, being pairs
// of surrogates, come between U+D7FF and U+E000.
func nextRune(r rune) (rune, bool) {
	switch r {
	case 0xD7FF:
		return 0x10000, true
	case 0x10FFFF:
		return 0xE000, true
	case 0xFFFF:
		return 0, false
	}
	return r + 1, true
}

// compareUTF16 compares texts in the order of their UTF-16 units, which is the Table service's.
func compareUTF16(a, b string) int {
	if isASCII(a) && isASCII(b) { // as nearly all ids are
		return strings.Compare(a, b)
	}
	return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
