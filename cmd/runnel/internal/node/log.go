package node

import (
	"context"
	"io"
	"log/slog"
	"sync"
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

	journal *journalWriter // nil: the lines do not go to the journal
}

// NewLogHandler returns a handler that writes text at level info to w. The journal has its own times and levels, so for
// the journal a line begins with its level as a number (sd-daemon(3)), and has no time.
func NewLogHandler(w io.Writer, journal bool) *LogHandler {
	s := new(logSettings)
	opts := &slog.HandlerOptions{Level: &s.level}
	if journal {
		s.journal = &journalWriter{w: w}
		w = s.journal
		opts.ReplaceAttr = withoutTime
	}
	return &LogHandler{slog.NewTextHandler(w, opts), slog.NewJSONHandler(w, opts), s}
}

// withoutTime drops the time of a line.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// journalWriter puts the priority of each line in front of it. slog's handlers write a line at a time. Its fields are guarded
// by mu, which LogHandler.Handle holds.
type journalWriter struct {
	mu       sync.Mutex
	w        io.Writer
	priority string
}

func (j *journalWriter) Write(line []byte) (int, error) {
	if _, err := j.w.Write(append([]byte(j.priority), line...)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// priority returns the prefix by which the journal knows a level (sd-daemon(3)).
func priority(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "<3>"
	case l >= slog.LevelWarn:
		return "<4>"
	case l >= slog.LevelInfo:
		return "<6>"
	}
	return "<7>"
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
	if j := h.settings.journal; j != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.priority = priority(r.Level)
	}
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
