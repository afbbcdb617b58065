package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runnel/cmd/runnel/internal/fleet"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// nodes is the role of links, with the principals gw-1 and gw-2. A role that may not forward, and one that the permission
// denies, may not report.
const nodes = `[[realm]]
name = "realm2"
anonymous = "operator"
[[realm.role]]
name = "operator"
[[realm.role.permission]]
uri = ""
match = "prefix"
allow = ["publish", "subscribe", "call"]
[[realm.role]]
name = "node"
forward = true
[[realm.role.permission]]
uri = "com.example."
match = "prefix"
allow = ["call"]
[[realm.role]]
name = "silent"
forward = true
[[realm.role.permission]]
uri = "runnel."
match = "prefix"
allow = []
[[realm.principal]]
authid = "gw-1"
role = "node"
ticket = "the ticket of gw-1"
[[realm.principal]]
authid = "gw-2"
role = "node"
ticket = "the ticket of gw-2"
[[realm.principal]]
authid = "gw-3"
role = "silent"
ticket = "the ticket of gw-3"
`

// attend has a node report, as its link does, and returns its client. take gets the commands.
func attend(t *testing.T, url, id string, report any, take func(*client.Client, []any)) (*client.Client, error) {
	t.Helper()
	c, err := join(t, url, client.Options{Realm: "realm2", Authid: id, Auth: []client.Auth{client.Ticket("the ticket of " + id)}})
	kit.Must(t, err)
	in, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		first := true
		_, err := c.Call(context.Background(), fleet.Attend, client.CallOptions{Progress: func(r *client.Result) {
			if first {
				close(in)
			} else {
				take(c, r.Args())
			}
			first = false
		}}, client.Args(report))
		failed <- err
	}()
	select {
	case <-in:
		return c, nil
	case err := <-failed:
		return c, err
	}
}

// A node describes itself only, within bounds, and nothing that it sends can reach a terminal.
func TestLyingNode(t *testing.T) {
	n := site(t, "centre").start(nodes)
	operator, err := join(t, n.socket("a"), client.Options{Realm: "realm2"})
	kit.Must(t, err)
	escape := "\x1b]0;owned\x07\u202e" + strings.Repeat("x", 300)
	lie := fleet.Report{Node: "gw-1", Version: escape, Board: escape, Alarms: []string{escape}, Lines: make([]fleet.LineReport, 32), Uptime: -1}
	_, err = attend(t, n.socket("a"), "gw-1", fleet.Report{Node: "gw-1", Version: "1.0"}, nil)
	kit.Must(t, err)
	liar, err := attend(t, n.socket("a"), "gw-2", lie, nil)
	kit.Must(t, err)
	get := func(id string) (r fleet.NodeReport) {
		result, err := operator.Call(t.Context(), fleet.NodeGet, client.CallOptions{}, client.Args(id))
		kit.Must(t, err)
		text, _ := json.Marshal(result.Args()[0])
		kit.Must(t, json.Unmarshal(text, &r))
		return r
	}
	if r := get("gw-1"); !r.Up || r.Version != "1.0" || r.Name != "" {
		t.Errorf("the other node: %+v", r)
	}
	r := get("gw-2")
	if r.Name != "gw-1" || len(r.Version) > 64 || len(r.Alarms[0]) > 160 {
		t.Errorf("the liar: %+v", r)
	}
	var table strings.Builder
	kit.Must(t, fleet.PrintNodes(&table, []fleet.NodeReport{r}))
	kit.Must(t, r.Print(&table))
	if strings.ContainsAny(table.String(), "\x1b\x07\u202e") {
		t.Errorf("%q", table.String())
	}

	refused := func(what string, c *client.Client, procedure, want string, p client.Payload) {
		t.Helper()
		_, err := c.Call(t.Context(), procedure, client.CallOptions{}, p)
		if e := (*client.Error)(nil); !errors.As(err, &e) || !strings.Contains(e.Error(), want) {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
	}
	refused("a second call", liar, fleet.Attend, fleet.Full, client.Args(lie))
	refused("a long report", liar, fleet.Tell, "too long", client.Args(strings.Repeat("x", 9000)))
	refused("no report", liar, fleet.Tell, "has no report", client.Args("x"))
	refused("an answer to no request", liar, fleet.Answer+"17", "no such request", client.Payload{})
	refused("a command", liar, fleet.NodePrefix+"gw-1.status", string(wamp.NotAuthorized), client.Payload{})
	refused("the list", liar, fleet.NodeList, string(wamp.NotAuthorized), client.Payload{})
	refused("a session without authentication", operator, fleet.Attend, "does not authenticate", client.Args(lie))
	refused("a report before attending", operator, fleet.Tell, fleet.NotAttending, client.Args(lie))
	refused("a node without remote", operator, fleet.NodePrefix+"gw-1.status", "write remote = true", client.Payload{})
	if _, err := attend(t, n.socket("a"), "gw-3", lie, nil); !errors.Is(err, wamp.NotAuthorized) {
		t.Errorf("a role that a permission denies it: %v", err)
	}
}

// A command reaches the node that it names. Only that node can answer, an error keeps its URI, and the end of the link ends the
// call.
func TestCommands(t *testing.T) {
	n := site(t, "centre").start(nodes)
	operator, err := join(t, n.socket("a"), client.Options{Realm: "realm2"})
	kit.Must(t, err)
	other, err := attend(t, n.socket("a"), "gw-2", fleet.Report{Node: "gw-2"}, nil)
	kit.Must(t, err)
	_, err = attend(t, n.socket("a"), "gw-1", fleet.Report{Node: "gw-1", Remote: true}, func(c *client.Client, order []any) {
		go func() { // Progress must not wait for calls
			id := fmt.Sprint(order[0])
			switch order[1] {
			case "status":
				if _, err := other.Call(context.Background(), fleet.Answer+id, client.CallOptions{}, client.Args("forged")); err == nil {
					t.Error("another node may answer")
				}
				c.Call(context.Background(), fleet.Answer+id, client.CallOptions{}, client.Args(order[2], order[3]))
			case "doctor":
				c.Call(context.Background(), fleet.Fail+id, client.CallOptions{}, client.Args("com.example.sick", "why"))
			case "reload":
				c.Close(context.Background())
			}
		}()
	})
	kit.Must(t, err)
	ask := func(command string) (*client.Result, error) {
		return operator.Call(t.Context(), fleet.NodePrefix+"gw-1."+command, client.CallOptions{}, client.Payload{Args: []any{"a", 7}, Kwargs: map[string]any{"b": true}})
	}
	got, err := ask("status")
	kit.Must(t, err)
	if text := fmt.Sprint(got.Args()...); text != "[a 7] map[b:true]" {
		t.Errorf("%q", text)
	}
	for _, x := range []struct{ command, want string }{{"doctor", "com.example.sick"}, {"reload", fleet.NodeOffline}} { // the second one ends the link
		var e *client.Error
		if _, err := ask(x.command); !errors.As(err, &e) || e.URI != x.want {
			t.Errorf("%s: %v, want %s", x.command, err, x.want)
		}
	}
}

// The states survive a restart, without a link that is up.
func TestStatesAreKept(t *testing.T) {
	l := site(t, "centre")
	l.write(nodes)
	start := func() (n *Node, end func()) {
		c, err := l.load()
		kit.Must(t, err)
		n, err = New(c, Options{Log: quiet, Version: "1"})
		kit.Must(t, err)
		return n, run(t, n)
	}
	n, end := start()
	_, err := attend(t, l.socket("a"), "gw-1", fleet.Report{Node: "gw-1", Version: "1.0", Queues: []fleet.QueueReport{{Uplink: "c", Events: 3}}}, nil)
	kit.Must(t, err)
	if f := n.Status().Fleet; len(f) != 1 || f[0].Realm != "realm2" || f[0].Online != 1 || f[0].Offline != 0 || f[0].Queued != 3 {
		t.Errorf("%+v", f)
	}
	s := n.Status()
	if text := string(s.Metrics()); !strings.Contains(text, `runnel_fleet_node_up{node="gw-1",realm="realm2"} 1`) || !strings.Contains(text, `runnel_fleet_nodes_online{realm="realm2"} 1`) {
		t.Error(text)
	}
	end()
	n, _ = start()
	f := n.Status().Fleet
	if len(f) != 1 || f[0].Online != 0 || f[0].Offline != 1 || f[0].Queued != 3 || f[0].Nodes[0].LastSeen.IsZero() {
		t.Errorf("%+v", f)
	}
	if _, err := os.Stat(filepath.Join(l.dir, "data", "fleet-state.json")); err != nil {
		t.Error(err)
	}
}
