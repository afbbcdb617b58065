package program

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"runnel/test/kit"
)

// Clock is a wall clock that only the programs of a test see, as on a board whose clock is wrong and is set later.
//
// The kernel asks the test whenever such a program reads CLOCK_REALTIME (seccomp user notifications), and the test
// answers. The program is the real one except for one name: it does not find the vDSO function that reads the clock
// without a system call. Time namespaces cannot change the wall clock, and libfaketime does not work with a static
// binary.
//
// The clock does not reach the kernel: times of files, and the state that timedatectl and doctor's question for the
// synchronization see, are those of this machine. CLOCK_REALTIME_COARSE is not replaced, as Go does not read it. Timers do not
// depend on the wall clock.
type Clock struct {
	binary []string
	offset atomic.Int64 // nanoseconds
}

// NewClock returns a clock that shows the given time now and runs from there.
func NewClock(t *testing.T, b Binary, now time.Time) *Clock {
	t.Helper()
	text, err := os.ReadFile(b[len(b)-1])
	kit.Must(t, err)
	const name = "__vdso_clock_gettime"
	if len(b) != 1 || !bytes.Contains(text, []byte(name)) {
		t.Skip("the binary is for another processor")
	}
	file := filepath.Join(t.TempDir(), "runnel")
	kit.Must(t, os.WriteFile(file, bytes.ReplaceAll(text, []byte(name), []byte("__none_clock_gettime")), 0o700))
	c := &Clock{binary: []string{file}}
	c.Set(now)
	return c
}

// Set sets the clock, also for programs that run.
func (c *Clock) Set(now time.Time) { c.offset.Store(int64(time.Until(now))) }

// Command prepares runnel with args. The program reads the clock.
func (c *Clock) Command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	kit.Must(t, err)
	self, err := os.Executable()
	kit.Must(t, err)
	cmd := Binary{self}.Command(append(c.binary[:1:1], args...)...)
	cmd.Env = append(cmd.Env, clockHelper+"=1")
	passed := os.NewFile(uintptr(pair[1]), "clock")
	cmd.ExtraFiles = []*os.File{passed}
	done := make(chan error, 1)
	go func() { done <- c.serve(pair[0]) }()
	t.Cleanup(func() {
		passed.Close()
		unix.Shutdown(pair[0], unix.SHUT_RDWR)
		if err := <-done; err != nil {
			t.Errorf("serve the clock: %v", err)
		}
		unix.Close(pair[0])
	})
	return cmd
}

// notification is struct seccomp_notif of the kernel.
type notification struct {
	id         uint64
	pid, flags uint32
	call       int32
	processor  uint32
	at         uint64
	args       [6]uint64
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	value int64
	err   int32
	flags uint32
}

const (
	receive = 0xc0502100 // SECCOMP_IOCTL_NOTIF_RECV
	respond = 0xc0182101 // SECCOMP_IOCTL_NOTIF_SEND
)

// serve answers the questions of a program until that ends. It returns without an error if none starts.
func (c *Clock) serve(socket int) error {
	control := make([]byte, unix.CmsgSpace(4))
	var b [1]byte
	n, size, _, _, err := unix.Recvmsg(socket, b[:], control, unix.MSG_CMSG_CLOEXEC)
	if err != nil || n == 0 {
		return err
	}
	messages, err := unix.ParseSocketControlMessage(control[:size])
	if err != nil || len(messages) != 1 {
		return fmt.Errorf("%d control messages: %w", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return err
	}
	defer unix.Close(fds[0])
	for {
		poll := []unix.PollFd{{Fd: int32(fds[0]), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, -1); err == unix.EINTR {
			continue
		} else if err != nil {
			return err
		}
		if poll[0].Revents&unix.POLLIN == 0 {
			return nil // the program has ended
		}
		if err := c.answer(fds[0]); err != nil {
			return err
		}
	}
}

// answer answers a question. A thread that has ended meanwhile is no error.
func (c *Clock) answer(listener int) error {
	var asked notification
	if errno := control(listener, receive, unsafe.Pointer(&asked)); errno == unix.ENOENT || errno == unix.EINTR {
		return nil
	} else if errno != 0 {
		return errno
	}
	now := unix.NsecToTimespec(time.Now().UnixNano() + c.offset.Load())
	to := unix.RemoteIovec{Base: uintptr(asked.args[1]), Len: int(unsafe.Sizeof(now))}
	from := unix.Iovec{Base: (*byte)(unsafe.Pointer(&now)), Len: uint64(unsafe.Sizeof(now))}
	reply := response{id: asked.id}
	if _, err := unix.ProcessVMWritev(int(asked.pid), []unix.Iovec{from}, []unix.RemoteIovec{to}, 0); err != nil {
		reply.err = -int32(unix.EFAULT)
	}
	if errno := control(listener, respond, unsafe.Pointer(&reply)); errno != 0 && errno != unix.ENOENT {
		return errno
	}
	return nil
}

func control(fd int, request uintptr, arg unsafe.Pointer) syscall.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
	return errno
}

// clockHelper is the environment variable of a process of the test's binary that becomes a program with a Clock.
const clockHelper = "TEST_CLOCK_HELPER"

func init() {
	if os.Getenv(clockHelper) != "" {
		fmt.Fprintln(os.Stderr, "start a program with a clock:", becomeProgram(os.Args[1:]))
		os.Exit(1)
	}
}

// becomeProgram passes the listener of a seccomp filter to descriptor 3, and executes a program under the filter.
func becomeProgram(args []string) error {
	runtime.LockOSThread() // the filter is the thread's, which becomes the program's first one
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_CLOCK_GETTIME, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 16}, // its first argument, the clock
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.CLOCK_REALTIME, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	listener, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER,
		uintptr(unsafe.Pointer(&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})))
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	if err := unix.Sendmsg(3, []byte{0}, unix.UnixRights(int(listener)), nil, 0); err != nil {
		return err
	}
	unix.Close(int(listener))
	unix.CloseOnExec(3)
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, clockHelper+"=") {
			env = append(env, v)
		}
	}
	return syscall.Exec(args[0], args, env)
}
