package durable

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
)

// UUID is a universally unique identifier.
type UUID [16]byte

// String returns the usual form, in lower case with dashes.
func (u UUID) String() string {
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// MarshalText returns the usual form.
func (u UUID) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText reads 32 hex digits, with dashes, braces or neither.
func (u *UUID) UnmarshalText(text []byte) error {
	digits := make([]byte, 0, 32)
	for _, c := range text {
		if c != '-' && c != '{' && c != '}' {
			digits = append(digits, c)
		}
	}
	if len(digits) != 32 {
		return fmt.Errorf("durable: %q is not a UUID", text)
	}
	if _, err := hex.Decode(u[:], digits); err != nil {
		return fmt.Errorf("durable: %q is not a UUID: %w", text, err)
	}
	return nil
}

// guidNamespace is the namespace of the GUIDs that Durable Functions derives.
var guidNamespace = [16]byte{
	0x9e, 0x95, 0x29, 0x59, 0x5e, 0x33, 0x4d, 0xaf, 0x82, 0x7f, 0x2f, 0xa1, 0x29, 0x37, 0xb8, 0x75,
}

// NewUUID returns an identifier that is the same in every replay. It is the one that
// Durable Functions' NewGuid returns at the same point: version 5 of
// "{instance id}_{current time}_{counter}", the time with seven digits, the counter
// from 0 on within an execution.
func (c *Context) NewUUID() UUID {
	if !c.s.Enter("Context.NewUUID") {
		return UUID{}
	}
	name := fmt.Sprintf("%s_%s_%d", c.InstanceID(), c.s.Now().UTC().Format("2006-01-02T15:04:05.0000000Z"), c.s.NextSerial())
	h := sha1.New()
	h.Write(guidNamespace[:])
	h.Write([]byte(name))
	var u UUID
	copy(u[:], h.Sum(nil))
	u[6] = u[6]&0x0F | 0x50
	u[8] = u[8]&0x3F | 0x80
	return u
}

// Rand returns a random number generator that yields the same in every replay. It is
// seeded from the execution id, so each generation gets other numbers, and is shared
// by all coroutines. It is not meant for secrets.
func (c *Context) Rand() *rand.Rand {
	c.s.Enter("Context.Rand")
	if c.run.random == nil {
		seed := sha256.Sum256([]byte(c.InstanceID() + "/" + c.ExecutionID()))
		c.run.random = rand.New(rand.NewPCG(binary.BigEndian.Uint64(seed[:8]), binary.BigEndian.Uint64(seed[8:16])))
	}
	return c.run.random
}
