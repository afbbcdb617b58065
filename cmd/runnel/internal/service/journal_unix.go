//go:build unix

package service

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ToJournal reports whether a file is the stream to the journal that systemd has opened for this service
// (systemd.exec(5), JOURNAL_STREAM).
func ToJournal(file *os.File) bool {
	stream := os.Getenv("JOURNAL_STREAM")
	var s unix.Stat_t
	if stream == "" || unix.Fstat(int(file.Fd()), &s) != nil {
		return false
	}
	return stream == fmt.Sprintf("%d:%d", s.Dev, s.Ino)
}
