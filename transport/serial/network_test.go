package serial

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestNetworkPort: a port of a device server is read and written like a local one.
func TestNetworkPort(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		conn, err := server.Accept()
		if err != nil {
			return
		}
		io.CopyN(conn, conn, 5)
		conn.Close()
	}()
	c := Config{Device: "tcp://" + server.Addr().String()}
	port, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	if port.Device() != c.Device {
		t.Errorf("the device is %s", port.Device())
	}
	if n, err := port.Write([]byte("hello")); n != 5 || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(port, b); err != nil || string(b) != "hello" {
		t.Errorf("read %q, %v", b, err)
	}
	if _, err := port.Read(b); !errors.Is(err, ErrUnplugged) {
		t.Errorf("at the end: %v", err)
	}
	server.Close()
	if _, err := Open(t.Context(), c); !errors.Is(err, syscall.ECONNREFUSED) || !strings.HasPrefix(err.Error(), "open serial "+c.Device+": ") || errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a server: %v", err)
	}
}

// A name such as COM3 is a port of Windows; other names are paths.
func TestIsCOM(t *testing.T) {
	for device, want := range map[string]bool{
		"COM3": true, "com12": true, "COM": false, "": false, "AB1": false, "ABC1": false, "COMX": false, "COM3x": false, "/dev/COM3": false,
	} {
		if got := IsCOM(device); got != want {
			t.Errorf("%q: %v", device, got)
		}
	}
}
