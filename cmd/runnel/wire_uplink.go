package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport"
	"runnel/uplink"
	"runnel/uplink/mqtt"
	"runnel/uplink/spool"
	wamplink "runnel/uplink/wamp"
)

// linker is an uplink, whatever its far side is.
type linker interface {
	Run(ctx context.Context) error
	State() uplink.State
	Hears() <-chan struct{} // closed when all that is exported is heard
	GiveTo(*uplink.Handover)
}

// link is an uplink with its settings.
type link struct {
	linker
	spool   *spool.Spool
	traffic *transport.Traffic // to the central router and back
	config  config.Uplink
	pair    *transport.KeyPair // with which it shows who it is; nil without one
	from    *uplink.Handover   // of the link whose place this one takes; nil: there was none
	work    *work
}

// newLink makes an uplink around its spool, which from passes to it from the link that it replaces.
func (n *node) newLink(c *config.Config, u config.Uplink, store *spool.Spool, from *uplink.Handover) (*link, error) {
	l := &link{spool: store, traffic: new(transport.Traffic), config: u, from: from}
	err := l.readKeyPair()
	if err == nil {
		l.linker, err = n.linkTo(c, l)
	}
	if err != nil {
		return nil, fmt.Errorf("uplink %s: %w", u.Name, err)
	}
	return l, nil
}

// readKeyPair reads the certificate with which the link shows who it is, if it has one.
func (l *link) readKeyPair() (err error) {
	if l.config.Certificate != "" {
		l.pair, err = transport.OpenKeyPair(string(l.config.Certificate), string(l.config.Key))
	}
	return err
}

func (n *node) linkTo(c *config.Config, l *link) (linker, error) {
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

// remains says what waits in the queue of a link that has ended for good.
func (l *link) remains() string {
	switch st := l.spool.State(); {
	case st.OnDisk > 0:
		return fmt.Sprintf("; %s of its queue stay on disk for an uplink of this name", count(st.OnDisk, "event"))
	case st.Events > 0:
		return fmt.Sprintf("; %s of its queue were in memory only and are dropped", count(st.Events, "event"))
	}
	return ""
}

func (n *node) uplinkOptions(c *config.Config, l *link) (opts wamplink.Options, err error) {
	u := l.config
	opts = wamplink.Options{
		Spool: l.spool, From: l.from,
		Name: u.Name, Realm: u.Realm, RemoteRealm: u.RemoteRealm,
		Local:     n.within(config.LinkRole, u.Realm),
		Export:    rules(u.Exports, config.DataDir(c) != ""),
		Import:    rules(u.Imports, false),
		Node:      c.NodeID() + "/" + u.Name,
		Identity:  identity(c),
		Above:     n.router.Above(u.Realm, "the uplink "+u.Name),
		Authid:    u.Authid,
		Agent:     "runnel/" + version,
		MaxHops:   u.MaxHops,
		Reconnect: client.Reconnect{Min: time.Duration(u.ReconnectMin), Max: time.Duration(u.ReconnectMax)},
		Log:       n.log,

		PingInterval: time.Duration(u.PingInterval),
		PingTimeout:  time.Duration(u.PingTimeout),
		FailBack:     time.Duration(u.FailBack),
	}
	key := u.Key
	if u.Certificate != "" {
		key = "" // it is the certificate's
	}
	if opts.Auth, err = config.AuthMethods(u.Authid, u.Ticket, u.Secret, key); err != nil {
		return opts, err
	}
	if u.Binding != "" {
		opts.Auth = client.Bind(u.Binding, opts.Auth...)
	}
	serializer, _ := wamp.ParseSerializer(cmp.Or(u.Serializer, "cbor"))
	how := transport.DialOptions{Serializer: serializer, Pin: u.Pin, Traffic: l.traffic} // no PING: the link asks in WAMP
	if how.TLS, err = l.pair.Client(string(u.CA)); err != nil {
		return opts, err
	}
	for _, text := range u.URL {
		dial := func(ctx context.Context) (client.Conn, error) { return transport.Dial(ctx, text, how) }
		opts.Remote = append(opts.Remote, wamplink.Remote{URL: transport.Shown(text), Dial: dial})
	}
	return opts, nil
}

func rules(shares []config.Share, place bool) (list []uplink.Rule) {
	for _, s := range shares {
		r := uplink.Rule{
			Match: wamp.Match(s.Match), LocalPrefix: s.LocalPrefix, RemotePrefix: s.RemotePrefix,
			Static: s.Interest != nil && !*s.Interest,
		}
		if s.Topic != nil {
			r.Topic, r.Store = *s.Topic, s.Class(place)
		} else {
			r.Procedure = *s.Procedure
		}
		list = append(list, r)
	}
	return list
}
