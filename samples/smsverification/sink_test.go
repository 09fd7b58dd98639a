package main

import (
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
)

// sink is an SMTP server that keeps the mails. It knows nobody of the name nobody, and has no time for busy.
type sink struct {
	address string
	mails   chan string
	busy    atomic.Int32 // how often it had no time
}

func newSink(t *testing.T) *sink {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{address: listener.Addr().String(), mails: make(chan string, 10)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.take(textproto.NewConn(conn))
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return s
}

// take holds one conversation.
func (s *sink) take(conn *textproto.Conn) {
	defer conn.Close()
	for answer := "220 sink"; conn.PrintfLine("%s", answer) == nil; {
		line, err := conn.ReadLine()
		if err != nil {
			return
		}
		switch verb, _, _ := strings.Cut(strings.ToUpper(line), " "); {
		case verb == "DATA":
			_ = conn.PrintfLine("354 go on")
			text, err := io.ReadAll(conn.DotReader())
			if err != nil {
				return
			}
			s.mails <- strings.TrimSpace(string(text))
			answer = "250 taken"
		case verb == "RCPT" && strings.Contains(line, "nobody"):
			answer = "550 nobody of this name"
		case verb == "RCPT" && strings.Contains(line, "busy"):
			s.busy.Add(1)
			answer = "451 try later"
		case verb == "QUIT":
			_ = conn.PrintfLine("221 bye")
			return
		default:
			answer = fmt.Sprintf("250 %s", verb)
		}
	}
}
