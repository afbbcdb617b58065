package node

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/term"
	"runnel/edge"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport"
	"runnel/uplink"
	"runnel/uplink/mqtt"
	"runnel/uplink/nats"
	"runnel/uplink/spool"
	wamplink "runnel/uplink/wamp"
)

// linker is an uplink to a router or to a broker.
type linker interface {
	Run(ctx context.Context) error
	State() uplink.State
	Ready() <-chan struct{} // closed when the exports are subscribed to
	SetHandover(*uplink.Handover)
}

// link is an uplink with its settings.
type link struct {
	linker
	spool   *spool.Spool
	traffic *transport.Traffic // between this node and the far side
	config  config.Uplink
	pair    *transport.KeyPair // the certificate that the link presents; nil without
	from    *uplink.Handover   // of the link that this one replaces; nil if there was none
	work    *work
}

// readyTime is how long a start or a reload waits for uplinks to subscribe to their exports.
const readyTime = 10 * time.Second

// openLink opens the spool of an uplink and makes the uplink.
func (n *Node) openLink(c *config.Config, u config.Uplink) (*link, error) {
	store, err := n.openSpool(c, u)
	if err != nil {
		return nil, err
	}
	made, err := n.newLink(c, u, store, nil)
	if err != nil {
		store.Close()
	}
	return made, err
}

// openSpool opens the spool of an uplink, with the events that it holds. Only one process, and only one link, can have it
// open. It is on disk even if all events are of class memory: the classes may change, and an earlier configuration may have
// left events there.
func (n *Node) openSpool(c *config.Config, u config.Uplink) (*spool.Spool, error) {
	o := u.SpoolOptions()
	o.Log = n.log.With("uplink", u.Name)
	o.Dir = config.SpoolDir(c, u.Name)
	for _, s := range u.Exports {
		if o.Dir == "" && s.Topic != nil && s.Class(false) != spool.Memory {
			return nil, fmt.Errorf("uplink %s: store = %q: there is no data directory; write [node] data = \"/var/lib/runnel\"", u.Name, s.Store)
		}
	}
	made, err := spool.Open(o)
	if err != nil && !u.Stores(o.Dir != "") {
		n.log.Debug("queue is in memory only", "uplink", u.Name, "err", err)
		o.Dir = ""
		made, err = spool.Open(o)
	}
	if err != nil {
		return nil, fmt.Errorf("uplink %s: %w", u.Name, err)
	}
	return made, nil
}

// newLink makes an uplink around its spool. from hands over the spool of the link that it replaces; nil if there is none.
func (n *Node) newLink(c *config.Config, u config.Uplink, store *spool.Spool, from *uplink.Handover) (*link, error) {
	l := &link{spool: store, traffic: new(transport.Traffic), config: u, from: from}
	err := l.readKeyPair()
	if err == nil {
		l.linker, err = n.newLinker(c, l)
	}
	if err != nil {
		return nil, fmt.Errorf("uplink %s: %w", u.Name, err)
	}
	return l, nil
}

func (l *link) readKeyPair() (err error) {
	if l.config.Certificate != "" {
		l.pair, err = transport.OpenKeyPair(string(l.config.Certificate), string(l.config.Key))
	}
	return err
}

func (n *Node) newLinker(c *config.Config, l *link) (linker, error) {
	if l.config.IsNATS() {
		opts, err := n.natsOptions(c, l)
		if err != nil {
			return nil, err
		}
		return nats.New(opts)
	}
	if l.config.IsMQTT() {
		opts, err := n.mqttOptions(c, l)
		if err != nil {
			return nil, err
		}
		return mqtt.New(opts)
	}
	opts, err := n.uplinkOptions(c, l)
	if err != nil {
		return nil, err
	}
	return wamplink.New(opts)
}

// CheckUplink makes an uplink without connecting it, and returns the error that the node would have.
func CheckUplink(c *config.Config, u config.Uplink) error {
	log := slog.New(slog.DiscardHandler)
	n := &Node{config: c, log: log, router: edge.NewRouter(edge.Options{Log: log})}
	store, err := spool.Open(spool.Options{})
	if err != nil {
		return err
	}
	defer store.Close()
	_, err = n.newLink(c, u, store, nil)
	return err
}

func (n *Node) uplinkOptions(c *config.Config, l *link) (opts wamplink.Options, err error) {
	u := l.config
	opts = wamplink.Options{
		Spool: l.spool, From: l.from,
		Name: u.Name, Realm: u.Realm, RemoteRealm: u.RemoteRealm,
		Local:     n.internal(config.LinkRole, u.Realm),
		Export:    config.Rules(u.Exports, config.DataDir(c) != ""),
		Import:    config.Rules(u.Imports, false),
		Node:      c.NodeID() + "/" + u.Name,
		Identity:  identity(c),
		Above:     n.router.Above(u.Realm, "the uplink "+u.Name),
		Attend:    n.attend(u),
		Authid:    u.Authid,
		Agent:     n.agent(),
		MaxHops:   u.MaxHops,
		Reconnect: client.Reconnect{Min: time.Duration(u.ReconnectMin), Max: time.Duration(u.ReconnectMax)},
		Log:       n.log,

		PingInterval: time.Duration(u.PingInterval),
		PingTimeout:  time.Duration(u.PingTimeout),
		FailBack:     time.Duration(u.FailBack),
	}
	for i, s := range u.Imports {
		opts.Import[i].MaxAge = s.KeptFor()
	}
	key := u.Key
	if u.Certificate != "" {
		key = "" // it belongs to the certificate
	}
	if opts.Auth, err = config.AuthMethods(u.Authid, u.Ticket, u.Secret, key); err != nil {
		return opts, err
	}
	if u.Binding != "" {
		opts.Auth = client.Bind(u.Binding, opts.Auth...)
	}
	serializer, _ := wamp.ParseSerializer(cmp.Or(u.Serializer, "cbor"))
	how := transport.DialOptions{Serializer: serializer, Pin: u.Pin, Traffic: l.traffic} // the link has its own heartbeat
	if how.TLS, err = l.pair.Client(string(u.CA)); err != nil {
		return opts, err
	}
	for _, text := range u.URL {
		dial := func(ctx context.Context) (client.Conn, error) { return transport.Dial(ctx, text, how) }
		opts.Remote = append(opts.Remote, wamplink.Remote{URL: transport.RedactURL(text), Dial: dial})
	}
	return opts, nil
}

func (n *Node) startLink(l *link) { l.work = n.linked.start(l.Run) }

// awaitReady returns when the links have subscribed to their exports. Events published from then on are stored, and
// acknowledged only once they are stored.
func (n *Node) awaitReady(links []*link) {
	ctx, cancel := context.WithTimeout(context.Background(), readyTime)
	defer cancel()
	for _, l := range links {
		select {
		case <-l.Ready():
		case <-l.work.done:
		case <-ctx.Done(): // at the limit of sessions
			n.log.Warn("uplink has not subscribed to its exports yet", "uplink", l.config.Name)
		}
	}
}

// remains describes the events left in the queue of a removed link.
func (l *link) remains() string {
	switch s := l.spool.State(); {
	case s.OnDisk > 0:
		return fmt.Sprintf("; %s of its queue stay on disk for an uplink of this name", term.Count(s.OnDisk, "event"))
	case s.Events > 0:
		return fmt.Sprintf("; %s of its queue were in memory only and are dropped", term.Count(s.Events, "event"))
	}
	return ""
}

// drop closes the spool of a link that never ran, unless the spool belongs to the link that it should have replaced.
func (l *link) drop() {
	if l.from == nil {
		l.spool.Close()
	}
}
