//go:build !unix

package wire

import "io"

// descriptors is false: on this system, sockets are read and written by Read and Write.
const descriptors = false

func readFD(uintptr, []byte, bool) (n int, again bool, err error) {
	return 0, false, io.ErrUnexpectedEOF
}

func writeFD(uintptr, []byte) (n int, again bool, err error) { return 0, false, io.ErrShortWrite }
