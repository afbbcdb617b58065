package stories

import (
	"context"
	"path/filepath"
	"syscall"
	"testing"

	"runnel/edge/client"
	"runnel/test/kit"
	"runnel/test/program"
)

const gateways = `
[node]
data = "data"
[[realm.role]]
name = "gateway"
forward = true
[[realm.role.permission]]
uri = ""
match = "prefix"
allow = ["publish", "subscribe"]
[[realm.principal]]
authid = "gw-1"
role = "gateway"
ticket = "gw's"
`

// gateway joins with a role that may forward.
func gateway(t *testing.T, url string) *client.Client {
	t.Helper()
	return program.Join(t, url, client.Options{Authid: "gw-1", Auth: []client.Auth{client.Ticket("gw's")}})
}

// The router routes an event that a gateway resends only once, even if the router was killed in between. Subscribers get the
// hops that a gateway names, but not those that a guest names.
func TestGatewaySendsAgain(t *testing.T) {
	r := serve(t, gateways)
	way := []client.Hop{{Session: 5, Authid: "pump", Authrole: "sensor", Node: "gw-1"}}
	send := func(c *client.Client, sequence uint64) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), kit.Patience)
		defer cancel()
		o := client.PublishOptions{Acknowledge: true, ForwardFor: way, Origin: &client.Origin{Node: "gw-1", Epoch: 7, Sequence: sequence}}
		if err := c.Publish(ctx, "story.way", o, client.Args(sequence)); err != nil {
			t.Fatal(err)
		}
	}
	events := make(chan *client.Event, 100)
	watch := func(c *client.Client) {
		t.Helper()
		_, err := c.Subscribe(t.Context(), "story.way", client.SubscribeOptions{}, func(e *client.Event) { kit.Send(t, events, e.Clone()) })
		if err != nil {
			t.Fatal(err)
		}
	}
	watcher, gw, guest := connect(t, r.unix), gateway(t, r.unix), connect(t, r.unix)
	watch(watcher)
	for _, sequence := range []uint64{1, 2, 1, 2} {
		send(gw, sequence)
	}
	send(guest, 1) // from a session for which it has no meaning
	for i, want := range []int64{1, 2, 1} {
		e := <-events
		if got := e.Args()[0]; got != want {
			t.Fatalf("event %d is %v, not %d", i, got, want)
		}
		if hops := e.ForwardFor(); i < 2 && (len(hops) != 1 || hops[0] != way[0]) || i == 2 && len(hops) == 1 && hops[0].Authid != "" {
			t.Errorf("event %d came by %+v", i, hops)
		}
	}
	closeAll(t, watcher, gw, guest)
	r.Signal(syscall.SIGKILL)
	r.wait()
	start(t, "run", "-c", filepath.Join(r.dir, "runnel.toml")).logs(`msg=listening url=unix://`)
	watcher, gw = connect(t, r.unix), gateway(t, r.unix)
	watch(watcher)
	for sequence := range uint64(3) {
		send(gw, sequence+1)
	}
	if e := <-events; e.Args()[0] != int64(3) {
		t.Errorf("%v came again", e.Args())
	}
	closeAll(t, watcher, gw)
}

func closeAll(t *testing.T, clients ...*client.Client) {
	t.Helper()
	for _, c := range clients {
		ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
		cancel()
	}
}
