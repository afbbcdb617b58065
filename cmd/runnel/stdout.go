package main

import (
	"errors"
	"os"
	"syscall"
)

// stdout is the standard output of every command.
var stdout output

type output struct{}

// errNobodyReads ends a command quietly: "runnel sub ... | head -1" is no failure.
var errNobodyReads = errors.New("nobody reads standard output")

// Write writes to standard output. Only here does a broken pipe mean that the reader has gone: on a socket it is the
// router's end.
func (output) Write(b []byte) (int, error) {
	n, err := os.Stdout.Write(b)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.EBADF) {
		err = errNobodyReads
	}
	return n, err
}
