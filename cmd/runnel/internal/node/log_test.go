package node

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"runnel/cmd/runnel/internal/config"
)

// full is a file that accepts no more data.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// A line that cannot be written is an error, in the journal as elsewhere.
func TestUnwrittenLine(t *testing.T) {
	for _, journal := range []bool{true, false} {
		h := NewLogHandler(full{}, journal)
		h.Set(config.Log{})
		if err := h.Handle(t.Context(), slog.NewRecord(time.Now(), slog.LevelWarn, "link down", 0)); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("journal %v: %v", journal, err)
		}
	}
}

// Lines for the journal have its levels and no time; all others have both as slog writes them.
func TestLogHandler(t *testing.T) {
	var out bytes.Buffer
	for _, c := range []struct {
		journal bool
		format  string
		want    string
	}{
		{true, "text", "<4>level=WARN msg=\"link down\" reason=\"level=ERROR\"\n"},
		{true, "json", `<4>{"level":"WARN","msg":"link down","reason":"level=ERROR"}` + "\n"},
		{false, "text", "time="},
		{false, "json", `{"time":`},
	} {
		out.Reset()
		h := NewLogHandler(&out, c.journal)
		h.Set(config.Log{Format: config.LogFormat(c.format)})
		slog.New(h).Warn("link down", "reason", "level=ERROR")
		if got := out.String(); !strings.HasPrefix(got, c.want) {
			t.Errorf("journal %v, %s: %q, want %q", c.journal, c.format, got, c.want)
		}
	}
	for level, want := range map[slog.Level]string{slog.LevelDebug: "<7>", slog.LevelInfo: "<6>", slog.LevelError: "<3>"} {
		out.Reset()
		h := NewLogHandler(&out, true)
		h.Set(config.Log{Level: config.Level(slog.LevelDebug)})
		slog.New(h).Log(t.Context(), level, "stopping")
		if got := out.String(); !strings.HasPrefix(got, want) {
			t.Errorf("%v: %q, want %s", level, got, want)
		}
	}
}
