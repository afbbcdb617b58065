package node

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
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

// listen opens a listener. It may take the address of replaced listeners or sockets, which are about to be closed. The result
// is nil if the default Unix socket has no directory on this machine.
func (n *Node) listen(l config.Listen, replaced []*transport.Listener, sockets []net.Listener) (*listener, error) {
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
		MaxMessage:     n.maxMessage(url, l.MaxMessage),
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
		Replaces:       replaced,
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

// cookieOptions returns nil if the listener sets no cookies.
func (n *Node) cookieOptions(l config.Listen) *transport.CookieOptions {
	if l.Cookie == nil {
		return nil
	}
	return &transport.CookieOptions{Name: l.Cookie.Name, Age: time.Duration(l.Cookie.MaxAge), Known: n.cookies.Known}
}

func (n *Node) startListener(l *listener) {
	n.log.Info("listening", "url", l.URL())
	l.work = n.listening.start(func(ctx context.Context) error {
		return l.Run(ctx, func(c transport.Conn) { n.router.Serve(c) })
	})
}

func (l *listener) isOneOf(list []config.Listen) bool {
	return slices.ContainsFunc(list, func(other config.Listen) bool { return other.URL == l.config.URL })
}
