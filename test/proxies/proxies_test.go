// Package proxies puts real reverse proxies in front of the router, with the configurations of docs/proxies.md. It needs Debian's
// nginx-light and caddy, so it runs only where RUNNEL_PROXIES is set, and fails there without them.
package proxies

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"runnel/test/kit"
	"runnel/test/program"
)

var runnel program.Binary

func TestMain(m *testing.M) {
	if os.Getenv("RUNNEL_PROXIES") == "" {
		fmt.Println("RUNNEL_PROXIES is not set: no proxy is started")
		return
	}
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin") // Debian installs nginx there
	kit.Main(m, kit.Programs("nginx", "caddy"), program.Built(&runnel))
}

const (
	name = "gw-001.example.com"

	// realm allows clients to request the details of their sessions.
	realm = `version = 1
[node]
id = "gw-001"
data = "data"
[[realm]]
name = "realm1"
anonymous = "viewer"
[[realm.role]]
name = "viewer"
[[realm.role.permission]]
uri = "wamp.session.get"
allow = ["call"]
`
)

// site is a router with a proxy in front.
type site struct {
	dir    string
	port   int // of the proxy
	client tls.Config
	logs   *program.Process // of the router
}

// TestProxies: browsers get the console, files and a WebSocket through each proxy, over TCP and over a Unix socket. The
// router knows their addresses, and does not trust forged ones.
func TestProxies(t *testing.T) {
	page, err := os.ReadFile("../../docs/proxies.md")
	kit.Must(t, err)
	blocks := map[string][]string{}
	for _, b := range regexp.MustCompile("(?s)```([a-z]+)\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		blocks[b[1]] = append(blocks[b[1]], b[2])
	}
	if len(blocks["toml"]) != 2 || len(blocks["nginx"]) != 1 || len(blocks["caddyfile"]) != 1 {
		t.Fatalf("the blocks of the page: %v", blocks)
	}
	for i, way := range []string{"tcp", "unix"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := &site{dir: kit.ShortDir(t)}
			s.certify(t)
			port := kit.FreePort(t)
			s.start(t, strings.NewReplacer("127.0.0.1:8081", fmt.Sprintf("127.0.0.1:%d", port), "/run/runnel", s.dir, "/srv/app", "app").Replace(blocks["toml"][i]))
			upstream := fmt.Sprintf("127.0.0.1:%d", port)
			if way == "unix" {
				upstream = "unix:" + s.dir + "/proxy.sock"
			}
			t.Run("nginx", func(t *testing.T) {
				s.nginx(t, strings.Replace(blocks["nginx"][0], "127.0.0.1:8081", upstream, 1))
				s.check(t, way)
			})
			t.Run("caddy", func(t *testing.T) {
				s.caddy(t, strings.Replace(blocks["caddyfile"][0], "127.0.0.1:8081", strings.Replace(upstream, "unix:", "unix/", 1), 1))
				s.check(t, way)
			})
		})
	}
}

// certify makes the proxy's certificate.
func (s *site) certify(t *testing.T) {
	c, err := kit.Sign(name, x509.Certificate{DNSNames: []string{name}}, nil)
	kit.Must(t, err)
	_, _, err = kit.WritePair(s.dir, "gw-001", c)
	kit.Must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(c.Leaf)
	s.client = tls.Config{RootCAs: pool, ServerName: name}
}

// start starts the router.
func (s *site) start(t *testing.T, listen string) {
	kit.Must(t, os.Mkdir(filepath.Join(s.dir, "app"), 0o755))
	kit.Must(t, os.WriteFile(filepath.Join(s.dir, "app", "a.txt"), []byte("0123456789"), 0o644))
	file := kit.Write(t, s.dir, "runnel.toml", realm+listen)
	var err error
	s.logs, err = program.Start(runnel.Command("run", "-c", file))
	kit.Must(t, err)
	t.Cleanup(func() {
		s.logs.Signal(syscall.SIGTERM)
		if status, err := s.logs.Wait(); status != 0 || err != nil {
			t.Errorf("the router: %d, %v\n%s", status, err, s.logs.Stderr.Text())
		}
	})
	if _, err := s.logs.Logs("msg=listening"); err != nil {
		t.Fatal(err)
	}
}

// nginx starts nginx with a server of the page.
func (s *site) nginx(t *testing.T, server string) {
	s.port = kit.FreePort(t)
	server = strings.NewReplacer("listen 443", fmt.Sprintf("listen 127.0.0.1:%d", s.port), "/etc/ssl", s.dir).Replace(server)
	paths := ""
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		paths += kind + "_temp_path " + s.dir + "/" + kind + ";\n"
	}
	file := kit.Write(t, s.dir, "nginx.conf", "daemon off;\nmaster_process off;\npid "+s.dir+"/nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n"+paths+server+"}\n")
	s.proxy(t, exec.Command("nginx", "-p", s.dir, "-e", "stderr", "-c", file))
}

// caddy starts Caddy with a site of the page. The page's name is public there, so the test names the port and the certificate.
func (s *site) caddy(t *testing.T, caddyfile string) {
	s.port = kit.FreePort(t)
	caddyfile = strings.Replace(caddyfile, name+" {", fmt.Sprintf("https://%s:%d {\n  bind 127.0.0.1\n  tls %s/gw-001.pem %s/gw-001.key", name, s.port, s.dir, s.dir), 1)
	file := kit.Write(t, s.dir, "Caddyfile", "{\n  admin off\n  auto_https disable_redirects\n}\n"+caddyfile)
	cmd := exec.Command("caddy", "run", "--config", file, "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "HOME="+s.dir, "XDG_CONFIG_HOME="+s.dir, "XDG_DATA_HOME="+s.dir)
	s.proxy(t, cmd)
}

// proxy starts a proxy and waits until it accepts connections.
func (s *site) proxy(t *testing.T, cmd *exec.Cmd) {
	p, err := program.Start(cmd)
	kit.Must(t, err)
	t.Cleanup(p.Kill)
	kit.Eventually(t, "the proxy listens", func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, func() string { return p.Stderr.Text() })
}

// check is a browser at 127.0.0.2.
func (s *site) check(t *testing.T, way string) {
	forged := []string{"X-Forwarded-For: 192.0.2.66", "Forwarded: for=192.0.2.67"}
	for path, want := range map[string]string{"/": "<!doctype html>", "/console.json": `"path":"/ws"`, "/app/a.txt": "0123456789", "/app/..%2frunnel.toml": "404", "/app/%2e%2e/runnel.toml": "400 404"} {
		r, body := s.ask(t, path, forged...)
		got := strings.ToLower(body)
		if r.StatusCode != 200 {
			got = r.Status
		}
		found := false
		for _, one := range strings.Fields(want) {
			found = found || strings.Contains(got, one)
		}
		if !found {
			t.Errorf("%s: %s %.200s", path, r.Status, body)
		}
	}
	if r, body := s.ask(t, "/app/a.txt", "Range: bytes=2-3"); r.StatusCode != 206 || body != "23" {
		t.Errorf("a range: %s %q", r.Status, body)
	}
	if r, body := s.ask(t, "/ws", append(upgrade, "Origin: https://evil.example")...); r.StatusCode != 403 {
		t.Errorf("another page: %s %q", r.Status, body)
	}
	for _, headers := range [][]string{nil, forged} {
		if peer := s.session(t, headers); peer != "127.0.0.2" {
			t.Errorf("%s: with %q the session's peer is %q", way, headers, peer)
		}
	}
	kit.Eventually(t, "the log has the peer", func() bool { return strings.Contains(s.logs.Stderr.Text(), "peer=127.0.0.2") }, s.logs.Stderr.Text)
	if text := s.logs.Stderr.Text(); strings.Contains(text, "192.0.2.6") {
		t.Errorf("the log:\n%s", text)
	}
}

// dial connects to the proxy from 127.0.0.2.
func (s *site) dial(t *testing.T) net.Conn {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	conn, err := tls.DialWithDialer(&d, "tcp", fmt.Sprintf("127.0.0.1:%d", s.port), &s.client)
	kit.Must(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// request writes a request as a browser does at the proxy's name.
func (s *site) request(conn net.Conn, path string, headers []string) {
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s:%d\r\n%s\r\n\r\n", path, name, s.port, strings.Join(append(headers, "User-Agent: Mozilla/5.0"), "\r\n"))
}

// ask returns the proxy's answer with its body.
func (s *site) ask(t *testing.T, path string, headers ...string) (*http.Response, string) {
	conn := s.dial(t)
	s.request(conn, path, append([]string{"Connection: close"}, headers...))
	r, err := http.ReadResponse(reader(conn), &http.Request{Method: "GET"})
	kit.Must(t, err)
	body, err := io.ReadAll(r.Body)
	kit.Must(t, err)
	return r, string(body)
}
