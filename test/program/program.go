// Package program runs the runnel binary for black-box tests.
//
// RUNNEL_BIN names the binary to test; without it one is built. RUNNEL_RUNNER is put in front of it, so that binaries for
// other processors can be tested: RUNNEL_RUNNER=qemu-arm RUNNEL_BIN=dist/runnel-linux-arm6, from the top.
package program

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"runnel/test/kit"
)

// Binary is the command line that runs runnel.
type Binary []string

// Built is the part of a suite that finds the binary to test. If it builds one, that has the race detector if the test has it.
func Built(binary *Binary) kit.Part {
	if kit.Race {
		return built(binary, []string{"-race"})
	}
	return BuiltPlain(binary)
}

// BuiltPlain is Built without the race detector, for tests that measure memory.
func BuiltPlain(binary *Binary) kit.Part { return built(binary, nil) }

func built(binary *Binary, flags []string) kit.Part {
	return func(dir string) (_ func() error, err error) {
		*binary, err = find(dir, flags)
		return nil, err
	}
}

func find(dir string, flags []string) (Binary, error) {
	runner := strings.Fields(os.Getenv("RUNNEL_RUNNER"))
	if path := os.Getenv("RUNNEL_BIN"); path != "" {
		if !filepath.IsAbs(path) {
			path = filepath.Join("..", "..", path) // the tests run in their own directory
		}
		_, err := os.Stat(path)
		return append(runner, path), err
	}
	path := filepath.Join(dir, "runnel")
	args := append([]string{"build"}, flags...)
	out, err := exec.Command("go", append(args, "-o", path, "runnel/cmd/runnel")...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("build runnel: %w\n%s", err, out)
	}
	return append(runner, path), nil
}

// Command prepares runnel with args, without the developer's environment variables.
func (b Binary) Command(args ...string) *exec.Cmd {
	cmd := exec.Command(b[0], append(b[1:len(b):len(b)], args...)...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "RUNNEL_") && !strings.HasPrefix(v, "XDG_RUNTIME_DIR=") && !strings.HasPrefix(v, "NOTIFY_SOCKET=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	return cmd
}

// Process is a running runnel. Any goroutine may call its methods.
type Process struct {
	cmd            *exec.Cmd
	Stdout, Stderr Output
	ended          chan struct{}
}

// Start runs a command in the background. The command ends with the test process, even if that is killed.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	p.Stdout.changed, p.Stderr.changed = make(chan struct{}), make(chan struct{})
	p.cmd.Stdout, p.cmd.Stderr = &p.Stdout, &p.Stderr
	dieWithParent(cmd)
	started := make(chan error)
	go func() {
		// To Linux the parent is the thread. The thread does not end afterwards, because it may also be the parent of
		// another program, such as a browser.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.cmd.Wait()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// PID returns the id of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process.
func (p *Process) Signal(s syscall.Signal) { p.cmd.Process.Signal(s) }

// Kill ends the process as a crash or the OOM killer does, and waits for its end.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	p.Wait()
}

// Stop ends the process by SIGTERM. The test has failed unless the exit status is 0.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	p.Signal(syscall.SIGTERM)
	if status, err := p.Wait(); status != 0 || err != nil {
		t.Errorf("%v ended with %d, %v\n%v", p.cmd.Args, status, err, p)
	}
}

// Wait waits until the process ends and returns its exit status. It kills a process that does not end, and returns an error.
func (p *Process) Wait() (status int, err error) {
	select {
	case <-p.ended:
	case <-time.After(kit.Patience):
		p.cmd.Process.Kill()
		<-p.ended
		err = fmt.Errorf("%v did not end", p.cmd.Args)
	}
	return p.cmd.ProcessState.ExitCode(), err
}

// Sees waits until standard output holds text.
func (p *Process) Sees(text string) error {
	_, err := p.await(&p.Stdout, regexp.MustCompile(regexp.QuoteMeta(text)))
	return err
}

// Logs waits until standard error matches the pattern, and returns its groups.
func (p *Process) Logs(pattern string) ([]string, error) {
	return p.await(&p.Stderr, regexp.MustCompile(pattern))
}

func (p *Process) await(o *Output, pattern *regexp.Regexp) ([]string, error) {
	deadline := time.After(kit.Patience)
	for {
		text, changed := o.watch()
		if found := pattern.FindStringSubmatch(text); found != nil {
			return found, nil
		}
		select {
		case <-changed:
		case <-p.ended:
			if found := pattern.FindStringSubmatch(o.Text()); found != nil {
				return found, nil
			}
			return nil, fmt.Errorf("%v ended without %q\n%v", p.cmd.Args, pattern, p)
		case <-deadline:
			return nil, fmt.Errorf("%v: no %q\n%v", p.cmd.Args, pattern, p)
		}
	}
}

// String returns the output of the process so far.
func (p *Process) String() string {
	return fmt.Sprintf("stdout: %s\nstderr: %s", p.Stdout.Text(), p.Stderr.Text())
}

// Output collects the output of a program.
type Output struct {
	mu      sync.Mutex
	bytes   bytes.Buffer
	changed chan struct{} // closed and replaced by each Write
}

// Write is called by the process.
func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.bytes.Write(b)
}

func (o *Output) watch() (text string, changed <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes.String(), o.changed
}

// Text returns the output so far.
func (o *Output) Text() string {
	text, _ := o.watch()
	return text
}

// Resident returns the resident memory of a process in bytes, or 0 if the system does not report it.
func Resident(pid int) (octets int) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	fmt.Sscan(rest, &octets)
	return octets << 10
}
