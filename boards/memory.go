package boards

import (
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// minLimit is less than which Go's collector would do nothing but collect.
const minLimit = 16 << 20

// MemoryLimit suggests a limit for the memory of a Go program (see GOMEMLIMIT in package runtime) on the machine whose
// root directory is fsys: nine tenths of what the control group allows, or half of the machine's memory, as the board
// has other things to do. It suggests nothing, 0, if the variable GOMEMLIMIT, whose value the caller passes, says
// something already, or if nothing is known of the machine.
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

// groupLimit returns the lowest limit of the control groups this process is in, MaxInt64 if there is none.
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

// lowest goes from the group up to the root: a limit holds for all below it. In a container the root is its own group,
// and the path may be one that is not there.
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
