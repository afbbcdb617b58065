package member

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/fleet"
	"runnel/test/kit"
)

// place is a configuration with Files that run until the test ends.
type place struct {
	*Files
	main, file string // the file is conf.d/a.toml
	reloads    atomic.Int32
	fails      atomic.Pointer[error] // result of Reload
}

func newPlace(t *testing.T) *place {
	t.Helper()
	dir := t.TempDir()
	p := &place{main: kit.Write(t, dir, "runnel.toml", "main")}
	kit.Must(t, os.MkdirAll(filepath.Join(dir, "conf.d"), 0o700))
	p.file = filepath.Join(dir, "conf.d", "a.toml")
	p.Files = NewFiles(FilesOptions{
		Main: p.main, Log: slog.New(slog.DiscardHandler), Uplink: func(name string) bool { return name == "central" },
		Check: func(drafts config.Drafts) error {
			if strings.Contains(drafts[p.file], "invalid") {
				return config.Problems{{File: p.file, Line: 1, Text: "invalid"}}
			}
			return nil
		},
		Reload: func() ([]string, error) {
			p.reloads.Add(1)
			if err := p.fails.Load(); err != nil {
				return nil, *err
			}
			return []string{"changed"}, nil
		},
	})
	ctx, stop := context.WithCancel(context.Background())
	kit.Background(t, func() { p.Run(ctx) }, stop)
	return p
}

// holds checks the file's text, "" for no file, and whether there is a marker.
func (p *place) holds(t *testing.T, text string, marked bool) {
	t.Helper()
	got, _ := os.ReadFile(p.file)
	_, err := os.Stat(p.file + markerEnd)
	if string(got) != text || (err == nil) != marked {
		t.Errorf("the file holds %q, and its marker: %v", got, err)
	}
}

func (p *place) await(t *testing.T, state string) fleet.Applied {
	t.Helper()
	kit.Eventually(t, state, func() bool { a := p.Last(); return a != nil && a.State == state })
	return *p.Last()
}

// A file takes effect once the link by which it came is back.
func TestApplied(t *testing.T) {
	p := newPlace(t)
	before := time.Now()
	id, err := p.Apply("a.toml", "new", "central", time.Hour, false)
	kit.Must(t, err)
	p.Begin()
	p.Begin() // has no effect
	kit.Eventually(t, "the reload", func() bool {
		p.Linked("central", before) // a report from before the reload
		p.Linked("other", time.Now())
		p.mu.Lock()
		defer p.mu.Unlock()
		return !p.pending.reloaded.IsZero()
	})
	p.holds(t, "new", true)
	if _, err := p.Apply("b.toml", "x", "central", time.Hour, false); err == nil || !strings.Contains(err.Error(), "a.toml is not confirmed yet") {
		t.Errorf("a second file: %v", err)
	}
	p.Linked("central", time.Now())
	if a := p.await(t, fleet.AppliedDone); a.ID != id || a.File != "a.toml" || len(a.Changes) != 1 {
		t.Errorf("%+v", a)
	}
	p.holds(t, "new", false)
	if last, err := Restore(p.main); last != nil || err != nil {
		t.Errorf("%+v, %v", last, err)
	}
}

// If the link stays down, the previous file is restored, or the file is removed.
func TestRolledBack(t *testing.T) {
	for _, before := range []string{"", "old"} {
		p := newPlace(t)
		if before != "" {
			kit.Must(t, os.WriteFile(p.file, []byte(before), 0o604))
		}
		_, err := p.Apply("a.toml", "new", "central", time.Millisecond, false)
		kit.Must(t, err)
		p.Begin()
		p.await(t, fleet.AppliedRolledBack)
		p.holds(t, before, false)
		if p.reloads.Load() != 2 {
			t.Errorf("%d reloads", p.reloads.Load())
		}
		if info, err := os.Stat(p.file); err == nil && info.Mode().Perm() != 0o604 {
			t.Errorf("mode %v", info.Mode())
		}
	}
}

// A file that cannot be applied changes nothing. Neither does an invalid file or a dry run.
func TestNotApplied(t *testing.T) {
	p := newPlace(t)
	kit.Must(t, os.WriteFile(p.file, []byte("old"), 0o600))
	failure := errors.New("port taken")
	p.fails.Store(&failure)
	_, err := p.Apply("a.toml", "new", "central", 0, false)
	kit.Must(t, err)
	p.holds(t, "new", true)
	p.Begin()
	if a := p.await(t, fleet.AppliedFailed); a.Error != "port taken" {
		t.Errorf("%+v", a)
	}
	p.holds(t, "old", false)
	if _, err := p.Apply("a.toml", "new", "central", 0, true); err != nil {
		t.Error(err)
	}
	var problems config.Problems
	if _, err := p.Apply("a.toml", "invalid", "central", 0, false); !errors.As(err, &problems) {
		t.Error(err)
	}
	for _, name := range []string{"", ".toml", "a", "../a.toml", "/etc/a.toml", "a/b.toml", ".a.toml", "a.toml.new", strings.Repeat("a", 70) + ".toml", "a\n.toml"} {
		if _, err := p.Apply(name, "new", "central", 0, false); err == nil {
			t.Errorf("the name %q is taken", name)
		}
	}
	if _, err := p.Apply("a.toml", strings.Repeat("#", mostText+1), "central", 0, false); err == nil {
		t.Error("a file that is too long")
	}
	p.holds(t, "old", false)
	if p.reloads.Load() != 1 {
		t.Errorf("%d reloads", p.reloads.Load())
	}
}

// A failed write leaves no file. The remedy names a missing or unwritable directory.
func TestNotWritten(t *testing.T) {
	p := newPlace(t)
	kit.Must(t, os.Mkdir(p.file, 0o700))
	if _, err := p.Apply("a.toml", "new", "central", 0, false); err == nil || strings.Contains(err.Error(), "sudo install") || p.Last() != nil {
		t.Errorf("in the place of a directory: %v", err)
	}
	kit.Must(t, os.RemoveAll(filepath.Dir(p.file)))
	if _, err := p.Apply("a.toml", "new", "central", 0, false); err == nil || !strings.HasSuffix(err.Error(), "sudo install -d -g runnel -m 2770 "+filepath.Dir(p.file)) || p.Last() != nil {
		t.Errorf("without conf.d: %v", err)
	}
	p.holds(t, "", false)
}

// A marker that cannot be removed is an error: the next start would restore the file again.
func TestMarkerStays(t *testing.T) {
	p := newPlace(t)
	kit.Must(t, os.MkdirAll(filepath.Join(p.file+markerEnd, "x"), 0o700))
	if err := (marker{Existed: true, Mode: 0o600, Text: "old"}).restore(p.file); err == nil {
		t.Error("no error")
	}
	p.holds(t, "old", true)
}

// A start rolls back unconfirmed files, also if an earlier start was interrupted. A damaged marker is reported and
// stays.
func TestRestore(t *testing.T) {
	p := newPlace(t)
	kit.Must(t, os.WriteFile(p.file, []byte("old"), 0o600))
	m, err := newMarker("7", p.file)
	kit.Must(t, err)
	for _, text := range []string{"new", "old"} {
		kit.Must(t, m.write(p.file))
		kit.Must(t, os.WriteFile(p.file, []byte(text), 0o600))
		last, err := Restore(p.main)
		if err != nil || last == nil || last.ID != "7" || last.File != "a.toml" || last.State != fleet.AppliedRolledBack {
			t.Errorf("%+v, %v", last, err)
		}
		p.holds(t, "old", false)
	}
	added := marker{ID: "8"}
	kit.Must(t, added.write(p.file))
	_, err = Restore(p.main)
	kit.Must(t, err)
	p.holds(t, "", false)
	kit.Must(t, os.WriteFile(p.file+markerEnd, []byte("{"), 0o600))
	if last, err := Restore(p.main); last != nil || err == nil {
		t.Errorf("%+v, %v", last, err)
	}
	p.holds(t, "", true)
}
