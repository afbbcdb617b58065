package main

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

// claimData takes the data directory for this process alone: two routers that write to one journal destroy it. The claim
// ends when the file is closed, or with the process. A directory that another router has is an error where the configuration
// names it; where it is only the usual place, this router keeps nothing. One that can't be written to is claimed by nobody:
// what is to be kept there is told of by those who keep it.
func claimData(c *config.Config, log *slog.Logger) (*os.File, error) {
	dir := config.DataDir(c)
	if dir == "" {
		return nil, nil
	}
	f, err := lockData(dir)
	var held *heldError
	switch {
	case errors.As(err, &held) && c.Node.Data != "":
		return nil, fmt.Errorf("data directory %s: %w", dir, err)
	case errors.As(err, &held):
		c.KeepsNothing = true
		log.Warn("nothing is kept on disk; [node] data can name a directory for this router", "file", dir, "err", err)
	case err != nil:
		log.Warn("the data directory can't be locked against other routers", "file", dir, "err", err)
	}
	return f, nil
}

// heldError is that another process has the directory.
type heldError struct{ by string }

func (e *heldError) Error() string { return "another router has it" + e.by }

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
		fmt.Fprintln(f, os.Getpid()) // for people, and for the other router's error
	}
	return f, nil
}

// holder says which process has written the lock file; "" if that can't be told.
func holder(f io.Reader) string {
	text, _ := io.ReadAll(io.LimitReader(f, 20))
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}
