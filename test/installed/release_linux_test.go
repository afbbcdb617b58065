package installed

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"runnel/test/kit"
)

// release returns the directory of a release's packages.
func release(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("RUNNEL_PACKAGES")
	if dir == "" {
		t.Skip("tests the packages that make packages has built: RUNNEL_PACKAGES=dist, as an absolute path")
	}
	return dir
}

// newest returns the file that was built last, of those that fit the pattern.
func newest(t *testing.T, dir, pattern string) (path string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	kit.Must(t, err)
	var last os.FileInfo
	for _, file := range found {
		info, err := os.Stat(file)
		kit.Must(t, err)
		if last == nil || info.ModTime().After(last.ModTime()) {
			path, last = file, info
		}
	}
	if path == "" {
		t.Fatalf("%s has no %s", dir, pattern)
	}
	return path
}

// The .ipk for each kind of OpenWrt device has the architecture that opkg asks for, and an init script that starts a process
// which procd restarts.
func TestOpenWrt(t *testing.T) {
	dir := release(t)
	for architecture, machine := range map[string]elf.Machine{
		"mipsel_24kc":               elf.EM_MIPS,
		"arm_arm1176jzf-s_vfp":      elf.EM_ARM,
		"arm_cortex-a7_neon-vfpv4":  elf.EM_ARM,
		"arm_cortex-a9_vfpv3-d16":   elf.EM_ARM,
		"arm_cortex-a15_neon-vfpv4": elf.EM_ARM,
		"aarch64_cortex-a53":        elf.EM_AARCH64,
		"aarch64_cortex-a72":        elf.EM_AARCH64,
		"aarch64_generic":           elf.EM_AARCH64,
	} {
		t.Run(architecture, func(t *testing.T) {
			b, err := os.ReadFile(newest(t, dir, "runnel_*_"+architecture+".ipk"))
			kit.Must(t, err)
			ipk := untar(t, b)
			if version := string(ipk["debian-binary"].content); version != "2.0\n" {
				t.Errorf("debian-binary is %q", version)
			}
			control, data := untar(t, ipk["control.tar.gz"].content), untar(t, ipk["data.tar.gz"].content)
			fields := string(control["control"].content)
			for _, line := range []string{"Package: runnel\n", "Architecture: " + architecture + "\n"} {
				if !strings.Contains(fields, line) {
					t.Errorf("control has no %q:\n%s", line, fields)
				}
			}
			if strings.Contains(fields, "Depends:") {
				t.Errorf("the static binary needs no package:\n%s", fields)
			}
			if files := string(control["conffiles"].content); files != "/etc/runnel/runnel.toml\n" {
				t.Errorf("conffiles are %q", files)
			}
			hasModes(t, control, map[string]int64{"postinst": 0o755, "prerm": 0o755})
			hasModes(t, data, map[string]int64{"usr/bin/runnel": 0o755, "etc/init.d/runnel": 0o755, "etc/runnel/": 0o755,
				"etc/runnel/conf.d/": 0o755, "etc/runnel/profiles.d/": 0o755, "etc/runnel/runnel.toml": 0o640})
			isStatic(t, data["usr/bin/runnel"].content, machine)

			for _, script := range [][]byte{control["postinst"].content, control["prerm"].content, data["etc/init.d/runnel"].content} {
				shell(t, string(script), "-n")
			}
			// An image builder unpacks the package on a PC. Nothing may be started there.
			t.Setenv("IPKG_INSTROOT", t.TempDir())
			shell(t, string(control["postinst"].content))
			shell(t, string(control["prerm"].content))
			procd(t, string(data["etc/init.d/runnel"].content))
		})
	}
}

// procd runs start_service of an init script, as rc.common does, and checks the process that it describes to procd.
func procd(t *testing.T, script string) {
	t.Helper()
	if !strings.HasPrefix(script, "#!/bin/sh /etc/rc.common\n") {
		t.Errorf("rc.common does not run the script:\n%.60s", script)
	}
	out := shell(t, script+`
for name in mkdir procd_open_instance procd_set_param procd_close_instance; do eval "$name() { echo $name \"\$@\"; }"; done
echo "USE_PROCD=$USE_PROCD START=$START"
start_service
`)
	at := 0
	for _, pattern := range []string{`USE_PROCD=1 START=\d+\n`, `mkdir .*/run/runnel\n`, `procd_open_instance\s`,
		`procd_set_param command /usr/bin/runnel run\n`, `procd_set_param env RUNTIME_DIRECTORY=/run/runnel\n`,
		`procd_set_param respawn \d+ 5 0\n`, `procd_close_instance\s`} {
		found := regexp.MustCompile(pattern).FindStringIndex(out[at:])
		if found == nil {
			t.Fatalf("start_service lacks %q, or has it elsewhere:\n%s", pattern, out)
		}
		at += found[1]
	}
}

// The .apk for Alpine has the processors' names of Alpine, an init script for OpenRC, and scripts that make the user.
func TestAlpine(t *testing.T) {
	dir := release(t)
	for architecture, machine := range map[string]elf.Machine{
		"armhf": elf.EM_ARM, "armv7": elf.EM_ARM, "aarch64": elf.EM_AARCH64, "x86_64": elf.EM_X86_64,
	} {
		t.Run(architecture, func(t *testing.T) {
			b, err := os.ReadFile(newest(t, dir, "runnel_*_"+architecture+".apk"))
			kit.Must(t, err)
			apk := untar(t, b) // a control archive and a data archive, one after the other
			if info := string(apk[".PKGINFO"].content); !strings.Contains(info, "pkgname = runnel\n") ||
				!strings.Contains(info, "arch = "+architecture+"\n") {
				t.Errorf(".PKGINFO:\n%s", info)
			}
			hasModes(t, apk, map[string]int64{".pre-install": 0o755, ".post-install": 0o755, "usr/bin/runnel": 0o755,
				"etc/init.d/runnel": 0o755, "etc/runnel/conf.d/": 0o755, "etc/runnel/profiles.d/": 0o755, "etc/runnel/runnel.toml": 0o640,
				"etc/udev/rules.d/70-runnel-serial.rules": 0o644})
			isStatic(t, apk["usr/bin/runnel"].content, machine)
			script := string(apk["etc/init.d/runnel"].content)
			if !strings.HasPrefix(script, "#!/sbin/openrc-run\n") {
				t.Errorf("openrc-run does not run the script:\n%.60s", script)
			}
			// The router itself copes with an invalid configuration. The script must not keep it from starting.
			if out := shell(t, script+"\ncheckpath() { echo \"$@\"; }\nstart_pre"); !strings.Contains(out, "runnel:runnel --mode 0750 /var/lib/runnel\n") {
				t.Errorf("start_pre makes:\n%s", out)
			}
			for _, s := range []string{script, string(apk[".pre-install"].content), string(apk[".post-install"].content)} {
				shell(t, s, "-n")
			}
		})
	}
}

// The .rpm has the names of Fedora for the processors, and rpm reads it.
func TestRPM(t *testing.T) {
	dir := release(t)
	for architecture, machine := range map[string]elf.Machine{
		"armv7hl": elf.EM_ARM, "aarch64": elf.EM_AARCH64, "x86_64": elf.EM_X86_64,
	} {
		t.Run(architecture, func(t *testing.T) {
			file := newest(t, dir, "runnel-*."+architecture+".rpm")
			query := func(args ...string) string {
				out, err := exec.Command("rpm", append([]string{"-qp"}, append(args, file)...)...).Output()
				kit.Must(t, err)
				return string(out)
			}
			if out := query("--qf", "%{NAME} %{ARCH} %{LICENSE}"); out != "runnel "+architecture+" Apache-2.0" {
				t.Errorf("rpm: %s", out)
			}
			if out := query("--configfiles"); out != "/etc/runnel/runnel.toml\n" {
				t.Errorf("configuration files: %q", out)
			}
			files := query("--qf", "[%{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILENAMES}\n]")
			for _, line := range []string{"-rwxr-xr-x root:root /usr/bin/runnel", "-rw-r----- root:root /etc/runnel/runnel.toml",
				"drwxr-xr-x root:root /etc/runnel/conf.d", "drwxr-xr-x root:root /etc/runnel/profiles.d",
				"-rw-r--r-- root:root /usr/lib/systemd/system/runnel.service", "-rw-r--r-- root:root /usr/lib/sysusers.d/runnel.conf",
				"-rw-r--r-- root:root /usr/lib/udev/rules.d/70-runnel-serial.rules", "-rw-r--r-- root:root /usr/share/man/man1/runnel.1.gz",
				"-rw-r--r-- root:root /usr/share/man/man5/runnel.toml.5.gz", "-rw-r--r-- root:root /usr/share/runnel/monitoring/grafana.json",
				"-rw-r--r-- root:root /usr/share/runnel/monitoring/runnel.rules.yml"} {
				if !strings.Contains(files, line+"\n") {
					t.Errorf("no %s in:\n%s", line, files)
				}
			}
			for _, script := range []string{"POSTIN", "PREUN", "POSTUN"} {
				shell(t, query("--qf", "%{"+script+"}"), "-n")
			}
			binary := exec.Command("sh", "-c", "rpm2cpio \"$0\" | cpio --quiet -i --to-stdout '*/bin/runnel'", file)
			b, err := binary.Output()
			kit.Must(t, err)
			isStatic(t, b, machine)
		})
	}
}

// The .deb for each processor has Debian's name for it.
func TestDebian(t *testing.T) {
	dir := release(t)
	for architecture, machine := range map[string]elf.Machine{
		"armhf": elf.EM_ARM, "arm64": elf.EM_AARCH64, "amd64": elf.EM_X86_64, "riscv64": elf.EM_RISCV,
	} {
		t.Run(architecture, func(t *testing.T) {
			file := newest(t, dir, "runnel_*_"+architecture+".deb")
			out, err := exec.Command("dpkg-deb", "--field", file, "Package", "Architecture", "Depends").Output()
			if err != nil || string(out) != "Package: runnel\nArchitecture: "+architecture+"\n" {
				t.Errorf("control: %v\n%s", err, out)
			}
			out, err = exec.Command("dpkg-deb", "--info", file, "conffiles").Output()
			if err != nil || string(out) != "/etc/runnel/runnel.toml\n" {
				t.Errorf("conffiles: %v\n%s", err, out)
			}
			b, err := exec.Command("dpkg-deb", "--fsys-tarfile", file).Output()
			kit.Must(t, err)
			isStatic(t, entries(t, bytes.NewReader(b))["usr/bin/runnel"].content, machine)
		})
	}
}

// entry is a file or a directory of an archive.
type entry struct {
	tar.Header
	content []byte
}

// untar reads a compressed archive. The names have no "./" in front.
func untar(t *testing.T, b []byte) map[string]entry {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(b))
	kit.Must(t, err)
	return entries(t, zipped)
}

func entries(t *testing.T, from io.Reader) map[string]entry {
	t.Helper()
	all := map[string]entry{}
	for archive := tar.NewReader(from); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		kit.Must(t, err)
		content, err := io.ReadAll(archive)
		kit.Must(t, err)
		all[strings.TrimPrefix(header.Name, "./")] = entry{*header, content}
	}
}

// hasModes checks that an archive has files with these modes, and that all its files belong to root.
func hasModes(t *testing.T, archive map[string]entry, modes map[string]int64) {
	t.Helper()
	for name, mode := range modes {
		if e, ok := archive[name]; !ok || e.Mode&0o7777 != mode {
			t.Errorf("%s: mode %o, want %o (in the archive: %v)", name, e.Mode&0o7777, mode, ok)
		}
	}
	for name, e := range archive {
		if e.Uid != 0 || e.Gid != 0 {
			t.Errorf("%s belongs to %d:%d", name, e.Uid, e.Gid)
		}
	}
}

// isStatic checks that a program is for a processor and needs no library.
func isStatic(t *testing.T, program []byte, machine elf.Machine) {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(program))
	kit.Must(t, err)
	if f.Machine != machine || f.ByteOrder.String() != "LittleEndian" {
		t.Errorf("the binary is for %v, %v, want %v, LittleEndian", f.Machine, f.ByteOrder, machine)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the binary is not static")
		}
	}
}

// shell runs a script, which must succeed.
func shell(t *testing.T, script string, options ...string) string {
	t.Helper()
	c := exec.Command("sh", options...)
	c.Stdin = strings.NewReader(script)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("sh %s: %v\n%s\n%s", strings.Join(options, " "), err, out, script)
	}
	return string(out)
}
