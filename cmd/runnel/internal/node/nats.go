package node

import (
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
	opts.Export, opts.Import = u.NATSRules(config.DataDir(c) != "")
	how := transport.DialOptions{Pin: u.Pin, Traffic: l.traffic}
	if how.TLS, err = l.pair.Client(string(u.CA)); err != nil {
		return opts, err
	}
	return opts, u.ReachNATS(&opts, how)
}
