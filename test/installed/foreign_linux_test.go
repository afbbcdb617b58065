package installed

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"runnel/test/kit"
)

// The release's .deb for ARM installs in a Debian for ARM, routes as the user that it makes, and a purge leaves nothing.
//
// Debian's dpkg, shell and tools for ARM do all the work, emulated by qemu-user. The kernel does not start the emulator by
// itself, because that needs binfmt_misc, which belongs to the whole host. proot starts it for each new program instead. Both
// run inside the root, so a system call that proot does not know can't reach the host's files. The root has no init system,
// like the root in which an image for an SD card is made, so the package makes its user without systemd-sysusers.
func TestInstallOnForeignProcessors(t *testing.T) {
	packages := release(t)
	for _, p := range []struct{ debian, emulator, machine string }{
		{"armhf", "qemu-arm", "armv7l"},
		{"arm64", "qemu-aarch64", "aarch64"},
	} {
		t.Run(p.debian, func(t *testing.T) {
			t.Parallel() // most of the time it waits for the mirror
			r := newForeign(t, p.debian, p.emulator)
			if out := r.run(t, "uname -m"); out != p.machine {
				t.Fatalf("the root's programs run on %s, want %s", out, p.machine)
			}
			// Afterwards the files that the first useradd creates exist.
			r.run(t, "useradd --system probe && userdel probe")
			before, users := r.files(t), r.users(t)

			r.copy(t, newest(t, packages, "runnel_*_"+p.debian+".deb"), "/tmp/runnel.deb")
			r.run(t, "dpkg --install /tmp/runnel.deb")
			if out := r.run(t, "dpkg-query -W -f '${Status} ${Architecture}' runnel"); out != "install ok installed "+p.debian {
				t.Errorf("dpkg: %s", out)
			}
			for path, want := range map[string]string{
				"/etc/runnel/runnel.toml": "root:runnel 640",
				"/etc/runnel/conf.d":      "root:runnel 2750",
				"/etc/runnel/profiles.d":  "root:runnel 2750",
				"/var/lib/runnel":         "runnel:runnel 750",
			} {
				if out := r.run(t, "stat -c '%U:%G %a' "+path); out != want {
					t.Errorf("%s: %s, want %s", path, out, want)
				}
			}
			r.routes(t)

			r.run(t, "dpkg --purge runnel")
			if after := r.files(t); after != before {
				t.Errorf("files before and after:\n%s", difference(before, after))
			}
			if after := r.users(t); after != users {
				t.Errorf("users and groups before and after:\n%s", difference(users, after))
			}
		})
	}
}

// foreign is a root file system of Debian for another processor. It is not booted.
type foreign struct {
	root, emulator string
}

// newForeign makes a root with the tools that the package's scripts use. Its packages are unpacked, not configured.
func newForeign(t *testing.T, architecture, emulator string) *foreign {
	t.Helper()
	r := &foreign{root: filepath.Join(t.TempDir(), architecture)}
	host(t, "mmdebstrap", "--quiet", "--variant=extract", "--architectures="+architecture,
		"--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
		"--include=base-files,base-passwd,coreutils,dash,debianutils,diffutils,dpkg,grep,libc-bin,login,passwd,sed,tar",
		"bookworm", r.root, mirror(t))
	for _, file := range []string{"passwd", "group"} { // base-passwd's script would do that
		r.copy(t, filepath.Join(r.root, "usr/share/base-passwd", file+".master"), "/etc/"+file)
	}
	r.emulator = r.program(t, emulator)
	r.program(t, "proot")
	proc := filepath.Join(r.root, "proc")
	kit.Must(t, unix.Mount("proc", proc, "proc", 0, ""))
	t.Cleanup(func() { unix.Unmount(proc, unix.MNT_DETACH) })
	return r
}

// mirror returns the line of apt's sources for the release itself, from where this machine has it. Security updates may be
// missing for other processors.
func mirror(t *testing.T) string {
	t.Helper()
	list, err := exec.Command("apt-get", "indextargets", "--format", "deb $(SITE) $(CODENAME) $(COMPONENT)", "Created-By: Packages").Output()
	kit.Must(t, err)
	for line := range strings.Lines(string(list)) {
		if strings.HasSuffix(strings.TrimSpace(line), " bookworm main") {
			return strings.TrimSpace(line)
		}
	}
	t.Fatalf("apt has no source for Debian 12: %s", list)
	return ""
}

// program copies a program of the host and its libraries into the root, and returns its path.
func (r *foreign) program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	kit.Must(t, err)
	libraries, _ := exec.Command("ldd", path).Output() // it fails if the program is static
	for _, file := range append(regexp.MustCompile(`/\S+`).FindAllString(string(libraries), -1), path) {
		r.copy(t, file, file)
	}
	return path
}

func (r *foreign) copy(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	kit.Must(t, err)
	to = filepath.Join(r.root, to)
	kit.Must(t, os.MkdirAll(filepath.Dir(to), 0o755))
	kit.Must(t, os.WriteFile(to, b, 0o755))
}

// command makes a command that runs in the root, for as long as patience at most. Its environment is empty.
func (r *foreign) command(t *testing.T, args ...string) *exec.Cmd {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	t.Cleanup(stop)
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Dir = "/"
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive"}
	c.SysProcAttr = &syscall.SysProcAttr{Chroot: r.root}
	return c
}

// run runs a shell script in the root, as root. It must succeed.
func (r *foreign) run(t *testing.T, script string) string {
	t.Helper()
	out, err := r.command(t, "/usr/bin/proot", "-q", r.emulator, "-r", "/", "-w", "/", "/bin/sh", "-c", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return strings.TrimSpace(string(out))
}

// runnel makes a command of the installed binary that runs as the package's user.
func (r *foreign) runnel(t *testing.T, args ...string) (c *exec.Cmd, out *bytes.Buffer) {
	t.Helper()
	found := regexp.MustCompile(`(?m)^runnel:[^:]*:(\d+):(\d+):`).FindStringSubmatch(r.users(t))
	if found == nil {
		t.Fatal("the package has not made its user")
	}
	uid, _ := strconv.ParseUint(found[1], 10, 32)
	gid, _ := strconv.ParseUint(found[2], 10, 32)
	c, out = r.command(t, append([]string{r.emulator, "/usr/bin/runnel"}, args...)...), new(bytes.Buffer)
	c.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	c.Stdout, c.Stderr = out, out
	return c, out
}

// routes runs the installed router with the installed configuration, and sends it an event through its socket. The TCP port of
// that configuration may be taken on this host: the router starts without it.
func (r *foreign) routes(t *testing.T) {
	t.Helper()
	r.run(t, "install -d -o runnel -g runnel /run/runnel") // systemd makes it for the unit
	for command, want := range map[string]string{"version": "runnel v", "check": "is valid"} {
		if c, out := r.runnel(t, command); c.Run() != nil || !strings.Contains(out.String(), want) {
			t.Fatalf("runnel %s: %s, want %q", command, out, want)
		}
	}
	router, log := r.runnel(t, "run")
	kit.Must(t, router.Start())
	ended := false
	t.Cleanup(func() {
		if !ended {
			router.Process.Kill()
			router.Wait()
			t.Logf("the router's log:\n%s", log)
		}
	})
	wait(t, "the router to listen", func() bool { c, _ := r.runnel(t, "call", "wamp.session.count"); return c.Run() == nil })

	subscriber, events := r.runnel(t, "sub", "com.example.room", "-n", "1", "--json")
	kit.Must(t, subscriber.Start())
	wait(t, "the subscription", func() bool {
		c, out := r.runnel(t, "call", "wamp.subscription.match", "com.example.room")
		return c.Run() == nil && strings.Contains(out.String(), "[")
	})
	if c, out := r.runnel(t, "pub", "com.example.room", "21.5", "--ack"); c.Run() != nil {
		t.Fatalf("runnel pub: %s", out)
	}
	if err := subscriber.Wait(); err != nil || !strings.Contains(events.String(), "21.5") {
		t.Fatalf("runnel sub: %v\n%s", err, events)
	}
	kit.Must(t, router.Process.Signal(syscall.SIGTERM))
	err := router.Wait()
	ended = true
	if err != nil {
		t.Fatalf("the router ends: %v\n%s", err, log)
	}
}

// users returns the users and the groups of the root.
func (r *foreign) users(t *testing.T) string {
	t.Helper()
	var all []byte
	for _, file := range []string{"etc/passwd", "etc/group"} {
		b, err := os.ReadFile(filepath.Join(r.root, file))
		kit.Must(t, err)
		all = append(all, b...)
	}
	return string(all)
}

// files lists the root, without the directories where dpkg and the test keep their own.
func (r *foreign) files(t *testing.T) string {
	t.Helper()
	own := []string{"proc", "tmp", "var/lib/dpkg", "var/log"}
	var all []string
	kit.Must(t, filepath.WalkDir(r.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(r.root, path)
		if slices.Contains(own, name) {
			return filepath.SkipDir
		}
		all = append(all, name)
		return nil
	}))
	return strings.Join(all, "\n")
}
