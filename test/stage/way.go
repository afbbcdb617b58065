package stage

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"runnel/edge/wamp"
	"runnel/test/kit"
)

// Way is the transport and the serializer of a peer.
type Way struct {
	Network    string // tcp, tls, unix: RawSocket; ws, wss: WebSocket; lp: HTTP long-poll; serial: RawSocket over a line
	Batched    bool   // of a WebSocket or of long-poll
	Serializer wamp.Serializer
	Address    string // "": the house's own listener
}

// Ways are all combinations. Long-poll is slow, so there is only one way of each kind.
func Ways() (ways []Way) {
	for _, s := range wamp.Serializers {
		for _, network := range []string{"tcp", "tls", "unix", "ws", "wss", "serial"} {
			ways = append(ways, Way{Network: network, Serializer: s})
		}
		ways = append(ways, Way{Network: "ws", Batched: true, Serializer: s})
	}
	return append(ways, Way{Network: "lp", Serializer: wamp.JSON}, Way{Network: "lp", Batched: true, Serializer: wamp.CBOR})
}

// String returns a text like "ws_batched_cbor", which may be part of a URI.
func (w Way) String() string {
	name := w.Network
	if w.Batched {
		name += "_batched"
	}
	return name + "_" + w.Serializer.String()
}

// Realm is the way's own realm: everything that happens there is caused by one case.
func (w Way) Realm() string { return "stage." + w.String() }

func (w Way) isSerial() bool { return w.Network == "serial" }

// dial connects for the given realm, because a serial line leads to one realm only. The TLS connection is nil without TLS.
func (h *House) dial(w Way, realm string, config *tls.Config) (l link, secure *tls.Conn, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	connect := func(ctx context.Context) (net.Conn, error) {
		conn, err := h.Dial(ctx, w, config)
		secure, _ = conn.(*tls.Conn)
		return conn, err
	}
	switch w.Network {
	case "ws", "wss":
		l, err = dialWeb(ctx, w.Network+"://"+h.address(w)+"/ws", connect, w)
		return l, secure, err
	case "lp": // several connections at once
		dial := func(ctx context.Context) (net.Conn, error) { return h.Dial(ctx, w, config) }
		l, err = openPolls(ctx, "http://"+h.address(w)+"/lp/", dial, w)
		return l, nil, err
	case "serial":
		l, err = h.dialSerial(w, realm)
		return l, nil, err
	}
	conn, err := connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	l, err = newRawLink(conn, w.Serializer, Handshake)
	return l, secure, err
}

// address returns the address of a way that is not a serial line.
func (h *House) address(w Way) string {
	if w.Address != "" {
		return w.Address
	}
	switch w.Network {
	case "unix":
		return h.Unix
	case "tls", "wss":
		return h.TLS
	}
	return h.TCP
}

// Dial opens the stream below a way that is not a serial line. config may be nil.
func (h *House) Dial(ctx context.Context, w Way, config *tls.Config) (net.Conn, error) {
	var d net.Dialer
	switch w.Network {
	case "unix":
		return d.DialContext(ctx, "unix", h.address(w))
	case "tls", "wss":
		if config == nil {
			config = h.tls
		}
		return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", h.address(w))
	}
	return d.DialContext(ctx, "tcp", h.address(w))
}

// dialSerial starts a device on a line that leads to the realm and is free.
func (h *House) dialSerial(w Way, realm string) (link, error) {
	lines := h.lines[realm]
	if lines == nil {
		return nil, fmt.Errorf("no serial line leads to the realm %s", realm)
	}
	select {
	case l := <-lines:
		return newRawLink(l.open(), w.Serializer, handshakeOnLine)
	case <-time.After(kit.Patience):
		return nil, fmt.Errorf("no serial line to the realm %s is free", realm)
	}
}
