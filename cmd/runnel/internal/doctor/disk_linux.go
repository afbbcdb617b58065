package doctor

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func spaceAt(dir string) (s space, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return s, err
	}
	return space{
		free: st.Bavail * uint64(st.Bsize), total: st.Blocks * uint64(st.Bsize),
		inodes: st.Ffree, countsInodes: st.Files > 0, // btrfs has no fixed number
		readOnly: st.Flags&unix.ST_RDONLY != 0,
	}, nil
}

func sameDevice(a, b string) bool {
	x, errA := os.Stat(a)
	y, errB := os.Stat(b)
	if errA != nil || errB != nil {
		return true
	}
	return x.Sys().(*syscall.Stat_t).Dev == y.Sys().(*syscall.Stat_t).Dev
}
