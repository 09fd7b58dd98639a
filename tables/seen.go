package tables

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// Seen is a message that an earlier generation of an instance consumed.
type Seen struct {
	ID [16]byte
	At time.Time // to the second
}

const (
	seenBytes = 16 + 8
	// MostSeen is how many consumed messages a sentinel remembers; the oldest leave first.
	MostSeen = 10_000
	// seenPerColumn keeps a column under the 64 KiB that a binary property may have.
	seenPerColumn = 2_500
)

func encodeSeen(list []Seen) [][]byte {
	if len(list) > MostSeen {
		list = slices.Clone(list)
		slices.SortStableFunc(list, func(a, b Seen) int { return a.At.Compare(b.At) })
		list = list[len(list)-MostSeen:]
	}
	columns := make([][]byte, len(seenColumns))
	for i := range columns {
		n := min(len(list), seenPerColumn)
		columns[i] = make([]byte, 0, n*seenBytes)
		for _, s := range list[:n] {
			columns[i] = append(columns[i], s.ID[:]...)
			columns[i] = binary.BigEndian.AppendUint64(columns[i], uint64(s.At.Unix()))
		}
		list = list[n:]
	}
	return columns
}

func decodeSeen(b []byte) ([]Seen, error) {
	if len(b)%seenBytes != 0 {
		return nil, fmt.Errorf("%d bytes are not a list of entries of %d bytes", len(b), seenBytes)
	}
	list := make([]Seen, 0, len(b)/seenBytes)
	for ; len(b) > 0; b = b[seenBytes:] {
		s := Seen{At: time.Unix(int64(binary.BigEndian.Uint64(b[16:])), 0).UTC()}
		copy(s.ID[:], b)
		list = append(list, s)
	}
	return list, nil
}
