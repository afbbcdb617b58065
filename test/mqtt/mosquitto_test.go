package mqtt

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"runnel/edge/client"
	"runnel/test/kit"
)

const bothWays = `
url = [%q]
qos = %d
state_topic = "com/example/gw/state"
[[uplink.export]]
topic = "com.example."
match = "prefix"
[[uplink.export]]
procedure = "com.example."
match = "prefix"
[[uplink.import]]
topic = "com.example."
match = "prefix"
[[uplink.import]]
topic = "site..temperature"
match = "wildcard"
local_prefix = "com.site."
remote_prefix = "site."
`

// crossing tests a link with one broker: every message crosses once and unchanged. more are further keys of the uplink.
func crossing(t *testing.T, b *broker, qos int, live bool, more string) {
	watcher := watch(t, b, "#", 2)
	g := newGateway(t, more+fmt.Sprintf(bothWays, b.url(), qos))
	c := g.join()
	g.up(1)
	watcher.gets(t, fmt.Sprintf("com/example/gw/state|%d|0|online", min(qos, 1)))
	here := listen(t, c, "com.", client.SubscribeOptions{})

	say(t, c, "com.example.weather", client.PublishOptions{}, client.Args(21.5))
	watcher.gets(t, fmt.Sprintf("com/example/weather|%d|0|21.5", qos))
	say(t, c, "com.example.kw", client.PublishOptions{}, client.Payload{Args: []any{1, "a"}, Kwargs: map[string]any{"k": nil}})
	watcher.gets(t, fmt.Sprintf(`com/example/kw|%d|0|{"args":[1,"a"],"kwargs":{"k":null}}`, qos))
	say(t, c, "com.example.door", client.PublishOptions{Retain: true}, client.Args("open"))
	watcher.gets(t, fmt.Sprintf(`com/example/door|%d|0|"open"`, qos))
	watch(t, b, "com/example/door", qos).gets(t, fmt.Sprintf(`com/example/door|%d|1|"open"`, qos))

	tell(t, b, "com/example/command", "{\"set\":1}\n")
	here.receives(t, "com.example.command [map[set:1]] map[] false")
	tell(t, b, "site/7/temperature", "19.5\n")
	here.receives(t, "com.site.7.temperature [19.5] map[] false")
	tell(t, b, "com/example/lamp", "\"on\"\n", "-r")
	here.receives(t, "com.example.lamp [on] map[] false")
	if live { // the broker marks live messages as retained
		listen(t, g.join(), "com.example.lamp", client.SubscribeOptions{GetRetained: true}).receives(t, "com.example.lamp [on] map[] true")
	}

	offer(t, c)
	tell(t, b, "com/example/pump/set/request", `{"id":"7","args":[0.5]}`+"\n")
	watcher.gets(t, `com/example/pump/set/response/7|0|0|{"id":"7","args":[0.5]}`)
	tell(t, b, "com/example/pump/set/request", `{"id":"8"}`+"\n")
	watcher.gets(t, `com/example/pump/set/response/8|0|0|{"id":"8","error":"com.example.error.jammed","args":["valve 3"]}`)

	// A last event follows all others. An echo would have arrived before it.
	say(t, c, "com.example.end", client.PublishOptions{}, client.Args("end"))
	watcher.gets(t, fmt.Sprintf(`com/example/end|%d|0|"end"`, qos))
	tell(t, b, "com/example/very_end", "1\n")
	here.receives(t, "com.example.very_end [1] map[] false")
	for _, line := range here.lines() {
		if strings.HasPrefix(line, "com.example.gw.state") || strings.HasPrefix(line, "com.example.weather") || strings.HasPrefix(line, "com.example.door") || strings.HasPrefix(line, "com.example.end") {
			t.Errorf("an event has come back: %s", line)
		}
	}
	for _, line := range []string{"com/example/weather|", "com/example/command|", "com/example/end|", "com/example/pump/set/response/7|"} {
		if n := strings.Count("\n"+strings.Join(watcher.lines(), "\n"), "\n"+line); n != 1 {
			t.Errorf("%s %d times at the broker", line, n)
		}
	}
	status := exec.Command(executable[0], append(executable[1:], "status", "--url", g.url)...)
	if out, err := status.CombinedOutput(); err != nil || !strings.Contains(string(out), b.url()) {
		t.Errorf("status: %s, %v", out, err)
	}

	g.Kill()
	watcher.gets(t, fmt.Sprintf("com/example/gw/state|%d|0|offline", min(qos, 1)))
}

func offer(t *testing.T, c *client.Client) {
	t.Helper()
	_, err := c.Register(context.Background(), "com.example.pump.set", client.RegisterOptions{}, func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
		if len(inv.Args()) == 0 {
			return client.Payload{}, client.NewError("com.example.error.jammed", "valve 3")
		}
		return client.Args(inv.Args()...), nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestMosquitto(t *testing.T) {
	for qos := range 3 {
		t.Run(fmt.Sprintf("qos %d", qos), func(t *testing.T) {
			t.Parallel()
			crossing(t, mosquitto(t, open), qos, true, "")
		})
		t.Run(fmt.Sprintf("MQTT 3.1.1, qos %d", qos), func(t *testing.T) {
			t.Parallel()
			crossing(t, mosquitto(t, open), qos, true, "protocol = \"3.1.1\"")
		})
	}
}

// The link disconnects cleanly: the broker does not publish the last will, and the retained state agrees.
func TestLeave(t *testing.T) {
	t.Parallel()
	b := mosquitto(t, open)
	g := newGateway(t, fmt.Sprintf(bothWays, b.url(), 1))
	g.up(1)
	g.Signal(syscall.SIGTERM)
	if status, err := g.Wait(); status != 0 || err != nil {
		t.Errorf("%d, %v\n%v", status, err, g.Process)
	}
	watch(t, b, "com/example/gw/state", 1).gets(t, "com/example/gw/state|1|1|offline")
	_, err := b.Logs("Client runnel-gw-broker (disconnected|closed its connection)")
	kit.Must(t, err)
	if strings.Contains(b.Stderr.Text(), "Client runnel-gw-broker closed its connection") {
		t.Errorf("the link did not say DISCONNECT\n%v", b.Process)
	}
}

func TestTLSAndPassword(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kit.Certificates(t, dir, "127.0.0.1", "broker", "client")
	passwords := filepath.Join(dir, "passwords")
	write(t, passwords, "")
	if out, err := exec.Command("mosquitto_passwd", "-b", passwords, "gateway", "open sesame").CombinedOutput(); err != nil {
		t.Fatalf("%s %v", out, err)
	}
	write(t, filepath.Join(dir, "password"), "open sesame\n")
	b := mosquitto(t, fmt.Sprintf("allow_anonymous false\npassword_file %s\ncafile %s/ca.pem\ncertfile %[2]s/broker.pem\nkeyfile %[2]s/broker.key\nrequire_certificate true\n", passwords, dir))
	url := strings.Replace(b.url(), "mqtt://", "mqtts://", 1)
	config := func(trust, password string) string {
		return fmt.Sprintf("url = [%q]\n%s\ncertificate = \"%s/client.pem\"\nkey = \"%[3]s/client.key\"\nusername = \"gateway\"\npassword = %q\n[[uplink.export]]\ntopic = \"a\"\n",
			url, trust, dir, password)
	}
	ca, right := fmt.Sprintf("ca = \"%s/ca.pem\"", dir), "file:"+dir+"/password"
	for _, trust := range []string{ca, fmt.Sprintf("pin = %q", pinOf(t, dir+"/broker.pem"))} {
		g := newGateway(t, config(trust, right))
		g.up(1)
		g.Kill()
	}
	stranger := newGateway(t, config("", right))
	if _, err := stranger.Logs(`certificate signed by unknown authority`); err != nil {
		t.Error(err)
	}
	wrong := newGateway(t, config(ca, "wrong"))
	if _, err := wrong.Logs(`not authorized`); err != nil {
		t.Error(err)
	}
}

// The broker is killed in mid-stream, again and again. Everything arrives, in order.
func TestMosquittoIsKilled(t *testing.T) {
	for qos := 1; qos <= 2; qos++ {
		t.Run(fmt.Sprintf("qos %d", qos), func(t *testing.T) {
			t.Parallel()
			const events, kills = 3000, 3
			config := open + "max_inflight_messages 0\nmax_queued_messages 0\n"
			b := mosquitto(t, config)
			way := newGate(t, b)
			w := watch(t, b, "com/example/count", 0)
			watchers := []*watcher{w}
			lines := func() (all []string) {
				for _, w := range watchers {
					all = append(all, w.lines()...)
				}
				return all
			}
			g := newGateway(t, fmt.Sprintf("url = [%q]\nqos = %d\n[[uplink.export]]\ntopic = \"com.example.count\"\n", way.url(), qos))
			g.up(1)
			s := &stream{c: g.join(), topic: "com.example.count"}
			for i := range kills {
				from, to := i*events/kills+1, (i+1)*events/kills
				before := len(lines())
				go s.publish(from, to)
				kit.Eventually(t, "events", func() bool { return len(lines()) > before+events/kills/4 })
				way.close()
				b.Kill()
				b = mosquitto(t, config) // on another port, because the earlier watchers must not reconnect and mix up the order
				watchers = append(watchers, watch(t, b, "com/example/count", 0))
				kit.Eventually(t, "PUBLISHED", func() bool { return s.count() == to })
				way.open(b)
			}
			got := complete(t, upTo(events), lines)
			if !slices.IsSorted(got) {
				t.Errorf("out of order: %v", firstDescent(got))
			}
		})
	}
}

func firstDescent(list []int) []int {
	for i := 1; i < len(list); i++ {
		if list[i] < list[i-1] {
			return list[max(0, i-3):min(len(list), i+3)]
		}
	}
	return nil
}

// The gateway is killed in mid-stream, again and again. Nothing that was acknowledged to a publisher is lost, and it arrives
// in order. An event that was lost before its acknowledgement may be at the broker. With QoS 2 it arrives when a later event
// gets its packet id.
func TestGatewayIsKilled(t *testing.T) {
	for qos := 1; qos <= 2; qos++ {
		t.Run(fmt.Sprintf("qos %d", qos), func(t *testing.T) {
			t.Parallel()
			const rounds, events = 5, 400
			b := mosquitto(t, open+"max_inflight_messages 0\nmax_queued_messages 0\n")
			w := watch(t, b, "com/example/count", 2)
			g := newGateway(t, fmt.Sprintf("url = [%q]\nqos = %d\nsync = \"5ms\"\n[[uplink.export]]\ntopic = \"com.example.count\"\nstore = \"durable\"\n", b.url(), qos))
			var acknowledged []int
			for i := range rounds {
				g.up(1)
				s := &stream{c: g.join(), topic: "com.example.count"}
				ended := make(chan int)
				go func() { ended <- s.publish(i*events+1, (i+1)*events) }()
				kit.Eventually(t, "PUBLISHED", func() bool { return s.count() > (i+1)*events/10 })
				g.Kill()
				<-ended
				<-s.c.Done()
				acknowledged = append(acknowledged, s.acknowledged...)
				g.restart()
			}
			got := slices.DeleteFunc(complete(t, acknowledged, w.lines), func(n int) bool { return !slices.Contains(acknowledged, n) })
			if !slices.IsSorted(got) {
				t.Errorf("out of order: %v", firstDescent(got))
			}
		})
	}
}

// Messages that the broker queues during an outage arrive afterwards, and also the gateway's events.
func TestOutage(t *testing.T) {
	t.Parallel()
	b := mosquitto(t, open+"max_queued_messages 0\n")
	way := newGate(t, b)
	g := newGateway(t, fmt.Sprintf("url = [%q]\nqos = 1\n[[uplink.export]]\ntopic = \"com.example.out\"\n[[uplink.import]]\ntopic = \"com.example.in\"\n", way.url()))
	g.up(1)
	c := g.join()
	w := watch(t, b, "com/example/out", 1)
	here := listen(t, c, "com.example.in", client.SubscribeOptions{})
	b.subscribed(t, "runnel-gw-broker", 1)
	tell(t, b, "com/example/in", "0\n")
	here.receives(t, "com.example.in [0] map[] false") // the subscription is active
	way.close()
	if _, err := g.Logs(`not connected to the broker`); err != nil {
		t.Fatal(err)
	}
	var in strings.Builder
	for i := range 500 {
		say(t, c, "com.example.out", client.PublishOptions{}, client.Args(i+1))
		fmt.Fprintln(&in, i+1)
	}
	tell(t, b, "com/example/in", in.String())
	way.open(b)
	if got := complete(t, upTo(500), w.lines); !slices.IsSorted(got) {
		t.Errorf("out: %v", firstDescent(got))
	}
	here.receives(t, "com.example.in [500] map[] false")
	if n := len(here.lines()); n != 501 {
		t.Errorf("%d events came in", n)
	}
}
