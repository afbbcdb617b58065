package transport

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnixSocketFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "new", "sub", "runnel.sock")
	url := "unix://" + path

	l := run(t, url, ListenOptions{Mode: 0o600})
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	if _, err := Listen(url, ListenOptions{}); err == nil || !strings.Contains(err.Error(), path+" is in use") {
		t.Errorf("a second listener: %v", err)
	}
	call(t, dial(t, url), "hello") // the first one is not harmed
	l.stop()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the end: %v", err)
	}

	stale(t, path)
	l = run(t, url, ListenOptions{})
	if info, err := os.Lstat(path); err != nil || info.Mode() != fs.ModeSocket|0o660 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	call(t, dial(t, url), "hello")

	// Somebody else's file is not removed at the end.
	os.Remove(path)
	stale(t, path)
	l.stop()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("another process's socket: %v", err)
	}

	for _, kind := range []string{"file", "directory"} {
		path := filepath.Join(dir, kind)
		if kind == "file" {
			os.WriteFile(path, []byte("precious"), 0o600)
		} else {
			os.Mkdir(path, 0o700)
		}
		if _, err := Listen("unix://"+path, ListenOptions{}); err == nil || !strings.Contains(err.Error(), path+" exists and is not a socket") {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "file")); !bytes.Equal(b, []byte("precious")) {
		t.Error("the file was changed")
	}
	if _, err := Listen("unix://"+dir+"/s", ListenOptions{Owner: "nobody of that name"}); err == nil {
		t.Error("an unknown owner was accepted")
	}
}

// stale leaves a socket file without a listener.
func stale(t *testing.T, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
}

func TestPeerCredentials(t *testing.T) {
	l := run(t, "unix://"+t.TempDir()+"/s", ListenOptions{Authid: "local", Role: "admin", Realm: "realm1"})
	c := dial(t, l.URL())
	call(t, c, "hello")
	got := (<-l.peers).Transport()
	if !got.HasCred || got.UID != os.Getuid() || got.GID != os.Getgid() || got.PID != os.Getpid() {
		t.Errorf("the peer is %+v", got)
	}
	if got.Authid != "local" || got.Role != "admin" || got.Realm != "realm1" {
		t.Errorf("the peer is %+v", got)
	}
}
