package durable

import (
	"context"
	"log/slog"

	"github.com/go-taskhub/taskhub/internal/replay"
)

// The keys of the attributes that [Context.Logger] adds.
const (
	LogInstanceID   = "instance_id"
	LogExecutionID  = "execution_id"
	LogOrchestrator = "orchestrator"
)

// Logger returns a logger that is silent while the history is being replayed, so
// that each line appears once. It adds the orchestrator, the instance and the
// execution.
func (c *Context) Logger() *slog.Logger {
	if c.run.logger == nil {
		h := replayHandler{c.s.Logger().Handler(), c.s}
		c.run.logger = slog.New(h).With(
			slog.String(LogOrchestrator, c.Name()), slog.String(LogInstanceID, c.InstanceID()), slog.String(LogExecutionID, c.ExecutionID()))
	}
	return c.run.logger
}

// replayHandler drops records while its session replays.
type replayHandler struct {
	slog.Handler
	s *replay.Session
}

func (h replayHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return !h.s.Unloading() && !h.s.Replaying() && h.Handler.Enabled(ctx, level)
}

func (h replayHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return replayHandler{h.Handler.WithAttrs(attrs), h.s}
}

func (h replayHandler) WithGroup(name string) slog.Handler {
	return replayHandler{h.Handler.WithGroup(name), h.s}
}
