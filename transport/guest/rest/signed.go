package rest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"runnel/edge/wamp"
)

// A client of Crossbar.io's HTTP bridge signs a request by the parameters key, timestamp, seq, nonce and signature of
// its query. The key is the authid. The signature is an HMAC-SHA256 in URL-safe base64, with the principal's ticket
// or unsalted WAMP-CRA secret. It covers the concatenation of key, timestamp, seq, nonce and body. The path and other
// parameters are not signed, so a signed request names its URI in the body and has no other options in its query.

const (
	signedWindow  = 5 * time.Minute // how far the timestamp may be from the router's clock
	maxSignatures = 8192            // that are remembered
	failureDelay  = 500 * time.Millisecond
)

// signed reports whether a request is signed.
func signed(r *http.Request) bool {
	q := r.URL.Query()
	return q.Has("signature") || q.Has("key")
}

// readSigned verifies a signed request. It reads the body first, because the signature covers it.
func (s *Server) readSigned(w http.ResponseWriter, r *http.Request, uri, key string, known map[string]kind) (*job, error) {
	q := r.URL.Query()
	who := credentials{peer: s.opts.Peer(r), realm: s.opts.Realm(), authid: q.Get("key")}
	switch {
	case uri != "":
		return nil, invalid("a signed request names its URI in the body, because the path is not signed")
	case len(q) != 5:
		return nil, invalid("a signed request has the parameters key, timestamp, seq, nonce and signature, and no others")
	}
	at, err := time.Parse(time.RFC3339Nano, q.Get("timestamp"))
	if err != nil {
		return nil, invalid("timestamp must be in UTC as in 2026-11-29T14:00:00.000Z")
	}
	for name, values := range q {
		if len(values) != 1 {
			return nil, invalid("%s is given %d times", name, len(values))
		}
	}
	for _, name := range []string{"seq", "nonce"} {
		if _, err := strconv.ParseUint(q.Get(name), 10, 64); err != nil {
			return nil, invalid("%s must be an integer", name)
		}
	}
	if d := time.Since(at); d > signedWindow || d < -signedWindow {
		return nil, invalid("timestamp is more than %v from the router's clock", signedWindow)
	}
	body, err := s.proven(w, r, q, &who)
	if err != nil {
		return nil, err
	}
	if err := s.replay.note(q.Get("signature"), at.Add(signedWindow), time.Now()); err != nil {
		return nil, err
	}
	j := &job{}
	if err := j.parse(body, uri, key, r, known); err != nil {
		return nil, err
	}
	j.client, j.release, err = s.session(r.Context(), who)
	return j, err
}

// proven reads the body of a signed request, verifies the signature and sets the client's secret. Meanwhile the
// request counts as signing. Its session is counted separately afterwards.
func (s *Server) proven(w http.ResponseWriter, r *http.Request, q url.Values, who *credentials) ([]byte, error) {
	done, err := s.pool.admit(&s.pool.signing, hostOf(who.peer.Remote))
	if err != nil {
		return nil, err
	}
	defer done()
	body, err := s.body(w, r)
	if err != nil {
		return nil, err
	}
	if who.password = s.verify(who.realm, q, body); who.password == "" {
		select {
		case <-time.After(failureDelay):
		case <-r.Context().Done():
		}
		return nil, refuse(http.StatusUnauthorized, wamp.AuthenticationFailed, "the signature is not valid")
	}
	return body, nil
}

// verify checks the signature and returns the secret; "" if the signature is not valid.
func (s *Server) verify(realm string, q url.Values, body []byte) string {
	secret := ""
	if s.opts.Secret != nil {
		secret = s.opts.Secret(realm, q.Get("key"))
	}
	mac := hmac.New(sha256.New, []byte(secret))
	for _, name := range []string{"key", "timestamp", "seq", "nonce"} {
		mac.Write([]byte(q.Get(name)))
	}
	mac.Write(body)
	sum, err := base64.URLEncoding.DecodeString(q.Get("signature"))
	if err != nil || !hmac.Equal(sum, mac.Sum(nil)) {
		return ""
	}
	return secret
}

// replay remembers the signatures of the window, so that each is accepted once.
type replay struct {
	mu   sync.Mutex
	seen map[[sha256.Size]byte]time.Time // until when
}

// note remembers a valid signature, or returns an error if it was used before.
func (p *replay) note(signature string, until, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	raw, _ := base64.URLEncoding.DecodeString(signature) // several texts may mean the same
	digest := sha256.Sum256(raw)
	if _, again := p.seen[digest]; again {
		return refuse(http.StatusUnauthorized, wamp.AuthenticationFailed, "this request was sent before; sign each request with another nonce")
	}
	if len(p.seen) >= maxSignatures {
		for one, end := range p.seen {
			if now.After(end) {
				delete(p.seen, one)
			}
		}
		if len(p.seen) >= maxSignatures {
			return refuse(http.StatusTooManyRequests, wamp.Unavailable, "too many signed requests; use Basic or Bearer, or wait")
		}
	}
	if p.seen == nil {
		p.seen = map[[sha256.Size]byte]time.Time{}
	}
	p.seen[digest] = until
	return nil
}
