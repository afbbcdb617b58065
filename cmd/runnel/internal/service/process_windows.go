package service

import "errors"

// monotonic is not needed without systemd.
func monotonic() int64 { return 0 }

// hangUp fails: Windows has no signals.
func hangUp(int) error { return errors.ErrUnsupported }

func exists(int) bool { return true }
