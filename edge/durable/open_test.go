package durable

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"runnel/edge/store"
	"runnel/test/kit"
)

// A store whose files cannot be listed is not opened.
func TestOpenFails(t *testing.T) {
	for _, name := range []string{"cursors", "log"} {
		dir := t.TempDir()
		kit.Must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600)) // no directory
		if _, err := Open(Config{Directory: dir, Log: slog.New(slog.DiscardHandler), ReadOptions: func(*store.Event) error { return nil }}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A log that cannot be read fails a reset, and is reported when the bounds are to be kept.
func TestUnreadableForBounds(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		reported := s.noteReports(func() {})
		d := s.create(Rule{Name: "d", URI: "com.t"})
		kit.Must(t, s.put("com.t", 1, 10))
		kit.Must(t, s.put("com.t", 2, 10))
		restore := hideLog(t, s.Directory)
		if d.Reset(Start{All: true}) == nil {
			t.Error("a reset without the log")
		}
		*reported = nil
		kit.Must(t, s.do(func() { d.drop(excess{events: 1, reason: "count"}) }))
		if len(*reported) == 0 || (*reported)[0] == nil || d.State().Dropped != 0 {
			t.Errorf("%v, %+v", *reported, d.State())
		}
		restore()
		kit.Must(t, s.do(func() { d.drop(excess{events: 1, reason: "count"}) }))
		if n := d.State().Dropped; n != 1 {
			t.Errorf("%d dropped", n)
		}
	})
}
