//go:build !linux

package pty

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// Open says that there are no pseudo-terminals to be had here.
func Open() (master *os.File, slave string, err error) {
	return nil, "", fmt.Errorf("open pseudo-terminal: %w on %s", errors.ErrUnsupported, runtime.GOOS)
}
