package main

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"

	"runnel/cmd/runnel/internal/config"
)

// These can change while the router runs.
var (
	logLevel slog.LevelVar
	logJSON  atomic.Bool
)

func setLog(c config.Log) {
	logLevel.Set(slog.Level(c.Level))
	logJSON.Store(c.Format == "json")
}

// logHandler writes lines in the format of the moment.
type logHandler struct{ text, json slog.Handler }

func newLogHandler(w io.Writer) slog.Handler {
	opts := &slog.HandlerOptions{Level: &logLevel}
	return logHandler{slog.NewTextHandler(w, opts), slog.NewJSONHandler(w, opts)}
}

func (h logHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= logLevel.Level() }

func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	if logJSON.Load() {
		return h.json.Handle(ctx, r)
	}
	return h.text.Handle(ctx, r)
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.text.WithAttrs(attrs), h.json.WithAttrs(attrs)}
}

func (h logHandler) WithGroup(name string) slog.Handler {
	return logHandler{h.text.WithGroup(name), h.json.WithGroup(name)}
}
