// Package rest serves HTTP clients: scripts, small devices and programs without a WAMP library. A client publishes
// and calls by POST, and receives events as server-sent events. It has its own WAMP session (package guest), so that
// permissions, disclosure, limits and the meta API apply to it as to any peer.
//
//	POST /publish/URI   publishes an event
//	POST /call/URI      calls a procedure
//	GET  /events/URI    receives events
//
//	rest.go         ServeHTTP: methods, paths, and which pages may ask
//	body.go         the body of a request: arguments, keyword arguments, options
//	publish.go      POST /publish; call.go: POST /call; events.go: GET /events
//	credentials.go  who the client is; signed.go: requests signed as for Crossbar.io
//	pool.go         the sessions of clients, kept from one request to the next
//	failure.go      errors with their status; text.go: answers
//	webhook.go      posts events to an HTTP server; post.go: its connection
//
// The sessions use JSON, so a payload is passed on as it was received: numbers keep all their digits.
package rest

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

// Options configure a Server. Serve, Peer and Realm are required.
type Options struct {
	// Serve serves the router's end of a session's connection. It is called on its own goroutine.
	Serve func(*memory.Conn)

	// Peer describes the client that sends a request. The listener has checked the request's Host and Origin.
	Peer func(*http.Request) wamp.Transport

	// Realm returns the realm of requests that name none.
	Realm func() string

	// Secret returns the ticket or secret with which a principal of a realm signs requests; "": it has none. If
	// Secret is nil, no request may be signed.
	Secret func(realm, authid string) string

	Agent   string        // of the sessions
	MaxBody int           // length in bytes of the longest body; 0: 1 MiB
	Time    time.Duration // for a body to arrive, and for an answer to be written; 0: 10 s
	Log     *slog.Logger  // nil: no log
}

const (
	defaultBody = 1 << 20
	defaultTime = 10 * time.Second
)

// Server answers the requests of one listener. Any goroutine may use it.
type Server struct {
	opts   Options // static
	pool   pool    // has its own lock
	replay replay  // has its own lock
	live   streams // has its own lock
	counts counts
}

// counts are the figures since the start.
type counts struct{ published, called, failed atomic.Uint64 }

// New returns a Server without sessions.
func New(o Options) *Server {
	if o.MaxBody <= 0 {
		o.MaxBody = defaultBody
	}
	if o.Time <= 0 {
		o.Time = defaultTime
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{opts: o}
	s.pool.init(s.join)
	return s
}

// State is a snapshot of a Server.
type State struct {
	Sessions  int    `json:"sessions"`  // of clients that publish and call
	Streams   int    `json:"streams"`   // of events
	Published uint64 `json:"published"` // events, total
	Called    uint64 `json:"called"`    // procedures, total
	Failed    uint64 `json:"failed"`    // requests answered with an error, total
}

// State returns the current figures.
func (s *Server) State() State {
	return State{
		Sessions: s.pool.len(), Streams: s.live.len(), Published: s.counts.published.Load(), Called: s.counts.called.Load(),
		Failed: s.counts.failed.Load(),
	}
}

// Forget makes the next request of each client authenticate again. Requests in progress and streams are not affected.
func (s *Server) Forget() { s.pool.forget() }

// Handler returns a handler that answers the requests of this package, and passes all others to next.
func (s *Server) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		verb, uri, named := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		var handle func(http.ResponseWriter, *http.Request, string, bool) error
		method := http.MethodPost
		switch {
		case verb == "publish":
			handle = s.publish
		case verb == "call":
			handle = s.call
		case verb == "events" && named:
			handle, method = s.events, http.MethodGet
		default:
			next.ServeHTTP(w, r)
			return
		}
		s.answer(w, r, method, func() error { return handle(w, r, uri, named && uri != "") })
	})
}

// answer checks the method of a request and the page that sends it, and handles it.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, method string, handle func() error) {
	h := w.Header()
	setAll(h, "Cache-Control", "no-store", "X-Content-Type-Options", "nosniff")
	allowPage(h, r, method)
	var err error
	switch {
	case r.Method == http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
		return
	case r.Method != method && !(method == http.MethodPost && r.Method == http.MethodPut):
		h.Set("Allow", method+", OPTIONS")
		err = refuse(http.StatusMethodNotAllowed, wamp.InvalidArgument, "use "+method)
	default:
		if err = checkPage(r); err == nil {
			err = handle()
		}
	}
	if err != nil {
		s.fail(w, err)
	}
}

// preflightTime is how many seconds a browser may remember the answer to OPTIONS.
const preflightTime = "600"

// allowPage sets the headers that let a page read the answer (CORS). The listener has checked the page's origin. A browser
// sends no cookies or stored passwords with such a request, because Access-Control-Allow-Credentials is not set.
func allowPage(h http.Header, r *http.Request, method string) {
	h.Set("Vary", "Origin")
	page := r.Header.Get("Origin")
	if page == "" {
		return
	}
	setAll(h, "Access-Control-Allow-Origin", page, "Access-Control-Expose-Headers", "Retry-After")
	if r.Method != http.MethodOptions {
		return
	}
	setAll(h, "Access-Control-Allow-Methods", method, "Access-Control-Max-Age", preflightTime,
		"Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID")
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
}

// checkPage returns an error for a request that a page of another site may have caused without permission (CSRF). A
// browser asks for permission by OPTIONS before it sends application/json to another site. It does not ask before it
// sends a form or plain text.
func checkPage(r *http.Request) error {
	site := r.Header.Get("Sec-Fetch-Site")
	page := r.Header.Get("Origin")
	if page == "" && (site == "cross-site" || site == "same-site") {
		return refuse(http.StatusForbidden, wamp.NotAuthorized, "a web page of another site may not send this request")
	}
	if r.Method == http.MethodGet {
		return nil
	}
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	isJSON := kind == "application/json" || strings.HasSuffix(kind, "+json")
	switch {
	case (page != "" || site != "") && !isJSON:
		return refuse(http.StatusUnsupportedMediaType, wamp.InvalidArgument, "a web page must send Content-Type: application/json")
	case strings.HasPrefix(kind, "multipart/"):
		return refuse(http.StatusUnsupportedMediaType, wamp.InvalidArgument, "the body must be JSON; send Content-Type: application/json")
	}
	return nil
}

// setAll sets headers from a list of names, each followed by its value.
func setAll(h http.Header, pairs ...string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
}

// reply answers with a JSON text.
func reply(w http.ResponseWriter, status int, body text) {
	body = body.add("\n")
	setAll(w.Header(), "Content-Type", "application/json", "Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}

// maxDrain is how many bytes of a body that is too long are read and dropped. Closing the connection with unread bytes would
// reset it, and the client would lose the answer.
const maxDrain = 256 << 10

// body reads the body of a request.
func (s *Server) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	end := time.Now().Add(s.opts.Time)
	control := http.NewResponseController(w)
	if r.ContentLength != 0 {
		control.SetReadDeadline(end)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, int64(s.opts.MaxBody)+1))
	switch {
	case err != nil:
		return nil, bodyFailure(err)
	case len(body) > s.opts.MaxBody:
		io.CopyN(io.Discard, r.Body, maxDrain)
		return nil, refuse(http.StatusRequestEntityTooLarge, wamp.PayloadSizeExceeded, "the body is longer than "+strconv.Itoa(s.opts.MaxBody)+" bytes")
	}
	control.SetReadDeadline(time.Time{}) // the web server reads on to detect that the client disconnects
	return body, nil
}

// writeWithin bounds the time for the answer to be written.
func writeWithin(w http.ResponseWriter, d time.Duration) {
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d))
}

// session returns the client's session and a function that releases it.
func (s *Server) session(ctx context.Context, c credentials) (*client.Client, func(), error) {
	return s.pool.take(ctx, c)
}
