package transport

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"runnel/test/kit"
)

// resolve replaces the system's DNS server during the test. Every name has these addresses.
func resolve(t *testing.T, addresses ...string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	kit.Must(t, err)
	old := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	done := make(chan struct{})
	t.Cleanup(func() { net.DefaultResolver = old; conn.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Additionals = true, nil
			for _, a := range addresses {
				head := dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, Type: dnsmessage.TypeA}
				if m.Questions[0].Type == dnsmessage.TypeA {
					m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: netip.MustParseAddr(a).As4()}})
				}
			}
			if answer, err := m.Pack(); err == nil {
				conn.WriteTo(answer, from)
			}
		}
	}()
}

// TestDialLocal: a .local name that the system knows is dialled at each of its addresses in turn.
func TestDialLocal(t *testing.T) {
	l := run(t, "tcp://127.0.0.1:0", ListenOptions{})
	_, port, err := net.SplitHostPort(l.Addr().String())
	kit.Must(t, err)
	for _, c := range []struct {
		addresses []string
		reachable bool
	}{
		{[]string{"127.0.0.1"}, true},
		{[]string{"127.0.0.2", "127.0.0.1"}, true}, // only the second listens
		{[]string{"127.0.0.2"}, false},
	} {
		resolve(t, c.addresses...)
		conn, err := Dial(context.Background(), "tcp://gateway.local:"+port, DialOptions{})
		if (err == nil) != c.reachable {
			t.Errorf("at %v: %v", c.addresses, err)
		}
		if err == nil {
			call(t, conn, "hello")
			conn.Close()
		}
	}
}
