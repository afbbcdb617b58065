package stories

import (
	"errors"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// A client with every right cannot disturb the router's own sessions: a durable event stays safe, and runnel.status still
// answers.
func TestInternalSessionsAreNoTargets(t *testing.T) {
	centre := serve(t, "")
	r := serve(t, `
[node]
data = "data"
[[uplink]]
name = "central"
realm = "realm1"
url = ["`+centre.tcp+`"]
[[uplink.export]]
topic = "story.safe."
match = "prefix"
store = "durable"
`)
	at := centre.subscribe(t, centre.tcp, "story.safe.a")
	c := connect(t, r.unix)
	refused := func(procedure string, args ...any) {
		t.Helper()
		if _, err := c.Call(t.Context(), procedure, client.CallOptions{}, client.Args(args...)); !errors.Is(err, wamp.NotAuthorized) {
			t.Errorf("%s: %v", procedure, err)
		}
	}
	ask := func(procedure string, args ...any) any {
		t.Helper()
		result, err := c.Call(t.Context(), procedure, client.CallOptions{}, client.Args(args...))
		if err != nil {
			t.Fatalf("%s: %v", procedure, err)
		}
		return result.Args()[0]
	}
	subscription := ask("wamp.subscription.lookup", "story.safe.", map[string]any{"match": "prefix"})
	link := ask("wamp.subscription.list_subscribers", subscription).([]any)[0]
	registration := ask("wamp.registration.lookup", "runnel.status")
	reporter := ask("wamp.registration.list_callees", registration).([]any)[0]
	for _, session := range []any{link, reporter} {
		refused("wamp.session.kill", session)
	}
	refused("wamp.subscription.remove_subscriber", subscription, link)
	refused("wamp.registration.remove_callee", registration, reporter)
	ask("wamp.session.kill_all")
	ask("wamp.session.kill_by_authrole", "runnel.uplink")
	ask("wamp.session.kill_by_authid", "runnel.status")

	runnel(t, "pub", "story.safe.a", "here", "--ack", "--url", r.unix).expect(t, 0, "", "")
	at.sees("here")
	runnel(t, "status", "--url", r.unix).expect(t, 0, "central", "")
	for _, uri := range []string{"runnel.queue.retry", "runnel.reload", "runnel.status"} {
		if _, err := c.Register(t.Context(), uri, client.RegisterOptions{}, nil); !errors.Is(err, wamp.NotAuthorized) {
			t.Errorf("register %s: %v", uri, err)
		}
	}
	runnel(t, "pub", "runnel.uplink.on_state.central", "down", "--ack", "--retain", "--url", r.unix).expect(t, 1, "", "reserved for the router")
}

// Long arguments do not cost the router memory, because its own procedures accept only short calls.
func TestLongQuestions(t *testing.T) {
	r := serve(t, "")
	c := connect(t, r.unix)
	lists := make([]any, 100_000)
	for i := range lists {
		lists[i] = []any{}
	}
	for _, procedure := range []string{"runnel.status", "runnel.uplink.get"} {
		if _, err := c.Call(t.Context(), procedure, client.CallOptions{}, client.Args(lists)); !errors.Is(err, wamp.PayloadSizeExceeded) {
			t.Errorf("%s: %v", procedure, err)
		}
	}
	runnel(t, "call", "runnel.status", "--url", r.unix).expect(t, 0, "version", "")
}
