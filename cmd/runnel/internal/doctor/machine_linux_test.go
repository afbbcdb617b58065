package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"runnel/cmd/runnel/internal/account"
	"runnel/cmd/runnel/internal/config"
	"runnel/test/kit"
)

// named gives this process another name, which other processes see, until the test ends.
func named(t *testing.T, name string) {
	t.Helper()
	const file = "/proc/self/comm"
	own, err := os.ReadFile(file)
	kit.Must(t, err)
	kit.Must(t, os.WriteFile(file, []byte(name), 0o644))
	t.Cleanup(func() { os.WriteFile(file, own, 0o644) })
}

func TestClock(t *testing.T) {
	for _, c := range []struct {
		now                 time.Time
		synchronised, known bool
		want                string
	}{
		{oldest, true, true, ""}, {oldest, false, false, ""}, {oldest, false, true, "note: : the clock is not synchronised"},
		{oldest.Add(-time.Second), true, true, "error: : the clock shows 2024-12-31T23:59:59Z: certificates are not valid yet, and readings get wrong times"},
	} {
		e := new(examination)
		if e.checkClock(c.now, c.synchronised, c.known); found(e.findings) != c.want {
			t.Errorf("%v: %s", c, found(e.findings))
		}
	}
}

func TestSpace(t *testing.T) {
	const least = 32 << 20
	for _, c := range []struct {
		what string
		s    space
		want string // of the text
	}{
		{"enough", space{free: least, total: least, inodes: 64, countsInodes: true}, ""},
		{"no fixed number of inodes", space{free: least, total: least}, ""},
		{"read-only", space{free: least, total: least, readOnly: true}, "the file system is mounted read-only"},
		{"full", space{free: least - 1, total: 64 << 20}, "only 31 of 64 MB are free, less than 32 MB"},
		{"many small files", space{free: least, total: least, inodes: 63, countsInodes: true}, "the file system has no room for more files"},
	} {
		e := new(examination)
		e.checkSpace("/data", "/", c.s, least)
		if (len(e.findings) > 0) != (c.want != "") || c.want != "" && !strings.HasPrefix(e.findings[0].Text, c.want) {
			t.Errorf("%s: %s", c.what, found(e.findings))
		}
	}
	s, err := spaceAt(t.TempDir())
	if err != nil || s.total == 0 || s.free > s.total || s.readOnly || s.countsInodes != (s.inodes > 0) {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := spaceAt(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a directory that is missing has space")
	}
	if !sameDevice("/proc/self", "/nowhere") || !sameDevice("/nowhere", "/proc/self") || sameDevice("/proc", "/dev") {
		t.Error("paths that cannot be read count as one file system, and /proc is another one than /dev")
	}
}

// An uplink may ask for more free space than there is.
func TestFreeSpaceOfUplinks(t *testing.T) {
	for minFree, want := range map[config.Size]int{0: 0, 1 << 60: 1} {
		e := &examination{config: &config.Config{Node: config.Node{Data: config.Path(t.TempDir())}, Uplinks: []config.Uplink{{MinFree: minFree}, {}}}}
		if s, err := spaceAt(string(e.config.Node.Data)); err != nil || s.free < 2*room {
			t.Skip("this machine has too little space itself")
		}
		if checkDisk(t.Context(), e); len(e.findings) != want {
			t.Errorf("min_free %d: %s", minFree, found(e.findings))
		}
	}
	e := new(examination)
	if checkDisk(t.Context(), e); len(e.findings) > 0 {
		t.Error(found(e.findings))
	}
}

// ModemManager disturbs serial lines, unless a rule keeps it away.
func TestModemManager(t *testing.T) {
	lines := []config.Serial{{Name: "a"}}
	defer func(files []string, process string) { rules, modemManagerProcess = files, process }(rules, modemManagerProcess)
	rules, modemManagerProcess = []string{"/nowhere"}, "modem-test"
	check := func(what string, want int, lines ...config.Serial) {
		t.Helper()
		e := &examination{config: &config.Config{Serials: lines}, running: new(status)}
		checkPorts(t.Context(), e)
		got := 0
		for _, f := range e.findings {
			if f.Object == "ModemManager" {
				got++
			}
		}
		if got != want {
			t.Errorf("%s: %s", what, found(e.findings))
		}
	}
	check("it does not run", 0, lines...)
	named(t, modemManagerProcess)
	check("it runs", 1, lines...)
	check("no lines", 0)
	rules = append(rules, kit.Write(t, t.TempDir(), "rule", ""))
	check("a rule", 0, lines...)
}

// The program that holds a port is named. It may be a router itself.
func TestHolderIsNamed(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	kit.Must(t, err)
	defer socket.Close()
	url := "tcp://" + socket.Addr().String()
	for _, c := range []struct {
		name, status, level, want string
	}{
		{"nginx", "", Error, fmt.Sprintf("the port is taken by nginx (pid %d)", os.Getpid())},
		{"nginx", "{}", Error, fmt.Sprintf("the port is taken by nginx (pid %d)", os.Getpid())},
		{"runnel", "", Error, fmt.Sprintf("the port is taken by runnel (pid %d)", os.Getpid())},
		{"runnel", "{}", Warning, "a Runnel uses the port"},
	} {
		named(t, c.name)
		e := &examination{config: &config.Config{Listens: []config.Listen{{URL: url}}}}
		if c.status != "" {
			e.running = new(status)
		}
		checkListeners(t.Context(), e)
		if len(e.findings) != 1 || e.findings[0].Level != c.level || !strings.HasPrefix(e.findings[0].Text, c.want) {
			t.Errorf("%s, %s: %s", c.name, c.status, found(e.findings))
		}
	}
	// A connection of a listener that is closed does not hold the port.
	conn, err := net.Dial("tcp", socket.Addr().String())
	kit.Must(t, err)
	defer conn.Close()
	accepted, err := socket.Accept()
	kit.Must(t, err)
	defer accepted.Close()
	kit.Must(t, socket.Close())
	if who := holderOf(socket.Addr().(*net.TCPAddr).Port); strings.Contains(who, fmt.Sprintf("(pid %d)", os.Getpid())) {
		t.Errorf("a connection listens: %s", who)
	}
}

// The check does not occupy a free address.
func TestFreeAddress(t *testing.T) {
	at := fmt.Sprint("127.0.0.1:", kit.FreePort(t))
	e := &examination{config: &config.Config{Listens: []config.Listen{{URL: "tcp://" + at}, {URL: "tcp://127.0.0.1:no"}}}, user: account.Account{UID: 7}}
	if checkListeners(t.Context(), e); len(e.findings) > 0 {
		t.Error(found(e.findings))
	}
	socket, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatalf("the check keeps the address: %v", err)
	}
	socket.Close()
}

// Ports below the lowest unprivileged one need a capability. Only root can try them here.
func TestPrivilegedPorts(t *testing.T) {
	lowest := unprivilegedPort()
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start"); err == nil && strings.TrimSpace(string(text)) != strconv.Itoa(lowest) {
		t.Errorf("%d, not %s", lowest, text)
	}
	for port := lowest - 1; port > max(0, lowest-100); port-- {
		socket, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
		if err != nil {
			continue // in use, or not permitted
		}
		socket.Close()
		for uid, want := range map[int]int{0: 0, 7: 1} {
			e := &examination{config: &config.Config{Listens: []config.Listen{{URL: fmt.Sprint("tcp://127.0.0.1:", port)}}}, user: account.Account{UID: uid}}
			if checkListeners(t.Context(), e); len(e.findings) != want {
				t.Errorf("user %d, port %d: %s", uid, port, found(e.findings))
			}
		}
		return
	}
}

// The names of the centres are looked up once each. Addresses, paths and names of the local network are not.
func TestNames(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end() // no answer
	for _, c := range []struct {
		what string
		ctx  context.Context
		urls []string
		want int
	}{
		{"addresses", ended, []string{"tcp://192.0.2.1:80", "tcp://[2001:db8::1]:80"}, 0},
		{"a path", ended, []string{"unix:///run/r.sock"}, 0},
		{"the local network's", ended, []string{"tcp://centre.local:80"}, 0},
		{"no URL", ended, []string{"tcp://%zz"}, 0},
		{"a name twice", ended, []string{"tcp://centre.invalid:80", "tls://centre.invalid:443"}, 1},
		{"two names", ended, []string{"tcp://centre.invalid:80", "tls://other.invalid:443"}, 2},
		{"a name that is known", t.Context(), []string{"tcp://localhost:80"}, 0},
	} {
		e := &examination{config: &config.Config{Uplinks: []config.Uplink{{Name: "a", URL: c.urls}}}}
		checkNames(c.ctx, e)
		if len(e.findings) != c.want {
			t.Errorf("%s: %s", c.what, found(e.findings))
		}
	}
	e := new(examination)
	if checkNames(t.Context(), e); len(e.findings) > 0 {
		t.Error(found(e.findings))
	}
}

// An account that may not open a port gets the command that permits it.
func TestPortThatIsClosedToTheUser(t *testing.T) {
	device := kit.Write(t, t.TempDir(), "ttyS9", "")
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	for _, c := range []struct {
		gid  int
		mode os.FileMode
		user string
		want string // of the remedy
	}{
		{0, 0o600, "x", "sudo chmod 0660 " + device},
		{4_000_123, 0o660, "x", "sudo usermod -aG 4000123 x, then log in again"},
		{4_000_123, 0o660, account.Service, "sudo usermod -aG 4000123 runnel && sudo systemctl restart runnel"},
		{0, 0o666, "x", ""},
	} {
		kit.Must(t, os.Chown(device, 0, c.gid))
		kit.Must(t, os.Chmod(device, c.mode))
		e := &examination{user: account.Account{Name: c.user, UID: 4_000_124}}
		e.checkPort(config.Serial{Name: "a"}, device)
		got := ""
		for _, f := range e.findings {
			got += f.Remedy
		}
		if got != c.want {
			t.Errorf("group %d, %s: %s", c.gid, c.user, got)
		}
	}
}

// A device server is tried at the default port of Modbus TCP if its URL has none, but not while the router uses it.
func TestDeviceServer(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	kit.Must(t, err)
	defer socket.Close()
	_, port, _ := net.SplitHostPort(socket.Addr().String())
	at, other := "tcp://"+socket.Addr().String(), fmt.Sprint("tcp://127.0.0.1:", kit.FreePort(t))
	for _, c := range []struct {
		device  string
		running bool
		want    int
	}{{at, false, 0}, {other, false, 1}, {other, true, 0}} {
		e := &examination{config: &config.Config{Serials: []config.Serial{{Name: "a", Device: config.Path(c.device)}}}}
		if c.running {
			e.running = new(status)
		}
		checkPorts(t.Context(), e)
		got := 0
		for _, f := range e.findings {
			if f.Object == "serial line a" {
				got++
			}
		}
		if got != c.want {
			t.Errorf("%s, running %v: %s", c.device, c.running, found(e.findings))
		}
	}
	for host, port := range map[string]string{"127.0.0.1": port, socket.Addr().String(): "1"} {
		if err := reach(t.Context(), &url.URL{Host: host}, port); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// The service's user must exist if the service is installed, and must be able to read the files.
func TestUser(t *testing.T) {
	own := account.UnitFiles
	defer func() { account.UnitFiles = own }()
	_, err := user.Lookup(account.Service)
	missing := errors.As(err, new(user.UnknownUserError))
	unit := kit.Write(t, t.TempDir(), "runnel.service", "")
	for _, c := range []struct {
		what, file string
		units      []string
		want       bool
	}{
		{"not installed", "", []string{"/nowhere"}, false}, {"installed", "", []string{"/nowhere", unit}, missing}, {"an administrator's unit", "", []string{unit}, missing}, {"another configuration", "/etc/other.toml", []string{unit}, false},
	} {
		account.UnitFiles = c.units
		e := &examination{Options: Options{File: c.file}}
		if checkUser(t.Context(), e); (len(e.findings) == 1) != c.want {
			t.Errorf("%s: %s", c.what, found(e.findings))
		}
	}
	account.UnitFiles = nil
	if os.Geteuid() != 0 {
		t.Skip("only root has files that another account may not read")
	}
	dir := t.TempDir()
	open, closed := kit.Write(t, dir, "open", ""), kit.Write(t, dir, "closed", "")
	kit.Must(t, os.Chmod(open, 0o644))
	kit.Must(t, os.Chmod(closed, 0o600))
	for uid, want := range map[int]string{0: "", 4_000_124: closed} {
		e := &examination{user: account.Account{Name: "x", UID: uid}, config: &config.Config{Uplinks: []config.Uplink{{Place: config.Place{File: open}, Key: config.Path(closed), CA: config.Path(filepath.Join(dir, "none"))}}}}
		checkUser(t.Context(), e)
		got := ""
		for _, f := range e.findings {
			got += f.Object
		}
		if got != want {
			t.Errorf("user %d: %s", uid, found(e.findings))
		}
	}
}
