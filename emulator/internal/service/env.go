// Package service holds what the stores of the three services share: their
// surroundings, service properties and stored access policies.
package service

import (
	"github.com/go-taskhub/taskhub/emulator/internal/codec"
	"github.com/go-taskhub/taskhub/emulator/internal/journal"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// Env is what a store needs from its server.
type Env struct {
	Clock *rest.Clock
	IDs   *rest.IDs
	// Log is nil in memory mode, and while a directory is being loaded.
	Log      *journal.Journal
	Accounts []string
}

// Backend is one service's store.
type Backend interface {
	rest.Directory
	// Resolve finds out what a request asks for.
	Resolve(r *rest.Request) (rest.Operation, error)
	// Apply repeats a journal record while a directory is being loaded.
	Apply(rec *codec.Reader) error
	// Loaded ends loading; it reports what the records left incomplete.
	Loaded() error
	// Snapshot emits records that rebuild the store. Other requests go on
	// meanwhile; records of what they change are appended to the journal.
	Snapshot(emit func(rec []byte) error) error
}

// Record begins a journal record of a service.
func Record(s rest.Service, kind byte) *codec.Writer {
	return &codec.Writer{B: append(make([]byte, 0, 128), byte(s), kind)}
}

// EncodeMetadata writes metadata into a record.
func EncodeMetadata(w *codec.Writer, m rest.Metadata) {
	w.Uint(uint64(len(m)))
	for _, e := range m {
		w.String(e.Name)
		w.String(e.Value)
	}
}

// DecodeMetadata reads what EncodeMetadata wrote.
func DecodeMetadata(r *codec.Reader) rest.Metadata {
	n := r.Len()
	if n == 0 {
		return nil
	}
	m := make(rest.Metadata, 0, n)
	for range n {
		m = append(m, rest.Meta{Name: r.String(), Value: r.String()})
	}
	return m
}
