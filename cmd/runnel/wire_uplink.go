package main

import (
	"cmp"
	"fmt"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport"
	"runnel/uplink"
)

// link is an uplink with its settings.
type link struct {
	*uplink.Link
	config Uplink
	files  digest
	work   *work
}

func (n *node) newLink(u Uplink) (*link, error) {
	opts, err := n.uplinkOptions(u)
	if err != nil {
		return nil, fmt.Errorf("uplink %s: %w", u.Name, err)
	}
	l, err := uplink.New(opts)
	if err != nil {
		return nil, err
	}
	return &link{Link: l, config: u, files: u.files()}, nil
}

func (n *node) uplinkOptions(u Uplink) (opts uplink.Options, err error) {
	opts = uplink.Options{
		Name: u.Name, Realm: u.Realm, RemoteRealm: u.RemoteRealm,
		Local:     n.within(linkRole, u.Realm),
		Export:    rules(u.Exports),
		Import:    rules(u.Imports),
		Authid:    u.Authid,
		Agent:     "runnel/" + version,
		Reconnect: client.Reconnect{Min: time.Duration(u.ReconnectMin), Max: time.Duration(u.ReconnectMax)},
		Log:       n.log,
	}
	files := tlsFiles{ca: u.CA, certificate: u.Certificate, key: u.Key}
	key := u.Key
	if u.Certificate != "" {
		key = "" // it is the certificate's
	}
	if opts.Auth, err = authMethods(u.Authid, u.Ticket, u.Secret, key); err != nil {
		return opts, err
	}
	serializer, _ := wamp.ParseSerializer(cmp.Or(u.Serializer, "cbor"))
	how := transport.DialOptions{Serializer: serializer, PingInterval: cmp.Or(time.Duration(u.PingInterval), silence)}
	for _, url := range u.URL {
		dial, err := dialer(url, files, how)
		if err != nil {
			return opts, err
		}
		opts.Remote = append(opts.Remote, uplink.Remote{URL: url, Dial: dial})
	}
	return opts, nil
}

func rules(shares []Share) (list []uplink.Rule) {
	for _, s := range shares {
		r := uplink.Rule{Match: wamp.Match(s.Match), LocalPrefix: s.LocalPrefix, RemotePrefix: s.RemotePrefix}
		if s.Topic != nil {
			r.Topic = *s.Topic
		} else {
			r.Procedure = *s.Procedure
		}
		list = append(list, r)
	}
	return list
}
