package mqtt

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func newTestStanding(dir string) (*standing, *strings.Builder) {
	var log strings.Builder
	return newStanding(dir, slog.New(slog.NewTextHandler(&log, nil))), &log
}

// For each broker, the missing and the surplus subscriptions of the session follow from the added and dropped ones.
func TestStandingCompares(t *testing.T) {
	s, _ := newTestStanding("")
	a1, a2, b := subscription{filter: "a", options: 1}, subscription{filter: "a", options: 2}, subscription{filter: "b", options: 1}
	s.added("one", a1)
	s.added("one", b)
	s.added("other", b)
	for name, c := range map[string]struct {
		url     string
		wanted  []subscription
		missing []subscription
		stale   []string
	}{
		"the same":       {url: "one", wanted: []subscription{b, a1}},
		"another QoS":    {url: "one", wanted: []subscription{a2, b}, missing: []subscription{{filter: "a", options: 2, known: true}}},
		"one too many":   {url: "one", wanted: []subscription{b}, stale: []string{"a"}},
		"nothing wanted": {url: "one", stale: []string{"a", "b"}},
		"another broker": {url: "other", wanted: []subscription{a1}, missing: []subscription{a1}, stale: []string{"b"}},
		"a new broker":   {url: "new", wanted: []subscription{a1, b}, missing: []subscription{a1, b}},
	} {
		if missing, stale := s.compare(c.url, c.wanted); !slices.Equal(missing, c.missing) || !slices.Equal(stale, c.stale) {
			t.Errorf("%s: missing %v, stale %v", name, missing, stale)
		}
	}
	s.dropped("one", []string{"a"})
	s.forget("other")
	for url, want := range map[string][]string{"one": {"b"}, "other": nil} {
		if _, stale := s.compare(url, nil); !slices.Equal(stale, want) {
			t.Errorf("%s has %v", url, stale)
		}
	}
}

// The record is for the next process with the same client id, once.
func TestStandingRecord(t *testing.T) {
	kept := func(s *standing) bool {
		_, stale := s.compare("one", nil)
		return len(stale) > 0
	}
	dir := filepath.Join(t.TempDir(), "new", "state")
	save := func() {
		s, log := newTestStanding(dir)
		s.added("one", subscription{filter: "a", options: 1})
		if s.save("gateway"); log.Len() > 0 {
			t.Fatal(log)
		}
	}
	for client, want := range map[string]bool{"gateway": true, "other": false} {
		save()
		s, log := newTestStanding(dir)
		if s.take(client); kept(s) != want || log.Len() > 0 {
			t.Errorf("%s: %v, log %s", client, kept(s), log)
		}
		if s, _ = newTestStanding(dir); kept(s) {
			t.Error("known before the record is read")
		}
		if s.take("gateway"); kept(s) {
			t.Errorf("%s: the record is read twice", client)
		}
	}
	save()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != standingFile {
		t.Errorf("%v, %v", entries, err)
	}
	if info, err := entries[0].Info(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// Without a directory or without a subscription there is no record.
func TestNoStandingRecord(t *testing.T) {
	dir := t.TempDir()
	s, log := newTestStanding(dir)
	s.take("gateway")
	s.save("gateway")
	none, noLog := newTestStanding("")
	none.added("one", subscription{filter: "a"})
	none.take("gateway")
	none.save("gateway")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 || log.Len()+noLog.Len() > 0 {
		t.Errorf("%v, %v, log %s%s", entries, err, log, noLog)
	}
}

// A record that can't be read or written is logged, and removed.
func TestBrokenStandingRecord(t *testing.T) {
	for name, text := range map[string]string{"garbage": "garbage", "empty": "", "another form": `{"client":7}`} {
		dir := t.TempDir()
		file := filepath.Join(dir, standingFile)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, log := newTestStanding(dir)
		s.take("gateway")
		if _, err := os.Stat(file); err == nil || strings.Count(log.String(), "cannot read the record of subscriptions") != 1 {
			t.Errorf("%s: %v, log %s", name, err, log)
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, standingFile)
	if err := os.WriteFile(file, []byte(`{"client":"gateway"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s, log := newTestStanding(dir)
	s.take("gateway")
	s.added("one", subscription{filter: "a"}) // a record without filters is invalid
	if err := os.MkdirAll(filepath.Join(file, "in", "the", "way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if s.save("gateway"); strings.Count(log.String(), "cannot record the subscriptions") != 1 {
		t.Errorf("log %s", log)
	}
}
