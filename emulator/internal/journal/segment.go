package journal

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/go-taskhub/taskhub/emulator/internal/codec"
)

// A file begins with
//
//	8 bytes  magic
//	4 bytes  format version
//	4 bytes  kind: 1 journal, 2 snapshot
//	8 bytes  number
//	8 bytes  salt, random per file
//	4 bytes  CRC-32C of the above
//
// and goes on with frames:
//
//	4 bytes  magic
//	4 bytes  length of the payload
//	8 bytes  sequence number in the file, from 1
//	4 bytes  CRC-32C of salt, length, sequence and payload
//	payload  records, each after its length as a varint
//
// Numbers are little-endian. The salt keeps a copy of another journal, stored
// as a blob, from being taken for frames.
const (
	// Version is the format's version. A directory of another one is refused.
	Version     = 1
	fileHeader  = 36
	frameHeader = 20

	kindJournal  = 1
	kindSnapshot = 2
)

var (
	fileMagic  = []byte("THSTORE\n")
	frameMagic = []byte{0xF4, 'T', 'H', 0x1B}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// CorruptError says that a file of the directory is damaged at a place where
// no crash can have damaged it.
type CorruptError struct {
	File   string
	Offset int64
	Reason string
}

// Error implements error.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s is damaged at offset %d: %s", e.File, e.Offset, e.Reason)
}

// VersionError says that a directory was written in another format.
type VersionError struct {
	File    string
	Version uint32
}

// Error implements error.
func (e *VersionError) Error() string {
	return fmt.Sprintf("%s has format version %d, this program understands version %d; use the program that wrote it, or another directory",
		e.File, e.Version, Version)
}

// segment is a journal or snapshot file that is being written.
type segment struct {
	f    *os.File
	name string
	salt uint64
	next uint64
	size int64
}

func createSegment(path, name string, kind uint32, number uint64) (*segment, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	s := &segment{f: f, name: name, next: 1, size: fileHeader}
	var salt [8]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s.salt = binary.LittleEndian.Uint64(salt[:])
	b := append(make([]byte, 0, fileHeader), fileMagic...)
	b = binary.LittleEndian.AppendUint32(b, Version)
	b = binary.LittleEndian.AppendUint32(b, kind)
	b = binary.LittleEndian.AppendUint64(b, number)
	b = append(b, salt[:]...)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	if _, err := f.Write(b); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

// writeFrame fills in the header that buf has room for and writes the whole
// in one call.
func (s *segment) writeFrame(buf []byte) error {
	if uint64(len(buf)-frameHeader) > 1<<32-1 {
		return errors.New("a batch of more than 4 GiB cannot be written")
	}
	copy(buf, frameMagic)
	binary.LittleEndian.PutUint32(buf[4:], uint32(len(buf)-frameHeader))
	binary.LittleEndian.PutUint64(buf[8:], s.next)
	binary.LittleEndian.PutUint32(buf[16:], frameSum(s.salt, buf))
	if _, err := s.f.Write(buf); err != nil {
		return err
	}
	s.next++
	s.size += int64(len(buf))
	return nil
}

func frameSum(salt uint64, frame []byte) uint32 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], salt)
	sum := crc32.Checksum(b[:], castagnoli)
	sum = crc32.Update(sum, castagnoli, frame[4:16])
	return crc32.Update(sum, castagnoli, frame[frameHeader:])
}

func (s *segment) sync() error { return syncFile(s.f) }

// reopen opens a segment's file again, to go on behind its last frame.
func (s *segment) reopen(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Seek(s.size, io.SeekStart); err != nil {
		return errors.Join(err, f.Close())
	}
	s.f = f
	return nil
}

func (s *segment) close() error { return s.f.Close() }

// reader reads a file frame by frame.
type reader struct {
	f      *os.File
	name   string
	salt   uint64
	seq    uint64
	offset int64
	size   int64
}

// errTorn says that a file ends in the middle of something.
var errTorn = errors.New("the file ends early")

func openReader(path, name string, kind uint32, number uint64) (*reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r := &reader{f: f, name: name, offset: fileHeader}
	if err := r.header(kind, number); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

func (r *reader) header(kind uint32, number uint64) error {
	info, err := r.f.Stat()
	if err != nil {
		return err
	}
	r.size = info.Size()
	var h [fileHeader]byte
	n, err := io.ReadFull(r.f, h[:])
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTorn
	}
	if err != nil {
		return err
	}
	bad := func(reason string) error { return &CorruptError{r.name, int64(n) - fileHeader, reason} }
	if !bytes.Equal(h[:8], fileMagic) {
		return bad("it is no file of this storage")
	}
	if v := binary.LittleEndian.Uint32(h[8:]); v != Version {
		return &VersionError{r.name, v}
	}
	if binary.LittleEndian.Uint32(h[32:]) != crc32.Checksum(h[:32], castagnoli) {
		return bad("the checksum of its header is wrong")
	}
	if binary.LittleEndian.Uint32(h[12:]) != kind {
		return bad("it is of another kind than its name says")
	}
	if n := binary.LittleEndian.Uint64(h[16:]); n != number {
		return bad(fmt.Sprintf("it has number %d, another one than its name says", n))
	}
	r.salt = binary.LittleEndian.Uint64(h[24:])
	return nil
}

// next returns the payload of the next frame, io.EOF at the end of the file,
// and errTorn where the rest of the file is no whole frame.
func (r *reader) next() ([]byte, error) {
	left := r.size - r.offset
	if left == 0 {
		return nil, io.EOF
	}
	if left < frameHeader {
		return nil, errTorn
	}
	var h [frameHeader]byte
	if _, err := r.f.ReadAt(h[:], r.offset); err != nil {
		return nil, err
	}
	n := int64(binary.LittleEndian.Uint32(h[4:]))
	if !bytes.Equal(h[:4], frameMagic) || n > left-frameHeader {
		return nil, errTorn
	}
	frame := make([]byte, frameHeader+n)
	if _, err := r.f.ReadAt(frame, r.offset); err != nil {
		return nil, err
	}
	seq := binary.LittleEndian.Uint64(frame[8:])
	if seq != r.seq+1 || binary.LittleEndian.Uint32(frame[16:]) != frameSum(r.salt, frame) {
		return nil, errTorn
	}
	r.seq = seq
	r.offset += int64(len(frame))
	return frame[frameHeader:], nil
}

// continues reports whether a whole frame stands behind the damaged one. A
// frame is only written once the one before it is on disk, so that is not
// the doing of a crash.
func (r *reader) continues() (bool, error) {
	const window = 1 << 20
	buf := make([]byte, window+len(frameMagic))
	for at := r.offset + 1; at < r.size; at += window {
		n, err := r.f.ReadAt(buf, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		for from := 0; ; {
			i := bytes.Index(buf[from:n], frameMagic)
			if i < 0 || from+i >= window {
				break
			}
			probe := reader{f: r.f, salt: r.salt, offset: at + int64(from+i), size: r.size}
			if probe.later(r.seq + 1) {
				return true, nil
			}
			from += i + 1
		}
	}
	return false, nil
}

// later reports whether a whole frame with a sequence number above seq begins
// at the reader's offset.
func (r *reader) later(seq uint64) bool {
	var h [frameHeader]byte
	if _, err := r.f.ReadAt(h[:], r.offset); err != nil {
		return false
	}
	found := binary.LittleEndian.Uint64(h[8:])
	if found < seq {
		return false
	}
	r.seq = found - 1
	_, err := r.next()
	return err == nil
}

// records calls fn for each record of a payload.
func records(payload []byte, fn func(rec []byte) error) error {
	for len(payload) > 0 {
		n, size := binary.Uvarint(payload)
		if size <= 0 || n > uint64(len(payload)-size) {
			return codec.ErrCorrupt
		}
		rec := payload[size : size+int(n)]
		payload = payload[size+int(n):]
		if len(rec) == 1 && rec[0] == closeMark {
			continue
		}
		if err := fn(rec); err != nil {
			return err
		}
	}
	return nil
}
