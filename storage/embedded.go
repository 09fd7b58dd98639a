package storage

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/go-taskhub/taskhub/emulator"
)

// useEmbedded starts the embedded storage and points cfg at it: in memory without a directory, on disk with one.
func useEmbedded(cfg *Config, dir string, logger *slog.Logger) (io.Closer, error) {
	if cfg.Transport != nil {
		return nil, &ConfigError{Field: "Transport", Reason: "and an embedded storage are both given; to put something between them, make the server with package emulator and wrap its transport"}
	}
	server, err := emulator.New(emulator.Config{Dir: strings.TrimSpace(dir), Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("open the embedded storage: %w", err)
	}
	cfg.ConnectionString, cfg.Transport = server.ConnectionString(), server.Transport()
	return server, nil
}
