package leases

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// record is the content of a lease blob, in the order in which DurableTask.AzureStorage writes it. Token is the lease
// id, with which another worker may take the lease over. The last two are written in Go fleets only; .NET does not know
// them and drops them when it writes.
type record struct {
	PartitionID string  `json:"PartitionId"`
	Owner       *string `json:"Owner"`
	Token       *string `json:"Token"`
	Epoch       int64   `json:"Epoch"`
	Fleet       string  `json:"Fleet,omitempty"` // of the owner: "go"
	Next        string  `json:"Next,omitempty"`  // the worker that is to have the partition next
}

func (r record) owner() string { return strings.TrimSpace(orEmpty(r.Owner)) }
func (r record) token() string { return orEmpty(r.Token) }

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// encodeJSON writes a value without the HTML escapes that .NET does not write either.
func encodeJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("leases: %T does not marshal: %v", v, err)) // structs of strings and numbers do
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// decodeRecord reads a lease blob's content; false means that it is not one, whatever overwrote it.
func decodeRecord(text []byte) (record, bool) {
	var r record
	if json.Unmarshal(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), &r) != nil {
		return record{}, false
	}
	return r, true
}

// newGUID returns a random lease id in the form that the service and .NET use.
func newGUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
