// Package kit has helpers for the tests of all packages: checks, waits for conditions, and the frame of a TestMain. It
// imports no other package of the project, so every package's own tests can use it.
package kit

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Patience is how long a test waits for a condition. It is long because emulated processors are slow; no test measures time.
const Patience = 60 * time.Second

// Amount returns n, or an eighth of it under the race detector, which makes everything slower and finds a race in few rounds.
func Amount(n int) int {
	if Race {
		return (n + 7) / 8
	}
	return n
}

// Must ends the test if there is an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Eventually waits until a condition holds. It ends the test after Patience, with the condition's name and details of
// the state.
func Eventually(t testing.TB, what string, holds func() bool, details ...func() string) {
	t.Helper()
	Within(t, Patience, 2*time.Millisecond, what, holds, details...)
}

// Within is Eventually for conditions that take longer, or cost more to check: it checks at an interval, and ends the test
// after patience.
func Within(t testing.TB, patience, interval time.Duration, what string, holds func() bool, details ...func() string) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(interval) {
		if time.Now().After(end) {
			for _, d := range details {
				what += "\n" + d()
			}
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// Receive waits for a value from a channel. It ends the test after Patience; what names the value.
func Receive[T any](t testing.TB, what string, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(Patience):
		t.Fatalf("waited in vain: %s", what)
	}
	return v
}

// Send sends a value on a channel, for a handler or a goroutine that the end of the test waits for. It gives up when
// the test ends: nothing reads the channel any more, and there may be more values than it has room for.
func Send[T any](t testing.TB, to chan<- T, v T) {
	select {
	case to <- v:
	case <-t.Context().Done():
	}
}

// Write writes a file that only this user can read, such as a configuration, and returns its path.
func Write(t testing.TB, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	Must(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// Files returns the texts of the files that match a pattern, by their last names.
func Files(t testing.TB, pattern string) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	Must(t, err)
	texts := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		Must(t, err)
		texts[filepath.Base(path)] = string(text)
	}
	return texts
}

// ShortDir returns a directory that exists during the test. Its path is short enough for a Unix socket, unlike
// t.TempDir's.
func ShortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "runnel-")
	Must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
