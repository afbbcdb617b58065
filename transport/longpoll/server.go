// Package longpoll carries WAMP messages over HTTP requests, for clients whose way to the router lets nothing else through
// (advanced/transport_http_longpoll.md). A client opens a transport, whose id is its secret; it sends messages with
// requests of their own, and always has one request under way that waits for what the router has to say.
//
//	server.go    Answer: POST open, and which transport another request is for
//	send.go      POST <id>/send: a body becomes messages
//	receive.go   POST <id>/receive: waits, and carries messages away
//	conn.go      the transport as the router sees it: ReadMessage, Write, Close
//
// A request that is not answered with 2xx has done nothing. The specification wants send and close answered with "202
// (no content)"; that is 204, which is also what clients take (Autobahn takes no 202).
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
	maxAsk        = 4 << 10 // octets of a body that is not a message
	preflightTime = "600"   // seconds that a browser need not ask again
)

// Open is the path of the request that opens a transport.
const Open = "open"

// Options say how to serve. The zero value of each field is the default, but for Serve.
type Options struct {
	// MaxMessage is the longest body in octets to accept, which may be a batch. 0: 1 MiB.
	MaxMessage int

	PollTime time.Duration // after which a request is told that there is nothing to receive; 0: 10 s
	IdleTime time.Duration // without a request to receive, after which a client is gone; 0: 40 s
	BodyTime time.Duration // for a request to arrive, and for its answer to be taken; 0: 10 s

	// Memory is what the transports are charged to; nil: memory is not bounded.
	Memory *budget.Budget

	// Serve takes a new transport and serves it in a goroutine of its own, or returns false: there is no room.
	Serve func(*Conn) bool
}

// Server has the transports of one listener. Any goroutine may use it.
type Server struct {
	opts Options // static

	newcomers newcomers // locks for itself

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

// Len is how many transports there are.
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

// refusal is an error with the HTTP status that says it.
type refusal struct {
	status int
	words  string
}

func (r refusal) Error() string { return r.words }

// errGone is for ids that are none, or none any more. They look alike.
var errGone = refusal{http.StatusNotFound, "there is no such transport"}

// ErrFull is that Options.Serve has no room for another transport.
var ErrFull error = refusal{http.StatusServiceUnavailable, "too many connections"}

// Answer answers a request, whose origin has been checked, for the path behind the base URL. peer is what is known of who asks. The error, which the
// client has been told, says why no transport was opened.
func (s *Server) Answer(w http.ResponseWriter, r *http.Request, path string, peer wamp.Transport) error {
	share(w.Header(), r)
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
		err = s.pass(w, r, id, verb, peer)
	}
	s.refuse(w, err)
	return nil
}

// share lets the page that asks, whose origin was checked, read the answer, and nobody keep it.
func share(h http.Header, r *http.Request) {
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

// refuse tells the client of an error, if there is one.
func (s *Server) refuse(w http.ResponseWriter, err error) error {
	if err == nil {
		return nil
	}
	status := http.StatusBadRequest
	var with refusal
	if errors.As(err, &with) {
		status = with.status
	}
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "10")
	}
	http.Error(w, "runnel: "+err.Error(), status)
	return fmt.Errorf("long-poll: %w", err)
}

// open makes a transport.
func (s *Server) open(w http.ResponseWriter, r *http.Request, peer wamp.Transport) error {
	body, err := s.body(w, r, maxAsk)
	if err != nil {
		return err
	}
	var wish struct {
		Protocols []string `json:"protocols"`
	}
	if err := json.Unmarshal(body, &wish); err != nil {
		return fmt.Errorf("the body is not a JSON object with protocols: %w", err)
	}
	p, ok := subprotocol.Choose(wish.Protocols)
	if !ok {
		return fmt.Errorf("no common protocol: asked for %.200q, spoken here: %s", wish.Protocols, strings.Join(subprotocol.Names(), ", "))
	}
	place := s.newcomers.enter(r, &peer)
	if place == nil {
		return errCrowded
	}
	c := newConn(s, rand.Text(), p, peer, place)
	if c.account, err = s.opts.Memory.Open(budget.Peer{Name: peer.Remote, Base: connCost, End: func() { c.leave(budget.ErrCut) }}); err != nil {
		c.leave(io.EOF)
		c.Close()
		return refusal{http.StatusServiceUnavailable, err.Error()}
	}
	s.add(c)
	if !s.opts.Serve(c) {
		c.leave(io.EOF)
		c.Close()
		return ErrFull
	}
	answer, err := json.Marshal(map[string]string{"protocol": p.String(), "transport": c.id})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(answer) // a client that does not get it does not come back, and is gone in time
	return nil
}

// pass finds the transport that a request is for.
func (s *Server) pass(w http.ResponseWriter, r *http.Request, id, verb string, peer wamp.Transport) error {
	c := s.find(id)
	switch {
	case verb == "close" && c == nil: // the session may have ended a moment ago
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
		http.NewResponseController(w).Flush() // before the transport's end, with which the listener may end
		c.leave(io.EOF)
		return nil
	}
	return refusal{http.StatusNotFound, "a transport has send, receive and close"}
}

// sameCertificate holds a transport that was opened with a certificate to it.
func sameCertificate(a, b *wamp.Certificate) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// body reads a short request body, in bounded time.
func (s *Server) body(w http.ResponseWriter, r *http.Request, limit int) ([]byte, error) {
	return s.read(w, r, limit, func(int, int) error { return nil })
}

// read reads a request's body, in bounded time. Memory grows with the octets that arrive: grow is asked before a buffer of
// have octets is replaced by one of size.
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
		return body, refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is longer than %d octets", limit)}
	case err != io.EOF:
		return body, fmt.Errorf("read body: %w", err)
	}
	control.SetReadDeadline(time.Time{}) // net/http goes on reading, to learn when the client leaves
	return body, nil
}

const firstRead = 512

// connCost is what a transport takes at rest, in octets, beside the connections of its requests.
const connCost = 16 << 10
