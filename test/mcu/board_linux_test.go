package mcu

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"runnel/test/kit"
	"runnel/test/program"
	"runnel/transport/serial/pty"
)

// board is a device that runs the sensor node.
type board interface {
	port() string // the port that the router opens
	reset()       // as its button does
	unplug()      // it does not run, and its line is silent
	plug()        // restarts the device after unplug
}

// host is the node as a program; its line is ours to disturb.
type host struct {
	t      *testing.T
	args   []string // its command line
	device *pty.Device
	noise  kit.Noise

	mu   sync.Mutex
	node *node

	pumps sync.WaitGroup
}

// node is the time from one start of the program to its end.
type node struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	ended chan struct{}
}

func newHost(t *testing.T, args ...string) *host { return newProgram(t, "host", args...) }

func newProgram(t *testing.T, name string, args ...string) *host {
	t.Helper()
	d, err := pty.Plug(filepath.Join(t.TempDir(), "tty"))
	kit.Must(t, err)
	h := &host{t: t, args: append([]string{filepath.Join(built, name)}, args...), device: d}
	kit.Must(t, h.start())
	h.pumps.Go(h.pump)
	t.Cleanup(func() {
		d.Close()
		h.pumps.Wait()
		if err := h.current().kill(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *host) port() string { return h.device.Port() }

func (h *host) current() *node {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.node
}

// start runs the program. It ends with its standard input, and so with the test.
func (h *host) start() error {
	n := &node{cmd: exec.Command(h.args[0], h.args[1:]...), ended: make(chan struct{})}
	n.cmd.Stderr = os.Stderr // the sanitizers'
	var err error
	if n.stdin, err = n.cmd.StdinPipe(); err != nil {
		return err
	}
	stdout, err := n.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := n.cmd.Start(); err != nil {
		return err
	}
	go func() {
		defer close(n.ended)
		h.noise.Carry(h.device, stdout)
		n.cmd.Wait()
	}()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.node = n
	return nil
}

// kill kills the program, and checks that it had not ended by itself.
func (n *node) kill() error {
	n.cmd.Process.Signal(syscall.SIGKILL)
	n.stdin.Close()
	<-n.ended
	if s, ok := n.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && s.Exited() && s.ExitStatus() != 0 {
		return fmt.Errorf("the node has ended: %v", n.cmd.ProcessState)
	}
	return nil
}

func (h *host) reset() {
	h.t.Helper()
	kit.Must(h.t, h.current().kill())
	kit.Must(h.t, h.start())
}

func (h *host) unplug() {
	h.t.Helper()
	kit.Must(h.t, h.current().kill())
}

func (h *host) plug() {
	h.t.Helper()
	kit.Must(h.t, h.start())
}

// pump passes octets to the current program. Octets that arrive while none runs are lost.
func (h *host) pump() {
	h.noise.Carry(writerFunc(func(p []byte) (int, error) {
		h.current().stdin.Write(p)
		return len(p), nil
	}), h.device)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// microbit is the node as firmware, in an emulated Cortex-M0.
type microbit struct {
	t       *testing.T
	process *program.Process
	monitor net.Conn
	reader  *bufio.Reader
	line    string
}

func newMicrobit(t *testing.T) *microbit {
	t.Helper()
	dir, err := os.MkdirTemp("", "mb") // a socket's path must be short
	kit.Must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "monitor")
	p, err := program.Start(exec.Command("qemu-system-arm", "-M", "microbit", "-display", "none", "-monitor", "unix:"+socket+",server,nowait",
		"-serial", "pty", "-kernel", filepath.Join(built, "microbit.elf")))
	kit.Must(t, err)
	m := &microbit{t: t, process: p}
	t.Cleanup(m.stop)
	kit.Eventually(t, "the emulator's monitor", func() bool {
		m.monitor, err = net.Dial("unix", socket)
		return err == nil
	})
	m.reader = bufio.NewReader(m.monitor)
	m.say("info chardev")
	m.line = m.hear(`filename=pty:(/dev/pts/\d+)`)[1]
	return m
}

func (m *microbit) stop() {
	m.process.Signal(syscall.SIGTERM)
	if _, err := m.process.Wait(); err != nil {
		m.t.Error(err)
	}
	if m.monitor != nil {
		m.monitor.Close()
	}
	if m.t.Failed() {
		m.t.Logf("the emulator: %v", m.process)
	}
}

// say gives the monitor a command.
func (m *microbit) say(command string) {
	m.t.Helper()
	_, err := m.monitor.Write([]byte(command + "\n"))
	kit.Must(m.t, err)
}

// hear waits for a line of the monitor.
func (m *microbit) hear(pattern string) []string {
	m.t.Helper()
	m.monitor.SetReadDeadline(time.Now().Add(kit.Patience))
	for {
		line, err := m.reader.ReadString('\n')
		kit.Must(m.t, err)
		if found := regexp.MustCompile(pattern).FindStringSubmatch(line); found != nil {
			return found
		}
	}
}

func (m *microbit) port() string { return m.line }

func (m *microbit) reset() {
	m.t.Helper()
	m.say("system_reset")
	m.say("info status")
	m.hear("VM status: running")
}

func (m *microbit) unplug() {
	m.t.Helper()
	m.say("stop")
	m.say("info status")
	m.hear("VM status: paused")
}

func (m *microbit) plug() {
	m.t.Helper()
	m.say("system_reset")
	m.say("cont")
	m.say("info status")
	m.hear("VM status: running")
}
