//go:build unix

package static

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"runnel/edge/budget"
	"runnel/test/kit"
)

// page is a server with files below /app and /, and a secret beside them.
type page struct {
	*httptest.Server
	dir  string
	logs *bytes.Buffer
}

func serve(t *testing.T, o Options) *page {
	t.Helper()
	p := &page{dir: t.TempDir(), logs: &bytes.Buffer{}}
	for name, text := range map[string]string{
		"secret": "secret", "app/index.html": "<p>app", "app/a.js": "0123456789", "app/empty.txt": "", "app/b c.CSS": "p {}", "app/sub/index.html": "sub",
		"app/.env": "secret", "app/.git/config": "secret", "app/bare/x.json": "{}", "app/a:b/index.html": "colon", "app/data": "?", "root/index.html": "root", "root/app.txt": "text",
	} {
		kit.Must(t, os.MkdirAll(filepath.Dir(filepath.Join(p.dir, name)), 0o755))
		kit.Must(t, os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o644))
	}
	for name, target := range map[string]string{"app/out": "../secret", "app/abs": filepath.Join(p.dir, "secret"), "app/up": "..", "app/in.js": "a.js", "app/loop": "loop"} {
		kit.Must(t, os.Symlink(target, filepath.Join(p.dir, name)))
	}
	kit.Must(t, syscall.Mkfifo(filepath.Join(p.dir, "app/pipe"), 0o644))
	if o.Dirs == nil {
		o.Dirs = map[string]string{"/app": filepath.Join(p.dir, "app"), "/": filepath.Join(p.dir, "root"), "/gone": filepath.Join(p.dir, "gone")}
	}
	o.Log = slog.New(slog.NewTextHandler(p.logs, nil))
	p.Server = httptest.NewServer(Handler(o, http.NotFoundHandler()))
	t.Cleanup(p.Close)
	return p
}

// ask sends a request exactly as written and returns the answer with its body.
func (p *page) ask(t *testing.T, method, target string, header ...string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", p.Listener.Addr().String())
	kit.Must(t, err)
	defer conn.Close()
	request := method + " " + target + " HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n"
	for i := 0; i < len(header); i += 2 {
		request += header[i] + ": " + header[i+1] + "\r\n"
	}
	io.WriteString(conn, request+"\r\n")
	r, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	kit.Must(t, err)
	body, err := io.ReadAll(r.Body)
	kit.Must(t, err)
	return r, string(body)
}

// TestFiles: each path is answered with its file and type. No path leads out of the directory.
func TestFiles(t *testing.T) {
	p := serve(t, Options{})
	for _, c := range []struct {
		target string
		status int
		want   string // the type, or the target of a redirection
	}{
		{"/app/", 200, "text/html; charset=utf-8"},
		{"/app/index.html", 200, "text/html; charset=utf-8"},
		{"/app/a.js", 200, "text/javascript; charset=utf-8"},
		{"/app/a.js?v=../1", 200, "text/javascript; charset=utf-8"},
		{"/app/%61.js", 200, "text/javascript; charset=utf-8"},
		{"/app/in.js", 200, "text/javascript; charset=utf-8"},
		{"/app/b%20c.CSS", 200, "text/css; charset=utf-8"},
		{"/app/bare/x.json", 200, "application/json; charset=utf-8"},
		{"/app/data", 200, "application/octet-stream"},
		{"/app/sub/", 200, "text/html; charset=utf-8"},
		{"/app/a:b/", 200, "text/html; charset=utf-8"},
		{"/", 200, "text/html; charset=utf-8"},
		{"/index.html", 200, "text/html; charset=utf-8"},
		{"/app.txt", 200, "text/plain; charset=utf-8"},
		{"http://gw/app/", 200, "text/html; charset=utf-8"},
		{"http://gw", 200, "text/html; charset=utf-8"},

		{"/app", 307, "./app/"},
		{"/app?a=b&c", 307, "./app/?a=b&c"},
		{"/app/sub", 307, "./sub/"},
		{"/app/a:b", 307, "./a:b/"},

		{"/app/missing", 404, ""}, {"/application", 404, ""}, {"/app/bare/", 404, ""}, {"/app/a.js/", 404, ""}, {"/app/a.js/x", 404, ""},
		{"/app//a.js", 404, ""}, {"//app/a.js", 404, ""}, {"/app//", 404, ""}, {"/app/sub//", 404, ""},
		{"/app/../secret", 404, ""}, {"/app/..", 404, ""}, {"/app/../", 404, ""}, {"/app/sub/../a.js", 404, ""}, {"/app/./a.js", 404, ""},
		{"/app/%2e%2e/secret", 404, ""}, {"/app/..%2fsecret", 404, ""}, {"/app/%2e%2e%2fsecret", 404, ""}, {"/%2e%2e/secret", 404, ""},
		{"/app/%252e%252e/secret", 404, ""}, {`/app/..\secret`, 404, ""}, {"/app/..%5csecret", 404, ""}, {`/app/sub%5cindex.html`, 404, ""},
		{"/app/out", 404, ""}, {"/app/abs", 404, ""}, {"/app/up/secret", 404, ""}, {"/app/loop", 404, ""},
		{"/app/.env", 404, ""}, {"/app/.git/config", 404, ""}, {"/app/%2eenv", 404, ""},
		{"/app/a.js%00", 404, ""}, {"/app/%00", 404, ""}, {"/app/a%0a.js", 404, ""}, {"/app/pipe", 404, ""}, {"/gone/x", 404, ""}, {"/gone/", 404, ""},
		{"/app/" + strings.Repeat("a", 3000), 404, ""},
	} {
		r, body := p.ask(t, "GET", c.target)
		got := r.Header.Get("Content-Type")
		switch r.StatusCode {
		case 307:
			got = r.Header.Get("Location")
		case 404:
			got = ""
		}
		if r.StatusCode != c.status || got != c.want || strings.Contains(body, "secret") {
			t.Errorf("GET %.60s: %d %s %q, want %d %s", c.target, r.StatusCode, got, body, c.status, c.want)
		}
		if r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %.60s: %v", c.target, r.Header)
		}
	}
	if !strings.Contains(p.logs.String(), "gone") {
		t.Errorf("the log does not name the missing directory: %s", p.logs)
	}
}

// TestMethods: HEAD is GET without a body, and files are not written.
func TestMethods(t *testing.T) {
	p := serve(t, Options{})
	if r, body := p.ask(t, "HEAD", "/app/a.js"); r.StatusCode != 200 || r.ContentLength != 10 || body != "" || r.Header.Get("ETag") == "" {
		t.Errorf("HEAD: %+v %q", r, body)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"} {
		if r, _ := p.ask(t, method, "/app/a.js", "Content-Length", "0"); r.StatusCode != 405 || r.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %+v", method, r)
		}
	}
}

// TestRanges: a single range is answered with its bytes.
func TestRanges(t *testing.T) {
	p := serve(t, Options{})
	for _, c := range []struct {
		target, header string
		status         int
		want, part     string
	}{
		{"/app/a.js", "bytes=0-3", 206, "0123", "bytes 0-3/10"},
		{"/app/a.js", "bytes=4-", 206, "456789", "bytes 4-9/10"},
		{"/app/a.js", "bytes=-3", 206, "789", "bytes 7-9/10"},
		{"/app/a.js", "bytes=-300", 206, "0123456789", "bytes 0-9/10"},
		{"/app/a.js", "bytes=9-99999999999999999999", 206, "9", "bytes 9-9/10"},
		{"/app/a.js", "Bytes=0-0", 206, "0", "bytes 0-0/10"},
		{"/app/a.js", "bytes=10-", 416, "", "bytes */10"},
		{"/app/a.js", "bytes=99999999999999999999-", 416, "", "bytes */10"},
		{"/app/a.js", "bytes=-0", 416, "", "bytes */10"},
		{"/app/a.js", "bytes=3-1", 200, "0123456789", ""},
		{"/app/a.js", "bytes=0-1,4-5", 200, "0123456789", ""},
		{"/app/a.js", "bytes=-", 200, "0123456789", ""},
		{"/app/a.js", "bytes=a-b", 200, "0123456789", ""},
		{"/app/a.js", "lines=0-1", 200, "0123456789", ""},
		{"/app/empty.txt", "bytes=0-", 200, "", ""},
	} {
		r, body := p.ask(t, "GET", c.target, "Range", c.header)
		if r.StatusCode != c.status || body != c.want || r.Header.Get("Content-Range") != c.part {
			t.Errorf("%s %s: %d %q %q", c.target, c.header, r.StatusCode, body, r.Header.Get("Content-Range"))
		}
	}
	if r, _ := p.ask(t, "HEAD", "/app/a.js", "Range", "bytes=0-3"); r.StatusCode != 200 {
		t.Errorf("HEAD with a range: %d", r.StatusCode)
	}
}

// TestConditions: conditional requests are answered as RFC 9110 says, for the tag as for the date.
func TestConditions(t *testing.T) {
	p := serve(t, Options{})
	r, _ := p.ask(t, "GET", "/app/a.js")
	tag, date := r.Header.Get("ETag"), r.Header.Get("Last-Modified")
	const past = "Mon, 02 Jan 2006 15:04:05 GMT"
	for _, c := range []struct {
		status int
		header []string
	}{
		{304, []string{"If-None-Match", tag}}, {304, []string{"If-None-Match", `"x", W/` + tag}}, {304, []string{"If-None-Match", "*"}}, {200, []string{"If-None-Match", `"x"`}},
		{304, []string{"If-Modified-Since", date}}, {200, []string{"If-Modified-Since", past}}, {200, []string{"If-Modified-Since", "yesterday"}},
		{200, []string{"If-None-Match", `"x"`, "If-Modified-Since", date}},
		{412, []string{"If-Match", `"x"`}}, {412, []string{"If-Match", "W/" + tag}}, {200, []string{"If-Match", tag}}, {200, []string{"If-Match", "*"}},
		{412, []string{"If-Unmodified-Since", past}}, {200, []string{"If-Unmodified-Since", date}}, {200, []string{"If-Match", tag, "If-Unmodified-Since", past}},
		{206, []string{"Range", "bytes=1-2", "If-Range", tag}}, {200, []string{"Range", "bytes=1-2", "If-Range", `"x"`}}, {200, []string{"Range", "bytes=1-2", "If-Range", "W/" + tag}},
		{206, []string{"Range", "bytes=1-2", "If-Range", date}}, {200, []string{"Range", "bytes=1-2", "If-Range", past}},
	} {
		if r, body := p.ask(t, "GET", "/app/a.js", c.header...); r.StatusCode != c.status || c.status == 304 && body != "" || r.Header.Get("ETag") != tag {
			t.Errorf("%q: %d %q", c.header, r.StatusCode, body)
		}
	}
	kit.Must(t, os.WriteFile(filepath.Join(p.dir, "app/a.js"), []byte("another"), 0o644))
	if r, body := p.ask(t, "GET", "/app/a.js", "If-None-Match", tag); r.StatusCode != 200 || body != "another" {
		t.Errorf("after a change: %d %q", r.StatusCode, body)
	}
}

// big writes a file that no socket's buffers hold.
func (p *page) big(t *testing.T) (path string, size int64) {
	path, size = filepath.Join(p.dir, "app/big.bin"), 24<<20
	f, err := os.Create(path)
	kit.Must(t, err)
	kit.Must(t, f.Truncate(size))
	kit.Must(t, f.Close())
	return path, size
}

// TestLong: a long file arrives as a whole.
func TestLong(t *testing.T) {
	p := serve(t, Options{Memory: budget.New(1<<20, slog.New(slog.DiscardHandler))})
	_, size := p.big(t)
	r, err := http.Get(p.URL + "/app/big.bin")
	kit.Must(t, err)
	defer r.Body.Close()
	if n, err := io.Copy(io.Discard, r.Body); n != size || err != nil {
		t.Errorf("%d bytes: %v", n, err)
	}
}

// TestSlow: a client that does not read is disconnected, and holds no file meanwhile.
func TestSlow(t *testing.T) {
	p := serve(t, Options{Stall: 100 * time.Millisecond})
	p.big(t)
	for range 2 * maxReading {
		conn, err := net.Dial("tcp", p.Listener.Addr().String())
		kit.Must(t, err)
		defer conn.Close()
		io.WriteString(conn, "GET /app/big.bin HTTP/1.1\r\nHost: gw\r\n\r\n")
	}
	kit.Eventually(t, "a file arrives beside slow clients", func() bool {
		r, err := http.Get(p.URL + "/app/a.js") // fails if the answer's goroutine pauses for longer than Stall
		if err == nil {
			r.Body.Close()
		}
		return err == nil && r.StatusCode == http.StatusOK
	})
	p.Close() // waits for all requests
}

// A file that changes while it is sent ends the connection. The client never gets a mix of both versions.
func TestChanged(t *testing.T) {
	for name, change := range map[string]func(path string, size int64) error{
		"replaced": func(path string, size int64) error {
			return errors.Join(os.WriteFile(path+".new", bytes.Repeat([]byte("x"), int(size)), 0o644), os.Rename(path+".new", path))
		},
		"appended to": func(path string, _ int64) error {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString("x")
			return errors.Join(err, f.Close())
		},
		"written again": func(path string, _ int64) error { return os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour)) },
		"a directory":   func(path string, _ int64) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o755)) },
		"gone":          func(path string, _ int64) error { return os.Remove(path) },
	} {
		t.Run(name, func(t *testing.T) {
			p := serve(t, Options{})
			path, size := p.big(t)
			r, err := http.Get(p.URL + "/app/big.bin")
			kit.Must(t, err)
			defer r.Body.Close()
			kit.Must(t, change(path, size))
			body, err := io.ReadAll(r.Body)
			if err == nil || bytes.Contains(body, []byte("x")) {
				t.Errorf("%d bytes: %v", len(body), err)
			}
		})
	}
}

// TestMemory: without memory, files are refused with a status that clients retry.
func TestMemory(t *testing.T) {
	p := serve(t, Options{Memory: budget.New(1, slog.New(slog.DiscardHandler))})
	if r, body := p.ask(t, "GET", "/app/a.js"); r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("%d %q", r.StatusCode, body)
	}
}
