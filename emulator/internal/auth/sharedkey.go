package auth

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// Credentials are the parts of an Authorization header.
type Credentials struct {
	Scheme             Scheme
	Account, Signature string
}

// Scheme is a way of signing.
type Scheme uint8

// The schemes that are understood.
const (
	SharedKey Scheme = iota
	SharedKeyLite
)

const maxAuthorization = 4 << 10

// ParseAuthorization reads "SharedKey account:signature" and its Lite form.
func ParseAuthorization(header string) (Credentials, error) {
	var c Credentials
	if len(header) > maxAuthorization {
		return c, rest.ErrInvalidAuthentication
	}
	scheme, rest0, ok := strings.Cut(header, " ")
	switch {
	case strings.EqualFold(scheme, "SharedKey"):
		c.Scheme = SharedKey
	case strings.EqualFold(scheme, "SharedKeyLite"):
		c.Scheme = SharedKeyLite
	case strings.EqualFold(scheme, "Bearer"):
		return c, failed("Authentication scheme Bearer is not supported by this server; use the account key or a shared access signature.")
	default:
		return c, rest.ErrInvalidAuthentication
	}
	if !ok {
		return c, rest.ErrInvalidAuthentication
	}
	c.Account, c.Signature, ok = strings.Cut(strings.TrimSpace(rest0), ":")
	if !ok || c.Account == "" || c.Signature == "" || strings.ContainsAny(c.Signature, " :") {
		return c, rest.ErrInvalidAuthentication
	}
	return c, nil
}

func (a *Authenticator) sharedKey(r *rest.Request, key *accountKey, header string) error {
	c, err := ParseAuthorization(header)
	if err != nil {
		return err
	}
	if c.Account != r.Account {
		return failed("The account of the Authorization header is not the one being accessed.")
	}
	if err := a.checkDate(r); err != nil {
		return err
	}
	if !key.verify(stringToSign(r, c.Scheme), c.Signature) {
		return failed("The MAC signature found in the HTTP request is not the same as any computed signature.")
	}
	return nil
}

// checkDate refuses requests signed too long ago or ahead of time; a replayed
// signature is worthless after the skew (15 minutes in the service).
func (a *Authenticator) checkDate(r *rest.Request) error {
	text := r.Header.Get("X-Ms-Date")
	if text == "" {
		text = r.Header.Get("Date")
	}
	if text == "" {
		return failed("A signed request needs the Date or the x-ms-date header.")
	}
	date, ok := a.parseDate(text)
	if !ok {
		return failed("Request date header is not a valid RFC 1123 date.")
	}
	if d := r.Now.Sub(date); a.skew > 0 && (d > a.skew || d < -a.skew) {
		return failed("Request date header too old or too far ahead: '%s'; the server's time is '%s'.",
			text, r.Now.UTC().Format(time.RFC1123))
	}
	return nil
}

// signedAt is a date header and what it means.
type signedAt struct {
	text string
	date time.Time
}

// parseDate reads a date header. Requests of one second have the same one.
func (a *Authenticator) parseDate(text string) (time.Time, bool) {
	if last := a.lastDate.Load(); last != nil && last.text == text {
		return last.date, true
	}
	date, ok := rest.ParseHTTPDate(text)
	if ok {
		a.lastDate.Store(&signedAt{text: strings.Clone(text), date: date})
	}
	return date, ok
}

func stringToSign(r *rest.Request, scheme Scheme) string {
	b := make([]byte, 0, 512)
	line := func(text string) { b = append(append(b, text...), '\n') }
	date := r.Header.Get("Date")
	msDate := r.Header.Get("X-Ms-Date")
	if r.Service == rest.Table {
		if msDate != "" {
			date = msDate
		}
		if scheme == SharedKey {
			line(r.Method())
			line(r.Header.Get("Content-Md5"))
			line(r.Header.Get("Content-Type"))
		}
		line(date)
		return string(appendLiteResource(b, r))
	}
	if msDate != "" {
		date = ""
	}
	line(r.Method())
	if scheme == SharedKey {
		line(r.Header.Get("Content-Encoding"))
		line(r.Header.Get("Content-Language"))
		line(contentLength(r))
	}
	line(r.Header.Get("Content-Md5"))
	line(r.Header.Get("Content-Type"))
	line(date)
	if scheme == SharedKey {
		for _, name := range [...]string{"If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range"} {
			line(r.Header.Get(name))
		}
	}
	b = appendHeaders(b, r)
	if scheme == SharedKey {
		return string(appendResource(b, r))
	}
	return string(appendLiteResource(b, r))
}

// contentLength is empty for an empty body since version 2015-02-21 and "0"
// before.
func contentLength(r *rest.Request) string {
	n := r.HTTP.ContentLength
	if n > 0 {
		return strconv.FormatInt(n, 10)
	}
	if n == 0 && r.Header.Get("Content-Length") != "" && r.Header.Get("X-Ms-Version") < "2015-02-21" {
		return "0"
	}
	return ""
}

func appendHeaders(b []byte, r *rest.Request) []byte {
	names := make([]string, 0, 12)
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Ms-") {
			names = append(names, name)
		}
	}
	lower := make([]string, len(names))
	for i, name := range names {
		lower[i] = strings.ToLower(name) + "\x00" + name
	}
	slices.Sort(lower)
	for _, pair := range lower {
		low, name, _ := strings.Cut(pair, "\x00")
		b = append(append(b, low...), ':')
		for i, v := range r.Header[name] {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, strings.TrimSpace(v)...)
		}
		b = append(b, '\n')
	}
	return b
}

func appendResource(b []byte, r *rest.Request) []byte {
	b = append(append(append(b, '/'), r.Account...), r.SignedPath...)
	if len(r.Query) == 0 {
		return b
	}
	params := make(map[string][]string, len(r.Query))
	for name, values := range r.Query {
		low := strings.ToLower(name)
		params[low] = append(params[low], values...)
	}
	names := make([]string, 0, len(params))
	for name := range params {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		values := slices.Clone(params[name])
		slices.Sort(values)
		b = append(append(append(b, '\n'), name...), ':')
		b = append(b, strings.Join(values, ",")...)
	}
	return b
}

func appendLiteResource(b []byte, r *rest.Request) []byte {
	b = append(append(append(b, '/'), r.Account...), r.SignedPath...)
	if comp := r.Param("comp"); comp != "" {
		b = append(append(b, "?comp="...), comp...)
	}
	return b
}
