//go:build linux

package journal

import (
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

// A full disk accepts a part of a write. Earlier records stay, and the log continues once there is space again. The
// limit applies to the whole process, so the test runs in a process of its own.
func TestFullDisk(t *testing.T) {
	if os.Getenv("RUNNEL_FULL_DISK") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFullDisk$")
		cmd.Env = append(os.Environ(), "RUNNEL_FULL_DISK=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return
	}
	l := open(t, t.TempDir(), 1<<20)
	l.add("before")
	room := limitFiles(t, 5000)
	record := strings.Repeat("x", 1000)
	n, err := l.Append(list([]string{record, record, record, record, record, record}))
	if err == nil || n != 0 {
		t.Fatalf("%d records: %v", n, err)
	}
	l.add(record)
	n, err = l.Append(func(yield func([]byte) bool) { // more than one write
		for yield([]byte(record)) {
		}
	})
	if err == nil {
		t.Fatal("appended without end")
	}
	if err := l.Rewrite(list([]string{record, record, record, record, record})); err == nil {
		t.Error("Rewrite succeeded without space")
	}
	if names := l.files(); len(names) != 1 {
		t.Errorf("the rewrite left %v", names)
	}
	room()
	l.add("after")
	l = l.again()
	l.holds("before", record, "after")
	if l.found.Torn != 0 || len(l.found.Bad) != 0 || n != 0 {
		t.Errorf("found %+v after %d records", l.found, n)
	}
}

// limitFiles limits the size of files written by this process to the given number of bytes, until undo is called.
func limitFiles(t *testing.T, octets uint64) (undo func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	limit := syscall.Rlimit{Cur: octets, Max: old.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Skip("no limit can be set: ", err)
	}
	undo = func() { syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old) }
	t.Cleanup(undo)
	return undo
}
