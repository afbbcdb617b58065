package mqtt

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"runnel/edge/client"
	"runnel/test/kit"
)

// A topic that the broker's access list forbids is held with the broker's reason. Events of other topics cross. Those
// of the topic cross once the list allows it.
func TestForbiddenTopicIsHeld(t *testing.T) {
	t.Parallel()
	for _, qos := range []int{1, 2} {
		t.Run(fmt.Sprint("qos ", qos), func(t *testing.T) {
			t.Parallel()
			list := filepath.Join(t.TempDir(), "acl")
			const some = "topic read #\ntopic write com/example/good\n"
			write(t, list, some)
			b := mosquitto(t, open+"acl_file "+list+"\n")
			w := watch(t, b, "com/example/#", qos)
			g := newGateway(t, fmt.Sprintf("url = [%q]\nqos = %d\n[[uplink.export]]\ntopic = \"com.example.\"\nmatch = \"prefix\"\nstore = \"durable\"\n", b.url(), qos))
			g.up(1)
			c := g.join()
			say(t, c, "com.example.closed", client.PublishOptions{}, client.Args(1))
			say(t, c, "com.example.good", client.PublishOptions{}, client.Args(2))
			w.gets(t, fmt.Sprintf("com/example/good|%d|0|2", qos))
			kit.Eventually(t, "the topic is held", func() bool {
				return strings.Contains(g.ask("queue", "ls"), "the broker refuses it: not authorized (0x87)")
			}, func() string { return g.ask("queue", "ls") })
			if status := g.ask("status"); !strings.Contains(status, b.url()+", MQTT 5") {
				t.Errorf("the status does not show the version:\n%s", status)
			}
			write(t, list, some+"topic write com/example/closed\n")
			b.Signal(syscall.SIGHUP)
			_, err := b.Logs("Reloading config")
			kit.Must(t, err)
			g.ask("queue", "retry", "broker")
			w.gets(t, fmt.Sprintf("com/example/closed|%d|0|1", qos))
			if joined := strings.Count(g.Stderr.Text(), `msg="link is up"`); joined != 1 {
				t.Errorf("%d connections", joined)
			}
		})
	}
}

// Messages carry their time, publisher, content type and remaining time, in both directions.
func TestPropertiesCross(t *testing.T) {
	t.Parallel()
	b := mosquitto(t, open)
	g := newGateway(t, fmt.Sprintf("url = [%q]\n[[uplink.export]]\ntopic = \"com.example.\"\nmatch = \"prefix\"\n[[uplink.import]]\ntopic = \"com.in.\"\nmatch = \"prefix\"\n", b.url()))
	g.up(1)
	w := watch(t, b, "com/example/#", 1, "-V", "5", "-F", "%t|%C|%F|%E|%P|%p")
	c := g.join()
	say(t, c, "com.example.a", client.PublishOptions{TTL: kit.Patience * 10, DiscloseMe: true}, client.Args(21.5))
	kit.Eventually(t, "the properties", func() bool {
		return regexp.MustCompile(`com/example/a\|application/json\|1\|\d+\|time:20\S+Z publisher:\S+\|21.5\n`).MatchString(w.Stdout.Text())
	}, w.Stdout.Text)
	got := make(chan *client.Event, 1)
	_, err := c.Subscribe(t.Context(), "com.in.a", client.SubscribeOptions{}, func(e *client.Event) { kit.Send(t, got, e.Clone()) })
	kit.Must(t, err)
	tell(t, b, "com/in/a", "1\n", "-V", "5", "-D", "publish", "user-property", "time", "2026-01-02T03:04:05Z", "-D", "publish", "user-property", "publisher", "gw-7",
		"-D", "publish", "message-expiry-interval", "600")
	e := kit.Receive(t, "the event", got)
	if way := e.ForwardFor(); e.Time().Unix() != 1767323045 || len(way) != 1 || way[0].Authid != "gw-7" || e.TTL() <= 0 {
		t.Errorf("%v, %+v, %v", e.Time(), way, e.TTL())
	}
}

// A call with a response topic and correlation data is answered there.
func TestRequestAndResponse(t *testing.T) {
	t.Parallel()
	b := mosquitto(t, open)
	g := newGateway(t, fmt.Sprintf("url = [%q]\n[[uplink.export]]\nprocedure = \"com.example.\"\nmatch = \"prefix\"\n", b.url()))
	g.up(1)
	offer(t, g.join())
	_, err := b.Logs("SUBSCRIBE|com/example/")
	kit.Must(t, err)
	kit.Eventually(t, "an answer", func() bool {
		out, _ := exec.Command("mosquitto_rr", "-h", "127.0.0.1", "-p", fmt.Sprint(b.port), "-V", "5", "-t", "com/example/pump/set/request",
			"-e", "panel/response", "-m", `{"args":[0.5]}`, "-D", "publish", "correlation-data", "x", "-W", "5", "-F", "%D|%p").CombinedOutput()
		return strings.Contains(string(out), `x|{"args":[0.5]}`)
	})
}

// The broker keeps the session of a disconnected link for session_expiry and no longer, even across its own restart.
func TestSessionExpires(t *testing.T) {
	t.Parallel()
	config := open + "persistence true\npersistence_location " + t.TempDir() + "/\n"
	b := mosquitto(t, config)
	way := newGate(t, b)
	g := newGateway(t, fmt.Sprintf("url = [%q]\nsession_expiry = \"1s\"\n[[uplink.import]]\ntopic = \"com.in.a\"\n", way.url()))
	g.up(1)
	here := listen(t, g.join(), "com.in.", client.SubscribeOptions{})
	b.subscribed(t, "runnel-gw-broker", 1)
	tell(t, b, "com/in/a", "1\n")
	here.receives(t, "com.in.a [1] map[] false")
	way.close()
	_, err := b.Logs("Expiring client runnel-gw-broker|Removing client runnel-gw-broker|runnel-gw-broker.*expir")
	kit.Must(t, err)
	way.open(b)
	g.up(2)

	lasting := newGateway(t, fmt.Sprintf("url = [%q]\nclient_id = \"lasting\"\n[[uplink.import]]\ntopic = \"com.in.b\"\n", way.url()))
	lasting.up(1)
	there := listen(t, lasting.join(), "com.in.", client.SubscribeOptions{})
	b.subscribed(t, "lasting", 1)
	tell(t, b, "com/in/b", "1\n")
	there.receives(t, "com.in.b [1] map[] false")
	way.close()
	b.Signal(syscall.SIGTERM)
	b.Wait()
	again := mosquitto(t, config)
	tell(t, again, "com/in/b", "2\n")
	way.open(again)
	there.receives(t, "com.in.b [2] map[] false")
}

// A broker without MQTT 5 gets 3.1.1, and the status says so.
func TestBrokerWithoutFive(t *testing.T) {
	t.Parallel()
	b := nats(t, 1)[0]
	g := newGateway(t, fmt.Sprintf("url = [%q]\n[[uplink.export]]\ntopic = \"com.example.\"\nmatch = \"prefix\"\n", b.url()))
	g.up(1)
	w := watch(t, b, "com/example/a", 1)
	say(t, g.join(), "com.example.a", client.PublishOptions{}, client.Args(1))
	w.gets(t, "com/example/a|1|0|1")
	if status := g.ask("status"); !strings.Contains(status, b.url()+", MQTT 3.1.1") || !strings.Contains(g.Stderr.Text(), "the broker does not speak MQTT 5") {
		t.Errorf("the status does not show the version:\n%s\n%v", status, g.Process)
	}
	required := newGateway(t, fmt.Sprintf("url = [%q]\nprotocol = \"5\"\nclient_id = \"other\"\n[[uplink.export]]\ntopic = \"com.example.\"\nmatch = \"prefix\"\n", b.url()))
	if _, err := required.Logs(`unsupported protocol version .0x84.; set another protocol`); err != nil {
		t.Error(err)
	}
}
