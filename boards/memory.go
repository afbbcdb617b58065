package boards

import (
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// minLimit is the lowest useful limit in bytes: below it Go's garbage collector would run all the time.
const minLimit = 16 << 20

// MemoryLimit suggests a limit for the memory of a Go program (see GOMEMLIMIT in package runtime) on the machine whose
// root directory is fsys. It is nine tenths of the control group's limit, or half of the machine's memory, which leaves
// room for other programs. MemoryLimit returns 0, no suggestion, if the caller passes a value of the variable GOMEMLIMIT,
// or if the memory is unknown.
func MemoryLimit(fsys fs.FS, gomemlimit string) int64 {
	if gomemlimit != "" {
		return 0
	}
	total := memTotal(fsys) << 10
	limit := total / 2
	if group := groupLimit(fsys); group < math.MaxInt64 && (total == 0 || group < total) {
		limit = group / 10 * 9
	}
	if limit == 0 {
		return 0
	}
	return max(limit, minLimit)
}

// groupLimit returns the lowest limit of the process's control groups, or MaxInt64.
func groupLimit(fsys fs.FS) int64 {
	limit := int64(math.MaxInt64)
	for line := range strings.Lines(read(fsys, "proc/self/cgroup")) {
		// 0::/system.slice/runnel.service, or with version 1 9:memory:/system.slice/runnel.service
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) < 3 {
			continue
		}
		switch {
		case part[1] == "":
			limit = min(limit, lowest(fsys, "sys/fs/cgroup", part[2], "memory.max", "memory.high"))
		case hasController(part[1], "memory"):
			limit = min(limit, lowest(fsys, "sys/fs/cgroup/memory", part[2], "memory.limit_in_bytes"))
		}
	}
	return limit
}

func hasController(list, name string) bool {
	return strings.Contains(","+list+",", ","+name+",")
}

// lowest returns the lowest limit from the group up to the root, as each limit holds for all groups below it. In a
// container the root is the container's own group, and the path may not exist.
func lowest(fsys fs.FS, root, group string, files ...string) int64 {
	limit := int64(math.MaxInt64)
	for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
		for _, file := range files {
			if n, err := strconv.ParseInt(strings.TrimSpace(read(fsys, path.Join(root, dir, file))), 10, 64); err == nil && n > 0 {
				limit = min(limit, n) // "max", and version 1's nearly 2^63, are no limits
			}
		}
		if dir == "/" {
			return limit
		}
	}
}
