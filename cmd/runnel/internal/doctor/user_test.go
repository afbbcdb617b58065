//go:build unix

package doctor

import (
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"testing"

	"runnel/cmd/runnel/internal/account"
	"runnel/cmd/runnel/internal/config"
	"runnel/transport/serial"
)

// The first matching class of permissions decides, as in the kernel.
func TestMay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	uid, gid := os.Geteuid()+7, os.Getegid()
	if os.Geteuid() == 0 {
		if err := os.Chown(file, uid, gid); err != nil {
			t.Fatal(err)
		}
	} else {
		uid = os.Geteuid()
	}
	for _, c := range []struct {
		what string
		a    account.Account
		mode fs.FileMode
		want fs.FileMode
		may  bool
	}{
		{"root", account.Account{UID: 0}, 0o000, 6, true},
		{"its owner", account.Account{UID: uid}, 0o600, 6, true},
		{"its owner, who may only read", account.Account{UID: uid}, 0o466, 6, false},
		{"its group", account.Account{UID: uid + 1, Groups: []int{gid + 1, gid}}, 0o060, 6, true},
		{"its group, which may not", account.Account{UID: uid + 1, Groups: []int{gid}}, 0o606, 6, false},
		{"others", account.Account{UID: uid + 1, Groups: []int{gid + 1}}, 0o006, 6, true},
		{"others, who may not write", account.Account{UID: uid + 1}, 0o664, 6, false},
	} {
		if err := os.Chmod(file, c.mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if may(c.a, info, c.want) != c.may {
			t.Errorf("%s: %v", c.what, !c.may)
		}
	}
}

func TestNamesOfUsers(t *testing.T) {
	if userName(0) != "root" || userName(4_000_123) != "4000123" || groupName(4_000_123) != "4000123" || groupName(0) == "0" {
		t.Errorf("%s, %s, %s, %s", userName(0), userName(4_000_123), groupName(4_000_123), groupName(0))
	}
	if got := groupOf(account.Account{Name: "no such user"}); got != "no such user" {
		t.Error(got)
	}
}

// Each file that the router must read is named once.
func TestSecretFiles(t *testing.T) {
	at := config.Place{File: "/etc/r.toml"}
	e := &examination{config: &config.Config{
		Realms:  []config.Realm{{Place: at}},
		Listens: []config.Listen{{Place: at, Certificate: "/c.pem", Key: "/k.pem"}, {Place: config.Place{File: "built-in"}}},
		Serials: []config.Serial{{Place: config.Place{File: "/etc/s.toml"}}},
		Uplinks: []config.Uplink{{Place: at, Key: "/n.key", CA: "/ca.pem"}},
	}}
	if got := e.secretFiles(); !slices.Equal(got, []string{"/etc/r.toml", "/c.pem", "/k.pem", "/etc/s.toml", "/n.key", "/ca.pem"}) {
		t.Error(got)
	}
}

func TestDirectories(t *testing.T) {
	dir := t.TempDir()
	if got := existing(filepath.Join(dir, "a/b/c")); got != dir {
		t.Error(got)
	}
	if got := existing(dir); got != dir {
		t.Error(got)
	}
	if got := existing("/"); got != "/" {
		t.Error(got)
	}
	if mountPoint("/") != "/" {
		t.Error(mountPoint("/"))
	}
	if at := mountPoint(dir); !sameDevice(at, dir) || at != "/" && sameDevice(at, filepath.Dir(at)) {
		t.Errorf("%s is mounted at %s", dir, at)
	}
}

// A directory that the router's user may not write, and one for data that there is not.
func TestData(t *testing.T) {
	topic, procedure := "com.a", "com.p"
	for _, c := range []struct {
		exports []config.Share
		want    string
	}{
		{nil, ""},
		{[]config.Share{{Procedure: &procedure}}, ""},
		{[]config.Share{{Procedure: &procedure}, {Topic: &topic}}, "warning: uplink a: there is no data directory: its queue is in memory and is lost when the router stops"},
	} {
		e := &examination{config: &config.Config{Uplinks: []config.Uplink{{Name: "a", Exports: c.exports}}}}
		if e.noData(); found(e.findings) != c.want {
			t.Error(found(e.findings))
		}
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for uid, faults := range map[int]int{0: 0, os.Geteuid() + 9: 1} {
		e := &examination{user: account.Account{Name: "x", UID: uid}}
		if e.mayWrite("data", dir); len(e.findings) != faults {
			t.Errorf("user %d: %s", uid, found(e.findings))
		}
	}
	e := new(examination)
	if e.mayWrite("data", filepath.Join(dir, "none")); len(e.findings) != 1 {
		t.Error("a directory that is missing is fine")
	}
}

// The remedy depends on the program that holds a port.
func TestRelease(t *testing.T) {
	for name, want := range map[string]string{
		"ModemManager": "sudo systemctl mask --now ModemManager", "agetty": "sudo systemctl mask --now serial-getty@ttyS9.service",
		"brltty": "sudo apt remove brltty", "gpsd": "sudo systemctl disable --now gpsd gpsd.socket", "minicom": "stop it (sudo kill 12), and keep it from starting again",
	} {
		if got := release(serial.Process{PID: 12, Name: name}, "/dev/ttyS9"); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Programs that hold a port are reported, but not the router that runs with the configuration, and not this process.
func TestHolders(t *testing.T) {
	holder := func(pid int, name string) []serial.Process { return []serial.Process{{PID: pid, Name: name}} }
	for _, c := range []struct {
		what    string
		running bool
		device  string
		holders []serial.Process
		faults  int
	}{
		{"none", false, "/dev/ttyS9", nil, 0}, {"a program", true, "/dev/ttyS9", holder(1, "minicom"), 1}, {"another port's", true, "/dev/ttyS8", holder(1, "minicom"), 0},
		{"the router", true, "/dev/ttyS9", holder(1, "runnel"), 0}, {"another router", false, "/dev/ttyS9", holder(1, "runnel"), 1}, {"this process", false, "/dev/ttyS9", holder(os.Getpid(), "test"), 0},
	} {
		e := &examination{ports: []serial.Info{{Device: c.device, Holders: c.holders}}}
		if c.running {
			e.running = new(status)
		}
		if e.holders("serial line a", "/dev/ttyS9"); len(e.findings) != c.faults {
			t.Errorf("%s: %s", c.what, found(e.findings))
		}
	}
}

func TestPortThatIsMissing(t *testing.T) {
	e := &examination{user: account.Account{UID: 0}}
	e.checkPort(config.Serial{Name: "a"}, filepath.Join(t.TempDir(), "ttyS9"))
	if len(e.findings) != 1 || e.findings[0].Level != Error {
		t.Error(found(e.findings))
	}
}

// A remedy names the group of the router's user, which may have another name.
func TestGroupOf(t *testing.T) {
	if got := groupOf(account.Account{Name: "no-such-user"}); got != "no-such-user" {
		t.Error(got)
	}
	for _, name := range []string{"root", "nobody", "sync"} { // their groups on Debian are root and nogroup
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		if g, err := user.LookupGroupId(u.Gid); err == nil && groupOf(account.Account{Name: name}) != g.Name {
			t.Errorf("%s: %s, not %s", name, groupOf(account.Account{Name: name}), g.Name)
		}
	}
}
