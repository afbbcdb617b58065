package lines

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"runnel/test/kit"
	"runnel/test/program"
	"runnel/transport/serial/pty"
)

// talker plugs in a device that repeats the same text at one baud rate. At any other rate the router receives noise. It
// returns the port.
func talker(t *testing.T, baud uint32, text string) (port string) {
	t.Helper()
	master, port, err := pty.Open()
	kit.Must(t, err)
	raw, err := master.SyscallConn()
	kit.Must(t, err)
	var talking sync.WaitGroup
	ended := make(chan struct{})
	t.Cleanup(func() {
		close(ended)
		master.Close()
		talking.Wait()
	})
	talking.Go(func() {
		for {
			select {
			case <-ended:
				return
			case <-time.After(5 * time.Millisecond):
			}
			said := "\x80\xf8\x00\xff"
			raw.Control(func(fd uintptr) {
				if set, err := unix.IoctlGetTermios(int(fd), unix.TCGETS2); err == nil && set.Ospeed == baud {
					said = text
				}
			})
			// Drop unread data, as a UART does.
			raw.Control(func(fd uintptr) {
				if _, err := unix.Write(int(fd), []byte(said)); err == unix.EAGAIN {
					unix.IoctlSetInt(int(fd), unix.TCFLSH, unix.TCOFLUSH)
				}
			})
		}
	})
	return port
}

func TestProbe(t *testing.T) {
	for _, c := range []struct {
		baud uint32
		says string
		want []string
	}{
		{115200, "\x7e\x03\x3f\x01\x6c\x92\xdc\x7e", []string{"the link", "SABM P", `framing = "hdlc"`}},
		{9600, nmea("HEHDT,271.1,T"), []string{`format = "nmea"`}},
		{9600, "21.5,40\r\n", []string{`format = "csv"`, `columns = ["value1", "value2"]`}},
	} {
		port := talker(t, c.baud, c.says)
		stdout, _ := run(t, 0, "serial", "probe", port, "--each", "4s")
		for _, want := range append(c.want, fmt.Sprintf("baud = %d", c.baud), fmt.Sprintf("device = %q", port)) {
			if !strings.Contains(stdout, want) {
				t.Errorf("%q: no %s in\n%s", c.says, want, stdout)
			}
		}
	}
}

func TestSniff(t *testing.T) {
	for _, c := range []struct{ says, want string }{
		{"\x7e\x03\x3f\x01\x6c\x92\xdc\x7e", "  03 SABM P\n"},
		{"21.5,40\r\n", "  21.5,40\n"},
		{"\x11\x03\x00\x6b\x00\x03\x76\x87", "  slave 17 function 3: read 3 from 107\n"},
	} {
		p, err := program.Start(runnel.Command("serial", "sniff", talker(t, 19200, c.says), "--baud", "19200"))
		kit.Must(t, err)
		if err := p.Sees(c.want); err != nil {
			t.Error(err)
		}
		p.Signal(unix.SIGINT)
		if status, err := p.Wait(); err != nil || status != 0 {
			t.Errorf("ended with %d, %v", status, err)
		}
	}
}

// A port has one user at a time, and the error for a second one names the first.
func TestSniffIsRefused(t *testing.T) {
	link := filepath.Join(t.TempDir(), "tty")
	plug(t, link)
	r := start(t, line("weather", link, "format = \"json\"\ntopic = \"com.example.weather\""))
	r.opened(t, "weather", 1)
	for _, verb := range []string{"sniff", "probe"} {
		_, stderr := run(t, 1, "serial", verb, link)
		if !strings.Contains(stderr, "held by ") || !strings.Contains(stderr, fmt.Sprintf("(pid %d)", r.PID())) {
			t.Errorf("%s: %s", verb, stderr)
		}
	}
}
