package service

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestStartsSlowDown(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("RUNTIME_DIRECTORY", dir)
	log := slog.New(slog.DiscardHandler)
	for i, want := range []time.Duration{0, 0, 5, 15, 35, 75, 155, 295, 295} { // seconds
		s := Started(log)
		if got := s.Pause(); got != want*time.Second || s.Ended() != i {
			t.Errorf("start %d: pause %v after %d, want %ds", i, got, s.Ended(), want)
		}
	}
	Started(log).Reset()
	if s := Started(log); s.Pause() != 0 || s.Ended() != 0 {
		t.Errorf("after a regular end: pause %v after %d", s.Pause(), s.Ended())
	}
	for _, text := range []string{"", "x", "-3", "99999999999999999999"} {
		if err := os.WriteFile(filepath.Join(dir, startsFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := Started(log).Pause(); got < 0 || got > longestPause {
			t.Errorf("after %q: %v", text, got)
		}
	}
	t.Setenv("RUNTIME_DIRECTORY", filepath.Join(dir, "none"))
	Started(log)
	if got := Started(log).Pause(); got != 0 {
		t.Errorf("without a directory: %v", got)
	}
	t.Setenv("RUNTIME_DIRECTORY", "")
	Started(log).Reset()
	if got := Started(log).Pause(); got != 0 {
		t.Errorf("outside of a service: %v", got)
	}
}

// A count that cannot be written or reset is a warning. A count that is reset already is not.
func TestStartsWarn(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("RUNTIME_DIRECTORY", dir)
	var log strings.Builder
	own := slog.Default()
	defer slog.SetDefault(own)
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	s := Started(slog.Default())
	s.Reset()
	s.Reset()
	if log.Len() > 0 {
		t.Error(log.String())
	}
	if err := os.MkdirAll(filepath.Join(dir, startsFile, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if Started(slog.Default()); !strings.Contains(log.String(), "cannot count the starts") {
		t.Errorf("a count that cannot be written: %q", &log)
	}
	if s.Reset(); !strings.Contains(log.String(), "cannot reset the count") {
		t.Errorf("a count that cannot be reset: %q", &log)
	}
}
