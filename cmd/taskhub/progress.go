package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// progress is a line on the terminal that says how far long work has come. It is on stderr, and only if that is a
// terminal; elsewhere nothing is written.
type progress struct {
	to    io.Writer // nil for nobody
	title string
	thing string // what is counted, one of them; empty when nothing is
	now   func() time.Time

	mu    sync.Mutex
	begun time.Time
	done  int
	total int // 0 when it is not known
	note  string

	stop  chan struct{}
	ended sync.WaitGroup
}

// progressPause is the time between two looks of the line.
const progressPause = 200 * time.Millisecond

// newProgress begins a line: what is done, and what is counted, if anything. The total is 0 when it is not known. The
// caller calls end before it writes anything else.
func newProgress(w world, title, thing string, total int) *progress {
	p := &progress{title: title, thing: thing, total: total, now: w.now, begun: w.now(), stop: make(chan struct{})}
	if !w.drawing(w.err) {
		return p
	}
	p.to = w.err
	p.ended.Go(func() {
		ticker := time.NewTicker(progressPause)
		defer ticker.Stop()
		for {
			p.draw()
			select {
			case <-ticker.C:
			case <-p.stop:
				return
			}
		}
	})
	return p
}

// set says how many are done. The note is whatever else is worth knowing.
func (p *progress) set(done int, note string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.note = done, note
}

// end takes the line away. It must be called once.
func (p *progress) end() {
	close(p.stop)
	p.ended.Wait()
	if p.to != nil {
		_, _ = io.WriteString(p.to, eraseLine)
	}
}

// eraseLine empties the terminal's present line.
const eraseLine = "\r\x1b[K"

func (p *progress) draw() {
	_, _ = io.WriteString(p.to, eraseLine+p.line()) // a terminal that is gone is no reason to stop the work
}

// line is the line's text.
func (p *progress) line() string {
	const bar, percent = 20, 100
	p.mu.Lock()
	defer p.mu.Unlock()
	var text strings.Builder
	text.WriteString(p.title)
	if p.total > 0 {
		done := min(p.done, p.total)
		filled := done * bar / p.total
		fmt.Fprintf(&text, " [%s%s] %d%%", strings.Repeat("#", filled), strings.Repeat(".", bar-filled), done*percent/p.total)
	}
	if p.thing != "" {
		fmt.Fprintf(&text, "  %s %ss", thousands(p.done), p.thing)
		if p.total > 0 {
			text.WriteString(" of " + thousands(p.total))
		}
	}
	if p.note != "" {
		text.WriteString("  " + clean(p.note))
	}
	fmt.Fprintf(&text, "  %v", p.now().Sub(p.begun).Truncate(time.Second))
	return text.String()
}

// thousands writes a number with commas.
func thousands(n int) string {
	const group = 3
	digits := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - group; i > 0; i -= group {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}
