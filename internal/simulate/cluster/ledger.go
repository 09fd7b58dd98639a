package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/internal/layout"
)

// ledger watches what lands on the storage: who owns which partition, who commits, and which children begin.
type ledger struct {
	w       *world
	holders map[string]holder    // by the lease blob's name
	stolen  map[string]time.Time // when the simulation broke a lease
	seen    map[string]bool      // instances that were committed
	births  map[string]string    // by parent, execution and task: the child that it became
	revived map[string]bool      // instances whose first commit landed when nobody waited for it any more
	purges  map[string]time.Time // when the status row of an instance was deleted
	late    map[string]bool      // instances whose first status row landed after that, sent before it
}

type holder struct {
	port  *port
	since time.Time
}

func newLedger(w *world) *ledger {
	return &ledger{w: w, holders: map[string]holder{}, stolen: map[string]time.Time{}, seen: map[string]bool{}, births: map[string]string{}, revived: map[string]bool{}, purges: map[string]time.Time{}, late: map[string]bool{}}
}

func (l *ledger) instances() int { return len(l.seen) }

// landed sees every call that has reached the storage.
func (l *ledger) landed(c *call) {
	if c.err != nil || c.resp == nil {
		return
	}
	if action := c.req.Header.Get("X-Ms-Lease-Action"); action != "" {
		l.lease(c, action)
	}
	if c.commit != "" && l.accepted(c) {
		l.commit(c)
	}
	if c.status() == "204" && strings.HasPrefix(c.what, "table ") && strings.Contains(c.req.URL.Path, hubName+"Instances") {
		l.statusRow(c)
	}
}

// statusRow follows the status rows that are deleted and inserted.
func (l *ledger) statusRow(c *call) {
	switch c.req.Method {
	case http.MethodDelete:
		if m := keyInURL.FindStringSubmatch(c.req.URL.Path); m != nil {
			l.purges[layout.UnescapeKey(m[2])] = time.Now()
		}
	case http.MethodPost:
		if m := keyInBody.FindSubmatch(c.body); m != nil {
			id := layout.UnescapeKey(string(m[1]))
			l.late[id] = c.issued.Before(l.purges[id])
		}
	}
}

// accepted tells whether a transaction was carried out.
func (l *ledger) accepted(c *call) bool {
	text, err := io.ReadAll(c.resp.Body)
	c.resp.Body = io.NopCloser(bytes.NewReader(text))
	return err == nil && c.resp.StatusCode == http.StatusAccepted && !bytes.Contains(text, []byte("HTTP/1.1 4")) && !bytes.Contains(text, []byte("HTTP/1.1 5"))
}

func (l *ledger) lease(c *call, action string) {
	_, name, ok := strings.Cut(c.req.URL.Path, "/ownership/")
	if !ok || c.resp.StatusCode >= http.StatusBadRequest {
		return
	}
	switch strings.ToLower(action) {
	case "acquire", "change":
		if l.holders[name].port != c.port {
			l.holders[name] = holder{c.port, time.Now()}
		}
	case "release":
		delete(l.holders, name)
	}
}

// commit checks that nobody commits who knew, or had to know, that another worker has the partition.
func (l *ledger) commit(c *call) {
	id := layout.UnescapeKey(c.commit)
	l.seen[id] = true
	if abandoned, dead := l.w.net.gone(c); (abandoned || dead) && !bytes.Contains(c.body, []byte("If-Match")) {
		l.revived[id] = true
	}
	l.born(c, id)
	n := l.w.nodeOf(c.port)
	if n == nil || !bytes.Contains(c.body, []byte("CommitId")) {
		return // a client that rewinds, or one that is dead
	}
	name := fmt.Sprintf("%s-control-%02d", strings.ToLower(hubName), layout.Partition(id, l.w.partitions))
	h, held := l.holders[name]
	const longest = 60 * time.Second
	if held && h.port != c.port && c.issued.After(h.since) && time.Since(l.stolen[name]) > longest {
		l.w.violate("%s commits to %s at %s, but %s owns its partition since %s", c.port.name, id, l.w.clock(c.issued), h.port.name, l.w.clock(h.since))
	}
}

// born records executions that a parent has started.
func (l *ledger) born(c *call, id string) {
	for line := range bytes.Lines(c.body) {
		if !bytes.HasPrefix(line, []byte("{")) || !bytes.Contains(line, []byte(`"ExecutionStarted"`)) {
			continue
		}
		var row struct{ EventType, ExecutionID, ParentInstance string }
		if json.Unmarshal(line, &row) != nil || row.EventType != "ExecutionStarted" || row.ParentInstance == "" || row.ParentInstance == "null" {
			continue
		}
		var parent struct {
			OrchestrationInstance struct{ InstanceID, ExecutionID string }
			TaskScheduleID        int32
		}
		if err := json.Unmarshal([]byte(row.ParentInstance), &parent); err != nil {
			l.w.violate("%s: its parent is not readable: %s", id, row.ParentInstance)
			continue
		}
		from := fmt.Sprintf("%s/%s/%d", parent.OrchestrationInstance.InstanceID, parent.OrchestrationInstance.ExecutionID, parent.TaskScheduleID)
		l.w.trace.note("%s (%s) is a child of %s", id, row.ExecutionID, from)
		if before, ok := l.births[from]; ok && !strings.HasPrefix(before, id+"/") {
			l.w.violate("task %s has started two children: %s, then %s/%s", from, before, id, row.ExecutionID)
		}
		l.births[from] = id + "/" + row.ExecutionID
	}
}
