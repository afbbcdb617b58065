package websocket

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// A request in which one part of an upgrade is wrong is answered with an error (RFC 6455, 4.2.1).
func TestRefusedUpgrades(t *testing.T) {
	s := serve(t, Options{})
	const whole = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: wamp.2.json\r\n\r\n"
	for _, c := range []struct{ part, instead, want string }{
		{"Connection: keep-alive, Upgrade\r\n", "", "426"},
		{"Connection: keep-alive, Upgrade\r\n", "Connection: close\r\n", "426"},
		{"Upgrade: websocket\r\n", "", "426"},
		{"Upgrade: websocket\r\n", "Upgrade: h2c\r\n", "426"},
		{"HTTP/1.1", "HTTP/1.0", "426"},
		{"GET", "POST", "405"},
		{"Version: 13", "Version: 12", "400"},
		{"Sec-WebSocket-Version: 13\r\n", "", "400"},
		{"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n", "", "400"},
		{"AAAAAAAAAAAAAAAAAAAAAA==", "AAAA", "400"},
		{"wamp.2.json", "soap", "400 Bad Request: no common subprotocol: the client requested \"soap\""},
	} {
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, strings.Replace(whole, c.part, c.instead, 1))
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(resp.Body); !strings.HasPrefix(fmt.Sprintf("%s: %s", resp.Status, body), c.want) {
			t.Errorf("%q instead of %q: answered %s: %s, want %s", c.instead, c.part, resp.Status, body, c.want)
		}
		if err := <-s.errs; err == nil || !strings.HasPrefix(err.Error(), "websocket handshake: ") {
			t.Errorf("%q instead of %q: error is %v", c.instead, c.part, err)
		}
	}
}
