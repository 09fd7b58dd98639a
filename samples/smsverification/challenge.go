package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"strings"
	"sync"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

// sender brings a text to somebody. It returns errUnreachable for somebody whom no repetition reaches.
type sender func(ctx context.Context, to, text string) error

// bind gives the activities what they send with.
func bind(sms, email sender) []durable.Registrable {
	return []durable.Registrable{PhoneVerification, sendSMSChallenge.With(challenge(sms)), sendEmailChallenge.With(challenge(email))}
}

var errUnreachable = errors.New("nobody is reached there")

// challenge makes a code and sends it. A random number is a result like any other: it is made in an activity, kept in the history, and the same
// in every replay. Should the activity run twice, two codes are sent and the second counts.
func challenge(send sender) func(context.Context, string) (Challenge, error) {
	const smallest, codes = 1000, 9000 // four digits, the first of which is no 0
	return func(ctx context.Context, to string) (Challenge, error) {
		n, err := rand.Int(rand.Reader, big.NewInt(codes))
		if err != nil {
			return Challenge{}, err
		}
		code := smallest + int(n.Int64())
		switch err := send(ctx, to, fmt.Sprintf("Your verification code is %d", code)); {
		case errors.Is(err, errUnreachable):
			return Challenge{Success: false}, nil
		case err != nil:
			return Challenge{}, err
		}
		return Challenge{Success: true, Value: code}, nil
	}
}

// printed writes messages to a console. It stands for a gateway and, like one, takes phone numbers in their international form only.
func printed(out io.Writer, kind string) sender {
	return func(_ context.Context, to, text string) error {
		if kind == "SMS" && !strings.HasPrefix(to, "+") {
			return errUnreachable
		}
		_, err := fmt.Fprintf(out, "%s to %s: %s\n", kind, to, text)
		return err
	}
}

// mailed sends e-mails through an SMTP server that asks for no password.
func mailed(server string) sender {
	const limit = 20 * time.Second
	return func(ctx context.Context, to, text string) error {
		address, err := mail.ParseAddress(to)
		if err != nil {
			return errUnreachable
		}
		conn, err := (&net.Dialer{Timeout: limit}).DialContext(ctx, "tcp", server)
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
			return err
		}
		err = deliver(conn, server, address.Address, text)
		var refused *textproto.Error
		if errors.As(err, &refused) && refused.Code >= 500 {
			return errUnreachable
		}
		return err
	}
}

// deliver hands one message to the server at the other end of a connection.
func deliver(conn net.Conn, server, to, text string) error {
	const from = "verification@example.org"
	host, _, err := net.SplitHostPort(server)
	if err != nil {
		return err
	}
	client, err := smtp.NewClient(conn, host)
	if err != nil {
		return err
	}
	if err := client.Mail(from); err != nil {
		return err
	}
	if err := client.Rcpt(to); err != nil {
		return err
	}
	body, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(body, "From: %s\r\nTo: %s\r\nSubject: Verification\r\n\r\n%s\r\n", from, to, text); err != nil {
		return err
	}
	if err := body.Close(); err != nil {
		return err
	}
	_ = client.Quit() // the message is with the server
	return nil
}

// console lets several activities write whole lines to one writer.
type console struct {
	mu  sync.Mutex
	out io.Writer
}

// Write writes a line.
func (c *console) Write(line []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Write(line)
}
