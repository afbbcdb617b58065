package node

import (
	"bytes"
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
}

// NewLogHandler returns a handler that writes text at level info to w. The journal has its own times and levels, so for
// the journal a line begins with its level as a number (sd-daemon(3)), and has no time.
func NewLogHandler(w io.Writer, journal bool) *LogHandler {
	s := new(logSettings)
	opts := &slog.HandlerOptions{Level: &s.level}
	if journal {
		w = &journalWriter{w: w}
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

// journalWriter puts the level of each line in front of it. slog's handlers write a line at a time.
type journalWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (j *journalWriter) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.w.Write(append([]byte(priority(line)), line...)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// priority returns the prefix for the first level that a line names. The level stands in front of all that peers have chosen.
func priority(line []byte) string {
	first, best := len(line), "<6>"
	for prefix, names := range map[string][2]string{
		"<3>": {"level=ERROR", `"level":"ERROR"`}, "<4>": {"level=WARN", `"level":"WARN"`}, "<7>": {"level=DEBUG", `"level":"DEBUG"`},
		"<6>": {"level=INFO", `"level":"INFO"`},
	} {
		for _, name := range names {
			if i := bytes.Index(line, []byte(name)); i >= 0 && i < first {
				first, best = i, prefix
			}
		}
	}
	return best
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
