package console

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"

	"runnel/cmd/runnel/internal/packed"
	"runnel/test/kit"
)

// ask returns the console's answer to a request.
func ask(t *testing.T, method, target string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) })
	Handler(Options{Realm: func() string { return `a "realm"` }, Path: "/ws"}, next).ServeHTTP(w, r)
	return w.Result()
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		method, target string
		status         int
		kind           string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8"},
		{"HEAD", "/", 200, "text/html; charset=utf-8"},
		{"GET", "/app.js", 200, "text/javascript; charset=utf-8"},
		{"GET", "/style.css?v=1", 200, "text/css; charset=utf-8"},
		{"GET", "/icon.svg", 200, "image/svg+xml"},
		{"GET", "/console.json", 200, "application/json"},
		{"POST", "/", 405, "text/plain; charset=utf-8"},
		{"GET", "/missing", 418, ""},
		{"GET", "/web/app.js", 418, ""},
		{"GET", "/../console.go", 418, ""},
		{"GET", "//app.js", 418, ""},
		{"GET", "/app.js/", 418, ""},
	} {
		r := ask(t, c.method, c.target)
		if r.StatusCode != c.status || r.Header.Get("Content-Type") != c.kind {
			t.Errorf("%s %s: %d %s", c.method, c.target, r.StatusCode, r.Header.Get("Content-Type"))
		}
		if c.status == 418 {
			continue
		}
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'none'"} {
			if !strings.Contains(r.Header.Get("Content-Security-Policy"), part) {
				t.Errorf("%s %s: the policy has no %s", c.method, c.target, part)
			}
		}
		if r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: the browser may guess the type", c.method, c.target)
		}
	}
}

// An invalid host is not added to the policy.
func TestPolicy(t *testing.T) {
	for host, want := range map[string]string{
		"gw-001.local:8080":     "connect-src 'self' ws://gw-001.local:8080 wss://gw-001.local:8080;",
		"[::1]:8080":            "connect-src 'self' ws://[::1]:8080 wss://[::1]:8080;",
		"a; script-src *":       "connect-src 'self';",
		"a,default-src *":       "connect-src 'self';",
		"a 'unsafe-inline'.com": "connect-src 'self';",
	} {
		if got := policy(host); !strings.Contains(got, want) {
			t.Errorf("%q: %s", host, got)
		}
	}
}

func TestETag(t *testing.T) {
	for _, target := range []string{"/", "/app.js", "/console.json"} {
		tag := ask(t, "GET", target).Header.Get("ETag")
		if tag == "" {
			t.Errorf("%s has no ETag", target)
		}
		for sent, status := range map[string]int{tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200} {
			if got := ask(t, "GET", target, "If-None-Match", sent).StatusCode; got != status {
				t.Errorf("%s, If-None-Match: %s: %d, want %d", target, sent, got, status)
			}
		}
	}
}

// The files refer only to the console itself, and every file that they import exists.
func TestFiles(t *testing.T) {
	total := 0
	imports := regexp.MustCompile(`from '\./([^']+)'`)
	outside := regexp.MustCompile(`https?://[^\s'"<)]+`)
	for name, text := range packed.Files(archive) {
		total += len(text)
		for _, found := range imports.FindAllStringSubmatch(text, -1) {
			if _, ok := packed.Files(archive)[found[1]]; !ok {
				t.Errorf("%s imports %s, which is missing", name, found[1])
			}
		}
		for _, address := range outside.FindAllString(text, -1) {
			if address != "http://www.w3.org/2000/svg" {
				t.Errorf("%s names %s", name, address)
			}
		}
		if _, ok := types[path.Ext(name)]; !ok {
			t.Errorf("%s has no media type", name)
		}
	}
	if total > 150_000 {
		t.Errorf("the console has %d bytes, more than 150,000", total)
	}
}

// TestArchive checks that the binary serves the files of web.
func TestArchive(t *testing.T) {
	if !maps.Equal(packed.Files(archive), kit.Files(t, "web/*")) {
		t.Error("web.gz is not up to date; run go generate ./cmd/runnel/internal/console")
	}
}
