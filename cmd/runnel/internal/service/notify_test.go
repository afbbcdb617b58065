package service

import (
	"log/slog"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestNotify(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := notify("READY=1"); err != nil {
		t.Error(err)
	}
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	if err := notify("READY=1"); err != nil {
		t.Fatal(err)
	}
	var b [64]byte
	if n, err := conn.Read(b[:]); err != nil || string(b[:n]) != "READY=1" {
		t.Errorf("%q, %v", b[:n], err)
	}
	t.Setenv("NOTIFY_SOCKET", path+".none")
	if err := notify("READY=1"); err == nil {
		t.Error("no error without a socket")
	}
}

// A state that cannot be sent is a warning, and no other state is.
func TestNotifyWarns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, c := range []struct {
		socket, state string
		warns         bool
	}{
		{"", "READY=1", false}, {path, "READY=1", false}, {path, strings.Repeat("x", 1<<22), true}, {path + ".none", "READY=1", true},
	} {
		t.Setenv("NOTIFY_SOCKET", c.socket)
		var log strings.Builder
		Notify(c.state, slog.New(slog.NewTextHandler(&log, nil)))
		if warned := strings.Contains(log.String(), "cannot notify systemd"); warned != c.warns {
			t.Errorf("%.20s to %q: warned %v", c.state, c.socket, warned)
		}
	}
}

// A name that begins with @ is in Linux's abstract name space.
func TestNotifyAbstract(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no abstract name space")
	}
	name := "@" + filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", name)
	if err := notify("STOPPING=1"); err != nil {
		t.Fatal(err)
	}
	var b [64]byte
	if n, err := conn.Read(b[:]); err != nil || string(b[:n]) != "STOPPING=1" {
		t.Errorf("%q, %v", b[:n], err)
	}
}
