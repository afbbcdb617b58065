package term

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// Stdout is the standard output of every command. Its errors include ErrClosed.
var Stdout io.Writer = output{}

type output struct{}

// ErrClosed means that the reader of standard output has closed it, like head in "runnel sub ... | head -1". A
// command then ends without an error.
var ErrClosed = errors.New("standard output is closed")

// Write writes to standard output. Here a broken pipe means that the reader has ended. On a socket it means that the
// router has ended.
func (output) Write(b []byte) (int, error) {
	n, err := os.Stdout.Write(b)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.EBADF) {
		err = ErrClosed
	}
	return n, err
}

// PrintLine writes text as a line, unless there is an error.
func PrintLine(w io.Writer, text string, err error) error {
	if err == nil {
		_, err = fmt.Fprintln(w, text)
	}
	return err
}

// ForPeople reports whether w is standard output and a terminal. A file or a pipe is read by programs.
func ForPeople(w io.Writer) bool {
	if _, ok := w.(output); !ok {
		return false
	}
	info, err := os.Stdout.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
