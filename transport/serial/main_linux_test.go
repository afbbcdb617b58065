package serial

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"runnel/test/kit"
	"runnel/transport/serial/pty"
)

// holdEnv makes the test program another program that has the named device open, until its standard input ends.
const holdEnv = "RUNNEL_TEST_HOLD"

func TestMain(m *testing.M) {
	if device := os.Getenv(holdEnv); device != "" {
		hold(device)
		return
	}
	kit.Leakproof(m)
}

func hold(device string) {
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	fmt.Println("holding", err)
	io.Copy(io.Discard, os.Stdin)
	f.Close()
}

// holder starts another program that has the device open, without any lock. It returns the program's pid, and a
// function that ends it.
func holder(t *testing.T, device string) (pid int, end func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holdEnv+"="+device)
	in, err := cmd.StdinPipe()
	kit.Must(t, err)
	out, err := cmd.StdoutPipe()
	kit.Must(t, err)
	if err := cmd.Start(); errors.Is(err, syscall.ENOEXEC) {
		t.Skip("this system runs the test under an emulator, and cannot start another one")
	} else if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "holding <nil>\n" {
		t.Fatalf("holder says %q, %v", line, err)
	}
	ended := false
	end = func() {
		if !ended {
			ended = true
			in.Close()
			cmd.Wait()
		}
	}
	t.Cleanup(end)
	return cmd.Process.Pid, end
}

// plug plugs in a simulated device for the duration of the test.
func plug(t *testing.T, link string) *pty.Device {
	t.Helper()
	d, err := pty.Plug(link)
	kit.Must(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

// device is plug and Open.
func device(t *testing.T, c Config) (*pty.Device, *Port) {
	t.Helper()
	d := plug(t, filepath.Join(t.TempDir(), "port"))
	c.Device = d.Port()
	p, err := Open(context.Background(), c)
	kit.Must(t, err)
	t.Cleanup(func() { p.Close() })
	return d, p
}

// patience is how long a test waits for a missing event. It only ends a test that would fail anyway: without it, the
// test would wait until the time limit of the whole run, without a message.
const patience = time.Minute

// limited closes the reader's source when patience is over. It returns a function that ends the wait.
func limited(r io.Reader) (stop func() bool) {
	return time.AfterFunc(patience, func() {
		if c, ok := r.(io.Closer); ok {
			c.Close()
		}
	}).Stop
}

// receive waits for a value from a channel.
func receive[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatal("waited in vain")
	}
	return v
}

func expect(t *testing.T, r io.Reader, want string) {
	t.Helper()
	defer limited(r)()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got, err, want)
	}
}

func send(t *testing.T, w io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
}
