package hostile

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/stage"
)

// webRealm is the realm of HTTP clients.
const webRealm = "stage.web"

const webRoles = `anonymous = "guest"
[[realm.role]]
name = "guest"
durable = true
[[realm.role.permission]]
uri = "web."
match = "prefix"
allow = ["publish", "subscribe", "call", "register"]
[[realm.role]]
name = "pump"
[[realm.role.permission]]
uri = "web.pump."
match = "prefix"
allow = ["publish"]
[[realm.principal]]
authid = "pump"
role = "pump"
ticket = "secret"
` + bystanderRole

// web is a listener with all HTTP services, and one that allows few connections.
const web = `
[[listen]]
url = "tcp://127.0.0.2:0"
realm = "stage.web"
rest = true
console = true
static = { "/app" = "www" }
origins = ["https://app.example.com"]
max_message = "64kB"
[[listen]]
url = "tcp://127.0.0.3:0"
realm = "stage.web"
rest = true
max_connections = 40
[metrics]
url = "http://127.0.0.1:0/metrics"
`

// webAddress returns the address of the first listener, fewAddress that of the second, metricsAddress that of the metrics.
func webAddress() string { return strings.TrimPrefix(house.More[1], "tcp://") }
func fewAddress() string { return strings.TrimPrefix(house.More[2], "tcp://") }

func metricsAddress(t *testing.T) string {
	t.Helper()
	found, err := house.Logs(`msg=metrics url=http://([^/\s]+)/metrics`)
	kit.Must(t, err)
	return found[1]
}

// visit connects to an HTTP listener. It returns an error if the router refuses the connection.
func visit(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	kit.Must(t, err)
	conn.SetDeadline(time.Now().Add(kit.Patience))
	t.Cleanup(func() { conn.Close() })
	return conn
}

// exchange writes octets and returns the router's answers until it closes the connection. The router may close it
// before it has read everything. A client that has to wait until others at its address are authenticated asks again.
func exchange(t *testing.T, address, octets string) (answer string) {
	t.Helper()
	kit.Eventually(t, "the router to have time for "+octets[:min(len(octets), 200)], func() bool {
		answer = exchangeOnce(t, address, octets)
		return !strings.HasPrefix(answer, "HTTP/1.1 429 ")
	})
	return answer
}

func exchangeOnce(t *testing.T, address, octets string) string {
	t.Helper()
	conn := visit(t, address)
	defer conn.Close()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		io.WriteString(conn, octets)
	}()
	answer, err := io.ReadAll(conn)
	if late, ok := err.(net.Error); ok && late.Timeout() {
		t.Errorf("the router does not close the connection after %.200q; it answers %.300q", octets, answer)
	}
	conn.Close()
	<-sent
	return string(answer)
}

// request is a request after which the router closes the connection.
func request(method, path, host, body string, headers ...string) string {
	length := ""
	if body != "" {
		length = fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s%s\r\n%s", method, path, host, length, lines(headers), body)
}

func lines(headers []string) (text string) {
	for _, h := range headers {
		text += h + "\r\n"
	}
	return text
}

// heard is a session that subscribes to all events of HTTP clients below a prefix.
type heard struct {
	*testing.T
	peer   *stage.Peer
	prefix string
}

func listen(t *testing.T, prefix string) *heard {
	t.Helper()
	w := stage.Way{Network: "unix", Serializer: wamp.JSON}
	p := house.Scene(t, w, webRealm).Join(stage.Simple)
	p.Say(fmt.Sprintf(`[32,1,{"match":"prefix"},%q]`, prefix))
	p.Hear(`[33,1,"*"]`)
	return &heard{t, p, prefix}
}

// only checks that the next event is one that is published now: there was none before.
func (h *heard) only(address string) {
	h.Helper()
	h.publishes(address, h.prefix+"last")
	h.peer.Hear(fmt.Sprintf(`[36,"*","*",{"topic":%q}]`, h.prefix+"last"))
}

// publishes checks that a client at an HTTP listener is served.
func (h *heard) publishes(address, topic string) {
	h.Helper()
	if answer := exchange(h.T, address, request("POST", "/publish/"+topic, address, "")); !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
		h.Errorf("another client gets %s", answer)
	}
}

// status checks the status of the first answer.
func status(t *testing.T, what, answer string, allowed ...string) {
	t.Helper()
	for _, code := range allowed {
		if strings.HasPrefix(answer, "HTTP/1.1 "+code+" ") || code == "" && answer == "" {
			return
		}
	}
	t.Errorf("%.200s: want %v, got %.500s", what, allowed, answer)
}

// A page whose name resolves to the router's address, and a page of another site, are rejected at every entry.
func TestForeignPages(t *testing.T) {
	t.Parallel()
	address, h := webAddress(), listen(t, "web.foreign.")
	_, port, _ := net.SplitHostPort(address)
	upgrade := []string{"Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: wamp.2.json"}
	doors := []struct {
		method, path, body string
		headers            []string
	}{
		{"GET", "/", "", nil}, {"GET", "/console.json", "", nil}, {"GET", "/app/", "", nil}, {"GET", "/events/web.foreign.a", "", nil},
		{"POST", "/publish/web.foreign.a", "[]", nil}, {"POST", "/call/web.foreign.a", "[]", nil}, {"OPTIONS", "/publish/web.foreign.a", "", nil},
		{"POST", "/lp/open", `{"protocols":["wamp.2.json"]}`, nil}, {"GET", "/ws", "", upgrade}, {"PUT", "/publish/web.foreign.a", "[]", nil},
	}
	for _, d := range doors {
		for _, host := range []string{
			"evil.example", "evil.example:" + port, "127.0.0.2.evil.example", "localhost.evil.example", "evil.example.", "203.0.113.9", "[2001:db8::9]",
			"127.0.0.2@evil.example", "evil.example\\@127.0.0.2", "127.0.0.2,evil.example", "*", "0x7f.1.evil", "evil.example#127.0.0.2", "evil.example/127.0.0.2",
		} {
			status(t, d.method+" "+d.path+" of "+host, exchange(t, address, request(d.method, d.path, host, d.body, d.headers...)), "403", "400")
		}
		absolute := "http://evil.example" + d.path // has precedence over Host (RFC 9112, 3.2.2)
		status(t, absolute, exchange(t, address, request(d.method, absolute, address, d.body, d.headers...)), "403")
		for _, page := range []string{
			"http://evil.example", "http://" + address + ".evil.example", "http://evil.example:" + port, "null", "file://", "https://app.example.com.evil.example",
			"https://evil.example#app.example.com", "http://app.example.com@evil.example", "https://sub.app.example.com", "https://app.example.com:8443", "app.example.com", "\x00",
		} {
			answer := exchange(t, address, request(d.method, d.path, address, d.body, append([]string{"Origin: " + page, "Content-Type: application/json"}, d.headers...)...))
			status(t, d.method+" "+d.path+" by "+page, answer, "403", "400")
			if strings.Contains(answer, "Access-Control-Allow") {
				t.Errorf("%s may read %s", page, answer)
			}
		}
	}
	for _, d := range doors[4:6] { // requests of a permitted page, or of an unnamed one, that a browser sends without a preflight
		for _, headers := range []string{
			"Origin: https://app.example.com|Content-Type: text/plain", "Origin: https://app.example.com", "Sec-Fetch-Site: cross-site|Content-Type: application/json",
			"Sec-Fetch-Site: same-site|Content-Type: application/json", "Content-Type: multipart/form-data; boundary=a", "Sec-Fetch-Site: same-origin|Content-Type: text/plain",
			"Origin: https://app.example.com|Content-Type: application/x-www-form-urlencoded", "Origin: https://app.example.com|Content-Type: text/plain; application/json",
			"Origin: https://app.example.com|Content-Type: text/plain, application/json", "Sec-Fetch-Site: none|Content-Type: text/plain",
		} {
			status(t, headers, exchange(t, address, request(d.method, d.path, address, d.body, strings.Split(headers, "|")...)), "403", "415")
		}
	}
	status(t, "an image of another site", exchange(t, address, request("GET", "/events/web.foreign.a", address, "", "Sec-Fetch-Site: cross-site")), "403")
	metrics := metricsAddress(t)
	status(t, "metrics of another name", exchange(t, metrics, request("GET", "/metrics", "evil.example", "")), "403")
	status(t, "metrics for a page", exchange(t, metrics, request("GET", "/metrics", metrics, "", "Origin: http://evil.example")), "403")
	h.only(address)
	unmoved(t, webRealm)
}

const hidden = "hidden from all"

// No path leads out of a directory of static files, or to a file in it that is not meant for pages.
func TestTraversal(t *testing.T) {
	t.Parallel()
	address, www := webAddress(), filepath.Join(house.Dir, "www")
	kit.Must(t, os.RemoveAll(www))
	kit.Must(t, os.MkdirAll(filepath.Join(www, "sub", ".git"), 0o755))
	kit.Must(t, os.MkdirAll(filepath.Join(house.Dir, "www2"), 0o755))
	for name, text := range map[string]string{
		"www/index.html": "front", "www/a.txt": "text", "www/.env": hidden, "www/sub/.git/config": hidden, "www2/secret": hidden, "secret": hidden,
	} {
		kit.Must(t, os.WriteFile(filepath.Join(house.Dir, name), []byte(text), 0o644))
	}
	for name, target := range map[string]string{
		"file": "../secret", "up": "..", "beside": "../www2", "absolute": house.Dir, "root": "/", "loop": "loop", "inner": "sub/../../secret", "good": "a.txt",
	} {
		kit.Must(t, os.Symlink(target, filepath.Join(www, name)))
	}
	kit.Must(t, syscall.Mkfifo(filepath.Join(www, "pipe"), 0o644))
	var paths []string
	for _, up := range []string{
		"..", "%2e%2e", "%2E.", ".%2e", "..%2f..", "%2e%2e%2f", "..\\", "..%5c", "..%255c", "%252e%252e", "....", "..;", "..%00", "%00", ". .", "..%20", "..%c0%af", "%c0%ae%c0%ae",
		"%u002e%u002e", "..%ef%bc%8f", ".%2f..", "sub/..", "sub/../..", "sub%2f..%2f..", ".", "./..", "//..", "%2f..", "%2f%2f", "up", "absolute", "beside", "root/etc", "C:", "..:", "sub%5c..%5c..",
	} {
		paths = append(paths, up+"/secret", up+"/"+up+"/secret", up+"/../secret", up+"/www2/secret", up)
	}
	paths = append(paths, "file", "inner", "loop", "pipe", ".env", "%2eenv", "sub/.git/config", "sub/%2egit/config", "sub/.git/", "A.TXT/", "a.txt/", "a.txt/.", "a.txt%00.html", "a.txt%2500",
		"a.txt::$DATA", "root/etc/passwd", "%2fetc/passwd", "/etc/passwd", "//etc/passwd", "a.txt%0d%0aX: y", strings.Repeat("a/", 2000), strings.Repeat("%2e%2e/", 500)+"secret")
	for _, path := range paths {
		answer := exchange(t, address, request("GET", "/app/"+path, address, ""))
		if strings.Contains(answer, hidden) || strings.Contains(answer, "root:") || strings.Contains(answer, "\r\nX: y") {
			t.Errorf("%.200s: %s", path, answer)
		}
		status(t, path, answer, "404", "400", "307", "200", "403", "431")
		if strings.HasPrefix(answer, "HTTP/1.1 200 ") && !strings.HasSuffix(answer, "front") && !strings.HasSuffix(answer, "text") && !strings.Contains(answer, "<!doctype html>") {
			t.Errorf("%.200s: %.500s", path, answer)
		}
		if _, to, ok := strings.Cut(answer, "\r\nLocation: "); ok && !strings.HasPrefix(to, "./") && !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") {
			t.Errorf("%.200s leads to %.300s", path, to)
		}
	}
	for path, want := range map[string]string{"/app/": "front", "/app/good": "text", "/app/sub/../a.txt": ""} {
		if answer := exchange(t, address, request("GET", path, address, "")); want != "" && !strings.HasSuffix(answer, "\r\n\r\n"+want) {
			t.Errorf("%s: %s", path, answer)
		}
	}
	for _, method := range []string{"PUT", "DELETE", "POST", "PROPFIND", "TRACE", "CONNECT"} {
		status(t, method, exchange(t, address, request(method, "/app/a.txt", address, "")), "405", "400")
	}
	if answer := exchange(t, address, request("GET", "/app/a.txt", address, "", "Range: bytes="+strings.Repeat("0-,", 1000)+"0-")); !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
		t.Errorf("a thousand ranges: %.300s", answer)
	}
	unmoved(t, webRealm)
}

// The router and a proxy in front of it agree where a request ends. A request with an ambiguous end is rejected, or is
// the last one of its connection.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	address, h := webAddress(), listen(t, "web.smuggled.")
	const second = "POST /publish/web.smuggled.a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
	for name, first := range map[string]string{
		"two lengths":                  "Content-Length: 2\r\nContent-Length: 0\r\n\r\n[]",
		"two lengths in a list":        "Content-Length: 0, 2\r\n\r\n[]",
		"a length with a sign":         "Content-Length: +0\r\n\r\n",
		"a negative length":            "Content-Length: -1\r\n\r\n",
		"a hexadecimal length":         "Content-Length: 0x0\r\n\r\n",
		"a length that overflows":      "Content-Length: 18446744073709551616\r\n\r\n",
		"a blank before the colon":     "Content-Length : 0\r\n\r\n",
		"a length and chunks":          "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunks and a length":          "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
		"chunks twice":                 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunks, then identity":        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
		"chunks, last of two":          "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
		"chunks, first of two":         "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
		"an unknown coding":            "Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n",
		"a coding with a control":      "Transfer-Encoding: \x0bchunked\r\nContent-Length: 0\r\n\r\n",
		"a folded coding":              "Transfer-Encoding:\r\n chunked\r\nContent-Length: 0\r\n\r\n",
		"a blank after the coding":     "Transfer-Encoding : chunked\r\nContent-Length: 0\r\n\r\n",
		"a quoted coding":              "Transfer-Encoding: \"chunked\"\r\nContent-Length: 0\r\n\r\n",
		"a chunk with a sign":          "Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n",
		"a chunk with a prefix":        "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
		"a chunk that overflows":       "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n",
		"a chunk that is too long":     "Transfer-Encoding: chunked\r\n\r\n2\r\n[]XX0\r\n\r\n",
		"a long chunk extension":       "Transfer-Encoding: chunked\r\n\r\n0;" + strings.Repeat("a", 100_000) + "\r\n\r\n",
		"a NUL in a header":            "X: a\x00b\r\nContent-Length: 0\r\n\r\n",
		"a line feed in a header":      "X: a\rContent-Length: 0\r\n\r\n",
		"a header without a colon":     "Content-Length\r\n\r\n",
		"a second Host":                "Host: evil.example\r\nContent-Length: 0\r\n\r\n",
		"a folded header at the start": " Content-Length: 0\r\n\r\n",
	} {
		answer := exchange(t, address, "POST /publish/web.first HTTP/1.1\r\nHost: localhost\r\n"+first+second+second)
		if strings.Count(answer, "HTTP/1.1 ") > 1 {
			t.Errorf("%s: another request is answered: %s", name, answer)
		}
	}
	for _, octets := range []string{
		"POST /publish/web.smuggled.a\r\n\r\n", "POST  /publish/web.smuggled.a HTTP/1.1\r\nHost: localhost\r\n\r\n", "POST /publish/web.smuggled.a HTTP/1.1 \r\nHost: localhost\r\n\r\n",
		"POST /publish/web.smuggled.a HTTP/2.0\r\nHost: localhost\r\n\r\n", "POST /publish/web.smuggled.a HTTP/0.9\r\nHost: localhost\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
		"POST /publish/web.smuggled.a HTTP/1.1\r\n\r\n", "POST /publish/web.smuggled.a HTTP/1.1\r\nHost: \r\nHost: localhost\r\n\r\n", "POST /publish/web.smuggled.a\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"POST http:///publish/web.smuggled.a HTTP/1.1\r\nHost: evil.example\r\n\r\n", "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\nConnection: close\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "GET /../../publish HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
	} {
		if answer := exchange(t, address, octets); strings.HasPrefix(answer, "HTTP/1.1 200 ") && !strings.HasPrefix(octets, "GET") && !strings.HasPrefix(octets, "OPTIONS") {
			t.Errorf("%q: %s", octets, answer)
		}
	}
	h.only(address)
	unmoved(t, webRealm)
}

// next reads an answer and returns its status.
func next(t *testing.T, in *bufio.Reader) int {
	t.Helper()
	answer, err := http.ReadResponse(in, nil)
	kit.Must(t, err)
	io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
	return answer.StatusCode
}
