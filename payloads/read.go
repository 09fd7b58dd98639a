package payloads

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"github.com/go-taskhub/taskhub/storage"
)

// Read returns the text of a blob. Errors are [*MissingError], [*CorruptError] (also for a blob cut short),
// [*TooLargeError], and what the service answers.
func (s *Store) Read(ctx context.Context, name string) ([]byte, error) {
	text := &bytes.Buffer{}
	err := s.read(ctx, name, func(size int) io.Writer {
		text.Grow(size)
		return text
	})
	if err != nil {
		return nil, explainRead(err, name)
	}
	return text.Bytes(), nil
}

// ReadString is [Store.Read] for those who need a string: it spares them a copy.
func (s *Store) ReadString(ctx context.Context, name string) (string, error) {
	text := &strings.Builder{}
	err := s.read(ctx, name, func(size int) io.Writer {
		text.Grow(size)
		return text
	})
	if err != nil {
		return "", explainRead(err, name)
	}
	return text.String(), nil
}

// ReadStream returns the text of a blob as a stream, with the errors of [Store.Read] from its Read method. Close it. The size is not
// limited. Broken connections are resumed.
func (s *Store) ReadStream(ctx context.Context, name string) (io.ReadCloser, error) {
	compressed, _, err := s.open(ctx, name)
	if err != nil {
		return nil, explainRead(err, name)
	}
	text, err := gzip.NewReader(compressed)
	if err != nil {
		return nil, explainRead(errors.Join(asCorrupt(err, name), compressed.Close()), name)
	}
	return &textStream{name: name, compressed: compressed, text: text}, nil
}

type textStream struct {
	name       string
	compressed io.ReadCloser
	text       *gzip.Reader
}

// Read implements io.Reader.
func (t *textStream) Read(p []byte) (int, error) {
	n, err := t.text.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // readers return it bare
		err = explainRead(asCorrupt(err, t.name), t.name)
	}
	return n, err
}

// Close implements io.Closer.
func (t *textStream) Close() error {
	return errors.Join(t.text.Close(), t.compressed.Close())
}

// read takes the compressed form into memory first: its last bytes tell how large the text is, for which room is made
// once.
func (s *Store) read(ctx context.Context, name string, room func(size int) io.Writer) error {
	stream, size, err := s.open(ctx, name)
	if err != nil {
		return err
	}
	defer stream.Close()
	if size > s.maxSize+compressedSlack {
		return &TooLargeError{Blob: name, Limit: s.maxSize}
	}
	compressed := s.buffer()
	defer s.release(compressed)
	compressed.Grow(int(max(0, size)) + bytes.MinRead)
	if _, err := compressed.ReadFrom(io.LimitReader(stream, s.maxSize+compressedSlack)); err != nil {
		return err
	}
	return s.decompress(compressed.Bytes(), name, room)
}

// compressedSlack is more than gzip adds to data that cannot be compressed, within the sizes that fit into memory.
const compressedSlack = 1 << 20

func (s *Store) decompress(compressed []byte, name string, room func(size int) io.Writer) error {
	reader, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return asCorrupt(err, name)
	}
	n, err := io.Copy(writerOnly{room(s.sizeHint(compressed))}, io.LimitReader(reader, s.maxSize+1))
	switch {
	case err != nil:
		return asCorrupt(err, name)
	case n > s.maxSize:
		return &TooLargeError{Blob: name, Limit: s.maxSize}
	}
	return nil
}

// writerOnly keeps io.Copy from a buffer's own way of reading, which wants room beyond the end.
type writerOnly struct{ io.Writer }

// sizeHint reads the text's size from the trailer of the gzip stream. The stream may lie, so the hint is kept within what
// deflate can reach and within the limit.
func (s *Store) sizeHint(compressed []byte) int {
	const trailer, bestRatio = 4, 1032
	if len(compressed) < trailer {
		return 0
	}
	claimed := int64(binary.LittleEndian.Uint32(compressed[len(compressed)-trailer:]))
	return int(min(claimed, int64(len(compressed))*bestRatio, s.maxSize))
}

// open starts a download and returns its size, -1 when the service does not tell.
func (s *Store) open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	resp, err := s.container.NewBlobClient(name).DownloadStream(ctx, nil)
	if storage.IsNotFound(err) {
		return nil, 0, &MissingError{Blob: name, Err: err}
	}
	if err != nil {
		return nil, 0, err
	}
	size := int64(-1)
	if resp.ContentLength != nil {
		size = *resp.ContentLength
	}
	return resp.NewRetryReader(ctx, &blob.RetryReaderOptions{EarlyCloseAsError: true}), size, nil
}

// asCorrupt tells bad content from a failed download.
func asCorrupt(err error, name string) error {
	if storage.IsUnreachable(err) {
		return err
	}
	var deflate flate.CorruptInputError
	if errors.As(err, &deflate) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return &CorruptError{Blob: name, Err: err}
	}
	return err
}

// explainRead leaves the errors of this package as they are: they name the blob.
func explainRead(err error, name string) error {
	var missing *MissingError
	var corrupt *CorruptError
	var large *TooLargeError
	if err == nil || errors.As(err, &missing) || errors.As(err, &corrupt) || errors.As(err, &large) {
		return err
	}
	return storage.Explain(err, fmt.Sprintf("read large payload %s", name))
}
