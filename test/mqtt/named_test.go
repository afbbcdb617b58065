package mqtt

import (
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"runnel/edge/client"
	"runnel/test/kit"
)

const namedRules = `
[[uplink.export]]
topic = "com.example.meter."
match = "prefix"
mqtt_topic = "v1/devices/{node}/telemetry"
format = "flat"
store = "durable"
[[uplink.export]]
topic = "com.example.room."
match = "prefix"
mqtt_topic = "/site one/{4...}/"
[[uplink.import]]
topic = "com.example.zigbee."
match = "prefix"
mqtt_topic = "/zigbee 2.0/{4...}"
format = "flat"
`

// Events cross with the names and in the format that the broker's other clients use.
func namedCrossing(t *testing.T, b *broker, uplink string) {
	watcher := watch(t, b, "#", 1)
	g := newGateway(t, uplink+namedRules)
	g.up(1)
	c := g.join()
	here := listen(t, c, "com.example.zigbee.", client.SubscribeOptions{})
	say(t, c, "com.example.meter.7.voltage", client.PublishOptions{}, client.Args(230.1))
	watcher.gets(t, `v1/devices/gw/telemetry|1|0|{"voltage":230.1}`)
	say(t, c, "com.example.room.Living%20Room.t", client.PublishOptions{}, client.Args(21.5))
	watcher.gets(t, `/site one/Living Room/t/|1|0|21.5`)
	tell(t, b, "/zigbee 2.0/Lamp 1/", "{\"state\":\"ON\"}\n")
	here.receives(t, "com.example.zigbee.Lamp%201.% [] map[state:ON] false")
	g.Kill() // the next one has the same client id
}

func TestNamedTopics(t *testing.T) {
	t.Parallel()
	b := mosquitto(t, open)
	namedCrossing(t, b, fmt.Sprintf("url = [%q]\n", b.url()))
}

// The same over WebSocket, without and with TLS; and the events of an outage arrive.
func TestWebSocket(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kit.Certificates(t, dir, "127.0.0.1", "broker", "client")
	web, secure := kit.FreePort(t), kit.FreePort(t)
	b := mosquitto(t, open+fmt.Sprintf("listener %d 127.0.0.1\nprotocol websockets\nlistener %d 127.0.0.1\nprotocol websockets\ncafile %s/ca.pem\ncertfile %[3]s/broker.pem\nkeyfile %[3]s/broker.key\n", web, secure, dir))
	namedCrossing(t, b, fmt.Sprintf("url = [\"mqtt+ws://127.0.0.1:%d\"]\n", web))
	namedCrossing(t, b, fmt.Sprintf("url = [\"mqtt+wss://127.0.0.1:%d/\"]\nca = \"%s/ca.pem\"\n", secure, dir))

	way := newGate(t, &broker{b.Process, web})
	g := newGateway(t, fmt.Sprintf("url = [%q]\n[[uplink.export]]\ntopic = \"com.example.count\"\nstore = \"durable\"\n", strings.Replace(way.url(), "mqtt:", "mqtt+ws:", 1)))
	g.up(1)
	w := watch(t, b, "com/example/count", 1)
	s := &stream{c: g.join(), topic: "com.example.count"}
	s.publish(1, 100)
	way.close()
	if _, err := g.Logs(`not connected to the broker`); err != nil {
		t.Fatal(err)
	}
	s.publish(101, 500)
	way.open(&broker{b.Process, web})
	if got := complete(t, upTo(500), w.lines); !slices.IsSorted(got) {
		t.Errorf("out of order: %v", firstDescent(got))
	}
}

// A front that serves MQTT to clients that offer its protocol only, as AWS IoT does at port 443.
func TestALPN(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kit.Certificates(t, dir, "127.0.0.1", "broker", "client")
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "broker.pem"), filepath.Join(dir, "broker.key"))
	if err != nil {
		t.Fatal(err)
	}
	front, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"x-amzn-mqtt-ca"}})
	if err != nil {
		t.Fatal(err)
	}
	b := mosquitto(t, open)
	var work sync.WaitGroup
	work.Go(func() {
		for {
			near, err := front.Accept()
			if err != nil {
				return
			}
			work.Go(func() { serveALPN(near.(*tls.Conn), b) })
		}
	})
	t.Cleanup(func() {
		front.Close()
		b.Kill()
		work.Wait()
	})
	url := fmt.Sprintf("url = [\"mqtts://%s\"]\nca = \"%s/ca.pem\"\n", front.Addr(), dir)
	stranger := newGateway(t, url+namedRules)
	if _, err := stranger.Logs(`not connected to the broker`); err != nil {
		t.Error(err)
	}
	stranger.Kill()
	namedCrossing(t, b, url+"alpn = [\"x-amzn-mqtt-ca\"]\n")
}

func serveALPN(near *tls.Conn, b *broker) {
	defer near.Close()
	if near.Handshake() != nil || near.ConnectionState().NegotiatedProtocol == "" {
		return
	}
	far, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", b.port))
	if err != nil {
		return
	}
	var work sync.WaitGroup
	work.Go(func() { pump(near, far) })
	pump(far, near)
	work.Wait()
}
