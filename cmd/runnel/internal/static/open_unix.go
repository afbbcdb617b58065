//go:build unix

package static

import "syscall"

// nonblocking opens a named pipe without waiting for its writer.
const nonblocking = syscall.O_NONBLOCK
