package node

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/client"
	"runnel/transport"
	"runnel/uplink/nats"
)

// natsOptions returns the options of an uplink to a NATS server.
func (n *Node) natsOptions(c *config.Config, l *link) (opts nats.Options, err error) {
	u := l.config
	opts = nats.Options{
		Spool: l.spool, From: l.from,
		Name: u.Name, Realm: u.Realm,
		Local:      n.internal(config.LinkRole, u.Realm),
		Node:       c.NodeID() + "/" + u.Name,
		Username:   u.Username,
		Serializer: u.NATSSerializer(),
		Stream:     u.Stream,
		Replicas:   u.Replicas,
		Bucket:     u.Bucket,
		MaxHops:    u.MaxHops,
		KeepAlive:  time.Duration(u.PingInterval),
		AnswerTime: time.Duration(u.PingTimeout),
		MaxMessage: int(u.MaxMessage),
		Agent:      n.agent(),
		Reconnect:  client.Reconnect{Min: time.Duration(u.ReconnectMin), Max: time.Duration(u.ReconnectMax)},
		Log:        n.log,
	}
	opts.StreamSize, opts.StreamAge = u.StreamBounds()
	for _, s := range []struct {
		secret config.Secret
		into   *string
	}{{u.Password, &opts.Password}, {u.Token, &opts.Token}} {
		if *s.into, err = s.secret.Value(); err != nil {
			return opts, fmt.Errorf("read login: %w", err)
		}
	}
	for _, f := range []struct {
		file config.Path
		into *string
	}{{u.NKey, &opts.Seed}, {u.Credentials, &opts.Creds}} {
		if *f.into, err = readLogin(f.file); err != nil {
			return opts, err
		}
	}
	for _, r := range rules(u.Exports, config.DataDir(c) != "") {
		opts.Export = append(opts.Export, nats.Rule{Rule: r})
	}
	for i, r := range rules(u.Imports, false) {
		r.MaxAge = u.Imports[i].KeptFor()
		opts.Import = append(opts.Import, nats.Rule{Rule: r})
	}
	opts.Servers, err = servers(l)
	return opts, err
}

// readLogin returns the content of a file of a login; "" without one.
func readLogin(file config.Path) (string, error) {
	if file == "" {
		return "", nil
	}
	b, err := os.ReadFile(string(file))
	return strings.TrimSpace(string(b)), err
}

// servers returns the servers at the uplink's URLs.
func servers(l *link) (list []nats.Server, err error) {
	how := transport.DialOptions{Pin: l.config.Pin, Traffic: l.traffic}
	if how.TLS, err = l.pair.Client(string(l.config.CA)); err != nil {
		return nil, err
	}
	for _, url := range l.config.URL {
		address, secure := config.ParseNATS(url)
		s := nats.Server{URL: transport.RedactURL(url), TLSFirst: l.config.TLSFirst}
		s.Dial = func(ctx context.Context) (net.Conn, error) { return transport.DialStream(ctx, address, false, how) }
		if secure {
			if s.TLS, err = how.ClientTLS(address); err != nil {
				return nil, err
			}
		}
		list = append(list, s)
	}
	return list, nil
}
