package serial

import (
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"runnel/test/kit"
	"runnel/transport/serial/pty"
)

func TestPort(t *testing.T) {
	d, p := device(t, Config{})
	send(t, p, "to the device\x00\xff\x11\x13\r\n")
	expect(t, d, "to the device\x00\xff\x11\x13\r\n")
	send(t, d, "from the device\x00\xff\x11\x13\r\n\x03\x04")
	expect(t, p, "from the device\x00\xff\x11\x13\r\n\x03\x04")
	if p.Device() != d.Port() {
		t.Errorf("Device() = %q, want %q", p.Device(), d.Port())
	}
}

func TestPortSettings(t *testing.T) {
	master, slave, err := pty.Open()
	kit.Must(t, err)
	defer master.Close()
	// Both ends have the same settings. A real port begins with HUPCL.
	settings := func(change func(*unix.Termios)) (s *unix.Termios) {
		raw, err := master.SyscallConn()
		kit.Must(t, err)
		raw.Control(func(fd uintptr) {
			if s, err = unix.IoctlGetTermios(int(fd), unix.TCGETS); err == nil {
				change(s)
				err = unix.IoctlSetTermios(int(fd), unix.TCSETS, s)
			}
		})
		kit.Must(t, err)
		return s
	}
	settings(func(s *unix.Termios) { s.Cflag |= unix.HUPCL; s.Lflag |= unix.ECHO | unix.ICANON })
	for _, c := range []struct {
		config      Config
		mask, cflag uint32
	}{
		{Config{}, unix.CBAUD | unix.CSIZE | unix.PARENB | unix.CSTOPB | unix.HUPCL, unix.B115200 | unix.CS8},
		{Config{Baud: 9600, DTR: On, RTS: Off}, unix.CBAUD, unix.B9600},
		{Config{StopBits: 2, Parity: Odd}, unix.CSTOPB | unix.PARODD, unix.CSTOPB | unix.PARODD},
	} {
		c.config.Device = slave
		p, err := Open(context.Background(), c.config)
		kit.Must(t, err)
		if s := settings(func(*unix.Termios) {}); s.Cflag&c.mask != c.cflag || s.Lflag&(unix.ECHO|unix.ICANON) != 0 {
			t.Errorf("%+v: cflag %#o, want %#o", c.config, s.Cflag&c.mask, c.cflag)
		}
		kit.Must(t, p.Close())
	}
}

// TestFlow: flow control is set, and turned off again for the next user of the port.
func TestFlow(t *testing.T) {
	d, p := device(t, Config{})
	for _, c := range []struct {
		flow  Flow
		cflag uint32
		iflag uint32
	}{{RTSCTS, unix.CRTSCTS, 0}, {XONXOFF, 0, unix.IXON | unix.IXOFF}, {NoFlow, 0, 0}} {
		kit.Must(t, p.Close())
		var err error
		p, err = Open(context.Background(), Config{Device: d.Port(), Flow: c.flow})
		kit.Must(t, err)
		kit.Must(t, p.control(func(fd int) error {
			s, err := unix.IoctlGetTermios(fd, unix.TCGETS)
			if err == nil && (s.Cflag&unix.CRTSCTS != c.cflag || s.Iflag&(unix.IXON|unix.IXOFF|unix.IXANY) != c.iflag) {
				t.Errorf("flow %d: cflag %#o, iflag %#o", c.flow, s.Cflag, s.Iflag)
			}
			return err
		}))
	}
	kit.Must(t, p.Close())
	for _, c := range []Config{
		{Device: d.Port(), Flow: RTSCTS, RTS: On}, {Device: d.Port(), Flow: RTSCTS, RS485: &RS485{}}, {Device: d.Port(), Flow: XONXOFF + 1}, {Device: "tcp://127.0.0.1:1", Flow: XONXOFF},
	} {
		if c.Validate() == nil {
			t.Errorf("%+v was accepted", c)
		}
	}
}

// TestExclusive checks the exclusive flag. It keeps out all users but root, so opening the port proves nothing: the test may
// run as root.
func TestExclusive(t *testing.T) {
	d, p := device(t, Config{})
	other, err := os.OpenFile(d.Port(), os.O_RDWR|unix.O_NOCTTY, 0)
	if errors.Is(err, unix.EBUSY) {
		kit.Must(t, p.Close())
		other, err = os.OpenFile(d.Port(), os.O_RDWR|unix.O_NOCTTY, 0)
		kit.Must(t, err)
		other.Close()
		return
	}
	kit.Must(t, err)
	defer other.Close()
	exclusive := func() (is int) {
		raw, err := other.SyscallConn()
		kit.Must(t, err)
		raw.Control(func(fd uintptr) { is, err = unix.IoctlGetInt(int(fd), unix.TIOCGEXCL) })
		if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.ENOSYS) {
			t.Skip("the emulator does not know TIOCGEXCL")
		}
		kit.Must(t, err)
		return is
	}
	if exclusive() == 0 {
		t.Error("an open port is not exclusive")
	}
	kit.Must(t, p.Close())
	if exclusive() != 0 {
		t.Error("a closed port is exclusive")
	}
}

func TestOpenDropsWhatWaits(t *testing.T) {
	master, slave, err := pty.Open()
	kit.Must(t, err)
	defer master.Close()
	other, err := os.OpenFile(slave, os.O_RDWR|unix.O_NOCTTY, 0)
	kit.Must(t, err)
	defer other.Close()
	send(t, master, "old")
	raw, err := other.SyscallConn()
	kit.Must(t, err)
	kit.Eventually(t, "the old octets arrive", func() bool {
		waiting := 0
		raw.Control(func(fd uintptr) { waiting, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
		return waiting == 3
	})
	p, err := Open(context.Background(), Config{Device: slave})
	kit.Must(t, err)
	defer p.Close()
	send(t, master, "new")
	expect(t, p, "new")
}

func TestUnplug(t *testing.T) {
	d, p := device(t, Config{})
	failed := make(chan error)
	go func() {
		_, err := p.Read(make([]byte, 1))
		failed <- err
	}()
	kit.Must(t, d.Close())
	if err := receive(t, failed); !errors.Is(err, ErrUnplugged) || !strings.Contains(err.Error(), "read serial "+p.Device()) {
		t.Errorf("Read: %v", err)
	}
	if _, err := p.Write([]byte("x")); !errors.Is(err, ErrUnplugged) {
		t.Errorf("Write: %v", err)
	}
	if _, err := Open(context.Background(), Config{Device: p.Device()}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open: %v", err)
	}
}

func TestCloseInterrupts(t *testing.T) {
	_, p := device(t, Config{})
	failed := make(chan error)
	go func() {
		_, err := p.Read(make([]byte, 1))
		failed <- err
	}()
	go func() { // not read at the other end, so the buffer fills up
		_, err := p.Write(make([]byte, 1<<20))
		failed <- err
	}()
	p.SetDeadline(time.Now().Add(time.Millisecond))
	for range 2 {
		if err := receive(t, failed); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after the deadline: %v", err)
		}
	}
	p.SetDeadline(time.Time{})
	began := make(chan struct{}, 2)
	go func() {
		began <- struct{}{}
		_, err := p.Read(make([]byte, 1))
		failed <- err
	}()
	go func() {
		began <- struct{}{}
		_, err := p.Write(make([]byte, 1<<20))
		failed <- err
	}()
	<-began
	<-began
	kit.Must(t, p.Close())
	for range 2 {
		if err := receive(t, failed); !errors.Is(err, os.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

// TestCloseReleases: a port that is closed leaves no lock file behind.
func TestCloseReleases(t *testing.T) {
	dir := t.TempDir()
	d := plug(t, filepath.Join(dir, "port"))
	port, err := Open(context.Background(), Config{Device: d.Port()})
	kit.Must(t, err)
	port.claim.release()
	locks := t.TempDir()
	port.claim, err = claimIn([]string{locks}, d.Port())
	kit.Must(t, err)
	kit.Must(t, port.Close())
	if left, _ := os.ReadDir(locks); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestFinishedStream: a stream that is finished is closed, and leaves the port open for the next one.
func TestFinishedStream(t *testing.T) {
	d := plug(t, filepath.Join(t.TempDir(), "port"))
	port, err := Open(context.Background(), Config{Device: d.Port()})
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	first := &stream{port: port, count: &counters{}}
	if err := first.finish(); err != nil {
		t.Error(err)
	}
	if _, err := first.Write([]byte("x")); err != os.ErrClosed {
		t.Errorf("write to a finished stream: %v", err)
	}
	if _, err := (&stream{port: port, count: &counters{}}).Write([]byte("x")); err != nil {
		t.Errorf("write to the next stream: %v", err)
	}
}

func TestHeldByUs(t *testing.T) {
	_, p := device(t, Config{})
	_, err := Open(context.Background(), Config{Device: p.Device()})
	wantHeld(t, err, os.Getpid())
	kit.Must(t, p.Close())
	again, err := Open(context.Background(), Config{Device: p.Device()})
	kit.Must(t, err)
	again.Close()
}

func TestHeldByAnother(t *testing.T) {
	d := plug(t, filepath.Join(t.TempDir(), "port"))
	pid, end := holder(t, d.Port())
	_, err := Open(context.Background(), Config{Device: d.Port()})
	wantHeld(t, err, pid)
	end()
	p, err := Open(context.Background(), Config{Device: d.Port()})
	kit.Must(t, err)
	p.Close()
}

func wantHeld(t *testing.T, err error, pid int) {
	t.Helper()
	var held *Held
	if !errors.As(err, &held) || len(held.By) != 1 || held.By[0].PID != pid {
		t.Fatalf("Open: %v, want held by pid %d", err, pid)
	}
	name := named(pid).Name
	if want := "held by " + name + " (pid " + strconv.Itoa(pid) + ")"; !strings.HasSuffix(err.Error(), want) {
		t.Errorf("Open: %v, want %q", err, want)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	kit.Must(t, os.WriteFile(file, nil, 0o600))
	gone := filepath.Join(dir, "gone")
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{Device: gone}, "open serial " + gone + ": no such file or directory"},
		{Config{Device: file}, "open serial " + file + ": not a serial port: inappropriate ioctl for device"},
		{Config{Device: "/dev/null"}, "open serial /dev/null: not a serial port: inappropriate ioctl for device"},
		{Config{Device: dir}, "open serial " + dir + ": is a directory"},
		{Config{}, "open serial usb *:*: device or USB identity is missing"},
		{Config{USB: USB{VID: "ffff", PID: "fffe"}}, "open serial usb ffff:fffe: file does not exist: there is "},
	} {
		_, err := Open(context.Background(), c.config)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.config, err, c.want)
		}
	}
}

func TestOpenSettles(t *testing.T) {
	d := plug(t, filepath.Join(t.TempDir(), "port"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Open(ctx, Config{Device: d.Port(), Settle: time.Minute}); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: %v", err)
	}
	p, err := Open(context.Background(), Config{Device: d.Port(), Settle: time.Millisecond})
	kit.Must(t, err)
	p.Close()
}

func TestPermissionNamesTheGroup(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give a file to another group")
	}
	file := filepath.Join(t.TempDir(), "tty")
	kit.Must(t, os.WriteFile(file, nil, 0o600))
	kit.Must(t, os.Chown(file, -1, 4294))
	kit.Must(t, os.Chmod(file, 0o660))
	err := explain(file, &os.PathError{Op: "open", Path: file, Err: syscall.EACCES})
	if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "permission denied; members of the group 4294 may") {
		t.Error(err)
	}
	for _, c := range []struct {
		group int
		mode  os.FileMode
	}{{4294, 0o600}, {4294, 0o640}, {4294, 0o620}, {0, 0o660}} {
		kit.Must(t, os.Chown(file, -1, c.group))
		kit.Must(t, os.Chmod(file, c.mode))
		if err := explain(file, &os.PathError{Op: "open", Path: file, Err: syscall.EACCES}); err.Error() != "permission denied" {
			t.Errorf("group %d, mode %o: %v", c.group, c.mode, err)
		}
	}
	gone := file + " that is missing"
	if err := explain(gone, &os.PathError{Op: "open", Path: gone, Err: syscall.EACCES}); err.Error() != "permission denied" {
		t.Errorf("a missing file: %v", err)
	}
}

func TestLockFile(t *testing.T) {
	dir := t.TempDir()
	d := plug(t, filepath.Join(dir, "port"))
	file := filepath.Join(dir, "LCK..pts_"+filepath.Base(d.Port()))
	bystander, _ := holder(t, "/dev/null")
	for _, c := range []struct{ name, content string }{
		{"of a process that is gone", "    999999\n"},
		{"of ours, left by an earlier run", strconv.Itoa(os.Getpid())},
		{"of a process that does not have the device", strconv.Itoa(bystander)},
		{"with nonsense", "hello"},
		{"empty", ""},
	} {
		kit.Must(t, os.WriteFile(file, []byte(c.content), 0o644))
		l, err := lockFile(dir, d.Port())
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got, _ := os.ReadFile(file); strings.TrimSpace(string(got)) != strconv.Itoa(os.Getpid()) || len(got) != 11 {
			t.Errorf("%s: the file says %q", c.name, got)
		}
		l.release()
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock file stays behind: %v", err)
	}

	pid, end := holder(t, d.Port())
	kit.Must(t, os.WriteFile(file, []byte(strconv.Itoa(pid)), 0o644))
	_, err := lockFile(dir, d.Port())
	wantHeld(t, err, pid)
	end()
	l, err := lockFile(dir, d.Port())
	kit.Must(t, err)
	l.release()
	entries, _ := os.ReadDir(dir)
	if len(entries) != 1 { // the device's own link
		t.Errorf("left behind: %v", entries)
	}
}

func TestLockersAreNamed(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "tty"))
	kit.Must(t, err)
	defer f.Close()
	if by := lockers(f.Name()); len(by) > 0 {
		t.Errorf("before the lock: %v", by)
	}
	if ok, err := flock(f); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if by := lockers(f.Name()); len(by) != 1 || by[0].PID != os.Getpid() {
		t.Errorf("lockers: %v", by)
	}
}

func TestOpenURL(t *testing.T) {
	d := plug(t, filepath.Join(t.TempDir(), "port"))
	u, err := url.Parse("serial://" + d.Port() + "?baud=9600&framing=none")
	kit.Must(t, err)
	rw, err := OpenURL(context.Background(), u)
	kit.Must(t, err)
	defer rw.Close()
	send(t, d, "x")
	expect(t, rw, "x")
	if second, err := OpenURL(context.Background(), u); second != nil || err == nil {
		t.Errorf("OpenURL of a port that is held: %v, %v", second, err)
	}
}

var _ io.ReadWriteCloser = (*Port)(nil)
