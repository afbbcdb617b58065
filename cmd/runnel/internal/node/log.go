package node

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"

	"runnel/cmd/runnel/internal/config"
)

// LogHandler writes log lines at a level and in a format that Set can change while the node runs.
type LogHandler struct {
	text, json slog.Handler
	settings   *logSettings // shared with the handlers that WithAttrs and WithGroup return
}

type logSettings struct {
	level slog.LevelVar
	json  atomic.Bool
}

// NewLogHandler returns a handler that writes text at level info to w.
func NewLogHandler(w io.Writer) *LogHandler {
	s := new(logSettings)
	opts := &slog.HandlerOptions{Level: &s.level}
	return &LogHandler{slog.NewTextHandler(w, opts), slog.NewJSONHandler(w, opts), s}
}

// Set applies a [log] table.
func (h *LogHandler) Set(c config.Log) {
	h.settings.level.Set(slog.Level(c.Level))
	h.settings.json.Store(c.Format == "json")
}

func (h *LogHandler) current() slog.Handler {
	if h.settings.json.Load() {
		return h.json
	}
	return h.text
}

// Enabled implements slog.Handler.
func (h *LogHandler) Enabled(_ context.Context, l slog.Level) bool {
	return l >= h.settings.level.Level()
}

// Handle implements slog.Handler.
func (h *LogHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.current().Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *LogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &LogHandler{h.text.WithAttrs(attrs), h.json.WithAttrs(attrs), h.settings}
}

// WithGroup implements slog.Handler.
func (h *LogHandler) WithGroup(name string) slog.Handler {
	return &LogHandler{h.text.WithGroup(name), h.json.WithGroup(name), h.settings}
}
