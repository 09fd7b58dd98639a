package payloads

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/storage"
)

const (
	// blockSize is how much compressed data goes into one request. What fits into one is put at once.
	blockSize = 4 << 20
	// blocksUnderWay bounds the memory of a large write: that many blocks are being sent while another one fills.
	blocksUnderWay = 3
)

// Write stores a text, compressed, under a name, replacing what was there. It makes the container when it is missing.
// A text whose compressed form fits into 4 MiB takes one Put Blob; a larger one is sent in blocks and becomes visible with the
// last request.
func (s *Store) Write(ctx context.Context, name string, text []byte) error {
	return s.WriteStream(ctx, name, bytes.NewReader(text))
}

// WriteString is [Store.Write] without a copy of the text.
func (s *Store) WriteString(ctx context.Context, name, text string) error {
	return s.WriteStream(ctx, name, readerOnly{strings.NewReader(text)})
}

// readerOnly keeps io.Copy from handing all of a string over at once, as bytes, which would copy it.
type readerOnly struct{ io.Reader }

// WriteStream is Write for a text that is not in memory. Memory use does not depend on the text's size.
func (s *Store) WriteStream(ctx context.Context, name string, text io.Reader) error {
	if err := s.write(ctx, name, text); err != nil {
		return storage.Explain(err, fmt.Sprintf("write large payload %s", name))
	}
	return nil
}

func (s *Store) write(ctx context.Context, name string, text io.Reader) error {
	upload := newUpload(ctx, s, name)
	defer upload.close()
	compressor := s.compressor(upload)
	defer s.compressors.Put(compressor)
	if _, err := io.Copy(compressor, text); err != nil {
		return err
	}
	if err := compressor.Close(); err != nil {
		return err
	}
	return upload.commit()
}

func (s *Store) compressor(w io.Writer) *gzip.Writer {
	if c, ok := s.compressors.Get().(*gzip.Writer); ok {
		c.Reset(w)
		return c
	}
	c, err := gzip.NewWriterLevel(w, compressionLevel)
	if err != nil { // the level is a constant
		panic(err)
	}
	return c
}

func (s *Store) buffer() *bytes.Buffer {
	if b, ok := s.buffers.Get().(*bytes.Buffer); ok {
		b.Reset()
		return b
	}
	return &bytes.Buffer{}
}

// release keeps a buffer for later, unless it is unusually large.
func (s *Store) release(b *bytes.Buffer) {
	if b.Cap() <= 2*blockSize {
		s.buffers.Put(b)
	}
}

// ensuringContainer repeats a request that failed because the container is missing, once it has been made.
func (s *Store) ensuringContainer(ctx context.Context, request func() error) error {
	err := request()
	if !storage.HasCode(err, storage.CodeContainerNotFound) {
		return err
	}
	if err := s.Create(ctx); err != nil {
		return err
	}
	return request()
}

// upload collects compressed data and sends it: in one request, or when there is more than a block, block by block.
type upload struct {
	caller context.Context
	blocks context.Context // done when a block failed
	cancel context.CancelFunc
	group  *errgroup.Group
	store  *Store
	client *blockblob.Client
	filled *bytes.Buffer
	ids    []string
	prefix [8]byte // keeps the blocks of simultaneous writes of one name apart
}

func newUpload(ctx context.Context, s *Store, name string) *upload {
	u := &upload{caller: ctx, store: s, client: s.container.NewBlockBlobClient(name), filled: s.buffer()}
	var cancellable context.Context
	cancellable, u.cancel = context.WithCancel(ctx)
	u.group, u.blocks = errgroup.WithContext(cancellable)
	u.group.SetLimit(blocksUnderWay)
	return u
}

// Write implements io.Writer.
func (u *upload) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		if u.filled.Len() == blockSize {
			if err := u.stage(); err != nil {
				return 0, err
			}
		}
		n, err := u.filled.Write(p[:min(len(p), blockSize-u.filled.Len())])
		if err != nil {
			return 0, err
		}
		p = p[n:]
	}
	return total, nil
}

// stage sends what was collected as a block, waiting for a place when enough are under way.
func (u *upload) stage() error {
	if u.blocks.Err() != nil {
		return context.Cause(u.blocks) // the failure of an earlier block, or the caller's reason to stop
	}
	if len(u.ids) == 0 {
		if _, err := rand.Read(u.prefix[:]); err != nil {
			return err
		}
	}
	number := binary.BigEndian.AppendUint64(u.prefix[:len(u.prefix):len(u.prefix)], uint64(len(u.ids)))
	id := base64.StdEncoding.EncodeToString(number)
	u.ids = append(u.ids, id)
	block := u.filled
	u.filled = u.store.buffer()
	u.filled.Grow(blockSize) // at once: a second block shows that there is much to come
	u.group.Go(func() error {
		defer u.store.release(block)
		return u.store.ensuringContainer(u.blocks, func() error {
			_, err := u.client.StageBlock(u.blocks, id, streaming.NopCloser(bytes.NewReader(block.Bytes())), nil)
			return err
		})
	})
	return nil
}

// commit makes the blob.
func (u *upload) commit() error {
	if len(u.ids) == 0 {
		return u.store.ensuringContainer(u.caller, func() error {
			_, err := u.client.Upload(u.caller, streaming.NopCloser(bytes.NewReader(u.filled.Bytes())), nil)
			return err
		})
	}
	if u.filled.Len() > 0 {
		if err := u.stage(); err != nil {
			return err
		}
	}
	if err := u.group.Wait(); err != nil {
		return err
	}
	_, err := u.client.CommitBlockList(u.caller, u.ids, nil)
	return err
}

// close waits for what is under way, after giving it up if the upload did not come to its end. Blocks that were sent and
// not committed are dropped by the service after a week.
func (u *upload) close() {
	u.cancel()
	_ = u.group.Wait() // its error was returned, or does not matter any more
	u.store.release(u.filled)
}
