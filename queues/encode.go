package queues

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/payloads"
)

// maxText is the most that the service takes as a message's text, in bytes.
const maxText = 64 << 10

// wrapperID is the ActivityId of messages whose content is in a blob.
const wrapperID = "00000000-0000-0000-0000-000000000000"

// encode returns the body of the request that puts a message, and the name of the blob with its content if there is one.
func (q *Queue) encode(ctx context.Context, env *history.Envelope) (body []byte, blob string, err error) {
	text, blob, err := q.text(ctx, env)
	if err != nil {
		return nil, "", err
	}
	return q.body(text), blob, nil
}

// text returns the text of a message, and the name of the blob with its content if there is one.
func (q *Queue) text(ctx context.Context, env *history.Envelope) (text []byte, blob string, err error) {
	if text, err = history.MarshalEnvelope(env); err != nil {
		return nil, "", &EncodeError{Err: err}
	}
	if len(text) > payloads.MessageThreshold && env.Message != nil {
		if text, blob, err = q.offload(ctx, env, text); err != nil {
			return nil, "", err
		}
	}
	if q.base64 || !fitsXML(text) { // receivers recognise Base64 whatever they are configured for
		text = base64.StdEncoding.AppendEncode(nil, text)
	}
	return text, blob, checkSize(text)
}

func checkSize(text []byte) error {
	if len(text) > maxText {
		return &EncodeError{Err: fmt.Errorf("the message has %d bytes, more than the %d that a queue takes", len(text), maxText)}
	}
	return nil
}

// body returns the body of the request that puts a text.
func (q *Queue) body(text []byte) []byte {
	if !fitsXML(text) {
		text = base64.StdEncoding.AppendEncode(nil, text)
	}
	body := appendBody(make([]byte, 0, len(text)+len(text)/8+len(bodyStart)+len(bodyEnd)), text)
	if q.ascii {
		body = asciiXML(body)
	}
	return body
}

// emulatedAccount is the account of Azurite and of the embedded storage. No account in Azure has its name.
const emulatedAccount = "devstoreaccount1"

// asciiXML writes characters beyond ASCII as references. Azurite decodes a request piece by piece as it comes from the
// network, and spoils a character whose bytes come in two pieces. The service stores the same text either way, but how it
// counts references against the size of a message is not documented, so accounts in Azure get the characters themselves.
func asciiXML(body []byte) []byte {
	first := bytes.IndexFunc(body, func(r rune) bool { return r >= utf8.RuneSelf })
	if first < 0 {
		return body
	}
	out := append(make([]byte, 0, len(body)+len(body)/2), body[:first]...)
	for rest := body[first:]; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r < utf8.RuneSelf {
			out = append(out, rest[0])
		} else {
			out = append(strconv.AppendInt(append(out, "&#x"...), int64(r), 16), ';')
		}
		rest = rest[size:]
	}
	return out
}

// offload writes a message to its blob and returns the text of the wrapper that refers to it.
func (q *Queue) offload(ctx context.Context, env *history.Envelope, text []byte) (wrapper []byte, blob string, err error) {
	if env.CompressedBlobName != nil { // as .NET has it: the message was written before it got a blob
		content := *env
		content.CompressedBlobName = nil
		if text, err = history.MarshalEnvelope(&content); err != nil {
			return nil, "", &EncodeError{Err: err}
		}
	}
	blob = layout.MessageBlobName(env.Message.Target.InstanceID, env.ActivityID, env.Message.Event.Kind().String())
	if err := q.payloads.Write(ctx, blob, text); err != nil {
		return nil, "", err
	}
	if wrapper, err = history.MarshalEnvelope(&history.Envelope{ActivityID: wrapperID, CompressedBlobName: &blob}); err != nil {
		return nil, "", &EncodeError{Err: err}
	}
	return wrapper, blob, nil
}

const (
	bodyStart = `<?xml version="1.0" encoding="utf-8"?><QueueMessage><MessageText>`
	bodyEnd   = `</MessageText></QueueMessage>`
)

// appendBody appends the XML of a message. Only what must be escaped is, as .NET writes it: with its quotes escaped, JSON
// would be a third longer.
func appendBody(dst, text []byte) []byte {
	dst = append(dst, bodyStart...)
	for len(text) > 0 {
		i := bytes.IndexAny(text, "&<>\r")
		if i < 0 {
			dst = append(dst, text...)
			break
		}
		dst = append(dst, text[:i]...)
		switch text[i] {
		case '&':
			dst = append(dst, "&amp;"...)
		case '<':
			dst = append(dst, "&lt;"...)
		case '>':
			dst = append(dst, "&gt;"...)
		case '\r': // a bare one would be read as a line feed
			dst = append(dst, "&#xD;"...)
		}
		text = text[i+1:]
	}
	return append(dst, bodyEnd...)
}

// fitsXML reports whether XML 1.0 can carry a text.
func fitsXML(text []byte) bool {
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
				return false
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 || r == 0xFFFE || r == 0xFFFF {
			return false
		}
		i += size
	}
	return true
}
