package proxy

import (
	"bufio"
	"net"
	"sync"
)

// side is one end of an exchange: a connection with buffers, and a watcher that tells when there is something to read or the peer is gone,
// without reading it. The watcher looks once for each arm; until it has told, nobody else may read.
type side struct {
	net.Conn
	r     *bufio.Reader
	w     *bufio.Writer
	ready chan error // capacity 1: nil when a byte can be read, else why not

	arm      chan struct{}
	done     sync.WaitGroup
	shutOnce sync.Once
}

func newSide(c net.Conn) *side {
	const size = 16 << 10
	s := &side{Conn: c, r: bufio.NewReaderSize(c, size), w: bufio.NewWriterSize(c, size), ready: make(chan error, 1), arm: make(chan struct{}, 1)}
	s.done.Go(func() {
		for range s.arm {
			_, err := s.r.Peek(1)
			s.ready <- err
		}
	})
	return s
}

// watch makes the watcher look once.
func (s *side) watch() { s.arm <- struct{}{} }

// shut closes the connection and ends the watcher.
func (s *side) shut() {
	s.shutOnce.Do(func() {
		_ = s.Close()
		close(s.arm)
		s.done.Wait()
	})
}

// reset closes the connection so that the peer sees a reset rather than an end.
func (s *side) reset() {
	if tcp, ok := s.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	s.shut()
}
