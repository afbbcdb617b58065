package client_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport/memory"
)

// The real router and the client authenticate each other with every key derivation.
func TestSCRAMWithTheRouter(t *testing.T) {
	const authid, password = "joe, =the first=", "pass\u00a0wörd"
	for _, kdf := range []string{"argon2id13", "pbkdf2", "argon2id-13"} {
		keys, err := auth.NewSCRAM(password, kdf, 1, 0)
		kit.Must(t, err)
		who, err := auth.NewPrincipals([]auth.Principal{{Authid: authid, Role: "user", SCRAM: &keys}})
		kit.Must(t, err)
		r := edge.NewRouter(edge.Options{Log: slog.New(slog.DiscardHandler)})
		kit.Must(t, r.AddRealm(edge.RealmOptions{Name: "realm1", Roles: []*auth.Role{auth.NewRole("user", nil)}, Principals: who}))
		for _, serializer := range wamp.Serializers {
			join := func(password string) error {
				c, err := client.Connect(t.Context(), client.Options{
					Realm: "realm1", Authid: authid, Auth: []client.Auth{client.SCRAM(authid, password), client.CRA(password)},
					Reconnect: client.Reconnect{Disabled: true},
					Dial: func(context.Context) (client.Conn, error) {
						near, far := memory.Pipe(memory.Options{Serializer: serializer})
						go r.Serve(far)
						return near, nil
					},
				})
				if err == nil {
					defer closeNow(c)
					if welcome, _ := c.Welcome(); welcome.Authrole() != "user" {
						t.Errorf("role %q", welcome.Authrole())
					}
				}
				return err
			}
			if err := join(password); err != nil {
				t.Errorf("%s, %v: %v", kdf, serializer, err)
			}
			if serializer != wamp.JSON {
				continue
			}
			if err := join("another"); !errors.Is(err, wamp.AuthenticationFailed) {
				t.Errorf("%s: a wrong password: %v", kdf, err)
			}
		}
		kit.Must(t, r.Close(context.Background()))
	}
}

// The client leaves a router that cannot prove that it has the keys.
func TestSCRAMUnprovedRouter(t *testing.T) {
	n := newNetwork(t)
	joined := run(func() error {
		c, err := client.Connect(context.Background(), client.Options{
			Dial: n.dial, Realm: "realm1", Authid: "joe", Auth: []client.Auth{client.SCRAM("joe", "x")},
			Reconnect: client.Reconnect{Disabled: true},
		})
		if err == nil {
			closeNow(c)
		}
		return err
	})
	p := n.accept()
	nonce := p.options(p.expect(wamp.Hello))["authextra"].(map[string]any)["nonce"].(string)
	p.send(codec.Message{Type: wamp.Challenge, Text: []byte("wamp-scram"), Dict: p.dict(map[string]any{
		"nonce": nonce + "x", "salt": "AAAA", "kdf": "pbkdf2", "iterations": 1,
	})})
	if extra := p.options(p.expect(wamp.Authenticate)); extra["nonce"] != nonce+"x" {
		t.Errorf("AUTHENTICATE.Extra %v", extra)
	}
	p.send(codec.Message{Type: wamp.Welcome, ID: 12, Dict: p.dict(map[string]any{
		"roles": map[string]any{"broker": map[string]any{}}, "authextra": map[string]any{"verifier": "v=AAAA"},
	})})
	if m := p.expect(wamp.Abort); string(m.Text) != string(wamp.AuthenticationFailed) {
		t.Errorf("reason %s", m.Text)
	}
	if err := <-joined; err == nil || !strings.Contains(err.Error(), "did not prove") {
		t.Errorf("got %v", err)
	}
}
