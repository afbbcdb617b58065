//go:build unix

package main

import (
	"math"
	"syscall"

	"runnel/transport"
)

// newDescriptors shares the descriptors that this process may have; nil if that is not known.
func newDescriptors() *transport.Descriptors {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return nil
	}
	return transport.NewDescriptors(int(min(uint64(limit.Cur), math.MaxInt32)))
}
