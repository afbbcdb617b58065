package lines

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"runnel/test/kit"
)

// A device server of another make, pyserial, has the port of a device. The router sets its parameters by RFC 2217 and
// exchanges any byte with the device. The test runs with RUNNEL_EXAMPLES=1 and needs Debian's python3-serial.
func TestRFC2217(t *testing.T) {
	if os.Getenv("RUNNEL_EXAMPLES") == "" {
		t.Skip("set RUNNEL_EXAMPLES=1; it needs python3-serial")
	}
	tty := filepath.Join(t.TempDir(), "tty")
	device := plug(t, tty)
	server := exec.Command("/usr/bin/python3", "testdata/rfc2217.py", tty)
	server.Stderr = os.Stderr
	out, err := server.StdoutPipe()
	kit.Must(t, err)
	kit.Must(t, server.Start())
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
	})
	port, err := bufio.NewReader(out).ReadString('\n')
	kit.Must(t, err)
	r := start(t, line("meter", "rfc2217://127.0.0.1:"+strings.TrimSpace(port), "baud = 19200\nformat = \"csv\"\ncolumns = [\"n\", \"name\"]\n"+
		"encoding = \"latin1\"\ntopic = \"com.example.meter\"\nask = [{ send = \"hex:ff 00 0d 0a\", at_open = true, timeout = \"0s\" }]"))
	events := r.hear(t)
	got := make([]byte, 4)
	if _, err := io.ReadFull(device, got); err != nil || string(got) != "\xff\x00\r\n" {
		t.Fatalf("the device received %q, %v", got, err)
	}
	say(t, device, "7,\xff\xff\r\n")
	if e := next(t, events); e.kwargs["n"] != int64(7) || e.kwargs["name"] != "ÿÿ" {
		t.Errorf("%v", e)
	}
}
