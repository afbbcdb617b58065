package kit

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Part prepares something that all tests of a package share, such as a program or a running router. dir exists as long
// as the tests run. end, if it is not nil, is called after the last test; the tests have failed if it returns an error.
type Part func(dir string) (end func() error, err error)

// Programs is a part that fails unless all programs are installed.
func Programs(names ...string) Part {
	return func(string) (func() error, error) {
		for _, name := range names {
			if _, err := exec.LookPath(name); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
}

// Main is the TestMain of a package whose tests share parts. It does not return.
func Main(m *testing.M, parts ...Part) { os.Exit(run(m.Run, parts)) }

// Leakproof is Main for tests that leave no goroutine behind. The tests have failed if one remains after Patience.
func Leakproof(m *testing.M, parts ...Part) {
	status := run(m.Run, parts)
	if status == 0 {
		status = report(leak(Patience))
	}
	os.Exit(status)
}

// leak returns an error if a goroutine remains. It waits for goroutines that are about to end, which may take them long on a
// busy machine: goleak itself waits for half a second.
func leak(patience time.Duration) (err error) {
	for end := time.Now().Add(patience); ; {
		if err = goleak.Find(); err == nil || time.Now().After(end) {
			return err
		}
	}
}

// run prepares the parts, runs the tests and ends the parts in reverse. It returns the exit status.
func run(tests func() int, parts []Part) (status int) {
	if len(parts) == 0 {
		return tests()
	}
	dir, err := os.MkdirTemp("", "runnel-test-")
	if err != nil {
		return report(err)
	}
	defer os.RemoveAll(dir)
	var ends []func() error
	for _, prepare := range parts {
		end, failed := prepare(dir)
		if end != nil {
			ends = append(ends, end)
		}
		if err = failed; err != nil {
			break
		}
	}
	if err == nil {
		status = tests()
	}
	for i := len(ends) - 1; i >= 0; i-- {
		err = errors.Join(err, ends[i]())
	}
	return max(status, report(err))
}

// report prints an error, and returns the exit status.
func report(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}
