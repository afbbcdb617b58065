//go:build !linux

package pty

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// Open returns an error: pseudo-terminals are implemented on Linux only.
func Open() (master *os.File, slave string, err error) {
	return nil, "", fmt.Errorf("open pseudo-terminal: %w on %s", errors.ErrUnsupported, runtime.GOOS)
}
