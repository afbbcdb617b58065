package serial

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runnel/test/kit"
)

func TestFlocks(t *testing.T) {
	const locks = `1: POSIX  ADVISORY  WRITE 700 00:05:312 0 EOF
2: FLOCK  ADVISORY  WRITE 701 00:05:312 0 EOF
3: FLOCK  ADVISORY  WRITE 702 00:05:313 0 EOF
3: -> FLOCK  ADVISORY  WRITE 703 00:05:312 0 EOF
4: FLOCK  ADVISORY  WRITE 0 00:05:312 0 EOF
5: FLOCK  ADVISORY  WRITE -1 00:05:312 0 EOF
6: FLOCK  ADVISORY  WRITE x 00:05:312 0 EOF
7: FLOCK  ADVISORY  WRITE 704
8: FLOCK  ADVISORY  READ 1 00:05:312
9: FLOCK  ADVISORY  WRITE 705 00:05:312 0 EOF
`
	if got, want := flocks(strings.NewReader(locks), "00:05:312"), []int{701, 1, 705}; !slices.Equal(got, want) {
		t.Errorf("processes %v, want %v", got, want)
	}
}

func TestPseudoTerminals(t *testing.T) {
	for major, want := range map[uint32]bool{4: false, 135: false, 136: true, 143: true, 144: false, 188: false} {
		if got := isPseudoTerminal(major); got != want {
			t.Errorf("major %d: %v", major, got)
		}
	}
}

// TestClaim: one lock file is written, in the first directory that can be written, and removed at the end.
func TestClaim(t *testing.T) {
	missing, first, second := filepath.Join(t.TempDir(), "missing"), t.TempDir(), t.TempDir()
	c, err := claimIn([]string{missing, first, second}, "/dev/ttyTEST0")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(first, "LCK..ttyTEST0")
	if text, err := os.ReadFile(file); err != nil || strings.TrimSpace(string(text)) != fmt.Sprint(os.Getpid()) {
		t.Errorf("the lock file has %q, %v", text, err)
	}
	c.release()
	for _, dir := range []string{first, second} {
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	}
	if c, err := claimIn([]string{missing}, "/dev/ttyTEST0"); err != nil || c == nil {
		t.Errorf("without a directory: %v", err)
	}
}

// TestLockOwner: the first process and this one are no owners of a lock file.
func TestLockOwner(t *testing.T) {
	owned := func(text string, want bool) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "LCK..x")
		kit.Must(t, os.WriteFile(file, []byte(text), 0o600))
		if _, live := lockOwner(file, filepath.Join(t.TempDir(), "no device")); live != want {
			t.Errorf("%q: live is %v", text, live)
		}
	}
	for _, text := range []string{fmt.Sprint(os.Getpid()), "1", "0", "-5", "x", ""} {
		owned(text, false)
	}
	if _, live := lockOwner(filepath.Join(t.TempDir(), "none"), "none"); live {
		t.Error("a missing lock file has an owner")
	}
	pid, end := holder(t, os.DevNull)
	owned(fmt.Sprintf("%10d\n", pid), true)
	end()
	owned(fmt.Sprintf("%10d\n", pid), false)
}

// TestIdentify: only a character device has an identity.
func TestIdentify(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	kit.Must(t, os.WriteFile(file, nil, 0o600))
	for path, want := range map[string]bool{os.DevNull: true, file: false, t.TempDir(): false, file + "0": false} {
		if _, ok := identify(path); ok != want {
			t.Errorf("%s has an identity: %v", path, ok)
		}
	}
}
