package node

import (
	"cmp"
	"context"
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
		KeepAlive:  max(time.Duration(u.PingInterval), 0),
		AnswerTime: time.Duration(u.PingTimeout),
		MaxMessage: int(u.MaxMessage),
		Agent:      n.agent(),
		Reconnect:  client.Reconnect{Min: time.Duration(u.ReconnectMin), Max: time.Duration(u.ReconnectMax)},
		Log:        n.log,
	}
	if opts.Password, err = u.Password.Value(); err != nil {
		return opts, fmt.Errorf("read password: %w", err)
	}
	for _, s := range u.Exports {
		r := s.MQTTRule()
		r.Store = s.Class(config.DataDir(c) != "")
		opts.Export = append(opts.Export, r)
	}
	for _, s := range u.Imports {
		opts.Import = append(opts.Import, s.MQTTRule())
	}
	how := transport.DialOptions{Pin: u.Pin, Traffic: l.traffic}
	if how.TLS, err = l.pair.Client(string(u.CA)); err != nil {
		return opts, err
	}
	for _, url := range u.URL {
		address, secure := config.BrokerAddress(url)
		opts.Brokers = append(opts.Brokers, mqtt.Broker{URL: url, Dial: func(ctx context.Context) (net.Conn, error) {
			return transport.DialStream(ctx, address, secure, how)
		}})
	}
	return opts, nil
}
