package cluster

import (
	"encoding/hex"
	"fmt"
	"hash"
	"hash/fnv"
	"time"
)

// trace keeps what happened: a hash of all of it, and the last lines for people.
type trace struct {
	began time.Time
	hash  hash.Hash
	lines []string
	most  int
	steps int
}

func newTrace(most int) *trace {
	return &trace{began: time.Now(), hash: fnv.New128a(), most: most}
}

// add records a call that was dealt with.
func (t *trace) add(c *call, outcome string) {
	t.steps++
	_, _ = fmt.Fprintf(t.hash, "%d %s %x %s\n", time.Since(t.began), c.port.name, c.digest(), outcome)
	t.keep(fmt.Sprintf("%s %04x %-8s %s -> %s", t.clock(time.Now()), uint16(c.digest()), c.port.name, c.what, outcome))
}

// note records anything else.
func (t *trace) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	_, _ = fmt.Fprintf(t.hash, "%d %s\n", time.Since(t.began), text)
	t.keep(t.clock(time.Now()) + "      -------- " + text)
}

func (t *trace) keep(line string) {
	if len(t.lines) >= 2*t.most {
		t.lines = append(t.lines[:0], t.lines[len(t.lines)-t.most:]...)
	}
	t.lines = append(t.lines, line)
}

func (t *trace) last() []string {
	return t.lines[max(0, len(t.lines)-t.most):]
}

func (t *trace) sum() string { return hex.EncodeToString(t.hash.Sum(nil)) }

func (t *trace) clock(at time.Time) string {
	return fmt.Sprintf("%10.6f", at.Sub(t.began).Seconds())
}
