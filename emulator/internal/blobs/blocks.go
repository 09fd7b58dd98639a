package blobs

import (
	"encoding/base64"
	"encoding/xml"
	"strconv"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// Limits of the articles "Put Block" and "Put Block List".
const (
	maxBlockID     = 64
	maxBlocks      = 50_000
	maxBlockList   = 8 << 20
	stagedLifetime = 7 * 24 * time.Hour
)

var (
	errInvalidBlock = &rest.Error{Status: 400, Code: "InvalidBlobOrBlock",
		Message: "The specified blob or block content is invalid."}
	errInvalidBlockList = &rest.Error{Status: 400, Code: "InvalidBlockList",
		Message: "The specified block list is invalid."}
	errTooManyBlocks = &rest.Error{Status: 409, Code: "BlockCountExceedsLimit",
		Message: "The uncommitted block count cannot exceed the maximum limit of 100,000 blocks."}
)

func readBlockID(r *rest.Request) (string, error) {
	id := r.Param("blockid")
	if id == "" {
		return "", rest.MissingParameter("blockid")
	}
	raw, err := base64.StdEncoding.DecodeString(id)
	if err != nil || len(raw) == 0 || len(raw) > maxBlockID {
		return "", rest.InvalidParameter("blockid", id)
	}
	return id, nil
}

// decodedLen is the length of a block id; all ids of a blob have the same.
func decodedLen(id string) int {
	return base64.StdEncoding.DecodedLen(len(id)) - strings.Count(id, "=")
}

func (s *Store) putBlock(r *rest.Request, containerName, name string) (*rest.Response, error) {
	id, err := readBlockID(r)
	if err != nil {
		return nil, err
	}
	if err := r.NeedLength(); err != nil {
		return nil, err
	}
	body, err := r.Body(r.MaxBody)
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		return nil, rest.InvalidHeader("Content-Length", "0")
	}
	if err := r.CheckBodyHashes(body); err != nil {
		return nil, err
	}
	err = s.write(r, containerName, func(c *container) error {
		now := rest.TicksOf(r.Now)
		old, ok := c.blobs.Get(name)
		if !ok {
			old = &blob{name: name, created: now}
		}
		if err := old.lease.check(r, now, "Blob", true); err != nil {
			return err
		}
		staged := old.freshBlocks(now)
		for other := range staged {
			if decodedLen(other) != decodedLen(id) {
				return errInvalidBlock
			}
			break
		}
		if _, replaced := staged[id]; !replaced && len(staged) >= 2*maxBlocks {
			return errTooManyBlocks
		}
		b := stagedBlock{chunk: s.newChunk(body), at: now}
		staged[id] = b
		old.staged = staged
		c.blobs.Set(name, old)
		s.log(func() []byte { return encodeChunk(b.chunk) })
		c.lsn = s.log(func() []byte { return encodeStaged(r.Account, c.name, name, id, b) })
		return nil
	})
	p := rest.NewResponse(201)
	if md5 := r.Header.Get("Content-Md5"); md5 != "" {
		p.Set("Content-Md5", md5)
	}
	p.Set("X-Ms-Content-Crc64", rest.CRC64(body))
	p.Set("X-Ms-Request-Server-Encrypted", "true")
	return p, err
}

// freshBlocks returns the staged blocks without those that were left alone
// for a week, which the service discards. Staged blocks are only touched
// under the container's write lock.
func (b *blob) freshBlocks(now rest.Ticks) map[string]stagedBlock {
	if b.staged == nil {
		return make(map[string]stagedBlock)
	}
	var newest rest.Ticks
	for _, staged := range b.staged {
		newest = max(newest, staged.at)
	}
	if now.Sub(newest) > stagedLifetime {
		return make(map[string]stagedBlock)
	}
	return b.staged
}

type blockList struct {
	XMLName xml.Name     `xml:"BlockList"`
	Entries []blockEntry `xml:",any"`
}

type blockEntry struct {
	XMLName xml.Name
	ID      string `xml:",chardata"`
}

func readBlockList(body []byte) ([]blockEntry, error) {
	var list blockList
	if err := rest.DecodeXML(body, &list); err != nil {
		return nil, err
	}
	if len(list.Entries) > maxBlocks {
		return nil, rest.Errorf(400, "BlockListTooLong", "The block list may not contain more than 50,000 blocks.")
	}
	for _, e := range list.Entries {
		switch e.XMLName.Local {
		case "Latest", "Committed", "Uncommitted":
		default:
			return nil, rest.ErrInvalidXML
		}
	}
	return list.Entries, nil
}

func (s *Store) putBlockList(r *rest.Request, containerName, name string) (*rest.Response, error) {
	u, err := readUpload(r, false)
	if err != nil {
		return nil, err
	}
	body, err := r.Body(maxBlockList)
	if err != nil {
		return nil, err
	}
	if err := r.CheckBodyHashes(body); err != nil {
		return nil, err
	}
	entries, err := readBlockList(body)
	if err != nil {
		return nil, err
	}
	p := rest.NewResponse(201)
	err = s.write(r, containerName, func(c *container) error {
		old, err := c.overwrite(r, name, u.conditions)
		if err != nil {
			return err
		}
		blocks, err := chooseBlocks(old, entries, rest.TicksOf(r.Now))
		if err != nil {
			return err
		}
		fresh := s.replace(c, old, name, u, rest.TicksOf(r.Now))
		fresh.blocks = blocks
		for _, b := range blocks {
			fresh.size += int64(len(b.chunk.data))
		}
		c.lsn = s.log(func() []byte { return encodeBlob(r.Account, c.name, fresh, true) })
		fresh.version.setHeaders(p)
		return nil
	})
	p.Set("X-Ms-Content-Crc64", rest.CRC64(body))
	p.Set("X-Ms-Request-Server-Encrypted", "true")
	return p, err
}

// chooseBlocks finds the blocks that a block list names among the committed
// and the staged ones.
func chooseBlocks(old *blob, entries []blockEntry, now rest.Ticks) ([]block, error) {
	committed := make(map[string]*chunk)
	var staged map[string]stagedBlock
	if old != nil {
		for _, b := range old.blocks {
			if b.id != "" {
				committed[b.id] = b.chunk
			}
		}
		staged = old.freshBlocks(now)
	}
	blocks := make([]block, 0, len(entries))
	for _, e := range entries {
		fromStaged, isStaged := staged[e.ID]
		fromCommitted, isCommitted := committed[e.ID]
		kind := e.XMLName.Local
		switch {
		case isStaged && kind != "Committed":
			blocks = append(blocks, block{e.ID, fromStaged.chunk})
		case isCommitted && kind != "Uncommitted":
			blocks = append(blocks, block{e.ID, fromCommitted})
		default:
			return nil, errInvalidBlockList
		}
	}
	return blocks, nil
}

func (s *Store) getBlockList(r *rest.Request, containerName, name string) (*rest.Response, error) {
	kind := r.Keyword("blocklisttype")
	switch kind {
	case "":
		kind = "committed"
	case "committed", "uncommitted", "all":
	default:
		return nil, rest.InvalidParameter("blocklisttype", kind)
	}
	p := rest.NewResponse(200)
	err := s.read(r, containerName, func(c *container) error {
		b, ok := c.blobs.Get(name)
		if !ok || !b.committed && kind == "committed" {
			return errBlobNotFound
		}
		now := rest.TicksOf(r.Now)
		if err := b.lease.check(r, now, "Blob", false); err != nil {
			return err
		}
		if b.committed {
			b.version.setHeaders(p)
		}
		p.Set("X-Ms-Blob-Content-Length", strconv.FormatInt(b.size, 10))
		p.WithBody("application/xml", b.blockListXML(kind, now))
		return nil
	})
	return p, err
}

func (b *blob) blockListXML(kind string, now rest.Ticks) []byte {
	out := append(rest.AppendXMLHeader(nil), "<BlockList>"...)
	if kind != "uncommitted" {
		out = append(out, "<CommittedBlocks>"...)
		for _, blk := range b.blocks {
			if blk.id != "" {
				out = appendBlock(out, blk.id, blk.chunk)
			}
		}
		out = append(out, "</CommittedBlocks>"...)
	}
	if kind != "committed" {
		out = append(out, "<UncommittedBlocks>"...)
		for _, id := range sortedIDs(b.freshBlocks(now)) {
			out = appendBlock(out, id, b.staged[id].chunk)
		}
		out = append(out, "</UncommittedBlocks>"...)
	}
	return append(out, "</BlockList>"...)
}

func appendBlock(b []byte, id string, c *chunk) []byte {
	b = append(b, "<Block>"...)
	b = rest.AppendXMLElement(b, "Name", id)
	b = rest.AppendXMLInt(b, "Size", int64(len(c.data)))
	return append(b, "</Block>"...)
}
