package rest

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// Response is an answer before it goes out. Body pieces are sent one after
// the other and are never changed afterwards, so stored bytes need no copy.
type Response struct {
	Status int
	Header http.Header
	Body   [][]byte
	// Length is the Content-Length of a HEAD answer that describes a body it
	// does not carry.
	Length int64

	// values is room for the values of the header, each of which is a slice.
	values [12]string
	used   int
}

// NewResponse makes an answer without a body.
func NewResponse(status int) *Response {
	return &Response{Status: status, Header: make(http.Header, 12), Length: -1}
}

// Set sets a header; the name must be in canonical form.
func (p *Response) Set(name, value string) *Response {
	if p.used == len(p.values) {
		p.Header[name] = []string{value}
		return p
	}
	p.values[p.used] = value
	p.used++
	p.Header[name] = p.values[p.used-1 : p.used : p.used]
	return p
}

// WithBody sets the body and its type.
func (p *Response) WithBody(contentType string, body []byte) *Response {
	p.Set("Content-Type", contentType)
	p.Body = [][]byte{body}
	return p
}

// XML makes an answer with an XML body.
func XML(status int, body []byte) *Response {
	return NewResponse(status).WithBody("application/xml", body)
}

// Size is the number of body bytes.
func (p *Response) Size() int64 {
	var n int64
	for _, piece := range p.Body {
		n += int64(len(piece))
	}
	return n
}

// SetMetadata writes user metadata as x-ms-meta headers, names spelled as the
// client spelled them.
func (p *Response) SetMetadata(m Metadata) {
	for _, e := range m {
		p.Header["x-ms-meta-"+e.Name] = []string{e.Value}
	}
}

// Finish adds the headers every answer has.
func (p *Response) Finish(r *Request) {
	p.Set("Server", "taskhub-"+r.Service.String()+"/1.0")
	p.Set("X-Ms-Request-Id", r.ID)
	p.Set("X-Ms-Version", r.Version)
	p.Set("Date", HTTPDate(r.Now))
	if id := r.Header.Get("X-Ms-Client-Request-Id"); id != "" && len(id) <= 1024 {
		p.Set("X-Ms-Client-Request-Id", id)
	}
	if bodyAllowed(p.Status) {
		n := p.Size()
		if r.HTTP.Method == http.MethodHead && p.Length >= 0 {
			n = p.Length
		}
		p.Set("Content-Length", strconv.FormatInt(n, 10))
	}
	if r.HTTP.Method == http.MethodHead || !bodyAllowed(p.Status) {
		p.Body = nil
	}
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// Send sends the answer through an http.ResponseWriter.
func (p *Response) Send(w http.ResponseWriter) error {
	maps.Copy(w.Header(), p.Header)
	w.WriteHeader(p.Status)
	for _, piece := range p.Body {
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

// Reader reads the body without copying it into one piece.
func (p *Response) Reader() io.ReadCloser {
	if len(p.Body) == 0 {
		return http.NoBody
	}
	return &pieces{rest: p.Body}
}

type pieces struct {
	rest [][]byte
	off  int
}

func (b *pieces) Read(p []byte) (int, error) {
	for len(b.rest) > 0 && b.off == len(b.rest[0]) {
		b.rest, b.off = b.rest[1:], 0
	}
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.rest[0][b.off:])
	b.off += n
	return n, nil
}

// Whole reads a body of one piece without copying it. Who takes it must not
// change it.
func (b *pieces) Whole() ([]byte, bool) {
	if len(b.rest) != 1 || b.off != 0 {
		return nil, false
	}
	body := b.rest[0]
	b.rest = nil
	return body, true
}

func (b *pieces) Close() error {
	b.rest = nil
	return nil
}

// ErrorXML is the body of a Blob or Queue error.
func (e *Error) ErrorXML(requestID string, now time.Time) []byte {
	b := AppendXMLHeader(nil)
	b = append(b, "<Error><Code>"...)
	b = AppendXMLText(b, e.Code)
	b = append(b, "</Code><Message>"...)
	b = AppendXMLText(b, e.FullMessage(requestID, now))
	b = append(b, "</Message>"...)
	for _, d := range e.Details {
		b = AppendXMLElement(b, d.Name, d.Value)
	}
	return append(b, "</Error>"...)
}

// ErrorJSON is the body of a Table error in OData's JSON form.
func (e *Error) ErrorJSON(requestID string, now time.Time) []byte {
	type message struct {
		Lang  string `json:"lang"`
		Value string `json:"value"`
	}
	type inner struct {
		Code    string  `json:"code"`
		Message message `json:"message"`
	}
	body, err := json.Marshal(map[string]inner{
		"odata.error": {Code: e.Code, Message: message{"en-US", e.FullMessage(requestID, now)}},
	})
	if err != nil { // strings always encode
		return nil
	}
	return body
}

// Response makes the answer that carries the error.
func (e *Error) Response(r *Request) *Response {
	p := NewResponse(e.Status)
	p.Set("X-Ms-Error-Code", e.Code)
	for _, d := range e.Headers {
		p.Set(d.Name, d.Value)
	}
	if !bodyAllowed(e.Status) {
		return p
	}
	if r.Service == Table {
		return p.WithBody("application/json;odata=minimalmetadata;streaming=true;charset=utf-8", e.ErrorJSON(r.ID, r.Now))
	}
	return p.WithBody("application/xml", e.ErrorXML(r.ID, r.Now))
}
