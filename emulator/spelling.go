package emulator

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync"

	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// Metadata names keep the spelling of the request that set them, but net/http
// normalises header names. spellingConn watches the bytes of a connection for
// lines that begin with x-ms-meta- and remembers how the name was written.

type spellingListener struct{ net.Listener }

// Accept implements net.Listener.
func (l *spellingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &spellingConn{Conn: conn, lineStart: true}, nil
}

const (
	maxSpelled     = 256 // names remembered per connection
	maxSpelledName = 512
)

type spellingConn struct {
	net.Conn

	// line holds the beginning of the current line while it may still be a
	// metadata header; lineStart is false once it cannot be one.
	line      []byte
	lineStart bool

	mu    sync.Mutex
	names map[string]string
}

// Read implements net.Conn.
func (c *spellingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.scan(p[:n])
	return n, err
}

var metaLine = []byte("x-ms-meta-")

func (c *spellingConn) scan(b []byte) {
	for len(b) > 0 {
		if !c.lineStart {
			end := bytes.IndexByte(b, '\n')
			if end < 0 {
				return
			}
			b, c.lineStart, c.line = b[end+1:], true, c.line[:0]
			continue
		}
		ch := b[0]
		b = b[1:]
		switch {
		case ch == '\n':
			c.line = c.line[:0]
		case ch == ':':
			if len(c.line) > len(metaLine) {
				c.remember(string(c.line))
			}
			c.lineStart = false
		case len(c.line) < len(metaLine) && ch|0x20 != metaLine[len(c.line)] && ch != '-', len(c.line) >= maxSpelledName:
			c.lineStart = false
		default:
			c.line = append(c.line, ch)
		}
	}
}

func (c *spellingConn) remember(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names == nil || len(c.names) >= maxSpelled {
		c.names = make(map[string]string)
	}
	c.names[strings.ToLower(name)] = name
}

// Spelling implements rest.HeaderNames.
func (c *spellingConn) Spelling(lower string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if name, ok := c.names[lower]; ok {
		return name
	}
	return lower
}

func withSpelling(ctx context.Context, conn net.Conn) context.Context {
	if c, ok := conn.(*spellingConn); ok {
		return rest.WithHeaderNames(ctx, c)
	}
	return ctx
}
