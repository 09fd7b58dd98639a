package cluster

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// call is a storage request under way.
type call struct {
	port    *port
	seq     int // in the order in which requests were seen
	req     *http.Request
	body    []byte
	service string // "blob", "queue" or "table"
	what    string // for the trace
	writes  bool
	commit  string // the instance whose history it commits, or empty
	issued  time.Time
	done    chan answer // has room for one

	abandoned bool // nobody waits for the answer any more; guarded by network.mu
	landed    bool
	plan      plan
	resp      *http.Response
	err       error
}

// answer is what the sender of a request gets.
type answer struct {
	resp *http.Response
	err  error
}

func newCall(p *port, req *http.Request) (*call, error) {
	c := &call{port: p, req: req, done: make(chan answer, 1), issued: time.Now()}
	if req.Body != nil {
		defer func() { _ = req.Body.Close() }()
		var err error
		if c.body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	c.describe()
	return c, nil
}

// stores says whether the request needs room.
func (c *call) stores() bool {
	return c.req.Method == http.MethodPost || c.req.Method == http.MethodPut || c.req.Method == http.MethodPatch
}

// forward sends the request on, as if its sender had gone away.
func (c *call) forward(ctx context.Context, to interface {
	Do(*http.Request) (*http.Response, error)
},
) {
	out := c.req.Clone(ctx)
	out.Body, out.ContentLength = http.NoBody, 0
	if len(c.body) > 0 {
		out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(c.body)), int64(len(c.body))
	}
	c.resp, c.err = to.Do(out) //nolint:bodyclose // whoever asked gets it
	c.landed = true
}

func (c *call) status() string {
	switch {
	case c.err != nil:
		return c.err.Error()
	case c.resp == nil:
		return "-"
	case c.resp.StatusCode < http.StatusBadRequest:
		return fmt.Sprint(c.resp.StatusCode)
	}
	return fmt.Sprintf("%d %s", c.resp.StatusCode, c.resp.Header.Get("X-Ms-Error-Code"))
}

// machine matches what differs from run to run in the stack traces of panics: addresses and the numbers of goroutines.
var machine = regexp.MustCompile(`0x[0-9a-f]+\??|goroutine \d+`)

// digest covers what was asked, so that traces differ when a byte of a request does.
func (c *call) digest() uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, c.req.Method+c.req.URL.String())
	_, _ = h.Write(machine.ReplaceAll(c.body, nil))
	return h.Sum64()
}

var (
	keyInURL   = regexp.MustCompile(`(\w+)\(PartitionKey='((?:[^']|'')*)',\s?RowKey='((?:[^']|'')*)'\)`)
	keyInBody  = regexp.MustCompile(`"PartitionKey":"((?:[^"\\]|\\.)*)"`)
	eventType  = regexp.MustCompile(`"EventType":"(\w+)"`)
	eventInMsg = regexp.MustCompile(`DurableTask\.Core\.History\.(\w+?)(?:Event)?["&]`)
	target     = regexp.MustCompile(`"InstanceId":"([^"]*)"`)
)

// describe finds out what the request is about.
func (c *call) describe() {
	u := c.req.URL
	path := strings.TrimPrefix(u.Path, "/devstoreaccount1/")
	switch u.Port() {
	case "10000":
		c.service = "blob"
	case "10001":
		c.service = "queue"
	default:
		c.service = "table"
	}
	c.writes = c.req.Method != http.MethodGet && c.req.Method != http.MethodHead
	text := c.req.Method + " " + path
	switch {
	case strings.HasSuffix(path, "$batch"):
		text = c.describeBatch()
	case c.service == "queue" && strings.Contains(path, "/messages"):
		text = c.describeMessage(path, u.Query())
	case u.Query().Get("comp") != "":
		text += " " + u.Query().Get("comp") + " " + c.req.Header.Get("X-Ms-Lease-Action")
	case u.Query().Get("$filter") != "":
		text += " " + u.Query().Get("$filter")
	}
	c.what = c.service + " " + strings.TrimSpace(text)
}

// describeBatch names the table and key of a transaction, and the events it adds.
func (c *call) describeBatch() string {
	body := string(c.body)
	table, key := "?", "?"
	if m := keyInURL.FindStringSubmatch(body); m != nil {
		table, key = m[1], m[2]
	}
	if m := keyInBody.FindStringSubmatch(body); m != nil && key == "?" {
		key = m[1]
	}
	var events []string
	for _, m := range eventType.FindAllStringSubmatch(body, -1) {
		events = append(events, m[1])
	}
	if strings.HasSuffix(table, "History") && strings.Contains(body, "sentinel") {
		c.commit = key
	}
	return fmt.Sprintf("transaction %s %s [%s]", table, key, strings.Join(events, " "))
}

func (c *call) describeMessage(path string, query url.Values) string {
	verb := map[string]string{http.MethodPost: "put", http.MethodGet: "receive", http.MethodPut: "update", http.MethodDelete: "delete"}[c.req.Method]
	if c.req.Method == http.MethodGet {
		c.writes = true
	}
	text := verb + " " + path
	if len(c.body) > 0 {
		message := html.UnescapeString(string(c.body))
		if m := eventInMsg.FindStringSubmatch(message); m != nil {
			text += " " + m[1]
		}
		if m := target.FindStringSubmatch(message); m != nil {
			text += " for " + m[1]
		}
	}
	if v := query.Get("visibilitytimeout"); v != "" {
		text += " hidden " + v
	}
	return text
}
