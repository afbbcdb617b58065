package boards

import "testing"

func TestMemoryLimit(t *testing.T) {
	const meminfo = "MemTotal:         524288 kB\n" // 512 MiB
	const mib = 1 << 20
	for _, c := range []struct {
		name       string
		files      []string
		gomemlimit string
		want       int64
	}{
		{"half of the machine's", []string{"proc/meminfo", meminfo}, "", 256 * mib},
		{"GOMEMLIMIT is set", []string{"proc/meminfo", meminfo}, "64MiB", 0},
		{"nothing is known", nil, "", 0},
		{"not too little", []string{"proc/meminfo", "MemTotal: 20000 kB\n"}, "", 16 * mib},
		{"version 2: the unit's limit", []string{"proc/meminfo", meminfo, "proc/self/cgroup", "0::/system.slice/runnel.service\n",
			"sys/fs/cgroup/system.slice/runnel.service/memory.max", "104857600\n"}, "", 90 * mib},
		{"version 2: the slice's limit is lower", []string{"proc/meminfo", meminfo, "proc/self/cgroup", "0::/system.slice/runnel.service\n",
			"sys/fs/cgroup/system.slice/runnel.service/memory.max", "104857600\n",
			"sys/fs/cgroup/system.slice/memory.high", "52428800\n"}, "", 45 * mib},
		{"version 2: no limit", []string{"proc/meminfo", meminfo, "proc/self/cgroup", "0::/a\n", "sys/fs/cgroup/a/memory.max", "max\n"}, "", 256 * mib},
		{"version 2: a container, whose group is the root", []string{"proc/meminfo", meminfo, "proc/self/cgroup", "0::/\n",
			"sys/fs/cgroup/memory.max", "104857600\n"}, "", 90 * mib},
		{"version 2: a path from outside the container", []string{"proc/meminfo", meminfo, "proc/self/cgroup", "0::/../../b\n",
			"sys/fs/cgroup/memory.max", "104857600\n"}, "", 90 * mib},
		{"version 1", []string{"proc/meminfo", meminfo, "proc/self/cgroup", "11:cpu,cpuacct:/x\n9:memory:/docker/abc\n1:name=systemd:/y\n",
			"sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "104857600\n"}, "", 90 * mib},
		{"version 1: no limit", []string{"proc/meminfo", meminfo, "proc/self/cgroup", "9:memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"}, "", 256 * mib},
		{"version 1: the memory of another controller", []string{"proc/meminfo", meminfo, "proc/self/cgroup", "9:hugememory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes", "104857600\n"}, "", 256 * mib},
		{"a limit beyond the machine", []string{"proc/meminfo", meminfo, "proc/self/cgroup", "0::/\n",
			"sys/fs/cgroup/memory.max", "10737418240\n"}, "", 256 * mib},
		{"the group's limit alone", []string{"proc/self/cgroup", "0::/\n", "sys/fs/cgroup/memory.max", "104857600\n"}, "", 90 * mib},
		{"nonsense", []string{"proc/meminfo", "MemTotal: x\n", "proc/self/cgroup", "0\n::\n", "sys/fs/cgroup/memory.max", "-4\n"}, "", 0},
	} {
		if got := MemoryLimit(root(c.files...), c.gomemlimit); got != c.want {
			t.Errorf("%s: %d MiB, want %d MiB", c.name, got/mib, c.want/mib)
		}
	}
}
