package serial

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lockDirs lists the directories of UUCP lock files, the current one first.
var lockDirs = [...]string{"/run/lock", "/var/lock"}

// claim marks a port as used towards other programs: by a flock (as tio, picocom and systemd use), by a UUCP lock file
// (minicom, pppd, gpsd), and by the exclusive flag that port_linux.go sets (all but root).
type claim struct {
	file string // the lock file, or ""
}

// claimDevice claims a device, or returns a *Held if another process has it. The flock ends with f.
func claimDevice(f *os.File, device string) (*claim, error) {
	if locked, err := flock(f); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	} else if !locked {
		f.Close() // so that this process is not found as a holder
		return nil, &Held{By: holders(device)}
	}
	// Some programs do not lock, such as getty and cat.
	if by := others(holders(device)); len(by) > 0 {
		return nil, &Held{By: by}
	}
	return claimFile(device)
}

func flock(f *os.File) (locked bool, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	if e := raw.Control(func(fd uintptr) { err = unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB) }); e != nil {
		return false, e
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

func others(all []Process) []Process {
	return slices.DeleteFunc(all, func(p Process) bool { return p.PID == os.Getpid() })
}

// claimFile creates a lock file in the first directory that exists. A directory that cannot be written is no error, as
// the flock holds.
func claimFile(device string) (*claim, error) {
	return claimIn(lockDirs[:], device)
}

func claimIn(dirs []string, device string) (*claim, error) {
	for _, dir := range dirs {
		c, err := lockFile(dir, device)
		if held := (*Held)(nil); err == nil || errors.As(err, &held) {
			return c, err
		}
	}
	return &claim{}, nil
}

func lockFile(dir, device string) (*claim, error) {
	name := strings.ReplaceAll(strings.TrimPrefix(device, "/dev/"), "/", "_")
	path := filepath.Join(dir, "LCK.."+name)
	for range 2 {
		err := writeLock(path)
		if err == nil {
			return &claim{file: path}, nil
		}
		if by, live := lockOwner(path, device); live {
			return nil, &Held{By: []Process{by}}
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	return nil, fs.ErrExist // another program has created it first; the flock decides
}

// writeLock creates the file with its content in one step, so that no reader sees it empty.
func writeLock(path string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "LCK..runnel")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = fmt.Fprintf(tmp, "%10d\n", os.Getpid()) // the format of HDB UUCP
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Close())
	if err != nil {
		return err
	}
	return os.Link(tmp.Name(), path)
}

// lockOwner returns the process named in a lock file if it is alive and plausibly wrote the file: pids are reused, at the
// latest after a reboot. A file with this process's pid is old, as this process holds the flock.
func lockOwner(path, device string) (p Process, live bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return p, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 || pid == os.Getpid() {
		return p, false
	}
	if err := unix.Kill(pid, 0); err != nil && !errors.Is(err, unix.EPERM) {
		return p, false
	}
	id, ok := identify(device)
	if _, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)); err == nil && ok && !slices.Contains(openDevices(pid), id) {
		return p, false
	}
	return named(pid), true
}

func (c *claim) release() {
	if c.file != "" {
		os.Remove(c.file)
	}
}
