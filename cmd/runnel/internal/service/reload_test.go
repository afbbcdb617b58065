//go:build unix

package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"runnel/cmd/runnel/internal/config"
)

// A service writes the outcome of a reload, and the command that requested the reload returns it.
func TestReload(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	t.Setenv("NOTIFY_SOCKET", "")
	problems := config.Problems{{File: "f", Line: 7, Text: "no\x1b such key"}}
	for _, c := range []struct {
		what    string
		changes []string
		err     error
		invalid bool
		text    string
	}{
		{"applied", []string{"realm a", "uplink b"}, nil, false, ""},
		{"invalid", nil, fmt.Errorf("reload: %w", problems), true, `no\u001b such key`},
		{"failed", nil, errors.New("listen: in use\nand more"), false, "listen: in use"},
	} {
		t.Run(c.what, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("RUNTIME_DIRECTORY", dir+":/run/other")
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP)
			defer signal.Stop(hup)
			earlier := outcome{PID: os.Getpid(), Began: 1, Applied: true, Lines: []string{"an earlier reload"}}
			if err := earlier.write(); err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				<-hup
				Reloading(log)(c.changes, c.err)
			}()
			changes, err := Reload(t.Context(), os.Getpid())
			<-done
			if c.err == nil && (err != nil || !slices.Equal(changes, c.changes)) {
				t.Errorf("%q, %v", changes, err)
			}
			var invalid config.Problems
			if c.err != nil && (err == nil || errors.As(err, &invalid) != c.invalid || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "\x1b")) {
				t.Errorf("%v, invalid %v", err, len(invalid) > 0)
			}
		})
	}
}

func TestReloadWithoutOutcome(t *testing.T) {
	t.Setenv("RUNTIME_DIRECTORY", t.TempDir())
	signal.Ignore(syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	other := outcome{PID: os.Getpid() + 1, Began: monotonic() * 2, Applied: true}
	if err := other.write(); err != nil {
		t.Fatal(err)
	}
	if _, err := Reload(over, os.Getpid()); err == nil || !strings.Contains(err.Error(), "no outcome") {
		t.Errorf("another process's outcome: %v", err)
	}
	const none = 1 << 30 // no process has this number
	if _, err := Reload(t.Context(), none); err == nil || !strings.HasPrefix(err.Error(), "signal process") {
		t.Errorf("a process that does not exist: %v", err)
	}
	t.Setenv("RUNTIME_DIRECTORY", "")
	if _, err := Reload(over, os.Getpid()); err == nil || !strings.Contains(err.Error(), "no outcome in "+filepath.Dir(config.SystemSocket)+";") {
		t.Errorf("without a runtime directory: %v", err)
	}
	if exists(none) || !exists(os.Getpid()) {
		t.Error("which processes exist is not known")
	}
}

// Without a runtime directory, a reload works, and no file is written.
func TestReloadingWithoutADirectory(t *testing.T) {
	t.Setenv("RUNTIME_DIRECTORY", "")
	t.Setenv("NOTIFY_SOCKET", "")
	var log strings.Builder
	Reloading(slog.New(slog.NewTextHandler(&log, nil)))(nil, nil)
	if log.Len() > 0 {
		t.Error(log.String())
	}
	t.Setenv("RUNTIME_DIRECTORY", filepath.Join(t.TempDir(), "none"))
	Reloading(slog.New(slog.NewTextHandler(&log, nil)))(nil, nil)
	if !strings.Contains(log.String(), "cannot write the outcome") {
		t.Errorf("a directory that is missing: %q", log.String())
	}
}

// The stream to the journal is known by its device and inode.
func TestToJournal(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "stream"))
	if err != nil {
		t.Fatal(err)
	}
	var s unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &s); err != nil {
		t.Fatal(err)
	}
	own := fmt.Sprintf("%d:%d", s.Dev, s.Ino)
	for stream, want := range map[string]bool{own: true, own + "1": false, "": false} {
		t.Setenv("JOURNAL_STREAM", stream)
		if ToJournal(file) != want {
			t.Errorf("%q: %v", stream, !want)
		}
	}
	t.Setenv("JOURNAL_STREAM", "0:0")
	file.Close()
	if ToJournal(file) {
		t.Error("a closed file is the stream")
	}
}

// Only a signal that is not permitted has sudo as the remedy.
func TestWithSudo(t *testing.T) {
	for err, want := range map[error]string{unix.EPERM: "; run the command with sudo", unix.ESRCH: ""} {
		if got := withSudo(err); got != want {
			t.Errorf("%v: %q", err, got)
		}
	}
}
