package interop

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/twins/programs"
	"github.com/go-taskhub/taskhub/leases"
)

// sayUntilHealed is the greeting activity of both sides, but fails for the second child of [programs.Parent] until it is
// healed.
func sayUntilHealed(healed *atomic.Bool) durable.Registrable {
	return durable.NewActivity("Say", func(_ context.Context, city programs.Text) (string, error) {
		if strings.HasSuffix(string(city), "2") && !healed.Load() {
			return "", errors.New("nobody listens")
		}
		return "Hello " + string(city) + "!", nil
	})
}

// TestRewindTree: a parent that failed because its sub-orchestration's activity failed is rewound by the client of each
// side, and goes on from there with the orchestrators of each side.
func TestRewindTree(t *testing.T) {
	t.Parallel()
	for i, s := range []side{goSide, netSide} {
		for j, style := range []durable.ErrorStyle{durable.FailureDetails, durable.SerializedExceptions} {
			if !full() && i == j {
				continue // one of each in every run
			}
			t.Run(fmt.Sprintf("%v orchestrators, %s", s, (&pair{style: style}).styleName()), func(t *testing.T) {
				t.Parallel()
				p := newPair(t, leases.Safe, style)
				p.open()
				if s == netSide {
					p.worker(netSide, "orchestrators", "--only-orchestrations", "all", "--activities", "0")
				}
				p.rewindTree(s)
			})
		}
	}
}

func (p *pair) rewindTree(s side) {
	var healed atomic.Bool
	items := []durable.Registrable{sayUntilHealed(&healed)}
	if s == goSide {
		items = append(items, programs.Orchestrators()...)
	}
	p.inProcess(items)
	clients := map[string]side{"by-go": goSide, "by-net": netSide}
	for id := range clients {
		p.begin(goSide, "Parent", id, `"kid"`)
	}
	for id := range clients {
		p.await(id, history.Failed)
		p.await(id+":child", history.Failed)
	}
	healed.Store(true)
	for id, client := range clients {
		p.call(client, "rewind", "--id", id, "--reason", "somebody listens now")
	}
	for id := range clients {
		if in := p.await(id, history.Completed); text(in.Output) != `"Hello kid!|Hello kid2!"` {
			p.t.Errorf("%s ended with %s", id, text(in.Output))
		}
		p.wellFormed(id, false)
		p.sameState(id, id+":child")
	}
	p.emptyQueues()
}
