package transport

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// DialError is the error of Dial. The URL contains no secrets.
type DialError struct {
	URL string
	Err error // the cause, with its remedy
}

func (e *DialError) Error() string { return "dial " + e.URL + ": " + e.Err.Error() }
func (e *DialError) Unwrap() error { return e.Err }

// causeOf returns the cause of a failed connect to an address, with the address only if that was resolved from a name: the
// caller names its own.
func causeOf(err error, address string) error {
	failed, ok := err.(*net.OpError)
	if !ok {
		return err
	}
	cause := failed.Err
	if call := (*os.SyscallError)(nil); errors.As(cause, &call) {
		cause = call.Err
	}
	if failed.Addr == nil || failed.Addr.String() == address {
		return cause
	}
	return fmt.Errorf("%v: %w", failed.Addr, cause)
}
