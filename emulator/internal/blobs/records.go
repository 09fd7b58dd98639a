package blobs

import (
	"fmt"
	"maps"
	"slices"

	"github.com/go-taskhub/taskhub/emulator/internal/codec"
	"github.com/go-taskhub/taskhub/emulator/internal/journal"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
	"github.com/go-taskhub/taskhub/emulator/internal/service"
)

// Kinds of journal records. Each says how something is afterwards, so that
// repeating a record on a later state does no harm.
const (
	recProperties    byte = iota + 1
	recContainer          // a container's own properties; makes the container
	recDropContainer      // a container is gone
	recChunk              // data under a number
	recBlob               // a committed blob, its data by chunk number
	recBlobLease          // a blob's lease
	recStaged             // an uncommitted block
	recDropBlob           // a blob is gone
)

// log appends a record; in memory mode it is not even made.
func (s *Store) log(record func() []byte) journal.LSN {
	if s.env.Log == nil {
		return 0
	}
	return s.env.Log.Append(record())
}

func encodeProperties(a *account) []byte {
	w := service.Record(rest.Blob, recProperties)
	w.String(a.name)
	w.Bytes(a.properties.XML())
	return w.B
}

func encodeNames(kind byte, names ...string) []byte {
	w := service.Record(rest.Blob, kind)
	for _, name := range names {
		w.String(name)
	}
	return w.B
}

func encodeContainer(accountName string, c *container) []byte {
	w := service.Record(rest.Blob, recContainer)
	w.String(accountName)
	w.String(c.name)
	w.Int(int64(c.version.stamp))
	service.EncodeMetadata(w, c.metadata)
	c.policies.Encode(w)
	w.Byte(byte(c.public))
	c.lease.encode(w)
	return w.B
}

func encodeChunk(c *chunk) []byte {
	w := &codec.Writer{B: append(make([]byte, 0, len(c.data)+24), byte(rest.Blob), recChunk)}
	w.Uint(c.number)
	w.Bytes(c.data)
	return w.B
}

// encodeBlob describes a blob; with unstaged, its uncommitted blocks are gone.
func encodeBlob(accountName, containerName string, b *blob, unstaged bool) []byte {
	w := service.Record(rest.Blob, recBlob)
	w.String(accountName)
	w.String(containerName)
	w.String(b.name)
	w.Bool(unstaged)
	w.Int(int64(b.created))
	w.Int(int64(b.version.stamp))
	for _, text := range b.headers.fields() {
		w.String(*text)
	}
	service.EncodeMetadata(w, b.metadata)
	w.String(b.tier)
	b.lease.encode(w)
	w.Uint(uint64(len(b.blocks)))
	for _, blk := range b.blocks {
		w.String(blk.id)
		w.Uint(blk.chunk.number)
	}
	return w.B
}

func (h *contentHeaders) fields() [6]*string {
	return [6]*string{&h.contentType, &h.encoding, &h.language, &h.cacheControl, &h.disposition, &h.md5}
}

func encodeBlobLease(accountName, containerName string, b *blob) []byte {
	w := service.Record(rest.Blob, recBlobLease)
	w.String(accountName)
	w.String(containerName)
	w.String(b.name)
	b.lease.encode(w)
	return w.B
}

func encodeStaged(accountName, containerName, name, id string, b stagedBlock) []byte {
	w := service.Record(rest.Blob, recStaged)
	w.String(accountName)
	w.String(containerName)
	w.String(name)
	w.String(id)
	w.Uint(b.chunk.number)
	w.Int(int64(b.at))
	return w.B
}

// Apply implements service.Backend.
func (s *Store) Apply(r *codec.Reader) error {
	kind := r.Byte()
	if kind == recChunk {
		number, data := r.Uint(), r.Bytes()
		if err := r.Err(); err != nil {
			return err
		}
		c := s.chunk(number)
		c.data, c.missing = data, false
		return nil
	}
	accountName := r.String()
	a, ok := s.accounts[accountName]
	if !ok {
		if accountName == "" {
			return codec.ErrCorrupt
		}
		return fmt.Errorf("it holds data of account %q, which is not configured", accountName)
	}
	switch kind {
	case recProperties:
		body := r.Bytes()
		if err := r.Err(); err != nil {
			return err
		}
		p, err := service.ParseProperties(body)
		if err != nil {
			return err
		}
		a.properties = p
	case recContainer:
		s.applyContainer(a, r)
	case recDropContainer:
		a.containers.Delete(r.String())
	default:
		if err := s.applyBlob(a, kind, r); err != nil {
			return err
		}
	}
	return r.Err()
}

// chunk finds or announces a chunk.
func (s *Store) chunk(number uint64) *chunk {
	c, ok := s.loading[number]
	if !ok {
		c = &chunk{number: number, missing: true}
		s.loading[number] = c
	}
	if number > s.nextChunk.Load() {
		s.nextChunk.Store(number)
	}
	return c
}

func (s *Store) applyContainer(a *account, r *codec.Reader) {
	name := r.String()
	stamp := rest.Ticks(r.Int())
	metadata, policies, public, l := service.DecodeMetadata(r), service.DecodePolicies(r), r.Byte(), decodeLease(r)
	if r.Err() != nil {
		return
	}
	c, ok := a.containers.Get(name)
	if !ok {
		c = newContainer(name)
		a.containers.Set(name, c)
	}
	c.version.stamp, c.metadata, c.policies, c.lease = stamp, metadata, policies, l
	c.public = rest.PublicAccess(min(public, byte(rest.PublicBlob)))
	s.env.Clock.Seen(stamp)
}

func (s *Store) applyBlob(a *account, kind byte, r *codec.Reader) error {
	c, ok := a.containers.Get(r.String())
	if !ok { // deleted by the time of the snapshot this record follows
		c = newContainer("")
	}
	name := r.String()
	switch kind {
	case recBlob:
		s.applyCommitted(c, name, r)
	case recBlobLease:
		l := decodeLease(r)
		if b, ok := c.blobs.Get(name); ok && r.Err() == nil {
			b.lease = l
		}
	case recStaged:
		id, number, at := r.String(), r.Uint(), rest.Ticks(r.Int())
		if r.Err() != nil {
			return codec.ErrCorrupt
		}
		b, ok := c.blobs.Get(name)
		if !ok {
			b = &blob{name: name, created: at}
			c.blobs.Set(name, b)
		}
		if b.staged == nil {
			b.staged = make(map[string]stagedBlock)
		}
		b.staged[id] = stagedBlock{s.chunk(number), at}
	case recDropBlob:
		c.blobs.Delete(name)
	default:
		return fmt.Errorf("unknown blob record %d", kind)
	}
	return nil
}

func (s *Store) applyCommitted(c *container, name string, r *codec.Reader) {
	unstaged := r.Bool()
	b := &blob{name: name, committed: true, created: rest.Ticks(r.Int())}
	b.version.stamp = rest.Ticks(r.Int())
	for _, text := range b.headers.fields() {
		*text = r.String()
	}
	b.metadata, b.tier, b.lease = service.DecodeMetadata(r), r.String(), decodeLease(r)
	n := r.Len()
	b.blocks = make([]block, 0, n)
	for range n {
		b.blocks = append(b.blocks, block{r.String(), s.chunk(r.Uint())})
	}
	if r.Err() != nil {
		return
	}
	if old, ok := c.blobs.Get(name); ok && !unstaged {
		b.staged = old.staged
	}
	c.blobs.Set(name, b)
	s.env.Clock.Seen(b.version.stamp)
}

// Loaded implements service.Backend: sizes are counted, and every blob must
// have its data.
func (s *Store) Loaded() error {
	for _, a := range s.accounts {
		for _, c := range a.containers.All {
			for _, b := range c.blobs.All {
				if err := b.loaded(); err != nil {
					return fmt.Errorf("container %q: %w", c.name, err)
				}
			}
		}
	}
	s.loading = nil
	return nil
}

func (b *blob) loaded() error {
	b.size = 0
	for _, blk := range b.blocks {
		if blk.chunk.missing {
			return fmt.Errorf("the data of blob %q is missing", b.name)
		}
		b.size += int64(len(blk.chunk.data))
	}
	for id, staged := range b.staged {
		if staged.chunk.missing {
			return fmt.Errorf("the data of block %q of blob %q is missing", id, b.name)
		}
	}
	return nil
}

// Snapshot implements service.Backend.
func (s *Store) Snapshot(emit func([]byte) error) error {
	for _, a := range s.accounts {
		a.mu.RLock()
		props := encodeProperties(a)
		containers := make([]*container, 0, a.containers.Len())
		for _, c := range a.containers.All {
			containers = append(containers, c)
		}
		a.mu.RUnlock()
		if err := emit(props); err != nil {
			return err
		}
		for _, c := range containers {
			if err := snapshotContainer(a.name, c, rest.TicksOf(s.env.Clock.Now()), emit); err != nil {
				return err
			}
		}
	}
	return nil
}

// snapshotBlob is a blob's record and the data it refers to.
type snapshotBlob struct {
	chunks  []*chunk
	records [][]byte
}

func snapshotContainer(accountName string, c *container, now rest.Ticks, emit func([]byte) error) error {
	head, blobs, ok := copyContainer(accountName, c, now)
	if !ok {
		return nil
	}
	if err := emit(head); err != nil {
		return err
	}
	for _, b := range blobs {
		for _, chunk := range b.chunks {
			if err := emit(encodeChunk(chunk)); err != nil {
				return err
			}
		}
		for _, rec := range b.records {
			if err := emit(rec); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyContainer describes a container at one instant. Data is not copied, it
// never changes.
func copyContainer(accountName string, c *container, now rest.Ticks) (head []byte, blobs []snapshotBlob, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.deleted {
		return nil, nil, false
	}
	blobs = make([]snapshotBlob, 0, c.blobs.Len())
	for _, b := range c.blobs.All {
		out := snapshotBlob{chunks: distinctChunks(b.blocks)}
		if b.committed {
			out.records = append(out.records, encodeBlob(accountName, c.name, b, true))
		}
		for id, staged := range b.freshBlocks(now) {
			out.chunks = append(out.chunks, staged.chunk)
			out.records = append(out.records, encodeStaged(accountName, c.name, b.name, id, staged))
		}
		blobs = append(blobs, out)
	}
	return encodeContainer(accountName, c), blobs, true
}

// distinctChunks lists each piece of data once; a block list may name a block
// many times.
func distinctChunks(blocks []block) []*chunk {
	var out []*chunk
	seen := make(map[*chunk]bool, len(blocks))
	for _, blk := range blocks {
		if !seen[blk.chunk] {
			seen[blk.chunk] = true
			out = append(out, blk.chunk)
		}
	}
	return out
}

func sortedIDs(staged map[string]stagedBlock) []string {
	return slices.Sorted(maps.Keys(staged))
}
