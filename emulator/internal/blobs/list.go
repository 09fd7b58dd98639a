package blobs

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"

	"github.com/go-taskhub/taskhub/emulator/internal/ordered"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

func listLimit(r *rest.Request) (int, error) {
	limit, err := r.IntParam("maxresults", maxListed, 1, 1<<31-1)
	return int(min(limit, maxListed)), err
}

func readInclude(r *rest.Request, known ...string) (map[string]bool, error) {
	out := make(map[string]bool)
	if r.Keyword("include") == "" {
		return out, nil
	}
	for one := range strings.SplitSeq(r.Keyword("include"), ",") {
		ok := false
		for _, k := range known {
			ok = ok || one == k
		}
		if !ok {
			return nil, rest.InvalidParameter("include", one)
		}
		out[one] = true
	}
	return out, nil
}

// Markers are the next name in base64, so that any name can stand in XML and
// in a URL; what is no marker of ours is refused.
const markerPrefix = "2!"

func writeMarker(name string) string {
	if name == "" {
		return ""
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(name))
	return fmt.Sprintf("%s%d!%s", markerPrefix, len(text), text)
}

func readMarker(r *rest.Request) (string, error) {
	text := r.Param("marker")
	if text == "" {
		return "", nil
	}
	rest0, ok := strings.CutPrefix(text, markerPrefix)
	_, encoded, found := strings.Cut(rest0, "!")
	name, err := base64.RawURLEncoding.DecodeString(encoded)
	if !ok || !found || err != nil {
		return "", rest.InvalidParameter("marker", text)
	}
	return string(name), nil
}

func listHead(r *rest.Request, containerName string) []byte {
	b := rest.AppendXMLHeader(make([]byte, 0, 4096))
	b = append(b, "<EnumerationResults"...)
	b = rest.AppendXMLAttribute(b, "ServiceEndpoint", r.Base()+"/")
	if containerName != "" {
		b = rest.AppendXMLAttribute(b, "ContainerName", containerName)
	}
	b = append(b, '>')
	for _, name := range [...]string{"Prefix", "Marker", "MaxResults", "Delimiter"} {
		if v := r.Param(strings.ToLower(name)); v != "" && (name != "Delimiter" || containerName != "") {
			b = appendName(b, name, v)
		}
	}
	return b
}

// appendName writes an element with a name that XML may not be able to carry;
// such a name is percent-encoded and says so.
func appendName(b []byte, element, name string) []byte {
	if rest.ValidXMLText(name) {
		return rest.AppendXMLElement(b, element, name)
	}
	b = append(append(append(b, '<'), element...), ` Encoded="true">`...)
	b = append(b, url.PathEscape(name)...)
	return append(append(append(b, "</"...), element...), '>')
}

func (s *Store) listBlobs(r *rest.Request, containerName string) (*rest.Response, error) {
	limit, err := listLimit(r)
	if err != nil {
		return nil, err
	}
	include, err := readInclude(r, "metadata", "uncommittedblobs", "snapshots", "copy", "deleted", "tags", "versions",
		"deletedwithversions", "immutabilitypolicy", "legalhold", "permissions")
	if err != nil {
		return nil, err
	}
	from, err := readMarker(r)
	if err != nil {
		return nil, err
	}
	l := lister{prefix: r.Param("prefix"), delimiter: r.Param("delimiter"), limit: limit,
		uncommitted: include["uncommittedblobs"], metadata: include["metadata"], now: rest.TicksOf(r.Now)}
	l.body = append(listHead(r, containerName), "<Blobs>"...)
	err = s.read(r, containerName, func(c *container) error {
		l.walk(c, from)
		return nil
	})
	if err != nil {
		return nil, err
	}
	b := l.body
	b = append(b, "</Blobs>"...)
	b = rest.AppendXMLElement(b, "NextMarker", writeMarker(l.next))
	b = append(b, "</EnumerationResults>"...)
	return rest.XML(200, b), nil
}

// lister collects one page of a listing.
type lister struct {
	prefix, delimiter     string
	limit, n              int
	uncommitted, metadata bool
	now                   rest.Ticks
	body                  []byte
	next                  string
}

func (l *lister) walk(c *container, from string) {
	if ordered.CompareText(from, l.prefix) < 0 {
		from = l.prefix
	}
	for again := true; again; {
		again = false
		for name, b := range c.blobs.From(from) {
			if !strings.HasPrefix(name, l.prefix) {
				return
			}
			if !b.committed && !l.uncommitted {
				continue
			}
			group, grouped := l.group(name)
			if l.n == l.limit {
				l.next = name
				return
			}
			l.n++
			if !grouped {
				l.body = b.appendXML(l.body, l)
				continue
			}
			l.body = append(l.body, "<BlobPrefix>"...)
			l.body = appendName(l.body, "Name", group)
			l.body = append(l.body, "</BlobPrefix>"...)
			// The walk begins anew behind everything that has the prefix.
			var ok bool
			if from, ok = after(group); !ok {
				return
			}
			again = true
			break
		}
	}
}

// group is the common prefix that a delimiter folds a name into.
func (l *lister) group(name string) (string, bool) {
	if l.delimiter == "" {
		return "", false
	}
	i := strings.Index(name[len(l.prefix):], l.delimiter)
	if i < 0 {
		return "", false
	}
	return name[:len(l.prefix)+i+len(l.delimiter)], true
}

// after is the first text behind everything that begins with prefix.
func after(prefix string) (string, bool) {
	runes := []rune(prefix)
	for i := len(runes) - 1; i >= 0; i-- {
		if next, ok := nextRune(runes[i]); ok {
			return string(append(runes[:i], next)), true
		}
	}
	return "", false
}

// nextRune is the following character in the order of CompareText.
func nextRune(c rune) (rune, bool) {
	switch c {
	case 0xD7FF:
		return 0x10000, true
	case 0x10FFFF:
		return 0xE000, true
	case 0xFFFF:
		return 0, false
	}
	return c + 1, true
}

func (b *blob) appendXML(out []byte, l *lister) []byte {
	out = append(out, "<Blob>"...)
	out = appendName(out, "Name", b.name)
	out = append(out, "<Properties>"...)
	if b.committed {
		out = rest.AppendXMLElement(out, "Creation-Time", rest.HTTPDate(b.created.Time()))
		out = rest.AppendXMLElement(out, "Last-Modified", rest.HTTPDate(b.version.modified()))
		out = rest.AppendXMLElement(out, "Etag", strings.Trim(b.version.etag(), `"`))
	}
	out = rest.AppendXMLInt(out, "Content-Length", b.size)
	h := &b.headers
	for _, e := range [...]rest.Meta{{Name: "Content-Type", Value: h.contentType}, {Name: "Content-Encoding", Value: h.encoding},
		{Name: "Content-Language", Value: h.language}, {Name: "Content-MD5", Value: h.md5},
		{Name: "Cache-Control", Value: h.cacheControl}, {Name: "Content-Disposition", Value: h.disposition}} {
		out = rest.AppendXMLElement(out, e.Name, e.Value)
	}
	out = rest.AppendXMLElement(out, "BlobType", "BlockBlob")
	out = rest.AppendXMLElement(out, "AccessTier", b.tierName())
	if b.tier == "" {
		out = rest.AppendXMLElement(out, "AccessTierInferred", "true")
	}
	out = b.lease.appendXML(out, l.now)
	out = rest.AppendXMLElement(out, "ServerEncrypted", "true")
	out = append(out, "</Properties>"...)
	if l.metadata {
		out = b.metadata.AppendXML(out)
	}
	return append(out, "</Blob>"...)
}
