package doctor

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"runnel/cmd/runnel/internal/account"
	"runnel/cmd/runnel/internal/config"
)

// A port of another program is reported, with the program. A port of the running router is not.
func TestPortsInUse(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	at := "tcp://" + socket.Addr().String()
	for _, c := range []struct {
		what, url, status, want string
	}{
		{"in use", at, "", "the port is taken by "},
		{"the router's", at, `{"listeners":[{"url":"` + at + `"}]}`, ""},
		{"any port", "tcp://127.0.0.1:0", "", ""},
		{"no port", "systemd://main", "", ""},
		{"a path", "unix:///nowhere/r.sock", "", ""},
		{"not this machine's", "tcp://192.0.2.7:8080", "", "listen tcp 192.0.2.7:8080"},
	} {
		e := answering(c.status, ErrNotRunning)
		if c.status != "" {
			e = answering(c.status, nil)
		}
		e.askRouter(t.Context())
		e.findings = nil
		e.config.Listens = []config.Listen{{URL: c.url}}
		e.user = account.Account{UID: 0}
		checkListeners(t.Context(), e)
		switch {
		case c.want == "" && len(e.findings) > 0:
			t.Errorf("%s: %s", c.what, found(e.findings))
		case c.want != "" && (len(e.findings) != 1 || !strings.HasPrefix(e.findings[0].Text, c.want) || e.findings[0].Object != "listener "+c.url):
			t.Errorf("%s: %s", c.what, found(e.findings))
		}
	}
	checkListeners(t.Context(), &examination{}) // without a configuration it has no effect
}

// At an MQTT listener of the running router a client joins without a name, or the finding says why it can't.
func TestDeviceListeners(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	at := "mqtt://" + socket.Addr().String()
	for answer, want := range map[string]string{
		"\x20\x03\x00\x00\x00": "", "\x20\x03\x00\x87\x00": "note an MQTT client without a user name is refused: not authorized (0x87)",
		"\x20\x08\x00\x88\x05\x1f\x00\x02ab": "error an MQTT client is refused: server unavailable (0x88) ab", "\xd0\x00": "error an MQTT client is refused: protocol error (0x82) ",
		"": "error an MQTT client gets no answer: EOF",
	} {
		served := make(chan []byte, 1)
		go func() {
			conn, err := socket.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			b := make([]byte, 100)
			n, _ := conn.Read(b)
			conn.Write([]byte(answer))
			served <- b[:n]
		}()
		e := answering(`{"listeners":[{"url":"`+at+`"}]}`, nil)
		e.askRouter(t.Context())
		e.findings = nil
		e.config.Listens = []config.Listen{{URL: at}}
		checkListeners(t.Context(), e)
		if got := <-served; len(got) == 0 || got[0] != 0x10 {
			t.Errorf("% x in place of CONNECT", got)
		}
		got := ""
		for _, f := range e.findings {
			got += f.Level + " " + f.Text
		}
		if got != want {
			t.Errorf("%x: %q, want %q", answer, got, want)
		}
	}
}

func TestHolderOf(t *testing.T) {
	if _, err := os.Stat("/proc/net/tcp"); err != nil {
		t.Skip("no /proc")
	}
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := socket.Addr().(*net.TCPAddr).Port
	if got := holderOf(port); !strings.HasSuffix(got, fmt.Sprintf(" (pid %d)", os.Getpid())) {
		t.Errorf("%q", got)
	}
	socket.Close()
	if got := holderOf(port); strings.HasSuffix(got, fmt.Sprintf(" (pid %d)", os.Getpid())) {
		t.Errorf("a closed port is held by %q", got)
	}
}
