package interop

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/internal/faultproxy/proxy"
)

// The log of a proxy in front of each worker shows who owned which partition when, and who committed what: at the storage, not
// as the workers see it.

// tenure is an instant between from and to at which a worker was granted a partition, or had it extended.
type tenure struct {
	queue, worker string
	from, to      time.Time
}

// commitment is an attempt at a transaction on an instance's history.
type commitment struct {
	instance, worker string
	from, to         time.Time
	landed           bool
}

// ownerLog is what the logs of all workers say.
type ownerLog struct {
	tenures []tenure
	commits []commitment
}

var (
	leaseBlob    = regexp.MustCompile(`-leases/(?:ownership|default)/(.+)$`)
	partitionRow = regexp.MustCompile(`Partitions\(PartitionKey=(?:''|%27%27),RowKey=(?:'|%27)([^'%]+)(?:'|%27)\)`)
	historyKey   = regexp.MustCompile(`History\(PartitionKey=(?:'|%27)(.+?)(?:'|%27),`)
)

// add reads the log of the proxy in front of a worker.
func (l *ownerLog) add(worker string, entries []proxy.Entry) {
	for _, e := range entries {
		from, to := e.Time, e.Time.Add(time.Duration(e.Milliseconds*float64(time.Millisecond)))
		ok := e.Status >= http.StatusOK && e.Status < http.StatusMultipleChoices
		switch {
		case e.Op == "blob.put.lease" && ok && (e.Lease == "acquire" || e.Lease == "change" || e.Lease == "renew"):
			if m := leaseBlob.FindStringSubmatch(e.Name); m != nil {
				l.tenures = append(l.tenures, tenure{m[1], worker, from, to})
			}
		case e.Op == "table.replace" && ok && partitionRow.MatchString(e.Name):
			l.row(partitionRow.FindStringSubmatch(e.Name)[1], string(e.Request.Bytes()), from, to)
		case e.Op == "table.batch":
			text, answer := string(e.Request.Bytes()), string(e.Response.Bytes())
			ok = ok && !strings.Contains(answer, "HTTP/1.1 4") && !strings.Contains(answer, "HTTP/1.1 5")
			if m := historyKey.FindStringSubmatch(text); m != nil {
				l.commits = append(l.commits, commitment{m[1], worker, from, to, ok})
			}
			for _, at := range partitionRow.FindAllStringSubmatchIndex(text, -1) {
				if ok {
					l.row(text[at[2]:at[3]], text[at[1]:], from, to)
				}
			}
		}
	}
}

// row reads a row of the table manager as it was written: it names the owner, whoever writes it.
func (l *ownerLog) row(queue, text string, from, to time.Time) {
	var row struct{ CurrentOwner string }
	if start := strings.IndexByte(text, '{'); start >= 0 {
		_ = json.NewDecoder(strings.NewReader(text[start:])).Decode(&row) // a row without an owner says nothing
	}
	if row.CurrentOwner != "" {
		l.tenures = append(l.tenures, tenure{queue, row.CurrentOwner, from, to})
	}
}

// stray lists the commits that a worker sent after another one had been granted the instance's partition. late allows for the
// time in which a manager lets the old owner find out.
func (l *ownerLog) stray(queueOf func(instance string) string, concerns func(worker string) bool, late time.Duration) (found []string) {
	byQueue := map[string][]tenure{}
	for _, t := range l.tenures {
		byQueue[t.queue] = append(byQueue[t.queue], t)
	}
	for _, list := range byQueue {
		slices.SortFunc(list, func(a, b tenure) int { return a.to.Compare(b.to) })
	}
	for _, c := range l.commits {
		if !concerns(c.worker) {
			continue
		}
		queue := queueOf(c.instance)
		if other, at := ownerAt(byQueue[queue], c); other != "" && c.from.Sub(at) > late {
			found = append(found, fmt.Sprintf("%s commits %s at %s (landed: %v), %v after %s got %s", c.worker, c.instance,
				c.from.Format(time.RFC3339Nano), c.landed, c.from.Sub(at), other, queue))
		}
	}
	return found
}

// ownerAt is the other worker that had the partition when a commit was sent, and since when. A tenure of the committing worker that
// was being granted at the time makes it nobody else's.
func ownerAt(list []tenure, c commitment) (other string, since time.Time) {
	other, since = "nobody", time.Time{}
	for _, t := range list {
		switch {
		case t.from.After(c.from):
		case t.worker == c.worker:
			other = ""
		case t.to.After(c.from):
		case other != t.worker:
			other, since = t.worker, t.to
		}
	}
	return other, since
}

// owners are the workers that were granted a partition, in turn.
func (l *ownerLog) owners(queue string) (names []string) {
	list := slices.Clone(l.tenures)
	slices.SortFunc(list, func(a, b tenure) int { return a.to.Compare(b.to) })
	for _, t := range list {
		if t.queue == queue && (len(names) == 0 || names[len(names)-1] != t.worker) {
			names = append(names, t.worker)
		}
	}
	return names
}

// TestForgedOwnerLog: the check of logs finds what is wrong in logs that were made wrong.
func TestForgedOwnerLog(t *testing.T) {
	t.Parallel()
	const queue = "h-control-00"
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(seconds float64, e proxy.Entry) proxy.Entry {
		e.Time, e.Milliseconds = begin.Add(time.Duration(seconds*float64(time.Second))), 10
		return e
	}
	lease := func(seconds float64, action string, status int) proxy.Entry {
		return at(seconds, proxy.Entry{Op: "blob.put.lease", Name: "h-leases/ownership/" + queue, Lease: action, Status: status})
	}
	commit := func(seconds float64, answer string) proxy.Entry {
		return at(seconds, proxy.Entry{
			Op: "table.batch", Name: "$batch", Status: http.StatusAccepted, Response: &proxy.Body{Text: answer},
			Request: &proxy.Body{Text: "PATCH http://127.0.0.1/a/hHistory(PartitionKey='i',RowKey='sentinel') HTTP/1.1\n\n{}"},
		})
	}
	rowWrite := func(seconds float64, owner string) proxy.Entry {
		return at(seconds, proxy.Entry{
			Op: "table.replace", Name: "hPartitions(PartitionKey='',RowKey='" + queue + "')", Status: http.StatusNoContent,
			Request: &proxy.Body{Text: `{"PartitionKey":"","CurrentOwner":"` + owner + `","IsDraining":false}`},
		})
	}
	rowBatch := func(seconds float64, owner string) proxy.Entry {
		return at(seconds, proxy.Entry{
			Op: "table.batch", Name: "$batch", Status: http.StatusAccepted,
			Request: &proxy.Body{Text: "PUT http://127.0.0.1/a/hPartitions(PartitionKey=%27%27,RowKey=%27" + queue + "%27) HTTP/1.1\n\n" + `{"CurrentOwner":"` + owner + `"}` + "\n--x"},
		})
	}
	const landed = "HTTP/1.1 204 No Content"
	for name, c := range map[string]struct {
		one, two []proxy.Entry
		stray    int
	}{
		"in turn":                     {[]proxy.Entry{lease(0, "acquire", 201), commit(1, landed)}, []proxy.Entry{lease(2, "acquire", 201), commit(3, landed)}, 0},
		"the old owner commits":       {[]proxy.Entry{lease(0, "acquire", 201), commit(3, landed)}, []proxy.Entry{lease(2, "acquire", 201)}, 1},
		"and tries in vain":           {[]proxy.Entry{lease(0, "acquire", 201), commit(3, "HTTP/1.1 412 Precondition Failed")}, []proxy.Entry{lease(2, "acquire", 201)}, 1},
		"the taking failed":           {[]proxy.Entry{lease(0, "acquire", 201), commit(3, landed)}, []proxy.Entry{lease(2, "acquire", 409)}, 0},
		"it was taken without asking": {[]proxy.Entry{lease(0, "acquire", 201), commit(3, landed)}, []proxy.Entry{lease(2, "change", 200)}, 1},
		"it came back":                {[]proxy.Entry{lease(0, "acquire", 201), lease(3, "acquire", 201), commit(4, landed)}, []proxy.Entry{lease(2, "acquire", 201)}, 0},
		"only renewed by the other":   {[]proxy.Entry{lease(0, "acquire", 201), commit(3, landed)}, []proxy.Entry{lease(2, "renew", 200)}, 1},
		"nobody had it":               {[]proxy.Entry{commit(1, landed)}, nil, 1},
		"under way at the time":       {[]proxy.Entry{lease(0, "acquire", 201), commit(1.999, landed)}, []proxy.Entry{lease(2, "acquire", 201)}, 0},
		"rows in turn":                {[]proxy.Entry{rowWrite(0, "one"), commit(1, landed)}, []proxy.Entry{rowWrite(2, "two"), commit(3, landed)}, 0},
		"rows, the old owner commits": {[]proxy.Entry{rowWrite(0, "one"), commit(3, landed)}, []proxy.Entry{rowWrite(2, "two")}, 1},
		"asking is no taking":         {[]proxy.Entry{rowWrite(0, "one"), commit(3, landed)}, []proxy.Entry{rowWrite(2, "one")}, 0},
		"rows in transactions":        {[]proxy.Entry{rowBatch(0, "one"), commit(1, landed), commit(3, landed)}, []proxy.Entry{rowBatch(2, "two")}, 1},
	} {
		var l ownerLog
		l.add("one", c.one)
		l.add("two", c.two)
		found := l.stray(func(string) string { return queue }, func(string) bool { return true }, 0)
		if len(found) != c.stray {
			t.Errorf("%s: %d strays, want %d: %q", name, len(found), c.stray, found)
		}
	}
}
