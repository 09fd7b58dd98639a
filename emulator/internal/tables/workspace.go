package tables

import (
	"sync"

	"github.com/go-taskhub/taskhub/emulator/internal/odata"
)

// workspace is the room that writes need for the time of a request: a chain
// of activities is little else than transactions, and making this room anew
// for each took a third of what they allocated.
type workspace struct {
	entities odata.EntityReader
	merged   []odata.Property
	// The rest is for batches.
	reader  partReader
	parts   []part
	changes []change
	rows    map[string]bool
	fresh   []*entity
}

// workspaces are those not in use.
type workspaces struct{ pool sync.Pool }

func (p *workspaces) get() *workspace {
	if w, ok := p.pool.Get().(*workspace); ok {
		return w
	}
	return &workspace{rows: make(map[string]bool)}
}

// put takes a workspace back. What it holds must not be used any more.
func (p *workspaces) put(w *workspace) {
	w.entities.Reset()
	// Nothing may hold on to the request.
	clear(w.merged[:cap(w.merged)])
	w.reader.reset()
	clear(w.parts[:cap(w.parts)])
	clear(w.changes[:cap(w.changes)])
	clear(w.rows)
	clear(w.fresh[:cap(w.fresh)])
	p.pool.Put(w)
}
