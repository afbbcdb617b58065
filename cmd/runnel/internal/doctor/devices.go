package doctor

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"time"

	"runnel/transport/mqtt/packet"
)

// tryDevice joins at a listener of the running router as an MQTT client without a name, and leaves again.
func (e *examination) tryDevice(ctx context.Context, object string, u *url.URL) {
	code, reason, err := connectDevice(ctx, u)
	switch {
	case err != nil:
		e.add(Finding{"listener", Error, object, "an MQTT client gets no answer: " + err.Error(), "runnel status shows the listener, and the router's log the cause"})
	case code == packet.NotAuthorized || code == packet.BadLogin:
		e.add(Finding{"listener", Note, object, "an MQTT client without a user name is refused: " + code.String(), "give devices the user name and password of a principal"})
	case code.Failed():
		e.add(Finding{"listener", Error, object, "an MQTT client is refused: " + code.String() + " " + reason, "check realm of the listener; the router's log has the cause"})
	}
}

// connectDevice returns the answer to CONNECT, and its reason string.
func connectDevice(ctx context.Context, u *url.URL) (code packet.Code, reason string, err error) {
	host := u.Hostname()
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "localhost" // the router listens at all addresses
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host, u.Port()))
	if err != nil {
		return 0, "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(checkTime / 3))
	if u.Scheme == "mqtts" {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // it is this router, and its certificate has a separate check
	}
	connect := packet.Connect{Version: packet.V5, CleanStart: true}
	if _, err := conn.Write(connect.Append(nil, packet.V5)); err != nil {
		return 0, "", err
	}
	r := packet.Reader{Reader: bufio.NewReader(conn), Version: packet.V5, Max: 1 << 10}
	p, err := r.FromServer()
	if err != nil {
		return 0, "", err
	}
	conn.Write((&packet.Disconnect{}).Append(nil, packet.V5))
	ack, ok := p.(*packet.Connack)
	if !ok {
		return packet.ProtocolError, "", nil
	}
	return ack.Code, ack.Properties.Text(packet.ReasonString), nil
}
