package nats

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink"
	"runnel/uplink/spool"
)

// Options configure a Link. Realm, Local, Servers and Spool are required.
type Options struct {
	Name  string // for the log and State
	Realm string // of the local router

	Local   func(ctx context.Context) (client.Conn, error) // connects to the local router
	Servers []Server                                       // of the cluster, tried in order

	Export, Import []Rule
	Spool          *spool.Spool     // for the exported events; the Link runs it
	From           *uplink.Handover // from the link that this one replaces, together with its Spool; nil: none
	Dir            string           // directory of the state for the next process; "": none is kept
	Node           string           // "gw-001/central": names the source of the events and the durable consumers

	Username, Password string
	Token              string
	Seed               string // of an nkey
	Creds              string // content of a credentials file

	Serializer wamp.Serializer // of the payloads; default JSON
	Stream     string          // for exported events of class disk and durable; default: from the realm
	StreamSize int64           // bytes of a stream that the link makes; 0: no limit
	StreamAge  time.Duration   // of its events; 0: no limit
	Replicas   int             // of a stream and a bucket that the link makes; default 3 in a cluster, else 1
	Bucket     string          // holds retained events; "": none
	MaxHops    int             // how many links an event or a call may cross; default DefaultMaxHops

	KeepAlive  time.Duration // between two PINGs; default 20 s
	AnswerTime time.Duration // for PONG and for answers of JetStream; default 10 s
	MaxMessage int           // bytes of a message, both ways; default 1 MiB

	Agent     string // "runnel/1.2.3"
	Reconnect client.Reconnect

	Log *slog.Logger // default: nothing is logged
}

// Rule says what crosses the link.
type Rule struct {
	uplink.Rule
	Retain bool // exported and imported events are retained at the far side
}

// Server is a server of the cluster.
type Server struct {
	URL      string                                      // for the log and State
	TLS      *tls.Config                                 // with the server's name; nil: no TLS
	TLSFirst bool                                        // TLS begins before the server's INFO
	Dial     func(ctx context.Context) (net.Conn, error) // opens the TCP connection
}

// DefaultMaxHops is the default of Options.MaxHops.
const DefaultMaxHops = 8

const (
	defaultKeepAlive    = 20 * time.Second
	defaultAnswerTime   = 10 * time.Second
	defaultMaxMessage   = 1 << 20
	defaultReconnectMin = 500 * time.Millisecond
	defaultReconnectMax = time.Minute
)

// Link is one uplink. Its methods may be called from any goroutine.
type Link struct {
	// Static after New.
	opts   Options
	log    *slog.Logger
	local  *client.Client
	status *uplink.Status

	exporter uplink.Exporter

	current   atomic.Pointer[session] // nil without a connection
	roundTrip atomic.Int64            // last one measured, in ns

	ready     chan struct{} // closed when the local realm was joined for the first time
	readyOnce sync.Once
}

// session is one connection with a server.
type session struct{}

// New returns a Link, or the first error in its options. Run runs the link.
func New(opts Options) (*Link, error) { return nil, errors.New("nats: not built yet") }

// Ready returns a channel that is closed when the link has joined the local realm and subscribed to its exports.
func (l *Link) Ready() <-chan struct{} { return l.ready }

// SetHandover makes the link hand its spool over when it ends. It must be called before the next link runs.
func (l *Link) SetHandover(h *uplink.Handover) { l.exporter.SetHandover(h) }

// Run runs the link until ctx is done.
func (l *Link) Run(ctx context.Context) error { return nil }

// State returns how the link is doing.
func (l *Link) State() uplink.State { return uplink.State{} }
