package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/fleet"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// In a realm with strict URIs, the name of a node in URIs is the component of its id. Two ids with one name are refused.
func TestStrictFleet(t *testing.T) {
	text := strings.Replace(nodes, "anonymous", "strict = true\nanonymous", 1) + "[[realm.principal]]\nauthid = \"gw_1\"\nrole = \"node\"\nticket = \"the ticket of gw_1\"\n"
	n := site(t, "centre").start(text)
	operator, err := join(t, n.socket("a"), client.Options{Realm: "realm2"})
	kit.Must(t, err)
	answer := func(c *client.Client, order []any) {
		go c.Call(context.Background(), fleet.Answer+fmt.Sprint(order[0]), client.CallOptions{}, client.Args("well")) // Progress must not wait for calls
	}
	_, err = attend(t, n.socket("a"), "gw-1", fleet.Report{Node: "gw-1", Remote: true}, answer)
	kit.Must(t, err)
	ask := func(id string) string {
		result, err := operator.Call(t.Context(), fleet.NodePrefix+id+".status", client.CallOptions{}, client.Payload{})
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(result.Args()...)
	}
	expect := func(id, want string) {
		t.Helper()
		if got := ask(id); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
	expect("gw-1", wamp.InvalidURI.Error())
	expect("gw_1", "well")
	expect("gw_2", fleet.NoSuchNode)
	states := make(chan string, 16)
	_, err = operator.Subscribe(t.Context(), "runnel.fleet.on_state.gw_1", client.SubscribeOptions{GetRetained: true}, func(e *client.Event) { kit.Send(t, states, fmt.Sprint(e.Args()...)) })
	kit.Must(t, err)
	if state := kit.Receive(t, "the state of gw-1", states); !strings.Contains(state, "id:gw-1") {
		t.Error(state)
	}

	result, err := operator.Call(t.Context(), fleet.TokenNew, client.CallOptions{}, client.Kwargs(map[string]any{"role": "node", "uses": 9, "expires": 3600}))
	kit.Must(t, err)
	token := result.Args()[0].(map[string]any)["token"].(string)
	for id, want := range map[string]string{"gw.1": "choose another id", "GW-1": "choose another id", "gw-4": ""} {
		u := config.Uplink{URL: []string{n.socket("a")}, RemoteRealm: "realm2"}
		_, err := fleet.Join(t.Context(), token, fleet.Request{Node: id, Key: hex.EncodeToString(make([]byte, 32)), Board: "b", Version: "1"}, u, "test")
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", id, err, want)
		}
	}
	_, err = attend(t, n.socket("a"), "gw_1", fleet.Report{Node: "gw_1", Remote: true}, answer)
	kit.Must(t, err)
	expect("gw_1", "gw_1 stands for gw-1 and gw_1")
}

// A node that is forgotten while its link is up attends no longer. It can attend again.
func TestForgetLinked(t *testing.T) {
	n := site(t, "centre").start(nodes)
	operator, err := join(t, n.socket("a"), client.Options{Realm: "realm2"})
	kit.Must(t, err)
	c, err := join(t, n.socket("a"), client.Options{Realm: "realm2", Authid: "gw-1", Auth: []client.Auth{client.Ticket("the ticket of gw-1")}})
	kit.Must(t, err)
	for range 2 {
		in, ended := make(chan bool, 1), make(chan error, 1)
		go func() {
			_, err := c.Call(context.Background(), fleet.Attend, client.CallOptions{Progress: func(*client.Result) { kit.Send(t, in, true) }}, client.Args(fleet.Report{Node: "gw-1"}))
			ended <- err
		}()
		kit.Receive(t, "the entry", in)
		_, err = operator.Call(t.Context(), fleet.NodeForget, client.CallOptions{}, client.Args("gw-1"))
		kit.Must(t, err)
		if e := (*client.Error)(nil); !errors.As(kit.Receive(t, "the end", ended), &e) || e.URI != fleet.NotAttending {
			t.Errorf("the call of a node that was forgotten: %v", e)
		}
		_, err = operator.Call(t.Context(), fleet.NodeGet, client.CallOptions{}, client.Args("gw-1"))
		if e := (*client.Error)(nil); !errors.As(err, &e) || e.URI != fleet.NoSuchNode {
			t.Errorf("a node that was forgotten: %v", err)
		}
	}
}
