package systemd

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"runnel/test/kit"
)

// A passed descriptor is used if it is a listening stream socket, and stays open.
func TestDuplicate(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	kit.Must(t, err)
	defer tcp.Close()
	local, err := net.Listen("unix", filepath.Join(t.TempDir(), "a.sock"))
	kit.Must(t, err)
	defer local.Close()
	packets, err := net.Listen("unixpacket", filepath.Join(t.TempDir(), "b.sock"))
	kit.Must(t, err)
	defer packets.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	kit.Must(t, err)
	defer udp.Close()
	near, far := kit.Sockets(t, "tcp", "127.0.0.1:0")
	defer near.Close()
	defer far.Close()
	for name, c := range map[string]struct {
		socket any
		err    string
	}{
		"TCP": {tcp, ""}, "Unix": {local, ""},
		"a listener for packets": {packets, "not a listening stream socket"}, "UDP": {udp, "not a listening stream socket"}, "a connection": {near, "not a listening stream socket"},
	} {
		fd := descriptor(t, c.socket)
		l, err := duplicate(fd)
		switch {
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: error is %v, want %q", name, err, c.err)
		case c.err == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.err == "":
			if want := c.socket.(net.Listener).Addr().String(); l.Addr().String() != want {
				t.Errorf("%s: the address is %s, want %s", name, l.Addr(), want)
			}
			kit.Must(t, l.Close())
		}
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			t.Errorf("%s: the descriptor was closed: %v", name, err)
		}
	}
	if _, err := duplicate(1 << 20); err == nil || !strings.Contains(err.Error(), "LISTEN_FDS is wrong") {
		t.Errorf("not open: error is %v", err)
	}
}

// TestOpen runs this test once more, with sockets that it passes as systemd does.
func TestOpen(t *testing.T) {
	if os.Getenv("LISTEN_FDNAMES") != "" {
		testOpened(t)
		return
	}
	var files []*os.File
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		kit.Must(t, err)
		defer l.Close()
		f, err := l.(*net.TCPListener).File()
		kit.Must(t, err)
		defer f.Close()
		files = append(files, f)
	}
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	kit.Must(t, err)
	defer udp.Close()
	f, err := udp.(*net.UDPConn).File()
	kit.Must(t, err)
	defer f.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestOpen$", "-test.v")
	cmd.ExtraFiles = append(files, f)
	cmd.Env = append(os.Environ(), "LISTEN_FDS=3", "LISTEN_FDNAMES=web:web:mixed")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS: TestOpen") {
		t.Errorf("%v\n%s", err, out)
	}
}

// testOpened is what the process with the passed sockets tests.
func testOpened(t *testing.T) {
	t.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	opened, err := Open("web", nil)
	if err != nil || len(opened) != 2 || opened[0].Addr().String() == opened[1].Addr().String() {
		t.Fatalf("web: %v, %v", opened, err)
	}
	for _, l := range opened {
		conn, err := net.Dial("tcp", l.Addr().String())
		kit.Must(t, err)
		defer conn.Close()
		accepted, err := l.Accept()
		kit.Must(t, err)
		defer accepted.Close()
	}
	for name, want := range map[string]string{
		"absent": "absent", "mixed": "socket 5 (mixed) of systemd: ", "": "socket 5 (mixed) of systemd: ",
	} {
		if opened, err := Open(name, nil); err == nil || !strings.Contains(err.Error(), want) || opened != nil {
			t.Errorf("%q: %v, %v", name, opened, err)
		}
	}
	t.Setenv("LISTEN_PID", "1")
	if opened, err := Open("web", nil); err == nil || opened != nil {
		t.Errorf("another process's sockets: %v, %v", opened, err)
	}
}

// descriptor returns the descriptor of a socket that stays open for the test.
func descriptor(t *testing.T, socket any) (fd int) {
	t.Helper()
	raw, err := socket.(syscall.Conn).SyscallConn()
	kit.Must(t, err)
	kit.Must(t, raw.Control(func(d uintptr) { fd = int(d) }))
	return fd
}
