package transport

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"runnel/test/kit"
)

// asBrowser sends a request with the headers that a browser sends for a page, and returns the status and the answer.
func asBrowser(t *testing.T, l *Listener, method, path, host, page, body string, headers ...string) (status int, answer string) {
	t.Helper()
	conn, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n", method, path, host)
	if page != "" {
		r += "Origin: " + page + "\r\n"
	}
	if path == "/ws" {
		r += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: wamp.2.json\r\n"
	} else {
		r += "Connection: close\r\n"
	}
	for _, h := range headers {
		r += h + "\r\n"
	}
	if body != "" {
		r += fmt.Sprintf("Content-Type: text/plain\r\nContent-Length: %d\r\n", len(body))
	}
	io.WriteString(conn, r+"\r\n"+body)
	if path == "/ws" {
		line := make([]byte, len("HTTP/1.1 101"))
		if _, err := io.ReadFull(conn, line); err != nil {
			t.Fatal(err)
		}
		answer = string(line)
		if !strings.HasSuffix(answer, "101") {
			rest, _ := io.ReadAll(conn)
			answer += string(rest)
		}
	} else {
		all, _ := io.ReadAll(conn)
		answer = string(all)
	}
	fmt.Sscanf(answer, "HTTP/1.1 %d", &status)
	return status, answer
}

const openBody = `{"protocols":["wamp.2.json"]}`

// TestRebinding: a page whose name was redirected to this machine gets no answer on any path, whatever headers it sets.
// Its requests are same-origin, so a browser allows it to set almost any header.
func TestRebinding(t *testing.T) {
	l := run(t, "tcp://127.0.0.1:0", ListenOptions{HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "secret") })})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	const evil = "evil.example"
	for _, headers := range [][]string{nil, {"X-Forwarded-For: 192.0.2.1"}, {"Forwarded: for=192.0.2.1"}, {"X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: localhost"}} {
		for _, c := range []struct{ method, path, page, body string }{
			{"GET", "/ws", "http://" + evil + ":" + port, ""},
			{"POST", "/lp/open", "http://" + evil + ":" + port, openBody},
			{"POST", "/lp/open", "", openBody},
			{"GET", "/", "", ""},
			{"GET", "/metrics", "", ""},
			{"OPTIONS", "/lp/open", "http://" + evil + ":" + port, ""},
		} {
			status, answer := asBrowser(t, l.Listener, c.method, c.path, evil+":"+port, c.page, c.body, headers...)
			if status != http.StatusForbidden || !strings.Contains(answer, `hosts = ["evil.example"]`) || strings.Contains(answer, "Set-Cookie") || strings.Contains(answer, "Access-Control") {
				t.Errorf("%s %s with %v: %s", c.method, c.path, headers, answer)
			}
		}
	}
	for path, body := range map[string]string{"/ws": "", "/lp/open": openBody} { // a page with its own name, which it does not forge
		method := "GET"
		if body != "" {
			method = "POST"
		}
		status, answer := asBrowser(t, l.Listener, method, path, "127.0.0.1:"+port, "http://"+evil, body, "X-Forwarded-For: 192.0.2.1")
		if status != http.StatusForbidden || !strings.Contains(answer, `origins = ["http://evil.example"]`) {
			t.Errorf("%s: %s", path, answer)
		}
	}
}

// TestOwnPages: pages of this machine, and those that are configured, connect.
func TestOwnPages(t *testing.T) {
	l := run(t, "tcp://127.0.0.1:0", ListenOptions{Origins: []string{"https://app.example.com"}, Hosts: []string{"gw.example.com"}})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, c := range []struct{ host, page string }{
		{"127.0.0.1:" + port, ""}, {"localhost:" + port, "http://localhost:" + port}, {"127.0.0.1:" + port, "https://app.example.com"},
		{"gw.example.com:" + port, "http://gw.example.com:" + port}, {"app.example.com", "https://app.example.com"},
	} {
		if status, answer := asBrowser(t, l.Listener, "GET", "/ws", c.host, c.page, ""); status != http.StatusSwitchingProtocols {
			t.Errorf("%v: %s", c, answer)
		} else {
			<-l.peers
		}
		if status, answer := asBrowser(t, l.Listener, "GET", "/", c.host, c.page, ""); status != http.StatusOK {
			t.Errorf("%v: %s", c, answer)
		}
	}
}

// TestHostOfURL: the host of a listener's URL is a name of the machine, unless it stands for all addresses.
func TestHostOfURL(t *testing.T) {
	for host, want := range map[string]bool{"gw.example": true, "192.0.2.7": true, "0.0.0.0": false, "[::]": false} {
		l := newListener(&url.URL{Scheme: "tcp", Host: host + ":8080"}, ListenOptions{})
		if err := l.setPolicy(); err != nil {
			t.Fatal(err)
		}
		if err := l.policy.Check(&http.Request{Host: host + ":8080"}); (err == nil) != want {
			t.Errorf("%s: %v", host, err)
		}
	}
	for host, want := range map[string]bool{"0.0.0.0": true, "::": true, "127.0.0.1": false, "::1": false, "gw": false, "": false} {
		if got := unspecified(host); got != want {
			t.Errorf("%q stands for all addresses: %v", host, got)
		}
	}
}

// TestTrustedProxies: only a configured proxy names the client, and it makes no check pass.
func TestTrustedProxies(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		opts := ListenOptions{}
		if trusted {
			opts.TrustedProxies = []string{"127.0.0.1"}
		}
		l := run(t, "tcp://127.0.0.1:0", opts)
		_, port, _ := net.SplitHostPort(l.Addr().String())
		for path, body := range map[string]string{"/ws": "", "/lp/open": openBody} {
			method := map[bool]string{true: "POST", false: "GET"}[body != ""]
			if status, answer := asBrowser(t, l.Listener, method, path, "evil.example:"+port, "http://evil.example:"+port, body, "X-Forwarded-For: 192.0.2.1"); status != http.StatusForbidden {
				t.Errorf("trusted %v: %s", trusted, answer)
			}
			asBrowser(t, l.Listener, method, path, "localhost:"+port, "", body, "X-Forwarded-For: 203.0.113.1, 192.0.2.1")
			got := (<-l.peers).Transport()
			if (got.Remote == "192.0.2.1") != trusted || got.Local == trusted {
				t.Errorf("trusted %v: %s: the peer is %+v", trusted, path, got)
			}
		}
	}
}

// TestProxyAtUnixSocket: a Unix socket takes HTTP and WebSockets from a proxy only if its options say so. The credentials of the
// proxy's process are not those of its clients; those of other peers stay.
func TestProxyAtUnixSocket(t *testing.T) {
	for _, proxied := range []bool{false, true} {
		path := "unix://" + filepath.Join(kit.ShortDir(t), "a.sock")
		opts := ListenOptions{Hosts: []string{"gw.example"}}
		if proxied {
			opts.TrustedProxies = []string{"unix", "10.0.0.0/8"}
		}
		l := run(t, path, opts)
		dial(t, path)
		if got := (<-l.peers).Transport(); !got.Local || runtime.GOOS == "linux" && !got.HasCred {
			t.Errorf("proxied %v: RawSocket: %+v", proxied, got)
		}
		if !proxied {
			if status, answer := asBrowser(t, l.Listener, "GET", "/", "gw.example", "", ""); status != http.StatusBadRequest {
				t.Errorf("without proxies: %s", answer)
			}
			continue
		}
		for path, body := range map[string]string{"/ws": "", "/lp/open": openBody} {
			method := map[bool]string{true: "POST", false: "GET"}[body != ""]
			if status, answer := asBrowser(t, l.Listener, method, path, "evil.example", "http://evil.example", body, "X-Forwarded-For: 192.0.2.1"); status != http.StatusForbidden {
				t.Errorf("another host: %s", answer)
			}
			for header, remote := range map[string]string{"X-Forwarded-For: 203.0.113.1, 192.0.2.1, 10.0.0.7": "192.0.2.1", `Forwarded: for="[2001:db8::1]:99"`: "[2001:db8::1]:99", "X-Other: 192.0.2.1": ""} {
				asBrowser(t, l.Listener, method, path, "gw.example", "http://gw.example", body, header)
				if got := (<-l.peers).Transport(); remote != "" && got.Remote != remote || got.Local || got.HasCred || got.UID != 0 || got.PID != 0 {
					t.Errorf("%s: %s: the peer is %+v", path, header, got)
				}
			}
		}
	}
}

// TestCertificateNames: a TLS listener is also reached by the names of its certificate.
func TestCertificateNames(t *testing.T) {
	cert, key, pin := certificate(t, t.TempDir(), "router")
	config, err := ServerFiles(cert, key, "")
	if err != nil {
		t.Fatal(err)
	}
	l := run(t, "tls://127.0.0.1:0", ListenOptions{TLS: config})
	for host, ok := range map[string]bool{"router": true, "evil.example": false} {
		conn, err := DialStream(t.Context(), l.Addr().String(), true, DialOptions{Pin: pin})
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
		answer, _ := io.ReadAll(conn)
		conn.Close()
		if got := strings.HasPrefix(string(answer), "HTTP/1.1 200"); got != ok {
			t.Errorf("%s: %s", host, answer)
		}
	}
}
