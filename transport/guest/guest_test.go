package guest

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport/memory"
)

func TestMain(m *testing.M) { kit.Leakproof(m) }

// newRouter returns a router with a principal for each method.
func newRouter(t *testing.T) *edge.Router {
	scram, err := auth.NewSCRAM("secret", "argon2id13", 1, 8)
	kit.Must(t, err)
	salted, err := auth.DeriveCRA("secret", "", 1, 0)
	kit.Must(t, err)
	principals, err := auth.NewPrincipals([]auth.Principal{
		{Authid: "ticket", Role: "user", Ticket: "secret"},
		{Authid: "cra", Role: "user", CRA: &auth.CRA{Secret: "secret"}},
		{Authid: "salted", Role: "user", CRA: &salted},
		{Authid: "scram", Role: "user", SCRAM: &scram},
		{Authid: "device", Role: "user", Certificate: "device-7"},
	})
	kit.Must(t, err)
	r := edge.NewRouter(edge.Options{Log: slog.New(slog.DiscardHandler)})
	roles := []*auth.Role{
		auth.NewRole("user", []auth.Permission{{Match: wamp.Prefix, Allow: auth.Call}}),
		auth.NewRole("guest", []auth.Permission{{Match: wamp.Prefix, Allow: auth.Call}}),
	}
	kit.Must(t, r.AddRealm(edge.RealmOptions{Name: "realm1", Anonymous: "guest", Roles: roles, Principals: principals}))
	kit.Must(t, r.AddRealm(edge.RealmOptions{Name: "closed", Roles: roles, Principals: principals}))
	t.Cleanup(func() { kit.Must(t, r.Close(context.Background())) })
	return r
}

func connect(t *testing.T, r *edge.Router, p Peer) (*client.Client, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	c, err := client.Connect(ctx, p.Options(func(far *memory.Conn) { r.Serve(far) }))
	if err == nil {
		t.Cleanup(func() { c.Close(ctx) })
	}
	return c, err
}

// A password serves for each of a principal's methods, and for no other principal.
func TestIdentity(t *testing.T) {
	r := newRouter(t)
	certificate := wamp.Transport{Certificate: &wamp.Certificate{CommonName: "device-7"}}
	for name, c := range map[string]struct {
		peer         Peer
		role, method string
	}{
		"anonymous":           {Peer{Realm: "realm1"}, "guest", "anonymous"},
		"ticket":              {Peer{Realm: "realm1", Authid: "ticket", Password: "secret"}, "user", "ticket"},
		"wampcra":             {Peer{Realm: "realm1", Authid: "cra", Password: "secret"}, "user", "wampcra"},
		"salted wampcra":      {Peer{Realm: "realm1", Authid: "salted", Password: "secret"}, "user", "wampcra"},
		"scram":               {Peer{Realm: "realm1", Authid: "scram", Password: "secret"}, "user", "wamp-scram"},
		"certificate":         {Peer{Transport: certificate, Realm: "closed"}, "user", "tls"},
		"certificate, named":  {Peer{Transport: certificate, Realm: "closed", Authid: "device"}, "user", "tls"},
		"certificate, ticket": {Peer{Transport: certificate, Realm: "closed", Authid: "ticket", Password: "secret"}, "user", "ticket"},
		"listener": {Peer{Transport: wamp.Transport{Realm: "closed", Role: "guest", Authid: "door"}, Authid: "ticket", Password: "ignored"},
			"guest", "transport"},
	} {
		t.Run(name, func(t *testing.T) {
			joined, err := connect(t, r, c.peer)
			if err != nil {
				t.Fatal(err)
			}
			w, _ := joined.Welcome()
			method := ""
			for f := w.Details.Fields(); f.Next(); {
				if string(f.Key()) == "authmethod" {
					text, _ := f.Value().Text()
					method = string(text)
				}
			}
			if w.Authrole() != c.role || method != c.method {
				t.Errorf("role %s by %s, want %s by %s", w.Authrole(), method, c.role, c.method)
			}
		})
	}
}

func TestRefusal(t *testing.T) {
	r := newRouter(t)
	for name, c := range map[string]struct {
		peer   Peer
		denied bool
		want   wamp.Failure
	}{
		"no credentials":  {Peer{Realm: "closed"}, true, wamp.AuthenticationRequired},
		"wrong ticket":    {Peer{Realm: "realm1", Authid: "ticket", Password: "guess"}, true, wamp.AuthenticationFailed},
		"wrong wampcra":   {Peer{Realm: "realm1", Authid: "cra", Password: "guess"}, true, wamp.AuthenticationFailed},
		"wrong scram":     {Peer{Realm: "realm1", Authid: "scram", Password: "guess"}, true, wamp.AuthenticationFailed},
		"no password":     {Peer{Realm: "realm1", Authid: "ticket"}, true, wamp.AuthenticationFailed},
		"unknown authid":  {Peer{Realm: "realm1", Authid: "other", Password: "secret"}, true, wamp.AuthenticationFailed},
		"unknown realm":   {Peer{Realm: "other"}, false, wamp.NoSuchRealm},
		"other realm":     {Peer{Transport: wamp.Transport{Realm: "realm1"}, Realm: "closed"}, false, wamp.NotAuthorized},
		"other's authid":  {Peer{Transport: wamp.Transport{Certificate: &wamp.Certificate{CommonName: "device-7"}}, Realm: "closed", Authid: "cra"}, true, wamp.AuthenticationFailed},
		"only a password": {Peer{Realm: "closed", Password: "secret"}, true, wamp.AuthenticationRequired},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := connect(t, r, c.peer)
			if !errors.Is(err, c.want) || Denied(err) != c.denied {
				t.Errorf("%v, denied %v; want %v", err, Denied(err), c.want)
			}
		})
	}
}

// The router knows the session as that of the peer, and never as a part of itself.
func TestDescription(t *testing.T) {
	r := newRouter(t)
	from := wamp.Transport{Network: "tcp", Listener: "mqtt://0.0.0.0:1883", Remote: "192.0.2.7:40000", Internal: true}
	var far *wamp.Transport
	p := Peer{Transport: from, Protocol: "mqtt", Realm: "realm1", Serializer: wamp.JSON, Limit: 1000}
	o := p.Options(func(c *memory.Conn) {
		far = c.Transport()
		r.Serve(c)
	})
	c, err := client.Connect(context.Background(), o)
	kit.Must(t, err)
	defer c.Close(context.Background())
	w, _ := c.Welcome()
	want := wamp.Transport{Network: "tcp", Listener: from.Listener, Remote: from.Remote, Protocol: "mqtt", Serializer: wamp.JSON, Limit: 1000}
	if got := *far; got.Internal || got.Local || got.Network != want.Network || got.Listener != want.Listener || got.Remote != want.Remote ||
		got.Protocol != want.Protocol || got.Serializer != want.Serializer || got.Limit != want.Limit {
		t.Errorf("the router sees %+v", got)
	}
	result, err := c.Call(context.Background(), "wamp.session.get", client.CallOptions{}, client.Args(w.Session))
	kit.Must(t, err)
	details, _ := result.Args()[0].(map[string]any)
	if seen, _ := details["transport"].(map[string]any); seen["peer"] != from.Remote || seen["protocol"] != "mqtt" || seen["listener"] != from.Listener {
		t.Errorf("session details: %v", details)
	}
}

// A guest that encodes its messages itself offers all methods of its password, and answers each challenge.
func TestAttempt(t *testing.T) {
	device := Peer{Transport: wamp.Transport{Certificate: &wamp.Certificate{CommonName: "device-7"}, HasCred: true}, Authid: "device", Password: "secret"}
	for name, c := range map[string]struct {
		peer Peer
		want []string
	}{
		"anonymous": {Peer{Realm: "realm1"}, nil},
		"password":  {Peer{Authid: "cra", Password: "secret"}, []string{"ticket", "wampcra", "wamp-scram"}},
		"transport": {device, []string{"tls", "unix", "ticket", "wampcra", "wamp-scram"}},
	} {
		a, err := c.peer.Begin()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		methods, extra := a.Hello()
		if !slices.Equal(methods, c.want) || (extra["nonce"] != nil) != slices.Contains(methods, "wamp-scram") {
			t.Errorf("%s: %q, %v", name, methods, extra)
		}
		if signature, _, err := a.Answer("ticket", codec.Dict{}); c.want != nil && (err != nil || signature != "secret") {
			t.Errorf("%s: %q, %v", name, signature, err)
		}
		if _, _, err := a.Answer("cookie", codec.Dict{}); err != wamp.NoMatchingAuthMethod {
			t.Errorf("%s: a method that was not offered: %v", name, err)
		}
	}
}
