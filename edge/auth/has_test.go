package auth

import (
	"testing"

	"runnel/edge/wamp"
)

func TestHas(t *testing.T) {
	one, two := 1, 2
	list := func(more ...Principal) *Principals {
		p, err := NewPrincipals(more)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := list(
		Principal{Authid: "joe", Role: "user", Ticket: "x"},
		Principal{Authid: "one", Role: "user", UID: &one},
		Principal{Authid: "two", Role: "user", UID: &two},
		Principal{Authid: "pump", Role: "user", Certificate: "pump.example.com"},
	)
	process := &wamp.Transport{HasCred: true, UID: 1, GID: 5}
	shown := &wamp.Transport{Certificate: &wamp.Certificate{CommonName: "pump.example.com"}}
	for _, c := range []struct {
		authid, role, method string
		over                 *wamp.Transport
		want                 bool
	}{
		{"joe", "user", "ticket", process, true},
		{"joe", "admin", "ticket", process, false},
		{"joe", "user", "wampcra", process, false},
		{"joe", "user", "cookie", process, false},
		{"jim", "user", "ticket", process, false},
		{"one", "user", "unix", process, true},
		{"two", "user", "unix", process, false},
		{"one", "user", "unix", shown, false},
		{"pump", "user", "tls", shown, true},
		{"pump", "user", "tls", process, false},
	} {
		if got := p.Has(Identity{Authid: c.authid, Role: c.role, Method: c.method}, c.over); got != c.want {
			t.Errorf("%s as %s by %s: %v", c.authid, c.role, c.method, got)
		}
	}
}
