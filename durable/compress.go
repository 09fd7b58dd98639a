package durable

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// CompressionConfig configures [CompressingConverter].
type CompressionConfig struct {
	// Inner serializes the values. Defaults to JSON.
	Inner Converter
	// MinSize is how many bytes a payload must have to be compressed. Defaults to
	// 1024.
	MinSize int
	// MaxSize bounds what a payload may become when it is decompressed, in bytes.
	// Defaults to 64 MiB.
	MaxSize int
}

// CompressingConverter returns a converter that keeps large payloads compressed with
// gzip: as {"$taskhub.gzip":"…"} with base64 text. Small payloads, and those that
// would not shrink, stay as they are, and both forms are read, so that it can be
// introduced while instances are running. .NET workers do not understand it.
func CompressingConverter(cfg CompressionConfig) Converter {
	c := compressing{inner: converterOr(cfg.Inner), minSize: cfg.MinSize, maxSize: cfg.MaxSize}
	if c.minSize <= 0 {
		c.minSize = 1024
	}
	if c.maxSize <= 0 {
		c.maxSize = 64 << 20
	}
	return c
}

type compressing struct {
	inner            Converter
	minSize, maxSize int
}

const gzipMember = "$taskhub.gzip"

func (c compressing) Marshal(v any) ([]byte, error) {
	plain, err := c.inner.Marshal(v)
	if err != nil || len(plain) < c.minSize {
		return plain, err
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("durable: compress a payload: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("durable: compress a payload: %w", err)
	}
	text, err := json.Marshal(map[string][]byte{gzipMember: packed.Bytes()})
	if err != nil || len(text) >= len(plain) {
		return plain, err
	}
	return text, nil
}

// errPayloadTooLarge is returned for a payload that decompresses beyond the bound.
var errPayloadTooLarge = errors.New("durable: a compressed payload is larger than CompressionConfig.MaxSize allows")

func (c compressing) Unmarshal(data []byte, v any) error {
	packed, ok := soleMember(data, gzipMember)
	if !ok {
		return c.inner.Unmarshal(data, v)
	}
	plain, err := c.unpack(packed)
	if err != nil {
		return err
	}
	return c.inner.Unmarshal(plain, v)
}

func (c compressing) unpack(packed json.RawMessage) ([]byte, error) {
	var raw []byte
	if err := json.Unmarshal(packed, &raw); err != nil {
		return nil, fmt.Errorf("durable: a compressed payload is damaged: %w", err)
	}
	r, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("durable: a compressed payload is damaged: %w", err)
	}
	plain, err := io.ReadAll(io.LimitReader(r, int64(c.maxSize)+1))
	if err != nil {
		return nil, fmt.Errorf("durable: a compressed payload is damaged: %w", err)
	}
	if len(plain) > c.maxSize {
		return nil, errPayloadTooLarge
	}
	return plain, nil
}

// soleMember returns the value of the only member of an object, if that has the name.
func soleMember(data []byte, name string) (json.RawMessage, bool) {
	if !bytes.Contains(data[:min(len(data), len(name)+16)], []byte(name)) {
		return nil, false
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(data, &object) != nil || len(object) != 1 {
		return nil, false
	}
	value, ok := object[name]
	return value, ok
}
