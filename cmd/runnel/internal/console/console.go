// Package console serves the web console: static pages that join a realm as an ordinary WAMP client over WebSocket. They show
// only what the role of their session may see. Without an open page the console costs nothing.
package console

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"

	"runnel/cmd/runnel/internal/packed"
)

// archive holds the files of web.
//
//go:generate go run ../packed/pack.go web.gz web/*
//go:embed web.gz
var archive []byte

// Options describe how the pages join.
type Options struct {
	Realm func() string // returns the realm that the pages join unless the user names another
	Path  string        // of the WebSocket on the same port
}

// facts is the content of console.json.
type facts struct {
	Realm string `json:"realm"`
	Path  string `json:"path"`
}

// types are the media types of the files, by their extension. The system's own table may name others or none.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// policy returns the Content-Security-Policy. It lets the pages load their own files and connect to their own port, and nothing
// else. No page may frame them. In some browsers 'self' does not cover WebSockets, so the policy names them.
func policy(host string) string {
	connect := "'self'"
	if host != "" && strings.Trim(host, hostCharacters) == "" {
		connect += " ws://" + host + " wss://" + host
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src " + connect + "; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// hostCharacters are those of names, addresses and ports. None of them ends a directive of the policy.
const hostCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_[]:"

// headers are sent with every answer, in addition to the policy.
var headers = map[string]string{
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cache-Control":                "no-cache", // the browser asks each time, and the ETag saves the transfer
}

// Handler returns the handler of a listener. It answers "/" and the paths of the console's files, and passes all other
// requests to next.
func Handler(o Options, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		if name == "" {
			name = "index.html"
		}
		answer, found := files()[name]
		if name == "console.json" {
			body, _ := json.Marshal(facts{o.Realm(), o.Path}) // strings: it cannot fail
			answer, found = file{body, etag(body)}, true
		}
		if !found {
			next.ServeHTTP(w, r)
			return
		}
		serve(w, r, name, answer)
	})
}

// serve answers a request for a file.
func serve(w http.ResponseWriter, r *http.Request, name string, f file) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy(r.Host))
	for key, value := range headers {
		h.Set(key, value)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "runnel: read the console with GET", http.StatusMethodNotAllowed)
		return
	}
	h.Set("ETag", f.tag)
	if sent := r.Header.Get("If-None-Match"); sent == "*" || strings.Contains(sent, f.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "application/json")
	if kind, ok := types[path.Ext(name)]; ok {
		h.Set("Content-Type", kind)
	}
	h.Set("Content-Length", strconv.Itoa(len(f.body)))
	if r.Method == http.MethodGet {
		w.Write(f.body)
	}
}

// file is a file of the console.
type file struct {
	body []byte
	tag  string // ETag
}

// files returns the files by name. They are unpacked at the first request, and take 100 kB of memory from then on.
var files = sync.OnceValue(func() map[string]file {
	list := map[string]file{}
	for name, text := range packed.Files(archive) {
		list[name] = file{[]byte(text), etag([]byte(text))}
	}
	return list
})

func etag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}
