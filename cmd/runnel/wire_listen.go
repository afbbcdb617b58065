package main

import (
	"fmt"
	"net"
	"os"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/transport"
)

// listener is a place where peers connect, with its settings.
type listener struct {
	*transport.Listener
	config config.Listen
	pair   *transport.KeyPair // nil without TLS
	work   *work
}

// listen opens a listener, which may take the addresses of others that are about to be closed. It is nil where the default
// Unix socket has no place on this machine.
func (n *node) listen(l config.Listen, over []*transport.Listener, sockets []net.Listener) (*listener, error) {
	url, err := config.ListenURL(l.URL)
	if err != nil {
		n.log.Warn("no Unix socket", "err", err)
		return nil, nil
	}
	opts := transport.ListenOptions{
		Mode:           os.FileMode(l.Mode),
		Owner:          l.Owner,
		Group:          l.Group,
		Origins:        l.Origins,
		Hosts:          l.Hosts,
		TrustedProxies: l.TrustedProxies,
		MaxConns:       l.MaxConnections,
		MaxMessage:     n.longest(url, l.MaxMessage),
		Memory:         n.memory,
		Descriptors:    n.descriptors,
		PingInterval:   time.Duration(l.PingInterval),
		PingTimeout:    time.Duration(l.PingTimeout),
		Compress:       l.Compress,
		Cookie:         n.cookieOptions(l),
		Grace:          drainTime,
		Authid:         l.Authid,
		Role:           l.Role,
		Anonymous:      l.Anonymous,
		Realm:          l.Realm,
		Log:            n.log,
		Replaces:       over,
		Over:           sockets,
	}
	var pair *transport.KeyPair
	if l.Certificate != "" {
		if pair, err = transport.OpenKeyPair(string(l.Certificate), string(l.Key)); err == nil {
			opts.TLS, err = pair.Server(string(l.ClientCA))
		}
		if err != nil {
			return nil, fmt.Errorf("listen on %s: %w", url, err)
		}
	}
	opened, err := transport.Listen(url, opts)
	if err != nil {
		return nil, err
	}
	return &listener{Listener: opened, config: l, pair: pair}, nil
}

// cookieOptions are nil where a listener gives no cookies.
func (n *node) cookieOptions(l config.Listen) *transport.CookieOptions {
	if l.Cookie == nil {
		return nil
	}
	return &transport.CookieOptions{Name: l.Cookie.Name, Age: time.Duration(l.Cookie.MaxAge), Known: n.cookies.Known}
}
