package taskhub

import (
	"crypto/rand"
	"encoding/hex"
)

// newID makes a random UUID without dashes, the form of .NET's GUID "N".
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return hex.EncodeToString(b[:])
}

// dashed gives an id made by NewID the form of a message's id.
func dashed(id string) string {
	const digits = 32
	if len(id) != digits {
		id = newID()
	}
	return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
}
