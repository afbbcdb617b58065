package node

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"runnel/cmd/runnel/internal/config"
)

// claimData locks the data directory for this process: two routers that write to one journal would destroy it. The
// lock is held until the file is closed, or the process ends.
//
// If another router holds the lock of a configured directory, that is an error. If it holds the lock of the default
// directory, the node stores nothing on disk, and sets c.KeepsNothing. A directory that cannot be written is not
// locked; the parts that keep data there report it.
func claimData(c *config.Config, log *slog.Logger) (*os.File, error) {
	dir := config.DataDir(c)
	if dir == "" {
		return nil, nil
	}
	f, err := lockData(dir)
	var held *heldError
	switch {
	case errors.As(err, &held) && c.Node.Data != "":
		return nil, fmt.Errorf("data directory %s: %w; stop that router, or give this one another [node] data", dir, err)
	case errors.As(err, &held):
		c.KeepsNothing = true
		log.Warn("nothing is kept on disk; [node] data can name a directory for this router", "file", dir, "err", err)
	case err != nil:
		log.Warn("cannot lock the data directory against other routers", "file", dir, "err", err)
	}
	return f, nil
}

// heldError means that another process holds the lock.
type heldError struct{ by string }

func (e *heldError) Error() string { return "another router uses it" + e.by }

func lockData(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	locked, err := tryLock(f)
	if err == nil && !locked {
		err = &heldError{holder(f)}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	if f.Truncate(0) == nil {
		fmt.Fprintln(f, os.Getpid()) // for people, and for the error of another router
	}
	return f, nil
}

// holder names the process that has written the lock file; "" if it cannot be read.
func holder(f io.Reader) string {
	text, _ := io.ReadAll(io.LimitReader(f, 20))
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}
