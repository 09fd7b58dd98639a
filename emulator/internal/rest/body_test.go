package rest

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestText: a body is the same text however it comes; one that ends early is refused.
func TestText(t *testing.T) {
	t.Parallel()
	const text = "some text"
	for name, body := range map[string]io.Reader{
		"text": strings.NewReader(text), "bytes": bytes.NewReader([]byte(text)), "stream": io.MultiReader(strings.NewReader("some "), strings.NewReader("text")),
		"pieces": pieced{"some ", "text"}, "longer": pieced{text, "and more"}, "short": strings.NewReader("some"), "empty": strings.NewReader(""),
	} {
		for _, length := range []int64{int64(len(text)), -1, 0} {
			r := &Request{HTTP: &http.Request{Body: io.NopCloser(body), ContentLength: length}, MaxBody: 100}
			got, err := r.Text(100)
			switch {
			case length == int64(len(text)) && (name == "short" || name == "empty" || name == "longer"):
				if AsError(err).Code != "InvalidInput" {
					t.Errorf("%s of %d: %q, %v", name, length, got, err)
				}
			case length == int64(len(text)):
				if err != nil || got != text {
					t.Errorf("%s of %d: %q, %v", name, length, got, err)
				}
			}
			if s, ok := body.(io.Seeker); ok {
				_, _ = s.Seek(0, io.SeekStart)
			}
		}
	}
}

// pieced is a body in memory that writes itself in pieces.
type pieced []string

func (p pieced) Read([]byte) (int, error) { return 0, io.EOF }

func (p pieced) WriteTo(w io.Writer) (int64, error) {
	var n int
	for _, s := range p {
		m, err := io.WriteString(w, s)
		if n += m; err != nil {
			return int64(n), err
		}
	}
	return int64(n), nil
}

// TestWhole: a body of one piece is given away once, as it is; others are read.
func TestWhole(t *testing.T) {
	t.Parallel()
	take := func(p *Response) ([]byte, bool) { return p.Reader().(interface{ Whole() ([]byte, bool) }).Whole() }
	if got, ok := take(&Response{Body: [][]byte{[]byte("abc")}}); !ok || string(got) != "abc" {
		t.Errorf("%q, %v", got, ok)
	}
	if got, ok := take(&Response{Body: [][]byte{[]byte("abc"), []byte("d")}}); ok {
		t.Errorf("%q of two pieces", got)
	}
	body := (&Response{Body: [][]byte{[]byte("abc")}}).Reader()
	if _, err := body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if got, ok := body.(interface{ Whole() ([]byte, bool) }).Whole(); ok {
		t.Errorf("%q of a body that was read from", got)
	}
}

// TestHeaderValues: more values than there is room for, and one that is set twice.
func TestHeaderValues(t *testing.T) {
	t.Parallel()
	p := NewResponse(200)
	const letters = 26
	for i := range letters {
		p.Set("X-"+string(rune('A'+i)), strings.Repeat("v", i))
	}
	p.Set("X-A", "again")
	p.Header["X-B"] = append(p.Header["X-B"], "more") // does not touch the next one
	if p.Header.Get("X-A") != "again" || p.Header.Get("X-C") != "vv" || len(p.Header.Get("X-Z")) != letters-1 {
		t.Errorf("%v", p.Header)
	}
}
