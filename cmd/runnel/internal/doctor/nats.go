package doctor

import (
	"context"
	"errors"
	"net"
	"net/url"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/client"
	"runnel/transport"
	"runnel/uplink/nats"
)

// tryNATS logs in at a NATS server as the link would, and tests the permissions and features that the link needs.
func (e *examination) tryNATS(ctx context.Context, object string, u config.Uplink, at *url.URL) {
	u.URL = []string{at.String()}
	opts := nats.Options{Name: u.Name, Node: "runnel doctor", Agent: e.Agent, AnswerTime: checkTime / 4, Reconnect: client.Reconnect{Disabled: true}}
	opts.Export, opts.Import = u.NATSRules(config.DataDir(e.config) != "")
	how := transport.DialOptions{Pin: u.Pin}
	var pair *transport.KeyPair
	var err error
	if u.Certificate != "" {
		pair, err = transport.OpenKeyPair(string(u.Certificate), string(u.Key))
	}
	if err == nil {
		how.TLS, err = pair.Client(string(u.CA))
	}
	if err == nil {
		err = u.ReachNATS(&opts, how)
	}
	var missing []string
	if err == nil {
		missing, err = nats.Probe(ctx, opts)
	}
	if err != nil {
		e.addUnreached(object, u, at, err)
	}
	for _, text := range missing {
		e.add(Finding{"uplink", Error, object, text, "docs/nats.md lists the permissions that a link needs at the server"})
	}
}

// isNetwork reports whether the network, and not the protocol, caused an error.
func isNetwork(err error) bool {
	var of net.Error
	return errors.As(err, &of) || errors.Is(err, context.DeadlineExceeded)
}
