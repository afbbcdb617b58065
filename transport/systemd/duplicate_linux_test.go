package systemd

import (
	"net"
	"path/filepath"
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

// descriptor returns the descriptor of a socket that stays open for the test.
func descriptor(t *testing.T, socket any) (fd int) {
	t.Helper()
	raw, err := socket.(syscall.Conn).SyscallConn()
	kit.Must(t, err)
	kit.Must(t, raw.Control(func(d uintptr) { fd = int(d) }))
	return fd
}
