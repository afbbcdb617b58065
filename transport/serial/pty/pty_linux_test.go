package pty

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"runnel/test/kit"
)

func TestMain(m *testing.M) { kit.Leakproof(m) }

func expect(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got, err, want)
	}
}

func port(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	kit.Must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func TestOpenIsRaw(t *testing.T) {
	master, slave, err := Open()
	kit.Must(t, err)
	defer master.Close()
	p := port(t, slave)
	const raw = "\x00\x03\x04\x11\x13\x1a\x7f\xff\r\n"
	io.WriteString(master, raw)
	expect(t, p, raw)
	io.WriteString(p, raw)
	expect(t, master, raw)
}

func TestDeviceOutlivesItsPrograms(t *testing.T) {
	link := filepath.Join(t.TempDir(), "sensor")
	d, err := Plug(link)
	kit.Must(t, err)
	defer d.Close()
	for range 3 {
		p := port(t, link)
		got := make(chan string)
		go func() {
			b := make([]byte, 5)
			io.ReadFull(d, b)
			got <- string(b)
		}()
		io.WriteString(p, "hello")
		if s := <-got; s != "hello" {
			t.Fatalf("the device read %q", s)
		}
		kit.Must(t, p.Close())
	}
}

func TestPlugAgain(t *testing.T) {
	link := filepath.Join(t.TempDir(), "sensor")
	first, err := Plug(link)
	kit.Must(t, err)
	p := port(t, link)
	kit.Must(t, first.Close())
	if _, err := os.Lstat(link); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the link of an unplugged device: %v", err)
	}
	if _, err := p.Read(make([]byte, 1)); err == nil {
		t.Error("the port of an unplugged device can be read")
	}
	between, _, err := Open() // takes the number that is free
	kit.Must(t, err)
	defer between.Close()
	second, err := Plug(link)
	kit.Must(t, err)
	defer second.Close()
	if second.Port() == first.Port() {
		t.Errorf("both times %s", first.Port())
	}
	kit.Must(t, first.Close()) // again: the second device's link must stay
	io.WriteString(second, "back")
	expect(t, port(t, link), "back")
}

func TestPlugReplacesOnlyLinks(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	kit.Must(t, os.WriteFile(file, nil, 0o600))
	if _, err := Plug(file); !errors.Is(err, os.ErrExist) {
		t.Errorf("Plug: %v", err)
	}
}

func TestCloseEndsRead(t *testing.T) {
	d, err := Plug(filepath.Join(t.TempDir(), "sensor"))
	kit.Must(t, err)
	p := port(t, d.Port())
	kit.Must(t, p.Close()) // now Read polls
	failed := make(chan error)
	go func() {
		_, err := d.Read(make([]byte, 1))
		failed <- err
	}()
	kit.Must(t, d.Close())
	if err := <-failed; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Read: %v", err)
	}
}

// Read waits while no program has the port open.
func TestReadWaitsForAProgram(t *testing.T) {
	d, err := Plug(filepath.Join(t.TempDir(), "sensor"))
	kit.Must(t, err)
	defer d.Close()
	kit.Must(t, port(t, d.Port()).Close())
	got := make(chan string, 1)
	go func() {
		b := make([]byte, 5)
		n, err := d.Read(b)
		got <- fmt.Sprint(string(b[:n]), err)
	}()
	select {
	case s := <-got:
		t.Fatalf("Read ended: %s", s)
	case <-time.After(5 * poll):
	}
	io.WriteString(port(t, d.Port()), "hello")
	if s := kit.Receive(t, "the program's data", got); s != "hello<nil>" {
		t.Errorf("Read: %s", s)
	}
}

// A device replaces the link of an older one, which leaves it alone when it is unplugged.
func TestPlugReplacesALink(t *testing.T) {
	link := filepath.Join(t.TempDir(), "sensor")
	kit.Must(t, os.Symlink("/nonexistent", link))
	first, err := Plug(link)
	kit.Must(t, err)
	defer first.Close()
	second, err := Plug(link)
	kit.Must(t, err)
	defer second.Close()
	kit.Must(t, first.Close())
	if to, err := os.Readlink(link); err != nil || to != second.Port() {
		t.Errorf("the link leads to %q, %v; want %q", to, err, second.Port())
	}
	kit.Must(t, os.Remove(link))
	kit.Must(t, second.Close())
}

// OpenAt reports a file that is no multiplexer, and Plug a link that it cannot make.
func TestErrors(t *testing.T) {
	dir := t.TempDir()
	file := kit.Write(t, dir, "file", "")
	for _, c := range []struct {
		path  string
		cause error
	}{{filepath.Join(dir, "missing"), fs.ErrNotExist}, {file, unix.ENOTTY}} {
		if master, _, err := OpenAt(c.path); master != nil || !errors.Is(err, c.cause) {
			t.Errorf("%s: %v, %v", c.path, master, err)
		}
	}
	if d, err := Plug(filepath.Join(dir, "missing", "sensor")); d != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a link in a missing directory: %v, %v", d, err)
	}
	kit.Must(t, os.Symlink("a", filepath.Join(dir, fmt.Sprintf("sensor.%d", os.Getpid())))) // where the link is prepared
	before := opened(t, file, "/dev/pts/ptmx", "/dev/ptmx")
	if d, err := Plug(filepath.Join(dir, "sensor")); d != nil || !errors.Is(err, fs.ErrExist) {
		t.Errorf("a link that cannot be prepared: %v, %v", d, err)
	}
	OpenAt(file)
	if after := opened(t, file, "/dev/pts/ptmx", "/dev/ptmx"); after != before || opened(t, file) > 0 {
		t.Errorf("%d multiplexers stay open, and %d were before", after, before)
	}
}

// opened counts this process's descriptors of some files.
func opened(t *testing.T, files ...string) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	kit.Must(t, err)
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && slices.Contains(files, to) {
			n++
		}
	}
	return n
}
