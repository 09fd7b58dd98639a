package leases

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Columns of a row, as DurableTask.AzureStorage names them.
const (
	columnPartitionKey = "PartitionKey"
	columnRowKey       = "RowKey"
	columnOwner        = "CurrentOwner"
	columnNextOwner    = "NextOwner"
	columnOwnedSince   = "OwnedSince"
	columnLastRenewal  = "LastRenewal"
	columnExpiresAt    = "ExpiresAt"
	columnIsDraining   = "IsDraining"
	columnFleet        = "Fleet" // Go fleets only
	columnTimestamp    = "Timestamp"
	columnETag         = "odata.etag"
	typeSuffix         = "@odata.type"
)

// period is how long the row's owner may go without renewing. Rows that do not tell, because somebody edited them, get
// the given default; absurd ones are bounded, so that no row is lost for ever.
func (r row) period(otherwise time.Duration) time.Duration {
	const longest = 5 * time.Minute
	p := r.expiresAt.Sub(r.lastRenewal)
	if r.expiresAt.IsZero() || r.lastRenewal.IsZero() || p <= 0 {
		return otherwise
	}
	return min(p, longest)
}

// encodeRow writes the columns that .NET writes: absent ones are left out, so that a full replace removes them.
func encodeRow(r row) []byte {
	var b bytes.Buffer
	b.WriteString(`{"` + columnPartitionKey + `":""`)
	text := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, `,"%s":%s`, name, encodeJSON(value))
		}
	}
	moment := func(name string, t time.Time) {
		if !t.IsZero() {
			fmt.Fprintf(&b, `,"%s":"%s","%s%s":"Edm.DateTime"`, name, formatTime(t), name, typeSuffix)
		}
	}
	text(columnRowKey, r.queue)
	text(columnOwner, r.currentOwner)
	text(columnNextOwner, r.nextOwner)
	moment(columnOwnedSince, r.ownedSince)
	moment(columnLastRenewal, r.lastRenewal)
	moment(columnExpiresAt, r.expiresAt)
	text(columnFleet, r.fleet)
	fmt.Fprintf(&b, `,"%s":%t}`, columnIsDraining, r.isDraining)
	return b.Bytes()
}

// formatTime writes a DateTime column as .NET does: UTC with seven digits.
func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }

// ticks rounds to what a DateTime column and .NET can hold.
func ticks(t time.Time) time.Time { return t.UTC().Truncate(100 * time.Nanosecond) }

// decodeRow reads a row leniently: a column of another type, as a hand edit leaves it, counts as absent.
func decodeRow(text []byte) (row, error) {
	var columns map[string]any
	if err := json.Unmarshal(text, &columns); err != nil {
		return row{}, fmt.Errorf("a row is not JSON: %w", err)
	}
	str := func(name string) string {
		s, _ := columns[name].(string)
		return s
	}
	moment := func(name string) time.Time {
		t, err := time.Parse(time.RFC3339Nano, str(name))
		if err != nil {
			return time.Time{}
		}
		return t.UTC()
	}
	draining, _ := columns[columnIsDraining].(bool)
	return row{
		queue: str(columnRowKey), currentOwner: str(columnOwner), nextOwner: str(columnNextOwner),
		ownedSince: moment(columnOwnedSince), lastRenewal: moment(columnLastRenewal), expiresAt: moment(columnExpiresAt),
		isDraining: draining, fleet: str(columnFleet), etag: str(columnETag), timestamp: moment(columnTimestamp),
	}, nil
}

// composeReplace writes an entity-group transaction that replaces rows under their etags.
func composeReplace(endpoint, boundary, table string, rows []row) []byte {
	changeset := "changeset_" + newGUID()
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("--%s", boundary)
	line("Content-Type: multipart/mixed; boundary=%s", changeset)
	line("")
	for _, r := range rows {
		body := encodeRow(r)
		line("--%s", changeset)
		line("Content-Type: application/http")
		line("Content-Transfer-Encoding: binary")
		line("")
		line("PUT %s/%s(PartitionKey='',RowKey='%s') HTTP/1.1", endpoint, table, url.PathEscape(r.queue))
		line("Accept: application/json;odata=minimalmetadata")
		line("Content-Type: application/json")
		line("DataServiceVersion: 3.0")
		line("If-Match: %s", r.etag)
		line("Content-Length: %d", len(body))
		line("")
		line("%s", body)
	}
	line("--%s--", changeset)
	line("--%s--", boundary)
	return []byte(b.String())
}
