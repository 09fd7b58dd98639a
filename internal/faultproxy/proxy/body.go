package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// copyBody moves a body from r to w as it is framed, and its content to keep as well, unless that is nil. It returns the bytes moved.
// An error of w is a writeError, so that the caller can tell which side broke.
func copyBody(w io.Writer, r *bufio.Reader, f framing, keep *excerpt) (int64, error) {
	switch {
	case f.chunked:
		return copyChunks(w, r, keep)
	case f.untilClose:
		return copyContent(w, r, keep)
	case f.length > 0:
		n, err := copyContent(w, io.LimitReader(r, f.length), keep)
		if err == nil && n < f.length {
			err = io.ErrUnexpectedEOF
		}
		return n, err
	}
	return 0, nil
}

// writeError marks an error of the receiving side.
type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }
func (e *writeError) Unwrap() error { return e.err }

type markingWriter struct{ w io.Writer }

func (m markingWriter) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	if err != nil {
		err = &writeError{err}
	}
	return n, err
}

func copyContent(w io.Writer, r io.Reader, keep *excerpt) (int64, error) {
	if keep != nil {
		r = io.TeeReader(r, keep)
	}
	return io.Copy(markingWriter{w}, r)
}

// copyChunks moves a chunked body with its chunk sizes and trailers as they are.
func copyChunks(w io.Writer, r *bufio.Reader, keep *excerpt) (int64, error) {
	var total int64
	out := markingWriter{w}
	line := func() ([]byte, error) {
		text, err := r.ReadSlice('\n')
		if err != nil {
			return nil, fmt.Errorf("%w: reading a chunk: %w", errMalformed, err)
		}
		n, err := out.Write(text)
		total += int64(n)
		return bytes.TrimRight(text, "\r\n"), err
	}
	for {
		text, err := line()
		if err != nil {
			return total, err
		}
		digits, _, _ := bytes.Cut(text, []byte(";"))
		size, err := strconv.ParseInt(string(bytes.TrimSpace(digits)), 16, 64)
		if err != nil || size < 0 {
			return total, fmt.Errorf("%w: chunk size %q", errMalformed, digits)
		}
		if size == 0 {
			break
		}
		n, err := copyContent(w, io.LimitReader(r, size), keep)
		total += n
		if err == nil && n < size {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return total, err
		}
		if _, err := line(); err != nil { // the line end after the chunk
			return total, err
		}
	}
	for { // trailers, up to an empty line
		text, err := line()
		if err != nil || len(text) == 0 {
			return total, err
		}
	}
}

// lastByteHeld writes to a buffered writer and leaves at least the last byte in its buffer, so that the receiver has not got all before the flush.
type lastByteHeld struct{ w *bufio.Writer }

func (l lastByteHeld) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	last := len(p) - 1
	n, err := l.w.Write(p[:last])
	if err != nil {
		return n, err
	}
	if err := l.w.WriteByte(p[last]); err != nil {
		return n, err
	}
	return len(p), nil
}

// excerpt keeps the beginning of what is written to it.
type excerpt struct {
	bytes.Buffer
	max int
	cut bool
}

func (e *excerpt) Write(p []byte) (int, error) {
	if room := e.max - e.Len(); room < len(p) {
		e.cut = true
		e.Buffer.Write(p[:room])
		return len(p), nil
	}
	e.Buffer.Write(p)
	return len(p), nil
}

// bufferBody reads a whole body into memory as it is framed, to send it more than once. Bodies over maxBuffered are an error.
func bufferBody(r *bufio.Reader, f framing, keep *excerpt) ([]byte, error) {
	w := &limitedBuffer{max: maxBuffered}
	_, err := copyBody(w, r, f, keep)
	return w.Bytes(), err
}

// maxBuffered bounds the bodies that some faults hold in memory, in bytes.
const maxBuffered = 256 << 20

var errBodyTooLarge = errors.New("the body is too large to be buffered")

type limitedBuffer struct {
	bytes.Buffer
	max int
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.max {
		return 0, errBodyTooLarge
	}
	return b.Buffer.Write(p)
}
