package longpoll

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"runnel/edge/wamp"
)

const ask = `{"protocols":["wamp.2.json"]}`

// TestNewcomers: a connection may have only few transports without a session. A transport that gets a session or
// ends makes room.
func TestNewcomers(t *testing.T) {
	r := serve(t, Options{})
	var opened []*Conn
	for range maxNewOfConn {
		c, _ := r.open(t, "wamp.2.json")
		opened = append(opened, c)
	}
	r.want(t, "open", ask, http.StatusTooManyRequests, "HELLO")
	opened[0].SetReadLimit(1000)
	r.want(t, "open", ask, http.StatusTooManyRequests, "HELLO")
	for range 2 { // a repeated call counts once
		opened[0].SetReadLimit(0)
	}
	r.open(t, "wamp.2.json")
	r.want(t, "open", ask, http.StatusTooManyRequests, "HELLO")
	opened[1].disconnect(io.EOF)
	opened[1].Close()
	r.open(t, "wamp.2.json")
	r.want(t, "open", ask, http.StatusTooManyRequests, "HELLO")
}

// TestNetwork: a client can choose its IPv6 addresses from a prefix of 64 bits; an IPv4 address is its own.
func TestNetwork(t *testing.T) {
	for host, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "::ffff:192.0.2.1", "2001:db8:0:1:2::3": "2001:db8:0:1::/64", "fe80::1%eth0": "fe80::/64",
		"": "", "@": "@", "gateway": "gateway",
	} {
		if got := network(host); got != want {
			t.Errorf("%q is in %q, want %q", host, got, want)
		}
	}
}

// TestNewcomersOfAddress: the sessions that one address opens are limited over all its connections. An IPv6 prefix of
// one client counts as one address.
func TestNewcomersOfAddress(t *testing.T) {
	var n newcomers
	enter := func(connection int, remote string) *place {
		return n.reserve(&http.Request{RemoteAddr: fmt.Sprint("192.0.2.1:", connection)}, &wamp.Transport{Remote: remote})
	}
	var held []*place
	for i := range maxNewOfAddress {
		p := enter(i, fmt.Sprintf("[2001:db8::%x]:%d", i+1, i))
		if p == nil {
			t.Fatalf("no room after %d", i)
		}
		held = append(held, p)
	}
	if enter(1000, "[2001:db8::ffff]:1") != nil {
		t.Error("there is room for more")
	}
	for _, remote := range []string{"[2001:db8:0:1::1]:1", "192.0.2.1:1", "192.0.2.2:1"} {
		p := enter(2000, remote)
		if p == nil {
			t.Errorf("no room for %s", remote)
		}
		held = append(held, p)
	}
	for _, p := range held {
		p.release()
		p.release()
	}
	if len(n.held) != 0 {
		t.Errorf("left: %v", n.held)
	}
}
