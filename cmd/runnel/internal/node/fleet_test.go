package node

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/fleet"
	"runnel/edge/client"
	"runnel/test/kit"
)

// A node enrols over a real connection with a token, is listed, and is forgotten. Each refusal says why.
func TestEnrolment(t *testing.T) {
	n := site(t, "centre").start("[[realm]]\nname = \"realm2\"\n")
	operator, err := join(t, n.socket("a"), client.Options{Realm: "realm1"})
	kit.Must(t, err)
	call := func(procedure string, p client.Payload) (any, string) {
		result, err := operator.Call(t.Context(), procedure, client.CallOptions{}, p)
		var refused *client.Error
		if errors.As(err, &refused) {
			return nil, refused.Error()
		}
		kit.Must(t, err)
		return result.Args()[0], ""
	}
	if _, err := call(fleet.TokenNew, client.Kwargs(map[string]any{"role": "none", "uses": 1, "expires": 3600})); !strings.Contains(err, `no role "none"; it has: guest`) {
		t.Errorf("a role that is missing: %s", err)
	}
	made, refused := call(fleet.TokenNew, client.Kwargs(map[string]any{"role": "guest", "uses": 1, "expires": 3600}))
	if refused != "" {
		t.Fatal(refused)
	}
	token := made.(map[string]any)["token"].(string)
	enrol := func(node, token, realm string) error {
		u := config.Uplink{URL: []string{"unix://" + n.dir + "/none.sock", n.socket("a")}, RemoteRealm: realm}
		_, err := fleet.Join(t.Context(), token, fleet.Request{Node: node, Key: hex.EncodeToString(make([]byte, 32)), Board: "b", Version: "1"}, u, "test")
		return err
	}
	other := token[:len(token)-1] + string('a'+(token[len(token)-1]-'a'+1)%2)
	for _, c := range []struct{ what, node, token, realm, want string }{
		{"no token", "gw", "x", "realm1", "this is not a token"},
		{"a realm that is missing", "gw", token, "realm3", `the centre has no realm "realm3"; name its realm with --remote-realm`},
		{"another realm", "gw", token, "realm2", "the centre does not know the token"},
		{"another secret", "gw", other, "realm1", "the centre does not know the token"},
		{"the token", "gw", token, "realm1", ""},
		{"a second node", "gw2", token, "realm1", "used up"},
	} {
		if err := enrol(c.node, c.token, c.realm); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
	}
	for _, step := range []struct{ procedure, arg, want, refused string }{
		{fleet.NodeGet, "gw", "id:gw", ""},
		{fleet.NodeGet, "gw2", "", `there is no node "gw2"`},
		{fleet.NodeList, "", "id:gw", ""},
		{fleet.NodeForget, "gw", "<nil>", ""},
		{fleet.NodeForget, "gw", "", `there is no node "gw"`},
		{fleet.NodeList, "", "[]", ""},
		{fleet.TokenList, "", "state:used up", ""},
		{fleet.TokenRevoke, strings.Split(token, "-")[1], "<nil>", ""},
		{fleet.TokenList, "", "[]", ""},
		{fleet.NodeEnrol, "gw", "", "only a session that joined with a token may enrol a node"},
	} {
		got, refused := call(step.procedure, client.Args(step.arg))
		if !strings.Contains(refused, step.refused) || (refused == "") != (step.refused == "") || refused == "" && !strings.Contains(fmt.Sprint(got), step.want) {
			t.Errorf("%s %s: %v, %q; want %q, %q", step.procedure, step.arg, got, refused, step.want, step.refused)
		}
	}
}
