package rest

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

const (
	idleTime = 30 * time.Second // after which a session that no request uses is closed
	keepTime = 5 * time.Minute  // after which a client authenticates again, even if its session is in use

	maxSessions = 128 // of one listener
	maxJoining  = 32  // of one listener at a time
	maxJoinHost = 4   // of one address at a time: a wrong password takes half a second, so guessing is slow

	closeTime = time.Second // for GOODBYE
)

// pool holds the sessions of clients that publish and call. Requests with the same credentials from the same address share
// one. Any goroutine may use it.
type pool struct {
	join func(context.Context, credentials) (*client.Client, error)
	key  []byte // of the digests of passwords

	mu sync.Mutex
	// Guarded by mu.
	entries map[[sha256.Size]byte]*entry
	joining crowd // joins
	signing crowd // clients that send the body of a signed request: this may take opts.Time, and must not keep others from joining
}

// crowd counts the clients that have not proved their identity yet.
type crowd struct {
	hosts map[string]int // by address
	total int
}

// entry is one session, or the attempt to open it.
type entry struct {
	made time.Time

	ready chan struct{} // closed when client or err is set
	// Set before ready is closed.
	client *client.Client
	err    error

	// Guarded by pool.mu.
	users int
	idle  *time.Timer // nil before the first release
	gone  bool        // no longer in the pool
}

func (p *pool) init(join func(context.Context, credentials) (*client.Client, error)) {
	p.join, p.key = join, make([]byte, sha256.Size)
	rand.Read(p.key)
	p.entries = map[[sha256.Size]byte]*entry{}
}

func (p *pool) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.entries)
}

// digest identifies credentials. It does not disclose the password.
func (p *pool) digest(c *credentials) (d [sha256.Size]byte) {
	mac := hmac.New(sha256.New, p.key)
	parts := []string{c.realm, c.authid, c.password, hostOf(c.peer.Remote), strconv.FormatBool(c.peer.Local)}
	if c.peer.Certificate != nil {
		parts = append(parts, c.peer.Certificate.SHA256)
	}
	for _, part := range parts {
		mac.Write(strconv.AppendInt(nil, int64(len(part)), 10))
		mac.Write([]byte{':'})
		mac.Write([]byte(part))
	}
	mac.Sum(d[:0])
	return d
}

// take returns the session for credentials. The caller calls release when it no longer needs the session.
func (p *pool) take(ctx context.Context, c credentials) (_ *client.Client, release func(), err error) {
	d := p.digest(&c)
	e, mine, err := p.find(d, hostOf(c.peer.Remote))
	if err != nil {
		return nil, nil, err
	}
	if mine {
		go p.open(e, d, c)
	}
	select {
	case <-e.ready:
		err = e.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		p.release(e, d)
		return nil, nil, err
	}
	var once sync.Once
	return e.client, func() { once.Do(func() { p.release(e, d) }) }, nil
}

// find returns the entry for a digest and counts one more user. mine means that the entry is new and the caller must open it.
func (p *pool) find(d [sha256.Size]byte, host string) (e *entry, mine bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e = p.entries[d]; e != nil && e.stale() {
		p.drop(e, d)
		e = nil
	}
	if e != nil {
		e.users++
		return e, false, nil
	}
	if len(p.entries) >= maxSessions && !p.evict() {
		return nil, false, refuse(http.StatusServiceUnavailable, wamp.Unavailable, "too many HTTP clients")
	}
	if err := p.joining.admit(networkOf(host)); err != nil {
		return nil, false, err
	}
	e = &entry{made: time.Now(), ready: make(chan struct{}), users: 1}
	p.entries[d] = e
	return e, true, nil
}

// admit counts a request as joining or signing until done is called.
func (p *pool) admit(c *crowd, host string) (done func(), err error) {
	from := networkOf(host)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := c.admit(from); err != nil {
		return nil, err
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		c.remove(from)
	}, nil
}

// admit counts a client at an address, or returns an error if there are too many. The caller holds pool.mu.
func (c *crowd) admit(from string) error {
	switch {
	case c.hosts[from] >= maxJoinHost:
		return refuse(http.StatusTooManyRequests, wamp.Unavailable, "too many clients at this address are authenticating")
	case c.total >= maxJoining:
		return refuse(http.StatusServiceUnavailable, wamp.Unavailable, "too many clients are authenticating")
	}
	if c.hosts == nil {
		c.hosts = map[string]int{}
	}
	c.hosts[from]++
	c.total++
	return nil
}

// remove is the inverse of admit. The caller holds pool.mu.
func (c *crowd) remove(from string) {
	if c.hosts[from]--; c.hosts[from] == 0 {
		delete(c.hosts, from)
	}
	c.total--
}

// stale reports whether a new session must take the entry's place.
func (e *entry) stale() bool {
	select {
	case <-e.ready:
	default:
		return false
	}
	if time.Since(e.made) > keepTime {
		return true
	}
	_, up := e.client.Welcome()
	return !up
}

// open opens the session of an entry. It continues if the client that asked for it disconnects: others may wait for it.
func (p *pool) open(e *entry, d [sha256.Size]byte, c credentials) {
	e.client, e.err = p.join(context.Background(), c)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.joining.remove(networkOf(hostOf(c.peer.Remote)))
	close(e.ready)
	if e.err != nil {
		p.remove(e, d)
	} else if e.users == 0 {
		p.closeLater(e, d)
	}
}

func (p *pool) release(e *entry, d [sha256.Size]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.users--; e.users > 0 {
		return
	}
	select {
	case <-e.ready:
		p.closeLater(e, d)
	default: // open will
	}
}

// closeLater keeps an entry without users for a while, or closes it. The caller holds mu.
func (p *pool) closeLater(e *entry, d [sha256.Size]byte) {
	switch {
	case e.client == nil:
	case e.gone:
		go closeClient(e.client)
	case e.idle == nil:
		e.idle = time.AfterFunc(idleTime, func() { p.expire(e, d) })
	default:
		e.idle.Reset(idleTime)
	}
}

// expire closes an entry that has no users.
func (p *pool) expire(e *entry, d [sha256.Size]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.users == 0 && !e.gone {
		p.drop(e, d)
	}
}

// drop removes an open entry. Its last user closes it. The caller holds mu.
func (p *pool) drop(e *entry, d [sha256.Size]byte) {
	p.remove(e, d)
	if e.idle != nil {
		e.idle.Stop()
	}
	if e.users == 0 {
		go closeClient(e.client)
	}
}

func (p *pool) remove(e *entry, d [sha256.Size]byte) {
	e.gone = true
	if p.entries[d] == e {
		delete(p.entries, d)
	}
}

// evict drops the oldest entry without users, and reports whether there was one. The caller holds mu.
func (p *pool) evict() bool {
	var oldest *entry
	var at [sha256.Size]byte
	for d, e := range p.entries {
		if e.users == 0 && e.idle != nil && (oldest == nil || e.made.Before(oldest.made)) {
			oldest, at = e, d
		}
	}
	if oldest != nil {
		p.drop(oldest, at)
	}
	return oldest != nil
}

// forget drops all open entries.
func (p *pool) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for d, e := range p.entries {
		select {
		case <-e.ready:
			p.drop(e, d)
		default:
			p.remove(e, d) // its credentials may have been checked before
		}
	}
}

func closeClient(c *client.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	c.Close(ctx)
}

// join opens a session.
func (s *Server) join(ctx context.Context, c credentials) (*client.Client, error) {
	o := s.client(&c)
	o.WriteBuffer = 2*s.opts.MaxBody + 64<<10
	return client.Connect(ctx, o)
}

// hostOf returns an address without its port.
//
//go:noinline
func hostOf(remote string) string {
	if name, _, err := net.SplitHostPort(remote); err == nil {
		return name
	}
	return remote
}

// networkOf returns the range of addresses that a single client can use: for IPv6 a prefix of 64 bits.
func networkOf(host string) string {
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Unmap().Is4() {
		return host
	}
	prefix, _ := ip.WithZone("").Prefix(64)
	return prefix.String()
}
