package node

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/client"
	"runnel/transport"
	"runnel/uplink/mqtt"
)

// mqttOptions returns the options of an uplink to an MQTT broker.
func (n *Node) mqttOptions(c *config.Config, l *link) (opts mqtt.Options, err error) {
	u := l.config
	opts = mqtt.Options{
		Spool: l.spool, From: l.from,
		Name: u.Name, Realm: u.Realm,
		Local:      n.internal(config.LinkRole, u.Realm),
		Dir:        config.SpoolDir(c, u.Name),
		ClientID:   cmp.Or(u.ClientID, "runnel-"+c.NodeID()+"-"+u.Name),
		Username:   u.Username,
		QoS:        u.Quality(),
		Format:     u.MessageFormat(),
		StateTopic: u.StateTopic,
		Discovery:  discovery(c, u),
		Sparkplug:  edgeNode(c, u),
		KeepAlive:  max(time.Duration(u.PingInterval), 0),
		AnswerTime: time.Duration(u.PingTimeout),
		MaxMessage: int(u.MaxMessage),
		Protocol:   mqtt.ParseProtocol(u.Protocol),

		SessionExpiry: time.Duration(u.SessionExpiry),

		Agent:     n.agent(),
		Reconnect: client.Reconnect{Min: time.Duration(u.ReconnectMin), Max: time.Duration(u.ReconnectMax)},
		Log:       n.log,
	}
	if opts.Password, err = u.Password.Value(); err != nil {
		return opts, fmt.Errorf("read password: %w", err)
	}
	for _, s := range u.Exports {
		r := u.ExportRule(s)
		r.Store = s.Class(config.DataDir(c) != "")
		opts.Export = append(opts.Export, r)
	}
	for _, s := range u.Imports {
		opts.Import = append(opts.Import, s.MQTTRule(opts.Format))
	}
	how := transport.DialOptions{Pin: u.Pin, Traffic: l.traffic}
	if how.TLS, err = l.pair.Client(string(u.CA)); err != nil {
		return opts, err
	}
	for _, url := range u.URL {
		opts.Brokers = append(opts.Brokers, mqtt.Broker{URL: transport.RedactURL(url), Dial: dialBroker(config.ParseBroker(url), u.ALPN, how)})
	}
	return opts, nil
}

// dialBroker returns the function that connects to a broker.
func dialBroker(b config.Broker, alpn []string, how transport.DialOptions) func(context.Context) (net.Conn, error) {
	if b.Web != "" {
		return func(ctx context.Context) (net.Conn, error) { return transport.DialWebStream(ctx, b.Web, "mqtt", how) }
	}
	if b.Secure && len(alpn) > 0 {
		offer := how.TLS
		if offer == nil {
			offer = new(tls.Config)
		}
		how.TLS = offer.Clone()
		how.TLS.NextProtos = alpn
	}
	return func(ctx context.Context) (net.Conn, error) {
		return transport.DialStream(ctx, b.Address, b.Secure, how)
	}
}
