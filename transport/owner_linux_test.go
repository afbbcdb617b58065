package transport

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestGiveAway: a socket's file gets the owner and the group that are named, the first ones included.
func TestGiveAway(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give a file away")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		owner, group string
		uid, gid     uint32
	}{{"4294", "4295", 4294, 4295}, {"", "", 4294, 4295}, {"0", "", 0, 4295}, {"", "0", 0, 0}} {
		if err := errors.Join(changeOwner(file, c.owner), changeGroup(file, c.group)); err != nil {
			t.Error(err)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if st := info.Sys().(*syscall.Stat_t); st.Uid != c.uid || st.Gid != c.gid {
			t.Errorf("owner %q, group %q: the file belongs to %d, %d", c.owner, c.group, st.Uid, st.Gid)
		}
	}
	missing := file + " that is missing"
	if err := errors.Join(changeOwner(missing, ""), changeGroup(missing, "")); err != nil {
		t.Errorf("nothing was to be changed: %v", err)
	}
	if err := changeGroup(missing, "0"); err == nil {
		t.Error("a missing file was given to a group")
	}
}

// TestControl: a socket that cannot be set up is an error, whether the system or the socket's owner refuses.
func TestControl(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	refused := errors.New("refused")
	for _, want := range []error{nil, refused} {
		if err := control(raw, func(int) error { return want }); err != want {
			t.Errorf("%v, want %v", err, want)
		}
	}
	conn.Close()
	if err := control(raw, func(int) error { return nil }); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a socket that is closed: %v", err)
	}
	if err := setUserTimeout("tcp", "", raw); err == nil {
		t.Error("a closed socket has a timeout")
	}
}
