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
	"runnel/transport/guest/rest"
	"runnel/transport/systemd"
)

// listener is a place where peers connect, with its settings.
type listener struct {
	*transport.Listener
	config config.Listen
	pair   *transport.KeyPair // nil without TLS
	guests *rest.Server       // nil without HTTP clients
	work   *work
}

// listen opens a listener of the configuration: one socket, or those that systemd passed. It may take the address of replaced
// listeners or sockets, which are about to be closed. The result is empty if the default Unix socket has no directory on
// this machine.
func (n *Node) listen(l config.Listen, replaced []*transport.Listener, sockets []net.Listener) ([]*listener, error) {
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
	opts.HTTP = n.pages(l, url)
	guests := n.httpGuests(l, url)
	if guests != nil {
		opts.HTTP = guests.Handler(orPage(opts.HTTP))
	}
	if door := n.door(l, opts.MaxMessage); door != nil {
		opts.Guest = door.Accept
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
	opened, err := open(l, url, opts)
	if err != nil {
		return nil, err
	}
	var list []*listener
	for _, o := range opened {
		list = append(list, &listener{Listener: o, config: l, pair: pair, guests: guests})
	}
	return list, nil
}

// open opens the sockets of a listener, or none of them.
func open(l config.Listen, url string, opts transport.ListenOptions) ([]*transport.Listener, error) {
	name, passed := systemd.Name(url)
	if !passed {
		opened, err := transport.Listen(url, opts)
		return []*transport.Listener{opened}, err
	}
	sockets, err := systemd.Open(name, l.Elsewhere)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", url, err)
	}
	var list []*transport.Listener
	for _, socket := range sockets {
		opened, failed := transport.ListenOn(socket, opts)
		if failed != nil {
			err = failed
			continue
		}
		list = append(list, opened)
	}
	if err != nil {
		for _, opened := range list {
			opened.Close()
		}
		return nil, err
	}
	return list, nil
}

// warnUnused warns of sockets that systemd passed and that no listener takes: their peers would wait forever.
func (n *Node) warnUnused(c *config.Config) {
	var names []string
	for _, l := range c.Listens {
		if name, ok := systemd.Name(l.URL); ok {
			names = append(names, name)
		}
	}
	for _, name := range systemd.Unused(names) {
		n.log.Warn("no listener takes a socket passed by systemd", "name", name, "remedy", "[[listen]] url = \"systemd:"+name+"\"")
	}
}

// cookieOptions returns nil if the listener sets no cookies.
func (n *Node) cookieOptions(l config.Listen) *transport.CookieOptions {
	if l.Cookie == nil {
		return nil
	}
	return &transport.CookieOptions{Name: l.Cookie.Name, Age: time.Duration(l.Cookie.MaxAge), Known: n.cookies.Known}
}

func (n *Node) startListener(l *listener) {
	if _, passed := systemd.Name(l.config.URL); passed {
		n.log.Info("listening", "url", l.URL(), "socket", l.config.URL)
	} else {
		n.log.Info("listening", "url", l.URL())
	}
	l.work = n.listening.start(func(ctx context.Context) error {
		return l.Run(ctx, func(c transport.Conn) { n.router.Serve(c) })
	})
}

func (l *listener) isOneOf(list []*config.Listen) bool {
	return slices.ContainsFunc(list, func(other *config.Listen) bool { return other.URL == l.config.URL })
}
