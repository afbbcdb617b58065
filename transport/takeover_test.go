package transport

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func mustListen(t *testing.T, url string, over ...*Listener) *Listener {
	t.Helper()
	l, err := Listen(url, ListenOptions{Replaces: over})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// A listener takes over the address of another before that is closed. An address of another process is still an error.
func TestTakeOver(t *testing.T) {
	old := mustListen(t, "tcp://127.0.0.1:0")
	port := old.url.Port()
	for _, url := range []string{"ws://127.0.0.1:" + port, "tcp://0.0.0.0:" + port, "tcp://[::]:" + port} {
		if _, err := Listen(url, ListenOptions{}); err == nil {
			t.Fatalf("%s is free", url)
		}
		next := mustListen(t, url, old)
		if err := next.Claim(); err != nil {
			t.Fatal(err)
		}
		old.Close()
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if c, err := next.socket.Accept(); err != nil {
			t.Fatal(err)
		} else if _, ok := c.(*net.TCPConn); !ok {
			t.Errorf("accepted is %T", c)
		} else {
			c.Close()
		}
		if _, err := Listen("tcp://127.0.0.1:"+port, ListenOptions{}); err == nil {
			t.Error("the address is free for others")
		}
		old = next
	}
	stranger := mustListen(t, "tcp://127.0.0.1:0")
	if _, err := Listen("tcp://0.0.0.0:"+stranger.url.Port(), ListenOptions{Replaces: []*Listener{old}}); err == nil {
		t.Error("a stranger's port was taken")
	}
}

func TestTakeOverUnix(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.sock")
	old := mustListen(t, "unix://"+path)
	given, err := Listen("unix://"+path, ListenOptions{Mode: 0o600, Replaces: []*Listener{old}})
	if err != nil {
		t.Fatal(err)
	}
	given.Close() // a change that is given up leaves no trace
	if entries, _ := os.ReadDir(dir); len(entries) != 1 || mode(t, path) != 0o660 {
		t.Errorf("%v, %v", entries, mode(t, path))
	}
	next, err := Listen("unix://"+path, ListenOptions{Mode: 0o600, Replaces: []*Listener{old}})
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if err := next.Claim(); err != nil {
		t.Fatal(err)
	}
	old.Close()
	if mode(t, path) != 0o600 {
		t.Errorf("mode %v", mode(t, path))
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if entries, _ := os.ReadDir(dir); len(entries) != 1 || strings.HasPrefix(entries[0].Name(), ".") {
		t.Errorf("left: %v", entries)
	}
}

// TestSameAddress: a port and an address have to be equal, in whatever form they are written.
func TestSameAddress(t *testing.T) {
	address := func(ip, zone string, port int) *net.TCPAddr {
		return &net.TCPAddr{IP: net.ParseIP(ip), Zone: zone, Port: port}
	}
	for _, c := range []struct {
		a, b *net.TCPAddr
		want bool
	}{
		{address("127.0.0.1", "", 80), address("127.0.0.1", "", 80), true},
		{address("127.0.0.1", "", 80), address("::ffff:127.0.0.1", "", 80), true},
		{address("127.0.0.1", "", 80), address("127.0.0.1", "", 81), false},
		{address("127.0.0.1", "", 80), address("127.0.0.2", "", 80), false},
		{address("127.0.0.1", "", 80), address("0.0.0.0", "", 80), false},
		{address("::", "", 80), address("127.0.0.1", "", 80), false},
		{address("0.0.0.0", "", 80), address("::", "", 80), true},
		{address("", "", 80), address("::", "", 80), true},
		{address("", "", 80), address("", "", 80), true},
		{address("", "", 80), address("", "", 81), false},
		{address("fe80::1", "eth0", 80), address("fe80::1", "eth0", 80), true},
		{address("fe80::1", "eth0", 80), address("fe80::1", "eth1", 80), false},
	} {
		if got := sameAddress(c.a, c.b); got != c.want {
			t.Errorf("%v and %v: %v", c.a, c.b, got)
		}
		if got := sameAddress(c.b, c.a); got != c.want {
			t.Errorf("%v and %v: %v", c.b, c.a, got)
		}
	}
}

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}
