//go:build unix

package node

import (
	"math"
	"syscall"

	"runnel/transport"
)

// newDescriptors returns the file descriptors that this process may have, to be shared; nil if the number is not known.
func newDescriptors() *transport.Descriptors {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return nil
	}
	return transport.NewDescriptors(int(min(uint64(limit.Cur), math.MaxInt32)))
}
