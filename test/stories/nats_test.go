package stories

import (
	"context"
	"fmt"
	"net"
	"syscall"
	"testing"

	"runnel/test/kit"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/jetstream"
)

// A gateway is linked to a NATS server. Its durable events survive that the server, and the gateway itself, are killed: the stream
// has them once and in order. A plain NATS program sends a command.
func TestNATS(t *testing.T) { kit.EachNATS(t, testNATS) }

func testNATS(t *testing.T, binary string) {
	server := kit.NewNATS(t, binary, "jetstream: enabled")
	dir := t.TempDir()
	config := write(t, dir, "runnel.toml", realm+patient+fmt.Sprintf(`
[node]
id = "gw-1"
data = "data"
[[listen]]
url = "unix://runnel.sock"
[[uplink]]
name = "cluster"
realm = "realm1"
url = ["nats://%s"]
reconnect_min = "10ms"
reconnect_max = "200ms"
[[uplink.export]]
topic = "com.example."
match = "prefix"
store = "durable"
[[uplink.import]]
topic = "com.command."
match = "prefix"
`, server.Address))
	run := func() *router {
		t.Helper()
		p := start(t, "run", "-c", config)
		return &router{process: p, unix: p.logs(`msg=listening url=(unix://\S+)`)[1], dir: dir}
	}
	r := run()
	sent := 0
	publish := func() {
		t.Helper()
		for range 5 {
			sent++
			runnel(t, "pub", "--url", r.unix, "--ack", "com.example.t", fmt.Sprint(sent)).expect(t, 0, "", "")
		}
	}
	publish() // the server has never run
	server.Start(t)
	r.logs("link is up")
	publish()
	server.Kill()
	publish()
	r.Signal(syscall.SIGKILL)
	r.wait()
	r = run()
	publish()
	server.Start(t)
	r.logs("link is up")
	expectStored(t, server, sent)

	lamp := r.subscribe(t, r.unix, "com.command.lamp")
	program := dialNATS(t, server)
	kit.Eventually(t, "a command", func() bool { // the link may not have subscribed yet
		kit.Must(t, program.Publish(conn.Out{Subject: "com.command.lamp", Data: []byte(`"on"`)}))
		return lamp.Stdout.Text() != ""
	})
	lamp.sees("on")
	runnel(t, "status", "--url", r.unix).expect(t, 0, "NATS 2.", "")
}

// A reload adds exports to a link. The first event of each new rule crosses, and also further events of the old rule.
func TestNATSReload(t *testing.T) { kit.EachNATS(t, testNATSReload) }

func testNATSReload(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, "jetstream: enabled")
	export := func(topic, store string) string {
		return fmt.Sprintf("[[uplink.export]]\ntopic = %q\nstore = %q\n", topic, store)
	}
	old := export("com.old", "durable")
	r := serve(t, "[node]\nid = \"gw-1\"\ndata = \"data\"\n"+fmt.Sprintf(`
[[uplink]]
name = "cluster"
realm = "realm1"
url = ["nats://%s"]
reconnect_min = "10ms"
reconnect_max = "200ms"
%s`, server.Address, old))
	r.logs("link is up")
	seen := make(chan string, 100)
	program := dialNATS(t, server)
	_, err := program.Subscribe("com.>", "", func(m *conn.Msg) { kit.Send(t, seen, string(m.Subject)+" "+string(m.Data)) })
	kit.Must(t, err)
	kit.Must(t, program.Flush(t.Context()))
	crosses := func(topic string, value int) {
		t.Helper()
		runnel(t, "pub", "--url", r.unix, "--ack", topic, fmt.Sprint(value)).expect(t, 0, "", "")
		for expected := fmt.Sprint(topic, " ", value); kit.Receive(t, expected, seen) != expected; { // one may be repeated
		}
	}
	crosses("com.old", 1)
	r.change(t, old, old+export("com.new", "durable")+export("com.quick", "memory"))
	r.reload(t).expect(t, 0, "uplink cluster", "")
	crosses("com.new", 2)
	crosses("com.quick", 3)
	crosses("com.old", 4)
	runnel(t, "status", "--url", r.unix).expect(t, 0, "NATS 2.", "")
}

// dialNATS is a plain NATS program.
func dialNATS(t *testing.T, server *kit.NATS) *conn.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	raw, err := net.Dial("tcp", server.Address)
	kit.Must(t, err)
	c, err := conn.Open(ctx, raw, conn.Options{})
	kit.Must(t, err)
	go c.Run(context.Background())
	t.Cleanup(c.Close)
	return c
}

// expectStored reads the events 1 to n from the stream, and no other.
func expectStored(t *testing.T, server *kit.NATS, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	js := jetstream.New(dialNATS(t, server), jetstream.Options{})
	kit.Eventually(t, fmt.Sprint(n, " events in the stream"), func() bool {
		info, err := js.Stream(ctx, "RUNNEL")
		return err == nil && info.State.Messages >= uint64(n)
	})
	reader, err := js.CreateConsumer(ctx, "RUNNEL", jetstream.ConsumerConfig{Deliver: "all"})
	kit.Must(t, err)
	stored := make(chan string, 1000)
	go reader.Pull(ctx, jetstream.PullOptions{}, func(m *conn.Msg) { kit.Send(t, stored, string(m.Data)) })
	for i := range n {
		if got := kit.Receive(t, fmt.Sprint("event ", i+1), stored); got != fmt.Sprint(i+1) {
			t.Fatalf("event %d is %s", i+1, got)
		}
	}
	if info, err := js.Stream(ctx, "RUNNEL"); err != nil || info.State.Messages != uint64(n) {
		t.Errorf("%d events in the stream, %v; expected %d", info.State.Messages, err, n)
	}
}
