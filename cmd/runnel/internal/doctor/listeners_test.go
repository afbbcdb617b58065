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

// A port that another program uses is reported, with the program. One of the running router is not.
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
