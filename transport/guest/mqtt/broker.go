package mqtt

import (
	"log/slog"
	"sync"
	"time"

	"runnel/edge/logbook"
	"runnel/edge/wamp"
)

// Broker holds the state that the MQTT listeners of a router share. Its methods may be called from any goroutine.
type Broker struct {
	// Static after construction.
	log  *slog.Logger
	dir  string                // of the saved sessions; "": sessions end with their connections
	join func(Owner) wamp.Conn // see BrokerOptions

	refusals logbook.Throttle // of log lines

	mu sync.Mutex
	// Guarded by mu.
	clients map[client]*Conn
	groups  map[group]*members
	saved   map[client]*session
	closed  bool
	sweep   *time.Timer // removes expired sessions; nil: no session is kept
}

// client identifies a session. A client id belongs to a user: another user with the same client id is a different
// client, and cannot take over the session. authid is empty for anonymous users, and role is empty for others.
type client struct{ realm, id, authid, role string }

// BrokerOptions configure a Broker.
type BrokerOptions struct {
	// Directory stores the sessions that outlive their connections; "": no session does.
	Directory string

	// Join opens a connection to the router on behalf of a client that is not connected, to publish its will and to remove the
	// durable subscriptions of an expired session. Its Transport has the client's id. nil: the Broker does neither.
	Join func(Owner) wamp.Conn

	Log *slog.Logger
}

// Owner identifies the client to which a session belongs.
type Owner struct {
	Realm  string
	Authid string // "": anonymous sessions of the role share their sessions' ids
	Role   string
	Client string // the client id
}

// key returns the key of the owner's session.
func (o Owner) key() client {
	if o.Authid != "" {
		return client{o.Realm, o.Client, o.Authid, ""}
	}
	return client{o.Realm, o.Client, "", o.Role}
}

// NewBroker returns a Broker, with the sessions that an earlier one has saved.
func NewBroker(o BrokerOptions) *Broker {
	b := &Broker{log: o.Log, dir: o.Directory, join: o.Join, clients: map[client]*Conn{}, groups: map[group]*members{}, saved: map[client]*session{}}
	b.refusals.Every = logInterval
	b.load()
	return b
}

// logInterval is the minimum time between two lines about refused messages.
const logInterval = 10 * time.Second

// refused logs a refused message or filter. A client of MQTT 3.1.1 gets no error for it.
func (b *Broker) refused(c *Conn, topic string, err error) {
	if suppressed, ok := b.refusals.Allow(); ok {
		b.log.Warn("MQTT message or filter refused", "client_id", c.transport.Client, "authid", c.owner.Authid, "peer", c.transport.Remote, "topic", topic, "err", err, "suppressed", suppressed)
	}
}

// claim makes c the connection of its client, and returns the one that it replaces.
func (b *Broker) claim(c *Conn) (old *Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old = b.clients[c.key]
	b.clients[c.key] = c
	return old
}

// release frees the client id of a connection that has ended.
func (b *Broker) release(c *Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.clients[c.key] == c {
		delete(b.clients, c.key)
	}
}
