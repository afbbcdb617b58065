package installed

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"runnel/test/kit"
)

func TestMain(m *testing.M) {
	if os.Getenv("RUNNEL_MACHINES") == "" {
		kit.Main(m)
	}
	kit.Main(m, prepare, mountState)
}

// needsMachines skips a test if no machines were requested.
func needsMachines(t *testing.T) {
	if os.Getenv("RUNNEL_MACHINES") == "" {
		t.Skip("boots Debian in containers, as root: RUNNEL_MACHINES=1")
	}
}

// mountState mounts a file system in memory where systemd-nspawn keeps its state, if there is none yet: it refuses to remove
// what is on a disk. A host that runs systemd has it in /run.
func mountState(string) (unmount func() error, err error) {
	const dir = "/run/systemd/nspawn"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil || s.Type == unix.TMPFS_MAGIC {
		return nil, err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		return nil, fmt.Errorf("mount %s: %w", dir, err)
	}
	return func() error { return unix.Unmount(dir, unix.MNT_DETACH) }, nil
}

// prepare makes the base system and two versions of the package.
func prepare(dir string) (func() error, error) {
	base = filepath.Join(dir, "base")
	bootstrap := []string{"mmdebstrap", "--quiet", "--variant=minbase", "--include=" +
		"systemd,systemd-sysv,dbus,udev,procps,mosquitto,mosquitto-clients", "bookworm", base}
	if ready := os.Getenv("RUNNEL_MACHINES_BASE"); ready != "" { // a base system of an earlier run
		bootstrap = []string{"cp", "-a", ready, base}
	}
	// Without an existing file of that name, nspawn creates an id, and the host's journal would need to register the
	// machine.
	for _, c := range [][]string{bootstrap, {"rm", "-f", base + "/etc/machine-id"}} {
		if err := command(dir, c...); err != nil {
			return nil, err
		}
	}
	for i, version := range []string{"1.0.0", "1.0.1"} {
		out := filepath.Join(dir, version)
		if err := os.Mkdir(out, 0o755); err != nil {
			return nil, err
		}
		if err := command("../..", "make", "--silent", "deb", "VERSION=v"+version, "DEB="+out); err != nil {
			return nil, err
		}
		found, err := filepath.Glob(out + "/runnel_*.deb")
		if err != nil || len(found) != 1 {
			return nil, fmt.Errorf("packages in %s: %v, want one (%v)", out, found, err)
		}
		packages[i] = found[0]
	}
	return nil, nil
}

func command(dir string, args ...string) error {
	c := exec.Command(args[0], args[1:]...)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", args, err, out)
	}
	return nil
}
