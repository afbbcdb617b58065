package spool

import "syscall"

// freeOctets returns the number of bytes that an unprivileged process can still write to the file system of dir.
func freeOctets(dir string) (free int64, ok bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, false
	}
	return int64(st.Bavail) * int64(st.Bsize), true
}
