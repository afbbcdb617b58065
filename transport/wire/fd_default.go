//go:build !unix

package wire

import "io"

// descriptors says that this system's sockets are read and written through Read and Write.
const descriptors = false

func readFD(uintptr, []byte) (n int, again bool, err error) { return 0, false, io.ErrUnexpectedEOF }

func writeFD(uintptr, []byte) (n int, again bool, err error) { return 0, false, io.ErrShortWrite }
