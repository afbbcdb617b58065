package auth

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"runnel/edge/wamp"
)

func TestAuthorizerOfARole(t *testing.T) {
	static := NewRole("guest", []Permission{
		{URI: "com.a.", Match: wamp.Prefix, Allow: Publish},
		{URI: "com.a.secret", Allow: 0},
		{URI: "com..state", Match: wamp.Wildcard, Allow: Subscribe},
	})
	role := static.WithAuthorizer("com.authorize")
	if static.Authorizer() != "" || role.Authorizer() != "com.authorize" || role.Name() != "guest" {
		t.Errorf("authorizers %q and %q", static.Authorizer(), role.Authorizer())
	}
	for _, c := range []struct {
		pattern         string
		match           wamp.Match
		covers, forbids bool // forbids: to publish
	}{
		{"com.a.x", wamp.Exact, true, false},
		{"com.a.secret", wamp.Exact, true, true},
		{"com.b.state", wamp.Exact, true, true},
		{"com.b", wamp.Exact, false, false},
		{"com.a.b.", wamp.Prefix, true, false},
		{"com.", wamp.Prefix, false, false},
		{"com..state", wamp.Wildcard, true, true},
		{"com..", wamp.Wildcard, false, false},
	} {
		if got := role.Covers(c.pattern, c.match); got != c.covers {
			t.Errorf("%s %v: covers %v", c.pattern, c.match, got)
		}
		if c.match == wamp.Exact && role.Forbids(Publish, []byte(c.pattern)) != c.forbids {
			t.Errorf("%s: forbids %v", c.pattern, !c.forbids)
		}
	}
}

func TestKnows(t *testing.T) {
	uid := 7
	p, err := NewPrincipals([]Principal{
		{Authid: "ann", Role: "r", Ticket: "secret"},
		{Authid: "key", Role: "r", Keys: []ed25519.PublicKey{make([]byte, 32)}},
		{Authid: "local", Role: "r", UID: &uid},
	})
	if err != nil {
		t.Fatal(err)
	}
	unix := &wamp.Transport{HasCred: true, UID: 7}
	pubkey := map[string]any{"pubkey": strings.Repeat("00", 32)}
	for _, c := range []struct {
		name string
		r    Request
		want bool
	}{
		{"by authid", Request{Authid: "ann", Methods: []string{"ticket"}}, true},
		{"by one of two methods", Request{Authid: "ann", Methods: []string{"cryptosign", "ticket"}}, true},
		{"by a method she has not", Request{Authid: "ann", Methods: []string{"cryptosign"}}, false},
		{"by a method nobody has", Request{Authid: "ann", Methods: []string{"wampcra"}}, false},
		{"a stranger", Request{Authid: "bob", Methods: []string{"ticket"}}, false},
		{"nobody", Request{Methods: []string{"ticket"}}, false},
		{"by key", Request{Methods: []string{"cryptosign"}, Extra: pubkey}, true},
		{"by another key", Request{Methods: []string{"cryptosign"}, Extra: map[string]any{"pubkey": strings.Repeat("01", 32)}}, false},
		{"by uid", Request{Transport: unix}, true},
		{"by uid, with another method", Request{Transport: unix, Methods: []string{"ticket"}}, false},
		{"by no uid", Request{Transport: &wamp.Transport{}}, false},
	} {
		if got := p.Knows(c.r); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// The challenge of a decoy has the shape of the model's. It is the same each time for one peer, and no answer is right.
func TestDecoys(t *testing.T) {
	cra, err := DeriveCRA("password", "", 2000, 24)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := NewSCRAM("password", kdfPBKDF2, 5000, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method string
		like   *Principal
		fixed  []string // fields of the challenge that must equal the model's
	}{
		{"wampcra", nil, nil},
		{"wampcra", &Principal{Role: "r", CRA: &cra}, []string{"iterations", "keylen"}},
		{"wamp-scram", nil, nil},
		{"scram", &Principal{Role: "r", SCRAM: &keys}, []string{"kdf", "iterations"}},
		{"cryptosign", &Principal{Role: "r", Keys: []ed25519.PublicKey{make([]byte, 32)}}, nil},
	} {
		d, err := Decoys(c.method, c.like)
		if err != nil {
			t.Fatalf("%s: %v", c.method, err)
		}
		challenge := func(authid string) map[string]any {
			t.Helper()
			r := Request{Authid: authid, Methods: []string{c.method}, Extra: map[string]any{"nonce": "abcd"}}
			_, e, err := d.Begin(r)
			if err != nil {
				t.Fatalf("%s: %v", c.method, err)
			}
			_, err = e.Answer("00", nil)
			if failure := wamp.Failure(""); !errors.As(err, &failure) || failure != wamp.AuthenticationFailed {
				t.Errorf("%s: answered with %v", c.method, err)
			}
			return e.Challenge()
		}
		first, again, other := challenge("ann"), challenge("ann"), challenge("bob")
		if first["salt"] != again["salt"] || first["salt"] != nil && first["salt"] == other["salt"] {
			t.Errorf("%s: salts %v, %v and %v", c.method, first["salt"], again["salt"], other["salt"])
		}
		if c.like == nil {
			continue
		}
		real, err := NewPrincipals([]Principal{{Authid: "real", Role: "r", CRA: c.like.CRA, SCRAM: c.like.SCRAM, Keys: c.like.Keys}})
		if err != nil {
			t.Fatal(err)
		}
		_, e, err := real.Begin(Request{Authid: "real", Methods: []string{c.method}, Extra: map[string]any{"nonce": "abcd"}})
		if err != nil {
			t.Fatal(err)
		}
		model := e.Challenge()
		for _, key := range c.fixed {
			if !reflect.DeepEqual(model[key], first[key]) {
				t.Errorf("%s: %s is %v, and %v with a decoy", c.method, key, model[key], first[key])
			}
		}
		if len(model) != len(first) {
			t.Errorf("%s: a decoy's challenge is %v, the model's %v", c.method, first, model)
		}
		have, _ := first["salt"].(string)
		if want, _ := model["salt"].(string); len(have) != len(want) {
			t.Errorf("%s: a decoy's salt is %q, the model's %q", c.method, have, want)
		}
	}
	if _, err := Decoys("ticket", nil); err == nil {
		t.Error("a decoy for tickets")
	}
}

// A peer that is not known gets a decoy if one of its methods has a challenge; with half, always the same half of the authids.
func TestHasDecoy(t *testing.T) {
	p := principals(t, cast(t))
	for name, c := range map[string]struct {
		r    Request
		want bool
	}{
		"ticket":          {Request{Authid: "eve", Methods: []string{"ticket"}}, true},
		"key":             {Request{Methods: []string{"cryptosign"}, Extra: map[string]any{"pubkey": publicHex(9)}}, true},
		"no authid":       {Request{Methods: []string{"ticket"}}, false},
		"transport":       {Request{Authid: "eve", Methods: []string{"tls", "unix"}}, false},
		"no methods":      {Request{Authid: "eve"}, false},
		"unknown methods": {Request{Authid: "eve", Methods: []string{"oauth"}}, false},
	} {
		if got := p.HasDecoy(c.r, false); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	half := map[string]bool{}
	for range 2 {
		for i := range 200 {
			name := fmt.Sprint("authid", i)
			got := p.HasDecoy(Request{Authid: name, Methods: []string{"ticket"}}, true)
			if before, again := half[name]; again && before != got {
				t.Errorf("%s: %v, then %v", name, before, got)
			}
			half[name] = got
		}
	}
	n := 0
	for _, yes := range half {
		if yes {
			n++
		}
	}
	if n < 50 || n > 150 {
		t.Errorf("%d of 200 have a decoy", n)
	}
	if p.HasDecoy(Request{Authid: "authid1", Methods: []string{"tls"}}, true) {
		t.Error("a decoy for a method without challenge")
	}
}

// A challenge that must not disclose the authenticator names neither the role nor the principal's provider.
func TestUndisclosedChallenge(t *testing.T) {
	p := principals(t, []Principal{{Authid: "carl", Role: "r2", Provider: "static", CRA: &CRA{Secret: "pencil"}}})
	for provider, want := range map[string]string{
		"": `"authrole":"r2","authmethod":"wampcra","authprovider":"static"`, "any": `"authrole":"undisclosed","authmethod":"wampcra","authprovider":"any"`,
	} {
		_, e, err := p.Begin(Request{Authid: "carl", Methods: []string{"wampcra"}, Provider: provider})
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := e.Challenge()["challenge"].(string); !strings.Contains(text, want) {
			t.Errorf("challenge %s", text)
		}
	}
}
