// Package static serves the files of directories over HTTP: pages, scripts and data beside the WebSocket that they use.
//
//	static.go   finds the file of a request
//	file.go     a file that is opened inside its directory, piece by piece
//	answer.go   conditions and ranges of requests (RFC 9110)
//	type.go     media types
//
// A request reaches regular files below its directory only. Names that begin with a dot are not served, directories are not
// listed, and a symbolic link may not lead out of the directory.
package static

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"sort"
	"strings"
	"time"

	"runnel/edge/budget"
	"runnel/edge/logbook"
)

// Options of a Handler.
type Options struct {
	Dirs   map[string]string // directories by the prefix of their paths: "/app", or "/" for all paths
	Memory *budget.Budget    // is charged for transfers; nil: no limit
	Log    *slog.Logger
	Stall  time.Duration // how long a client may take for one piece of a file. 0: a minute
}

// server is the handler of a listener. All fields are static but those of throttle.
type server struct {
	Options
	prefixes []string // longest first; that of "/" is ""
	next     http.Handler
	disk     chan struct{} // holds a token for each file that is being read
	failures logbook.Throttle
}

// maxReading is the number of files that are open at a time. A file is closed before its piece is written to the client, so
// that slow clients hold no file.
const maxReading = 16

// Handler returns a handler that answers requests below the prefixes and passes all others to next.
func Handler(o Options, next http.Handler) http.Handler {
	s := &server{Options: o, next: next, disk: make(chan struct{}, maxReading)}
	s.failures.Every = 10 * time.Second
	if s.Stall == 0 {
		s.Stall = time.Minute
	}
	for prefix := range o.Dirs {
		s.prefixes = append(s.prefixes, strings.TrimSuffix(prefix, "/"))
	}
	sort.Slice(s.prefixes, func(i, j int) bool { return len(s.prefixes[i]) > len(s.prefixes[j]) })
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, prefix := range s.prefixes {
		rest, found := strings.CutPrefix(r.URL.Path, prefix)
		if !found || rest != "" && rest[0] != '/' {
			continue
		}
		dir := s.Dirs[prefix]
		if prefix == "" {
			dir, rest = s.Dirs["/"], "/"+strings.TrimPrefix(rest, "/") // "GET http://gw-001" has no path
		}
		s.serve(w, r, dir, rest)
		return
	}
	s.next.ServeHTTP(w, r)
}

// headers are sent with every answer. The browser asks each time, and the ETag saves the transfer.
var headers = [...][2]string{
	{"X-Content-Type-Options", "nosniff"},
	{"X-Frame-Options", "SAMEORIGIN"},
	{"Referrer-Policy", "same-origin"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"Cache-Control", "no-cache"},
}

// index is the file that answers requests for its directory.
const index = "index.html"

// serve answers a request for the file at rest, which is "" or begins with a slash.
func (s *server) serve(w http.ResponseWriter, r *http.Request, dir, rest string) {
	h := w.Header()
	for _, pair := range headers {
		h.Set(pair[0], pair[1])
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "runnel: read files with GET", http.StatusMethodNotAllowed)
		return
	}
	name, ok := clean(rest)
	if !ok {
		notFound(w)
		return
	}
	if strings.HasSuffix(rest, "/") {
		name = path.Join(name, index)
	}
	f := &file{dir: dir, name: name, disk: s.disk}
	switch err := f.stat(); {
	case err == nil:
		s.answer(w, r, f)
	case errors.Is(err, errDirectory):
		// A relative target is correct for any path under which a proxy serves the pages. "./" prevents a colon in
		// the name from being read as a scheme.
		target := "./" + url.PathEscape(path.Base(r.URL.Path)) + "/"
		if r.URL.RawQuery != "" {
			target += "?" + r.URL.RawQuery
		}
		h.Set("Location", target)
		w.WriteHeader(http.StatusTemporaryRedirect)
	default:
		notFound(w)
		s.report(dir, err)
	}
}

// clean returns the name of a file inside its directory. Each component must be a plain name: not empty (except the
// last one), without a dot at its beginning, and without backslashes and control characters.
func clean(rest string) (name string, ok bool) {
	name = strings.Trim(rest, "/")
	if name == "" {
		return ".", len(rest) <= 1
	}
	if strings.HasPrefix(rest, "//") || strings.HasSuffix(rest, "//") {
		return "", false
	}
	start := true // of a component
	for i := range len(name) {
		c := name[i]
		if start && (c == '.' || c == '/') || c == '\\' || c < ' ' || c == 0x7f {
			return "", false
		}
		start = c == '/'
	}
	return name, true
}

func notFound(w http.ResponseWriter) {
	http.Error(w, "runnel: no such file", http.StatusNotFound)
}

// report logs an error that the operator can correct. It does not log requests for missing files or for files outside
// the directory.
func (s *server) report(dir string, err error) {
	if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, errNoRoot) {
		return
	}
	if suppressed, ok := s.failures.Allow(); ok {
		s.Log.Warn("cannot serve a file", "file", dir, "err", err, "suppressed", suppressed)
	}
}
