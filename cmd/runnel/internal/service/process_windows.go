package service

import "errors"

// monotonic is not needed without systemd.
func monotonic() int64 { return 0 }

// signalReload fails: Windows has no signals.
func signalReload(int) error { return errors.ErrUnsupported }

func exists(int) bool { return true }
