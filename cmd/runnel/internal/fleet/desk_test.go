package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport"
	"runnel/transport/memory"
)

var quiet = slog.New(slog.DiscardHandler)

// desk runs the desk of a realm until the test ends.
func (c *centre) desk(t *testing.T, realm string, strict bool) {
	t.Helper()
	up := make(chan bool, 9)
	var running sync.WaitGroup
	d := NewDesk(c.Registry, realm, func() bool { return strict }, client.New(client.Options{
		Realm: realm, Log: quiet, OnUp: func(client.Welcome) { kit.Send(t, up, true) }, Dial: func(context.Context) (client.Conn, error) {
			ours, theirs := memory.Internal(memory.Options{Authid: config.FleetRole, Role: config.FleetRole, Realm: realm})
			running.Go(func() { c.router.Serve(theirs) })
			return ours, nil
		}}), quiet)
	ctx, stop := context.WithCancel(context.Background())
	running.Go(func() { d.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	kit.Receive(t, "the desk", up)
}

// join opens a session of a node, or of an operator if authid is "".
func (c *centre) join(t *testing.T, realm, authid string) *client.Client {
	t.Helper()
	o := client.Options{Realm: realm, Authid: authid, Log: quiet, Dial: func(ctx context.Context) (client.Conn, error) {
		return transport.Dial(ctx, c.url, transport.DialOptions{})
	}}
	if authid != "" {
		o.Auth = []client.Auth{client.Ticket("a-long-ticket-for-the-pump")}
	}
	j, err := client.Connect(t.Context(), o)
	kit.Must(t, err)
	t.Cleanup(func() { j.Close(context.Background()) })
	return j
}

// attending is a call of a node to the desk.
type attending struct {
	commands chan []any // progressive results
	ended    chan error
	stop     context.CancelFunc
}

// attend has a node attend, and waits until the desk has let it in.
func attend(t *testing.T, node *client.Client, r Report) *attending {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	a := &attending{commands: make(chan []any, 16), ended: make(chan error, 1), stop: stop}
	go func() {
		_, err := node.Call(ctx, Attend, client.CallOptions{Progress: func(r *client.Result) { kit.Send(t, a.commands, r.Args()) }}, client.Args(r))
		a.ended <- err
	}()
	t.Cleanup(stop)
	if got := kit.Receive(t, "the start", a.commands); fmt.Sprint(got...) != "0" {
		t.Errorf("the desk begins with %v", got)
	}
	return a
}

// watch returns the published states of nodes: id, up, length of the queues, name.
func watch(t *testing.T, o *client.Client) <-chan string {
	t.Helper()
	states := make(chan string, 99)
	_, err := o.Subscribe(t.Context(), onState, client.SubscribeOptions{Match: wamp.Prefix}, func(e *client.Event) {
		text := "gone"
		if args := e.Args(); len(args) > 0 {
			n, _ := args[0].(map[string]any)
			text = fmt.Sprint(n["up"], " ", n["queue"], " ", n["name"])
		}
		kit.Send(t, states, strings.TrimPrefix(e.Topic(), onState)+" "+text)
	})
	kit.Must(t, err)
	return states
}

// The state of a node is listed and published while its link is up, and after that.
func TestStatesOfNodes(t *testing.T) {
	c := newCentre(t)
	c.desk(t, "realm1", false)
	o, node := c.operator(t), c.join(t, "realm1", "pump")
	states := watch(t, o)
	wait := func(want string) {
		t.Helper()
		for got := ""; got != want; {
			got = kit.Receive(t, want, states)
		}
	}
	if _, failure := ask(t, node, Tell, client.Args(Report{})); failure != NotAttending {
		t.Errorf("a report without attending: %q", failure)
	}
	for _, x := range []struct {
		what string
		p    client.Payload
	}{{"nothing", client.Payload{}}, {"a text", client.Args("x")}, {"too much", client.Args(map[string]any{"board": strings.Repeat("b", mostReport)})}} {
		for _, procedure := range []string{Attend, Tell} {
			if _, failure := ask(t, node, procedure, x.p); failure != Invalid {
				t.Errorf("%s reports %s: %q", procedure, x.what, failure)
			}
		}
	}
	for _, procedure := range []string{Attend, Tell} {
		if _, failure := ask(t, o, procedure, client.Args(Report{})); procedure == Attend && failure != "wamp.error.not_authorized" || failure == "" {
			t.Errorf("%s of a session without an identity: %q", procedure, failure)
		}
	}
	a := attend(t, node, Report{Node: "gw-7", Version: "1.2", Board: "Pi", Uptime: 60, Queues: []QueueReport{{"c", 3, 0}, {"d", 4, 1}}})
	wait("pump true 7 gw-7")
	_, failure := ask(t, node, Tell, client.Args(Report{Node: "pump", Queues: []QueueReport{{"c", 8, 0}}}))
	if failure != "" {
		t.Error(failure)
	}
	wait("pump true 8 <nil>")
	listed, _ := ask(t, o, NodeGet, client.Args("pump"))
	n := listed.(map[string]any)
	address, _ := n["address"].(string)
	if n["up"] != true || n["id"] != "pump" || n["role"] != "gateway" || !strings.HasPrefix(address, "127.0.0.1:") || n["online_since"] == nil || n["offline_since"] != nil {
		t.Errorf("%v", n)
	}
	all, _ := ask(t, o, NodeList, client.Payload{})
	if list := all.([]any); len(list) != 1 {
		t.Errorf("%v", list)
	}
	a.stop()
	wait("pump false 8 <nil>")
	if _, failure := ask(t, o, NodePrefix+"pump.status", client.Payload{}); failure != NodeOffline {
		t.Errorf("a command for a node without a link: %q", failure)
	}
	if _, failure := ask(t, node, Tell, client.Args(Report{})); failure != NotAttending {
		t.Errorf("a report after the end: %q", failure)
	}
	a = attend(t, node, Report{Node: "pump"})
	wait("pump true 0 <nil>")
	if _, failure := ask(t, o, NodeForget, client.Args("pump")); failure != "" {
		t.Error(failure)
	}
	wait("pump gone")
	if err := kit.Receive(t, "the end", a.ended); err == nil || !strings.Contains(err.Error(), "forgotten") {
		t.Error(err)
	}
	if _, failure := ask(t, o, NodeGet, client.Args("pump")); failure != NoSuchNode {
		t.Errorf("a node that is forgotten: %q", failure)
	}
}

// A state is published once after a change, and not again when other nodes change.
func TestStateIsPublishedOnce(t *testing.T) {
	c := newCentre(t)
	c.desk(t, "realm1", false)
	o, pump, valve := c.operator(t), c.join(t, "realm1", "pump"), c.join(t, "realm1", "valve")
	states := watch(t, o)
	expect := func(want string) {
		t.Helper()
		if got := kit.Receive(t, want, states); got != want {
			t.Errorf("%q is published, want %q", got, want)
		}
	}
	attend(t, pump, Report{})
	expect("pump true 0 <nil>")
	attend(t, valve, Report{})
	expect("valve true 0 <nil>")
	for n := range 2 {
		if _, failure := ask(t, valve, Tell, client.Args(Report{Queues: []QueueReport{{"c", n + 1, 0}}})); failure != "" {
			t.Error(failure)
		}
		expect(fmt.Sprintf("valve true %d <nil>", n+1))
	}
}

// A command reaches the node that it names, and its answer the caller.
func TestCommands(t *testing.T) {
	c := newCentre(t)
	c.desk(t, "realm1", false)
	o, node := c.operator(t), c.join(t, "realm1", "pump")
	a := attend(t, node, Report{Node: "pump", Remote: true})
	// A node answers each command by the procedure and the arguments that the command names.
	type call struct {
		result  *client.Result
		failure *client.Error
	}
	command := func(name string, p client.Payload) (<-chan call, []any) {
		t.Helper()
		done := make(chan call, 1)
		go func() {
			r, err := o.Call(t.Context(), NodePrefix+"pump."+name, client.CallOptions{}, p)
			x := call{result: r}
			errors.As(err, &x.failure)
			done <- x
		}()
		got := kit.Receive(t, "the command "+name, a.commands)
		return done, got
	}
	answer := func(by *client.Client, procedure string, id any, args ...any) string {
		t.Helper()
		_, failure := ask(t, by, procedure+fmt.Sprint(id), client.Args(args...))
		return failure
	}
	done, got := command("queue.peek", client.Payload{Args: []any{"central"}, Kwargs: map[string]any{"limit": 3}})
	if fmt.Sprint(got[1:]...) != "queue.peek[central] map[limit:3]" {
		t.Errorf("the node gets %v", got)
	}
	id := got[0]
	if failure := answer(o, Answer, id, "forged"); failure == "" {
		t.Error("another session answers")
	}
	other := c.join(t, "realm1", "pump")
	for _, procedure := range []string{Answer, Fail} {
		if failure := answer(other, procedure, id, "forged"); failure != Invalid {
			t.Errorf("another session of the node: %q", failure)
		}
	}
	if failure := answer(node, Answer, "1", "x"); failure != Invalid {
		t.Errorf("an answer to no command: %q", failure)
	}
	if failure := answer(node, Answer, id, "first", "event"); failure != "" {
		t.Error(failure)
	}
	if x := kit.Receive(t, "the result", done); x.failure != nil || fmt.Sprint(x.result.Args()...) != "firstevent" {
		t.Errorf("%+v", x)
	}
	if failure := answer(node, Answer, id, "late"); failure != Invalid {
		t.Errorf("a second answer: %q", failure)
	}
	for _, x := range []struct {
		args []any
		want string
	}{
		{[]any{"com.example.broken", "the pump", 7}, "com.example.broken[the pump 7]"}, {[]any{"no uri", "x"}, "wamp.error.runtime_error[x]"},
		{[]any{5}, "wamp.error.runtime_error[]"}, {nil, "wamp.error.runtime_error[]"},
	} {
		done, got := command("doctor", client.Payload{})
		if failure := answer(node, Fail, got[0], x.args...); failure != "" {
			t.Error(failure)
		}
		e := kit.Receive(t, "the error", done).failure
		if e == nil || e.URI+fmt.Sprint(e.Args()) != x.want {
			t.Errorf("%v: %v", x.args, e)
		}
	}
	long := client.Args(strings.Repeat("x", mostAsk))
	for _, x := range []struct {
		name, want string
		p          client.Payload
	}{
		{"pump.token.new", wamp.NoSuchProcedure.Error(), client.Payload{}},
		{"valve.status", NoSuchNode, client.Payload{}}, {"pump.status", wamp.PayloadSizeExceeded.Error(), long},
		{"pump.apply", wamp.PayloadSizeExceeded.Error(), client.Args(strings.Repeat("x", mostApply))},
	} {
		if _, failure := ask(t, o, NodePrefix+x.name, x.p); failure != x.want {
			t.Errorf("%s: %q", x.name, failure)
		}
	}
	done, got = command(Apply, long) // a file may be longer than the arguments of other commands
	if failure := answer(node, Fail, got[0], strings.Repeat("x", mostAsk)); failure != Invalid {
		t.Errorf("a long error: %q", failure)
	}
	if failure := answer(node, Answer, got[0]); failure != "" {
		t.Error(failure)
	}
	if x := kit.Receive(t, "the result", done); x.failure != nil {
		t.Error(x.failure)
	}
	done, _ = command("reload", client.Payload{})
	a.stop()
	if x := kit.Receive(t, "the error", done); x.failure == nil || x.failure.URI != NodeOffline {
		t.Errorf("a link that ends: %+v", x)
	}
	attend(t, other, Report{Node: "pump"})
	if _, failure := ask(t, o, NodePrefix+"pump.status", client.Payload{}); failure != NotRemote {
		t.Errorf("a node without remote: %q", failure)
	}
}

// In a realm with strict URIs a node is named by the component that its id makes.
func TestStrictRealm(t *testing.T) {
	c := newCentre(t)
	c.desk(t, "narrow", true)
	o, node := c.join(t, "narrow", ""), c.join(t, "narrow", "Pump-2")
	topics := make(chan string, 9)
	_, err := o.Subscribe(t.Context(), onState, client.SubscribeOptions{Match: wamp.Prefix}, func(e *client.Event) { kit.Send(t, topics, e.Topic()) })
	kit.Must(t, err)
	a := attend(t, node, Report{Node: "Pump-2", Remote: true})
	if got := kit.Receive(t, "the state", topics); got != onState+"pump_2" {
		t.Error(got)
	}
	go o.Call(t.Context(), NodePrefix+"pump_2.status", client.CallOptions{}, client.Payload{})
	if got := kit.Receive(t, "the command", a.commands); got[1] != "status" {
		t.Errorf("%v", got)
	}
	if _, failure := ask(t, o, NodePrefix+"pump_3.status", client.Payload{}); failure != NoSuchNode {
		t.Errorf("a node that is not known: %q", failure)
	}
	kit.Must(t, c.states.add(key{"narrow", "pump.2"}, "", "", newLink(1), Report{}, true))
	kit.Must(t, c.states.add(key{"realm1", "pump_3"}, "", "", newLink(1), Report{}, true))
	if _, failure := ask(t, o, NodePrefix+"pump_2.status", client.Payload{}); failure != Invalid {
		t.Errorf("two nodes of one name: %q", failure)
	}
	if _, failure := ask(t, o, NodePrefix+"pump_3.status", client.Payload{}); failure != NoSuchNode {
		t.Errorf("a node of another realm: %q", failure)
	}
}
