package transport

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
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

	// Close does not remove a file that another program has put there.
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

// TestPathLength: a socket's path is as long as an address can hold.
func TestPathLength(t *testing.T) {
	for n, valid := range map[int]bool{1: true, maxUnixPath: true, maxUnixPath + 1: false} {
		if err := checkPath(&url.URL{Scheme: "unix", Path: strings.Repeat("x", n)}); (err == nil) != valid {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// TestOwnerIDs: users and groups are named, or numbered, or none.
func TestOwnerIDs(t *testing.T) {
	me, err := user.Current()
	if err == nil {
		_, err = user.Lookup(me.Username)
	}
	if err != nil {
		t.Skip("this user has no name")
	}
	for _, c := range []struct {
		owner, group string
		uid, gid     int
		valid        bool
	}{
		{"", "", -1, -1, true},
		{"12", "34", 12, 34, true},
		{me.Uid, me.Gid, os.Getuid(), os.Getgid(), true},
		{me.Username, "", os.Getuid(), -1, true},
		{"no such user", "", 0, 0, false},
		{"", "no such group", 0, 0, false},
	} {
		uid, gid, err := OwnerIDs(c.owner, c.group)
		if (err == nil) != c.valid || c.valid && (uid != c.uid || gid != c.gid) {
			t.Errorf("owner %q, group %q: %d, %d, %v", c.owner, c.group, uid, gid, err)
		}
		if err := LookupOwner(c.owner, c.group); (err == nil) != c.valid {
			t.Errorf("owner %q, group %q: %v", c.owner, c.group, err)
		}
	}
}

// TestOwnGroup: a socket's file can be given to its own user and group; an unknown one is an error.
func TestOwnGroup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, valid := range map[string]bool{"": true, strconv.Itoa(os.Getuid()): true, "no such user": false} {
		if err := changeOwner(file, name); (err == nil) != valid {
			t.Errorf("owner %q: %v", name, err)
		}
	}
	for name, valid := range map[string]bool{"": true, strconv.Itoa(os.Getgid()): true, "no such group": false} {
		if err := changeGroup(file, name); (err == nil) != valid {
			t.Errorf("group %q: %v", name, err)
		}
	}
	if err := changeOwner(file+"0", strconv.Itoa(os.Getuid())); err == nil {
		t.Error("a missing file was given to an owner")
	}
}
