package blobs

import (
	"crypto/md5"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// readContentHeaders collects x-ms-blob-* properties; with fallback, the
// standard headers stand in for missing ones, as Put Blob has it.
func readContentHeaders(r *rest.Request, fallback bool) (contentHeaders, error) {
	get := func(own, standard string) string {
		if v := r.Header.Get(own); v != "" || !fallback || standard == "" {
			return v
		}
		return r.Header.Get(standard)
	}
	h := contentHeaders{
		contentType:  get("X-Ms-Blob-Content-Type", "Content-Type"),
		encoding:     get("X-Ms-Blob-Content-Encoding", "Content-Encoding"),
		language:     get("X-Ms-Blob-Content-Language", "Content-Language"),
		cacheControl: get("X-Ms-Blob-Cache-Control", "Cache-Control"),
		disposition:  get("X-Ms-Blob-Content-Disposition", ""),
		md5:          r.Header.Get("X-Ms-Blob-Content-Md5"),
	}
	if h.md5 != "" {
		if raw, err := base64.StdEncoding.DecodeString(h.md5); err != nil || len(raw) != md5.Size {
			return h, rest.ErrInvalidMD5
		}
	}
	return h, nil
}

func readTier(r *rest.Request) (string, error) {
	switch tier := r.Header.Get("X-Ms-Access-Tier"); tier {
	case "", "Hot", "Cool", "Cold":
		return tier, nil
	default:
		return "", rest.InvalidHeader("x-ms-access-tier", tier)
	}
}

func (b *blob) tierName() string {
	if b.tier == "" {
		return "Hot"
	}
	return b.tier
}

func (s *Store) newChunk(data []byte) *chunk {
	return &chunk{number: s.nextChunk.Add(1), data: data}
}

// checkBlobType refuses what is no block blob by name.
func checkBlobType(r *rest.Request) error {
	switch kind := r.Header.Get("X-Ms-Blob-Type"); kind {
	case "BlockBlob":
		return nil
	case "":
		return rest.MissingHeader("x-ms-blob-type")
	case "AppendBlob", "PageBlob":
		e := rest.Errorf(400, "BlobTypeNotSupported", "%s is not supported by this server; only block blobs are.", kind)
		return e.With("HeaderName", "x-ms-blob-type").With("HeaderValue", kind)
	default:
		return rest.InvalidHeader("x-ms-blob-type", kind)
	}
}

func (s *Store) putBlob(r *rest.Request, containerName, name string) (*rest.Response, error) {
	if err := checkBlobType(r); err != nil {
		return nil, err
	}
	u, err := readUpload(r, true)
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
	if err := r.CheckBodyHashes(body); err != nil {
		return nil, err
	}
	sum := md5.Sum(body)
	contentMD5 := base64.StdEncoding.EncodeToString(sum[:])
	if u.headers.md5 == "" {
		u.headers.md5 = contentMD5
	} else if err := rest.CheckMD5(u.headers.md5, body); err != nil {
		return nil, err
	}
	p := rest.NewResponse(201)
	err = s.write(r, containerName, func(c *container) error {
		old, err := c.overwrite(r, name, u.conditions)
		if err != nil {
			return err
		}
		fresh := s.replace(c, old, name, u, rest.TicksOf(r.Now))
		if len(body) > 0 {
			fresh.blocks = []block{{chunk: s.newChunk(body)}}
			s.log(func() []byte { return encodeChunk(fresh.blocks[0].chunk) })
		}
		fresh.size = int64(len(body))
		c.lsn = s.log(func() []byte { return encodeBlob(r.Account, c.name, fresh, true) })
		fresh.version.setHeaders(p)
		return nil
	})
	p.Set("Content-Md5", contentMD5)
	p.Set("X-Ms-Content-Crc64", rest.CRC64(body))
	p.Set("X-Ms-Request-Server-Encrypted", "true")
	return p, err
}

// upload is what Put Blob and Put Block List say about the new blob.
type upload struct {
	headers    contentHeaders
	metadata   rest.Metadata
	tier       string
	conditions conditions
}

func readUpload(r *rest.Request, fallback bool) (u upload, err error) {
	if u.headers, err = readContentHeaders(r, fallback); err != nil {
		return
	}
	if u.headers.contentType == "" {
		u.headers.contentType = "application/octet-stream"
	}
	if u.metadata, err = r.ReadMetadata(); err != nil {
		return
	}
	if u.tier, err = readTier(r); err != nil {
		return
	}
	u.conditions, err = readConditions(r)
	return
}

// overwrite checks that a blob may be created or replaced and returns the old
// one, if any.
func (c *container) overwrite(r *rest.Request, name string, cond conditions) (*blob, error) {
	old, ok := c.blobs.Get(name)
	if !ok || !old.committed {
		if err := (&lease{}).check(r, 0, "Blob", true); err != nil {
			return old, err
		}
		return old, cond.checkAbsent()
	}
	if cond.noneMatch == "*" {
		return old, errBlobExists
	}
	if err := cond.check(r, old.version); err != nil {
		return old, err
	}
	if r.Identity.SAS && !strings.ContainsRune(r.Identity.Permissions, 'w') {
		return old, rest.Errorf(403, "UnauthorizedBlobOverwrite", "This request is not authorized to perform blob overwrites.")
	}
	return old, old.lease.check(r, rest.TicksOf(r.Now), "Blob", true)
}

// replace puts a new version of a blob in its place. Lease and creation time
// stay; staged blocks do not.
func (s *Store) replace(c *container, old *blob, name string, u upload, now rest.Ticks) *blob {
	fresh := &blob{name: name, committed: true, headers: u.headers, metadata: u.metadata, tier: u.tier}
	fresh.version.stamp = s.env.Clock.Stamp()
	fresh.created = fresh.version.stamp
	if old != nil && old.committed {
		fresh.created, fresh.lease = old.created, old.lease
		fresh.lease.written(now)
	}
	c.blobs.Set(name, fresh)
	return fresh
}

// describe sets the headers of Get Blob and Get Blob Properties.
func (b *blob) describe(r *rest.Request, p *rest.Response) {
	b.version.setHeaders(p)
	p.SetMetadata(b.metadata)
	h := b.headers
	override := func(param, value string) string {
		if r.Identity.SAS && r.Query.Has(param) {
			return r.Param(param)
		}
		return value
	}
	for _, e := range [...]rest.Meta{
		{Name: "Content-Type", Value: override("rsct", h.contentType)},
		{Name: "Content-Encoding", Value: override("rsce", h.encoding)},
		{Name: "Content-Language", Value: override("rscl", h.language)},
		{Name: "Cache-Control", Value: override("rscc", h.cacheControl)},
		{Name: "Content-Disposition", Value: override("rscd", h.disposition)},
	} {
		if e.Value != "" {
			p.Set(e.Name, e.Value)
		}
	}
	p.Set("X-Ms-Blob-Type", "BlockBlob")
	p.Set("X-Ms-Creation-Time", rest.HTTPDate(b.created.Time()))
	p.Set("X-Ms-Server-Encrypted", "true")
	p.Set("Accept-Ranges", "bytes")
	b.lease.setHeaders(p, rest.TicksOf(r.Now))
}

// view runs fn on a blob that readers may see now.
func (s *Store) view(r *rest.Request, containerName, name string, fn func(*blob) error) error {
	cond, err := readConditions(r)
	if err != nil {
		return err
	}
	return s.read(r, containerName, func(c *container) error {
		b, err := c.committed(name)
		if err != nil {
			return err
		}
		if err := b.lease.check(r, rest.TicksOf(r.Now), "Blob", false); err != nil {
			return err
		}
		if err := cond.check(r, b.version); err != nil {
			return err
		}
		return fn(b)
	})
}

func (s *Store) getBlobProperties(r *rest.Request, containerName, name string) (*rest.Response, error) {
	p := rest.NewResponse(200)
	err := s.view(r, containerName, name, func(b *blob) error {
		b.describe(r, p)
		p.Length = b.size
		if b.headers.md5 != "" {
			p.Set("Content-Md5", b.headers.md5)
		}
		p.Set("X-Ms-Access-Tier", b.tierName())
		if b.tier == "" {
			p.Set("X-Ms-Access-Tier-Inferred", "true")
		}
		return nil
	})
	return p, err
}

func (s *Store) getBlob(r *rest.Request, containerName, name string) (*rest.Response, error) {
	p := rest.NewResponse(200)
	var blocks []block
	var from, to int64 // of the body, to is exclusive
	ranged := false
	var err error
	err = s.view(r, containerName, name, func(b *blob) error {
		from, to, ranged, err = readRange(r, b.size)
		if err != nil {
			return err
		}
		blocks = b.blocks
		b.describe(r, p)
		if !ranged {
			if b.headers.md5 != "" {
				p.Set("Content-Md5", b.headers.md5)
			}
			return nil
		}
		p.Status = http.StatusPartialContent
		p.Set("Content-Range", "bytes "+strconv.FormatInt(from, 10)+"-"+strconv.FormatInt(to-1, 10)+"/"+strconv.FormatInt(b.size, 10))
		if b.headers.md5 != "" {
			p.Set("X-Ms-Blob-Content-Md5", b.headers.md5)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	p.Body = slice(blocks, from, to)
	return p, rangeHashes(r, p, ranged, to-from)
}

// slice picks the bytes from one offset to another out of a blob's blocks.
func slice(blocks []block, from, to int64) [][]byte {
	var out [][]byte
	var at int64
	for _, b := range blocks {
		n := int64(len(b.chunk.data))
		lo, hi := max(from-at, 0), min(to-at, n)
		if lo < hi {
			out = append(out, b.chunk.data[lo:hi])
		}
		at += n
	}
	return out
}

const maxHashedRange = 4 << 20

// rangeHashes adds the checksum of a range where the client asks for it.
func rangeHashes(r *rest.Request, p *rest.Response, ranged bool, n int64) error {
	wantMD5 := strings.EqualFold(r.Header.Get("X-Ms-Range-Get-Content-Md5"), "true")
	wantCRC := strings.EqualFold(r.Header.Get("X-Ms-Range-Get-Content-Crc64"), "true")
	switch {
	case !wantMD5 && !wantCRC:
		return nil
	case !ranged:
		return rest.MissingHeader("x-ms-range")
	case n > maxHashedRange:
		return (&rest.Error{Status: 400, Code: "OutOfRangeInput", Message: "One of the request inputs is out of range."}).
			With("HeaderName", "x-ms-range")
	}
	var body []byte
	for _, piece := range p.Body {
		body = append(body, piece...)
	}
	if wantMD5 {
		sum := md5.Sum(body)
		p.Set("Content-Md5", base64.StdEncoding.EncodeToString(sum[:]))
	} else {
		p.Set("X-Ms-Content-Crc64", rest.CRC64(body))
	}
	return nil
}

var errInvalidRange = &rest.Error{Status: 416, Code: "InvalidRange",
	Message: "The range specified is invalid for the current size of the resource."}

// readRange reads x-ms-range or Range ("Specifying the range header for Blob
// service operations"): bytes=a-b or bytes=a-. Another form is ignored, as
// HTTP has it.
func readRange(r *rest.Request, size int64) (from, to int64, ranged bool, err error) {
	text := r.Header.Get("X-Ms-Range")
	if text == "" {
		text = r.Header.Get("Range")
	}
	first, last, ok := strings.Cut(strings.TrimPrefix(text, "bytes="), "-")
	if !strings.HasPrefix(text, "bytes=") || !ok {
		return 0, size, false, nil
	}
	from, ok = parseOffset(first)
	if !ok {
		return 0, size, false, nil
	}
	to = size
	if last != "" {
		end, ok := parseOffset(last)
		if !ok || end < from {
			return 0, size, false, nil
		}
		to = min(size-1, end) + 1
	}
	if from >= size {
		e := *errInvalidRange
		e.Headers = []rest.Detail{{Name: "Content-Range", Value: "bytes */" + strconv.FormatInt(size, 10)}}
		return 0, size, false, &e
	}
	return from, to, true, nil
}

func parseOffset(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n >= 0
}

func (s *Store) getBlobMetadata(r *rest.Request, containerName, name string) (*rest.Response, error) {
	p := rest.NewResponse(200)
	err := s.view(r, containerName, name, func(b *blob) error {
		b.version.setHeaders(p)
		p.SetMetadata(b.metadata)
		return nil
	})
	return p, err
}

// changeBlob runs a change of a blob's properties, which makes a new version.
func (s *Store) changeBlob(r *rest.Request, containerName, name string, fn func(*blob)) (*rest.Response, error) {
	p := rest.NewResponse(200)
	err := s.write(r, containerName, func(c *container) error {
		old, err := c.change(r, name)
		if err != nil {
			return err
		}
		fresh := *old
		fn(&fresh)
		fresh.version.stamp = s.env.Clock.Stamp()
		fresh.lease.written(rest.TicksOf(r.Now))
		c.blobs.Set(name, &fresh)
		c.lsn = s.log(func() []byte { return encodeBlob(r.Account, c.name, &fresh, false) })
		fresh.version.setHeaders(p)
		return nil
	})
	return p, err
}

func (s *Store) setBlobMetadata(r *rest.Request, containerName, name string) (*rest.Response, error) {
	metadata, err := r.ReadMetadata()
	if err != nil {
		return nil, err
	}
	p, err := s.changeBlob(r, containerName, name, func(b *blob) { b.metadata = metadata })
	p.Set("X-Ms-Request-Server-Encrypted", "true")
	return p, err
}

// setBlobProperties replaces all content properties; those the request leaves
// out are cleared ("Set Blob Properties").
func (s *Store) setBlobProperties(r *rest.Request, containerName, name string) (*rest.Response, error) {
	h, err := readContentHeaders(r, false)
	if err != nil {
		return nil, err
	}
	for _, unsupported := range [...]string{"X-Ms-Blob-Content-Length", "X-Ms-Sequence-Number-Action", "X-Ms-Blob-Sequence-Number"} {
		if v := r.Header.Get(unsupported); v != "" {
			return nil, rest.UnsupportedHeader(strings.ToLower(unsupported), v)
		}
	}
	return s.changeBlob(r, containerName, name, func(b *blob) {
		if h != (contentHeaders{}) {
			b.headers = h
		}
	})
}

// setBlobTier keeps the tier's name; it has no effect and no rehydration.
func (s *Store) setBlobTier(r *rest.Request, containerName, name string) (*rest.Response, error) {
	tier, err := readTier(r)
	if err != nil {
		return nil, err
	}
	if tier == "" {
		return nil, rest.MissingHeader("x-ms-access-tier")
	}
	err = s.write(r, containerName, func(c *container) error {
		old, err := c.committed(name)
		if err != nil {
			return err
		}
		if err := old.lease.check(r, rest.TicksOf(r.Now), "Blob", false); err != nil {
			return err
		}
		fresh := *old
		fresh.tier = tier
		c.blobs.Set(name, &fresh)
		c.lsn = s.log(func() []byte { return encodeBlob(r.Account, c.name, &fresh, false) })
		return nil
	})
	return rest.NewResponse(200), err
}

func (s *Store) deleteBlob(r *rest.Request, containerName, name string) (*rest.Response, error) {
	switch v := r.Header.Get("X-Ms-Delete-Snapshots"); v {
	case "", "include", "only":
	default:
		return nil, rest.InvalidHeader("x-ms-delete-snapshots", v)
	}
	err := s.write(r, containerName, func(c *container) error {
		if _, err := c.change(r, name); err != nil {
			return err
		}
		if r.Header.Get("X-Ms-Delete-Snapshots") == "only" {
			return nil // there are never snapshots
		}
		c.blobs.Delete(name)
		c.lsn = s.log(func() []byte { return encodeNames(recDropBlob, r.Account, c.name, name) })
		return nil
	})
	p := rest.NewResponse(202)
	p.Set("X-Ms-Delete-Type-Permanent", "true")
	return p, err
}

func (s *Store) leaseBlob(r *rest.Request, containerName, name string) (*rest.Response, error) {
	q, cond, fresh, err := s.prepareLease(r)
	if err != nil {
		return nil, err
	}
	p := rest.NewResponse(200)
	err = s.write(r, containerName, func(c *container) error {
		old, err := c.committed(name)
		if err != nil {
			return err
		}
		if err := cond.check(r, old.version); err != nil {
			return err
		}
		b := *old
		if err := b.lease.apply(q, rest.TicksOf(r.Now), fresh, p); err != nil {
			return err
		}
		c.blobs.Set(name, &b)
		b.version.setHeaders(p)
		c.lsn = s.log(func() []byte { return encodeBlobLease(r.Account, c.name, &b) })
		return nil
	})
	return p, err
}
