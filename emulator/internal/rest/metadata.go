package rest

import (
	"sort"
	"strings"
)

// Metadata is user metadata in name order. Names are compared without regard
// to case and keep the spelling of the request that set them.
type Metadata []Meta

// Meta is one entry.
type Meta struct{ Name, Value string }

// MaxMetadata is the service's limit for all names and values together.
const MaxMetadata = 8 << 10

const metaPrefix = "X-Ms-Meta-"

// ReadMetadata collects the x-ms-meta headers of a request. Names follow the
// rules of C# identifiers ("Naming and referencing containers, blobs, and
// metadata").
func (r *Request) ReadMetadata() (Metadata, error) {
	var out Metadata
	size := 0
	for name, values := range r.Header {
		if !strings.HasPrefix(name, metaPrefix) {
			continue
		}
		lower := strings.ToLower(name)
		key := r.Spelling(lower)[len(metaPrefix):]
		if key == "" {
			return nil, ErrEmptyMetadataKey
		}
		value := strings.Join(values, ",")
		if !validMetaName(key) || !validMetaValue(value) {
			return nil, ErrInvalidMetadata
		}
		size += len(key) + len(value)
		out = append(out, Meta{key, value})
	}
	if size > MaxMetadata {
		return nil, ErrMetadataTooLarge
	}
	sort.Slice(out, func(i, j int) bool { return strings.ToLower(out[i].Name) < strings.ToLower(out[j].Name) })
	return out, nil
}

func validMetaName(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func validMetaValue(value string) bool {
	for i := range len(value) {
		if value[i] < 0x20 && value[i] != '\t' || value[i] == 0x7F {
			return false
		}
	}
	return true
}

// Equal compares two sets; names without regard to case.
func (m Metadata) Equal(o Metadata) bool {
	if len(m) != len(o) {
		return false
	}
	for i := range m {
		if !strings.EqualFold(m[i].Name, o[i].Name) || m[i].Value != o[i].Value {
			return false
		}
	}
	return true
}

// AppendXML writes the Metadata element of a listing.
func (m Metadata) AppendXML(b []byte) []byte {
	if len(m) == 0 {
		return append(b, "<Metadata />"...)
	}
	b = append(b, "<Metadata>"...)
	for _, e := range m {
		b = AppendXMLElement(b, e.Name, e.Value)
	}
	return append(b, "</Metadata>"...)
}
