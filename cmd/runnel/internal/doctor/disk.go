package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"runnel/cmd/runnel/internal/config"
)

// room is the free space, in bytes, below which queues can hardly grow. An uplink with a larger min_free raises it.
const room = 32 << 20

// space is the free space of a file system.
type space struct {
	free, total  uint64 // bytes
	inodes       uint64 // files that can still be created
	countsInodes bool
	readOnly     bool
}

func checkDisk(_ context.Context, e *examination) {
	if e.config == nil {
		return
	}
	dir := config.DataDir(e.config)
	if dir == "" {
		e.noData()
		return
	}
	at := existing(dir)
	s, err := spaceAt(at)
	if err != nil {
		return // not supported by this system
	}
	least := uint64(room)
	for _, u := range e.config.Uplinks {
		least = max(least, uint64(u.MinFree))
	}
	e.checkSpace(dir, at, s, least)
	e.mayWrite(dir, at)
}

// checkSpace reports a file system without room for events. at is the part of dir's path that exists, and least is
// the required free space in bytes.
func (e *examination) checkSpace(dir, at string, s space, least uint64) {
	switch {
	case s.readOnly:
		e.add(Finding{"disk", Error, dir, "the file system is mounted read-only: events are not stored", "find the cause with dmesg, then: sudo mount -o remount,rw " + mountPoint(at) + " && sudo systemctl restart runnel"})
	case s.free < least:
		e.add(Finding{"disk", Error, dir, fmt.Sprintf("only %d of %d MB are free, less than %d MB: queues cannot grow", s.free>>20, s.total>>20, least>>20), "du -xsh " + dir + "/* shows what uses the space; sudo journalctl --vacuum-size=50M frees some"})
	case s.countsInodes && s.inodes < 64:
		e.add(Finding{"disk", Error, dir, "the file system has no room for more files (no inodes)", "df -i " + dir})
	}
}

// noData warns about a router without a data directory that exports topics.
func (e *examination) noData() {
	for _, u := range e.config.Uplinks {
		for _, s := range u.Exports {
			if s.Topic != nil {
				e.add(Finding{"disk", Warning, "uplink " + u.Name, "there is no data directory: its queue is in memory and is lost when the router stops", "write into the configuration:\n[node]\ndata = \"/var/lib/runnel\""})
				return
			}
		}
	}
}

func (e *examination) mayWrite(dir, at string) {
	info, err := os.Stat(at)
	if err != nil {
		e.add(Finding{"disk", Error, dir, err.Error(), fmt.Sprintf("sudo install -d -m 0750 -o %s %s", e.user.Name, dir)})
		return
	}
	if !may(e.user, info, 0o3) {
		e.add(Finding{"disk", Error, dir, fmt.Sprintf("user %s may not write here (%s)", e.user.Name, owners(info)), fmt.Sprintf("sudo install -d -m 0750 -o %s %s", e.user.Name, dir)})
	}
}

// existing returns the path, or its nearest parent that exists.
func existing(path string) string {
	for path != filepath.Dir(path) {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path
		}
		path = filepath.Dir(path)
	}
	return path
}

// mountPoint returns the directory at which the file system of a path is mounted.
func mountPoint(path string) string {
	for parent := filepath.Dir(path); parent != path; parent = filepath.Dir(path) {
		if !sameDevice(path, parent) {
			break
		}
		path = parent
	}
	return cmp.Or(path, "/")
}
