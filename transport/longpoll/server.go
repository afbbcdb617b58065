// Package longpoll carries WAMP messages over HTTP requests, for clients behind proxies that allow nothing else
// (advanced/transport_http_longpoll.md). A client opens a transport, whose id is secret. It sends messages by send requests.
// It keeps one receive request pending, which the router answers when it has messages for the client.
//
//	server.go      Answer: POST open, and the dispatch of other requests to their transports
//	send.go        POST <id>/send: splits a body into messages
//	receive.go     POST <id>/receive: waits for messages and returns them
//	conn.go        the transport as the router uses it: ReadMessage, Write, Close
//	newcomers.go   the limits on transports without a session
//
// A request that is not answered with 2xx has no effect. The specification asks for "202 (no content)" as the answer to
// send and close. The router answers 204, the status for no content, because clients accept that (Autobahn rejects 202).
package longpoll

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"runnel/edge/budget"
	"runnel/edge/wamp"
	"runnel/transport/subprotocol"
)

const (
	defaultLimit  = 1 << 20
	defaultPoll   = 10 * time.Second // Autobahn gives up after 12 s
	defaultIdle   = 40 * time.Second
	defaultBody   = 10 * time.Second
	maxAsk        = 4 << 10 // bytes of a body that holds no WAMP message
	preflightTime = "600"   // seconds for which a browser may cache the answer to OPTIONS
)

// Open is the path of the request that opens a transport.
const Open = "open"

// Options configure a Server. The zero value of each field is the default; Serve is required.
type Options struct {
	// MaxMessage is the length of the longest body to accept, in bytes. The body may be a batch. 0: 1 MiB.
	MaxMessage int

	PollTime time.Duration // after which a receive request is answered without messages; 0: 10 s
	IdleTime time.Duration // without a receive request, after which a client times out; 0: 40 s
	BodyTime time.Duration // for a request to arrive, and for its answer to be written; 0: 10 s

	// Memory is charged for the transports; nil: memory is not bounded.
	Memory *budget.Budget

	// Serve serves a new transport in a goroutine of its own and returns true. It returns false if there is no room.
	Serve func(*Conn) bool
}

// Server manages the transports of one listener. Any goroutine may use it.
type Server struct {
	opts Options // static

	newcomers newcomers // has its own lock

	mu    sync.Mutex
	conns map[string]*Conn
}

// NewServer returns a Server without transports.
func NewServer(o Options) *Server {
	o.MaxMessage = cmp.Or(o.MaxMessage, defaultLimit)
	o.PollTime = cmp.Or(o.PollTime, defaultPoll)
	o.IdleTime = cmp.Or(o.IdleTime, defaultIdle)
	o.BodyTime = cmp.Or(o.BodyTime, defaultBody)
	return &Server{opts: o, conns: map[string]*Conn{}}
}

// Len returns the number of transports.
func (s *Server) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

func (s *Server) find(id string) *Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns[id]
}

func (s *Server) add(c *Conn) {
	s.mu.Lock()
	s.conns[c.id] = c
	s.mu.Unlock()
}

func (s *Server) remove(c *Conn) {
	s.mu.Lock()
	delete(s.conns, c.id)
	s.mu.Unlock()
}

// refusal is an error with its HTTP status.
type refusal struct {
	status int
	text   string
}

func (r refusal) Error() string { return r.text }

// errGone refuses a request for a transport that does not exist or no longer exists. The client cannot tell which.
var errGone = refusal{http.StatusNotFound, "there is no such transport"}

// ErrFull means that Options.Serve has no room for another transport.
var ErrFull error = refusal{http.StatusServiceUnavailable, "too many connections"}

// Answer answers a request. The caller has checked its origin. path is the part of the URL's path after the base URL, and
// peer describes the client. Answer returns an error if it opened no transport; the client has received it.
func (s *Server) Answer(w http.ResponseWriter, r *http.Request, path string, peer wamp.Transport) error {
	allowPage(w.Header(), r)
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.opts.PollTime + s.opts.BodyTime))
	var err error
	switch id, verb, _ := strings.Cut(path, "/"); {
	case r.Method == http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "POST, OPTIONS")
		err = refusal{http.StatusMethodNotAllowed, "long-poll requests are POST"}
	case path == Open:
		return s.refuse(w, s.open(w, r, peer))
	default:
		err = s.dispatch(w, r, id, verb, peer)
	}
	s.refuse(w, err)
	return nil
}

// allowPage sets the headers that let the requesting page read the answer (CORS). The page's origin is checked already. No
// cache may store the answer.
func allowPage(h http.Header, r *http.Request) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	page := r.Header.Get("Origin")
	if page == "" {
		return
	}
	h.Set("Vary", "Origin")
	h.Set("Access-Control-Allow-Origin", page)
	h.Set("Access-Control-Allow-Credentials", "true")
	if r.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Methods", "POST")
		h.Set("Access-Control-Allow-Headers", "Content-Type")
		h.Set("Access-Control-Max-Age", preflightTime)
	}
}

// refuse answers a request with an error and returns the error; nil stays nil.
func (s *Server) refuse(w http.ResponseWriter, err error) error {
	if err == nil {
		return nil
	}
	status := http.StatusBadRequest
	var refused refusal
	if errors.As(err, &refused) {
		status = refused.status
	}
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "10")
	}
	http.Error(w, "runnel: "+err.Error(), status)
	return fmt.Errorf("long-poll: %w", err)
}

// open opens a transport and answers with its id and protocol.
func (s *Server) open(w http.ResponseWriter, r *http.Request, peer wamp.Transport) error {
	body, err := s.body(w, r, maxAsk)
	if err != nil {
		return err
	}
	var request struct {
		Protocols []string `json:"protocols"`
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return fmt.Errorf("the body is not a JSON object with protocols: %w", err)
	}
	p, ok := subprotocol.Choose(request.Protocols)
	if !ok {
		return fmt.Errorf("no common protocol: the client requested %.200q, the router supports %s", request.Protocols, strings.Join(subprotocol.Names(), ", "))
	}
	place := s.newcomers.reserve(r, &peer)
	if place == nil {
		return errCrowded
	}
	c := newConn(s, rand.Text(), p, peer, place)
	if c.account, err = s.opts.Memory.Open(budget.Peer{Name: peer.Remote, Base: connCost, Close: func() { c.disconnect(budget.ErrCut) }}); err != nil {
		c.disconnect(io.EOF)
		c.Close()
		return refusal{http.StatusServiceUnavailable, err.Error()}
	}
	s.add(c)
	if !s.opts.Serve(c) {
		c.disconnect(io.EOF)
		c.Close()
		return ErrFull
	}
	answer, _ := json.Marshal(map[string]string{"protocol": p.String(), "transport": c.id}) // strings can always be encoded
	w.Header().Set("Content-Type", "application/json")
	w.Write(answer) // if the client does not receive it, the transport times out
	return nil
}

// dispatch passes a request to its transport.
func (s *Server) dispatch(w http.ResponseWriter, r *http.Request, id, verb string, peer wamp.Transport) error {
	c := s.find(id)
	switch {
	case verb == "close" && c == nil: // the session may have just ended
		w.WriteHeader(http.StatusNoContent)
		return nil
	case c == nil:
		return errGone
	case !sameCertificate(c.transport.Certificate, peer.Certificate):
		return refusal{http.StatusForbidden, "the transport was opened with another certificate"}
	}
	switch verb {
	case "send":
		return c.send(w, r)
	case "receive":
		return c.receive(w, r)
	case "close":
		w.WriteHeader(http.StatusNoContent)
		http.NewResponseController(w).Flush() // before the transport ends, because the listener may end with it
		c.disconnect(io.EOF)
		return nil
	}
	return refusal{http.StatusNotFound, "a transport has send, receive and close"}
}

// sameCertificate reports whether two requests came with the same client certificate, or both without one.
func sameCertificate(a, b *wamp.Certificate) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// body reads a short request body within BodyTime.
func (s *Server) body(w http.ResponseWriter, r *http.Request, limit int) ([]byte, error) {
	return s.read(w, r, limit, func(int, int) error { return nil })
}

// read reads a request's body within BodyTime. The buffer grows with the bytes that arrive. Before a buffer of have bytes
// is replaced by one of size bytes, read calls grow.
func (s *Server) read(w http.ResponseWriter, r *http.Request, limit int, grow func(have, size int) error) (body []byte, err error) {
	if r.ContentLength == 0 {
		return nil, nil
	}
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(s.opts.BodyTime))
	from := http.MaxBytesReader(w, r.Body, int64(limit))
	for err == nil {
		if len(body) == cap(body) {
			size := min(max(firstRead, 2*cap(body)), max(limit, firstRead)+1)
			if err := grow(cap(body), size); err != nil {
				return body, err
			}
			control.SetReadDeadline(time.Now().Add(s.opts.BodyTime)) // grow may have waited
			body = append(make([]byte, 0, size), body...)
		}
		var n int
		n, err = from.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
	}
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return body, refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is longer than %d bytes", limit)}
	case err != io.EOF:
		return body, fmt.Errorf("read body: %w", err)
	}
	control.SetReadDeadline(time.Time{}) // net/http continues to read, to detect that the client disconnects
	return body, nil
}

const firstRead = 512

// connCost is the memory of an idle transport in bytes, without the connections of its requests.
const connCost = 16 << 10
