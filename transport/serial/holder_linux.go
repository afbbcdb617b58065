package serial

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// deviceID identifies a device independently of its path.
type deviceID struct {
	rdev uint64
	dev  uint64 // pseudo-terminals only: the file system, as every container numbers them from 0
}

func identify(path string) (id deviceID, ok bool) {
	info, err := os.Stat(path)
	if err != nil {
		return id, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.Mode()&os.ModeCharDevice == 0 {
		return id, false
	}
	id.rdev = uint64(st.Rdev)
	if isPseudoTerminal(unix.Major(id.rdev)) {
		id.dev = uint64(st.Dev)
	}
	return id, true
}

// isPseudoTerminal reports whether a device with this major number is a Unix98 pseudo-terminal.
func isPseudoTerminal(major uint32) bool { return major >= 136 && major <= 143 }

// holders lists the processes that have the device open, as far as this process may see. /proc/*/fd of other users is
// readable by root only, but /proc/locks is public and names the process that locked the device.
func holders(device string) []Process {
	id, ok := identify(device)
	if !ok {
		return nil
	}
	found := allHolders()[id]
	if len(found) == 0 {
		found = lockers(device)
	}
	return found
}

// allHolders scans all processes once.
func allHolders() map[deviceID][]Process {
	found := make(map[deviceID][]Process)
	for _, pid := range processes() {
		for _, id := range openDevices(pid) {
			found[id] = append(found[id], named(pid))
		}
	}
	return found
}

func processes() (pids []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// openDevices lists the character devices that pid has open, without duplicates.
func openDevices(pid int) (ids []deviceID) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		fd := filepath.Join(dir, e.Name())
		name, err := os.Readlink(fd)
		if err != nil || !strings.HasPrefix(name, "/dev/") || strings.HasSuffix(name, " (deleted)") {
			continue // a removed pseudo-terminal, whose number may be in use again
		}
		if id, ok := identify(fd); ok && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// lockers lists the processes that hold a flock on the device.
func lockers(device string) (found []Process) {
	var st unix.Stat_t
	if unix.Stat(device, &st) != nil {
		return nil
	}
	f, err := os.Open("/proc/locks")
	if err != nil {
		return nil
	}
	defer f.Close()
	inode := fmt.Sprintf("%02x:%02x:%d", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)), st.Ino)
	for _, pid := range flocks(f, inode) {
		found = append(found, named(pid))
	}
	return found
}

// flocks returns the processes that /proc/locks lists with a flock on the inode. It leaves out those outside of this process's
// PID namespace, which have no number here.
func flocks(locks io.Reader, inode string) (pids []int) {
	for lines := bufio.NewScanner(locks); lines.Scan(); {
		// 1: FLOCK  ADVISORY  WRITE 1234 00:05:312 0 EOF
		w := strings.Fields(lines.Text())
		if len(w) < 6 || w[1] != "FLOCK" || w[5] != inode {
			continue
		}
		if pid, _ := strconv.Atoi(w[4]); pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

func named(pid int) Process {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return Process{PID: pid, Name: "process"}
	}
	return Process{PID: pid, Name: strings.TrimSpace(string(name))}
}
