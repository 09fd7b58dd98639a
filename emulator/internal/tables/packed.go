package tables

import (
	"encoding/binary"
	"math/bits"
	"unsafe"

	"github.com/go-taskhub/taskhub/emulator/internal/odata"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// packed holds the properties of an entity in one piece, which is small, is
// nothing for the garbage collector to look into, and goes into the journal
// as it is. Each property is its name, its type and its value; texts stand
// after their length, other values are varints. Being a string, it gives out
// its texts without copying them.
type packed string

// newEntity makes an entity. Its row key and its properties are one text: an
// instance has dozens of rows, and the garbage collector looks at each piece.
func newEntity(partitionKey, rowKey string, stamp rest.Ticks, properties []odata.Property) *entity {
	b := appendPacked(append(make([]byte, 0, len(rowKey)+packedSize(properties)), rowKey...), properties)
	text := unsafe.String(unsafe.SliceData(b), len(b)) // nobody changes b any more
	return &entity{partitionKey: partitionKey, rowKey: text[:len(rowKey)], stamp: stamp, packed: packed(text[len(rowKey):])}
}

// packedSize is what appendPacked writes, to the byte.
func packedSize(properties []odata.Property) int {
	size := 0
	for i := range properties {
		p := &properties[i]
		size += uvarintSize(uint64(len(p.Name))) + len(p.Name) + 1
		if p.Value.Type.Textual() {
			size += uvarintSize(uint64(len(p.Value.Text))) + len(p.Value.Text)
		} else {
			size += uvarintSize(uint64(p.Value.Num)<<1 ^ uint64(p.Value.Num>>63)) // as binary.AppendVarint has it
		}
	}
	return size
}

func uvarintSize(n uint64) int { return (bits.Len64(n|1) + 6) / 7 }

func appendPacked(b []byte, properties []odata.Property) []byte {
	for i := range properties {
		p := &properties[i]
		b = binary.AppendUvarint(b, uint64(len(p.Name)))
		b = append(b, p.Name...)
		b = append(b, byte(p.Value.Type))
		if p.Value.Type.Textual() {
			b = binary.AppendUvarint(b, uint64(len(p.Value.Text)))
			b = append(b, p.Value.Text...)
		} else {
			b = binary.AppendVarint(b, p.Value.Num)
		}
	}
	return b
}

// all walks the properties until yield returns false.
func (p packed) all(yield func(string, odata.Value) bool) {
	for rest := string(p); rest != ""; {
		var name string
		var v odata.Value
		var ok bool
		if name, v, rest, ok = unpack(rest); !ok || !yield(name, v) {
			return
		}
	}
}

// valid reports whether the whole can be read.
func (p packed) valid() bool {
	for rest := string(p); rest != ""; {
		var ok bool
		if _, _, rest, ok = unpack(rest); !ok {
			return false
		}
	}
	return true
}

// appendProperties adds the properties to a list.
func (e *entity) appendProperties(out []odata.Property) []odata.Property {
	for name, v := range e.packed.all {
		out = append(out, odata.Property{Name: name, Value: v})
	}
	return out
}

// unpack reads the first property.
func unpack(s string) (name string, v odata.Value, rest string, ok bool) {
	if name, s, ok = unpackText(s); !ok || s == "" {
		return "", v, "", false
	}
	v.Type = odata.Type(s[0])
	s = s[1:]
	if !v.Type.Valid() {
		return "", v, "", false
	}
	if v.Type.Textual() {
		v.Text, s, ok = unpackText(s)
		return name, v, s, ok
	}
	n, s, ok := unpackUvarint(s)
	v.Num = int64(n>>1) ^ -int64(n&1)
	return name, v, s, ok
}

func unpackText(s string) (text, rest string, ok bool) {
	n, s, ok := unpackUvarint(s)
	if !ok || n > uint64(len(s)) {
		return "", "", false
	}
	return s[:n], s[n:], true
}

func unpackUvarint(s string) (n uint64, rest string, ok bool) {
	for i := range min(len(s), binary.MaxVarintLen64) {
		n |= uint64(s[i]&0x7F) << (7 * i)
		if s[i] < 0x80 {
			return n, s[i+1:], true
		}
	}
	return 0, "", false
}
