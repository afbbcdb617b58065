// Package cluster shows that three nats-servers and three central routers are one centre: any two of the six may be killed.
//
//	gateway 0, gateway 1     each linked to one of the centres, by WAMP
//	centre 0, 1, 2           each linked to one of the nats-servers
//	nats-server 0, 1, 2      a cluster with JetStream
//
// RUNNEL_CLUSTER_ROUNDS is the number of rounds in which any two are killed, 3 unless it is set:
//
//	RUNNEL_CLUSTER_ROUNDS=100 go test -v -timeout 2h -run Random ./test/cluster
//
// RUNNEL_NATS names a second nats-server to test with.
package cluster

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/test/kit"
	"runnel/test/program"
)

var executable program.Binary

func TestMain(m *testing.M) { kit.Main(m, program.BuiltPlain(&executable)) }

// router is a centre or a gateway.
type router struct {
	*testing.T
	name, dir, uplink string
	process           *program.Process
	client            *client.Client // a program that stays joined
	downs             atomic.Int64   // how often the program's session has ended
}

func (r *router) url() string { return "unix://" + filepath.Join(r.dir, r.name+".sock") }

const durable = `
  [[realm.durable]]
  name = "ledger"
  uri = "cluster.durable."
  match = "prefix"
  ack_wait = "5m"
`

// begin starts the router and waits until it listens.
func (r *router) begin() {
	r.Helper()
	text := fmt.Sprintf("version = 1\n[node]\nid = %q\ndata = %q\n[[listen]]\nurl = %q\n%s%s%s\n[[uplink]]\nreconnect_min = \"20ms\"\nreconnect_max = \"200ms\"\nsync = \"5ms\"\nmin_free = 0\n%s",
		r.name, filepath.Join(r.dir, r.name), r.url(), kit.OpenRealm+kit.Gateway, kit.Everything, durable, r.uplink)
	p, err := program.Start(executable.Command("run", "-c", kit.Write(r, r.dir, r.name+".toml", text)))
	kit.Must(r, err)
	r.process = p
	_, err = p.Logs(`msg=listening`)
	kit.Must(r, err)
	if r.client == nil {
		r.client = r.join()
	}
}

// kill ends the router as a crash does.
func (r *router) kill() { r.process.Kill() }

// stop ends the router regularly.
func (r *router) stop() {
	r.Helper()
	r.process.Stop(r)
}

// join connects a program that reconnects when its router does.
func (r *router) join() *client.Client {
	r.Helper()
	return program.Join(r, r.url(), client.Options{
		OnDown:    func(error) { r.downs.Add(1) },
		Reconnect: client.Reconnect{Min: 10 * time.Millisecond, Max: 100 * time.Millisecond},
	})
}

// link returns the state of the router's only uplink.
func (r *router) link() map[string]any {
	result, err := r.client.Call(r.Context(), "runnel.status", client.CallOptions{}, client.Payload{})
	if err != nil {
		return nil
	}
	status, _ := result.Args()[0].(map[string]any)
	links, _ := status["uplinks"].([]any)
	if len(links) == 0 {
		return nil
	}
	link, _ := links[0].(map[string]any)
	return link
}

// world is a cluster with its gateways.
type world struct {
	*testing.T
	servers           []*kit.NATS
	centres, gateways []*router
	ledger            *ledger
}

const (
	// bothWays has the rules of every link in both directions.
	bothWays = `
  [[uplink.export]]
  topic = "cluster.memory."
  match = "prefix"
  store = "memory"

  [[uplink.import]]
  topic = "cluster.memory."
  match = "prefix"

  [[uplink.export]]
  procedure = "cluster.call."
  match = "prefix"

  [[uplink.import]]
  procedure = "cluster.call."
  match = "prefix"
`

	// fromGateway has the rules between a gateway and its centre.
	fromGateway = `name = "centre"
url = [%s]
authid = "gateway"
ticket = "gateway's"

  [[uplink.export]]
  topic = "cluster.durable."
  match = "prefix"
  store = "durable"
` + bothWays

	// fromCentre has the rules between a centre and the other centres.
	fromCentre = `name = "cluster"
url = [%s]

  [[uplink.export]]
  topic = "cluster.durable."
  match = "prefix"
  store = "durable"

  [[uplink.import]]
  topic = "cluster.durable."
  match = "prefix"
  store = "durable"
` + bothWays
)

// rotated returns the URLs for TOML, beginning with one of them.
func rotated(urls []string, first int) string {
	first %= len(urls)
	return `"` + strings.Join(append(append([]string{}, urls[first:]...), urls[:first]...), `", "`) + `"`
}

// build starts all parts, and waits until the centres have imported an event of each gateway.
func build(t *testing.T, binary string) *world {
	t.Helper()
	w := &world{T: t, servers: kit.NATSCluster(t, binary, 3), ledger: newLedger()}
	var servers, centres []string
	for _, s := range w.servers {
		servers = append(servers, "nats://"+s.Address)
		s.Start(t)
	}
	dir := kit.ShortDir(t)
	for i := range 3 {
		c := &router{T: t, name: fmt.Sprint("centre", i), dir: dir, uplink: fmt.Sprintf(fromCentre, rotated(servers, i))}
		w.centres, centres = append(w.centres, c), append(centres, c.url())
		c.begin()
		w.ledger.read(t, c)
	}
	for i := range 2 {
		g := &router{T: t, name: fmt.Sprint("gateway", i), dir: dir, uplink: fmt.Sprintf(fromGateway, rotated(centres, i))}
		w.gateways = append(w.gateways, g)
		g.begin()
		w.answer(g)
	}
	t.Cleanup(func() {
		for _, r := range append(w.gateways, w.centres...) {
			r.stop()
		}
	})
	w.warm()
	return w
}

// warm waits until each centre imports the exports of the others: a durable import begins with its first connection.
func (w *world) warm() {
	w.Helper()
	for _, c := range w.centres {
		topic, program := "cluster.durable.warm."+c.name, c.join()
		kit.Eventually(w.T, topic+" comes to all centres", func() bool {
			kit.Must(w, program.Publish(w.Context(), topic, client.PublishOptions{Acknowledge: true}, client.Args(0)))
			return w.ledger.has(topic)
		}, w.ledger.String, w.state)
		program.Close(w.Context())
	}
}
