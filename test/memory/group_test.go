package memory

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// group is a control group with a memory limit.
type group struct{ dir string }

// newGroup creates a control group. In containers and on developers' machines, the right to do so is usually missing.
func newGroup(octets int) (*group, error) {
	for _, kind := range []struct{ root, limit, swap string }{
		{"/sys/fs/cgroup", "memory.max", "memory.swap.max"},
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", ""},
	} {
		if _, err := os.Stat(filepath.Join(kind.root, "cgroup.procs")); err != nil {
			continue
		}
		dir, err := os.MkdirTemp(kind.root, "runnel-memory-")
		if err != nil {
			return nil, err
		}
		g := &group{dir}
		if err := os.WriteFile(filepath.Join(dir, kind.limit), []byte(strconv.Itoa(octets)), 0); err != nil {
			g.remove()
			return nil, err
		}
		if kind.swap != "" {
			os.WriteFile(filepath.Join(dir, kind.swap), []byte("0"), 0)
		}
		return g, nil
	}
	return nil, os.ErrNotExist
}

func (g *group) remove() {
	if g != nil {
		os.Remove(g.dir)
	}
}

// peak returns the peak of a process's own memory in bytes, without the pages of its files, which the system can drop
// at any time. It returns 0 if the peak is unknown.
func peak(pid int) (octets int) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	field := func(name string) (kib int) {
		_, rest, _ := strings.Cut(string(status), "\n"+name+":")
		fmt.Sscan(rest, &kib)
		return kib
	}
	return (field("VmHWM") - field("RssFile")) << 10
}
