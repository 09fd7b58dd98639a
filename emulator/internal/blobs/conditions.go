package blobs

import (
	"net/http"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// conditions are the conditional headers of a request ("Specifying
// conditional headers for Blob service operations").
type conditions struct {
	match, noneMatch                 string
	modifiedSince, unmodifiedSince   time.Time
	hasModifiedSince, hasUnmodifedBy bool
}

func readConditions(r *rest.Request) (conditions, error) {
	c := conditions{match: r.Header.Get("If-Match"), noneMatch: r.Header.Get("If-None-Match")}
	if tags := r.Header.Get("X-Ms-If-Tags"); tags != "" {
		return c, rest.UnsupportedHeader("x-ms-if-tags", tags)
	}
	var err error
	if c.modifiedSince, c.hasModifiedSince, err = dateHeader(r, "If-Modified-Since"); err != nil {
		return c, err
	}
	c.unmodifiedSince, c.hasUnmodifedBy, err = dateHeader(r, "If-Unmodified-Since")
	return c, err
}

func dateHeader(r *rest.Request, name string) (time.Time, bool, error) {
	text := r.Header.Get(name)
	if text == "" {
		return time.Time{}, false, nil
	}
	t, ok := rest.ParseHTTPDate(text)
	if !ok {
		return t, false, rest.InvalidHeader(name, text)
	}
	return t, true, nil
}

// check compares the conditions with a resource that exists. If-Match and
// If-None-Match outweigh the dates, as in HTTP. Reads that would give nothing
// new are "304 Not Modified".
func (c conditions) check(r *rest.Request, v version) error {
	read := r.Method() == http.MethodGet || r.Method() == http.MethodHead
	notModified := func() error {
		if read {
			return rest.ErrNotModified
		}
		return rest.ErrConditionNotMet
	}
	switch {
	case read && strings.TrimSpace(c.noneMatch) == "*":
		return errUnsatisfiable
	case c.match != "" && !matchesETag(c.match, v.etag()):
		return rest.ErrConditionNotMet
	case c.match == "" && c.hasUnmodifedBy && v.modified().After(c.unmodifiedSince):
		return rest.ErrConditionNotMet
	case c.noneMatch != "" && matchesETag(c.noneMatch, v.etag()):
		return notModified()
	case c.noneMatch == "" && c.hasModifiedSince && !v.modified().After(c.modifiedSince):
		return notModified()
	}
	return nil
}

// errUnsatisfiable refuses to read a blob on condition that it is not there.
var errUnsatisfiable = &rest.Error{Status: 400, Code: "UnsatisfiableCondition",
	Message: "The request includes an unsatisfiable condition for this operation."}

// checkAbsent compares the conditions of a write that may create.
func (c conditions) checkAbsent() error {
	if c.match != "" {
		return rest.ErrConditionNotMet
	}
	return nil
}

func matchesETag(header, etag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.TrimSpace(one)
		if one == "*" || one == etag || `"`+one+`"` == etag {
			return true
		}
	}
	return false
}

// version is what changes with every write: ETag and Last-Modified both come
// from one stamp.
type version struct{ stamp rest.Ticks }

func (v version) etag() string {
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, 20)
	b = append(b, `"0x`...)
	for shift := 60; shift >= 0; shift -= 4 {
		d := v.stamp >> shift & 15
		if d != 0 || len(b) > 3 {
			b = append(b, digits[d])
		}
	}
	return string(append(b, '"'))
}

// modified has whole seconds, like the header that shows it.
func (v version) modified() time.Time { return v.stamp.Time().Truncate(time.Second) }

func (v version) setHeaders(p *rest.Response) {
	p.Set("Etag", v.etag())
	p.Set("Last-Modified", rest.HTTPDate(v.modified()))
}
