package mqtt

import (
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"runnel/edge/client"
	"runnel/test/devices"
	"runnel/test/kit"
	"runnel/test/sparkplug"
	"runnel/transport/serial/pty"
)

// scada is a host application at the broker.
type scada struct {
	*sparkplug.Host
	t    *testing.T
	mu   sync.Mutex // of writes
	conn net.Conn
}

func newScada(t *testing.T, b *broker, node string) *scada {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", b.port))
	kit.Must(t, err)
	s := &scada{Host: &sparkplug.Host{Group: "plant1", Node: node}, t: t, conn: conn}
	hello := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	hello.ProtocolName, hello.ProtocolVersion, hello.CleanSession, hello.ClientIdentifier = "MQTT", 4, true, "scada"
	s.write(hello)
	subscribe := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
	subscribe.MessageID, subscribe.Topics, subscribe.Qoss = 1, []string{"spBv1.0/#"}, []byte{1}
	s.write(subscribe)
	for range 2 {
		_, err := packets.ReadPacket(conn)
		kit.Must(t, err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			p, err := packets.ReadPacket(conn)
			if err != nil {
				return
			}
			if m, ok := p.(*packets.PublishPacket); ok {
				s.Take(m.TopicName, m.Payload, m.Qos, m.Retain)
				if m.Qos == 1 {
					ack := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
					ack.MessageID = m.MessageID
					s.write(ack)
				}
			}
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-ended
		for _, f := range s.Faults() {
			t.Error(f)
		}
	})
	return s
}

func (s *scada) write(p packets.ControlPacket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.Write(s.conn) // a test that needs it waits for the outcome
}

func (s *scada) tell(topic string, payload []byte) {
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Payload = topic, payload
	s.write(p)
}

// sees waits for something that the host knows.
func (s *scada) sees(what string, is func() bool) {
	s.t.Helper()
	kit.Eventually(s.t, what, is, func() string { return fmt.Sprint(s.Messages(), s.Faults()) })
}

// slave answers as a meter with a profile, until the port is closed.
func slave(t *testing.T, d *pty.Device, profile string) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for request := make([]byte, 8); ; {
			if _, err := io.ReadFull(d, request); err != nil {
				return
			}
			if _, err := d.Write(devices.Slaves[profile].Registers.Answer(request)); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		d.Close()
		<-ended
	})
}

const edgeNodeOf = `url = [%q]
sparkplug = { group = "plant1" }
ping_interval = "1s"
ping_timeout = "2s"
[[uplink.export]]
topic = "com.example."
match = "prefix"
store = "durable"
[[serial]]
name = "meter"
device = %q
profile = "sdm120"
topic = "com.example.meter.{name}"
every = "100ms"
timeout = "2s"
`

// A gateway with a meter is an Edge Node for a host behind mosquitto. The host gets births before data, all values of
// the profile with their units, and the last will as death after a crash. Values that waited are historical, and a
// rebirth works.
func TestSparkplugNode(t *testing.T) {
	t.Parallel()
	b := mosquitto(t, open)
	h := newScada(t, b, "gw")
	link := filepath.Join(t.TempDir(), "ttyMeter")
	d, err := pty.Plug(link)
	kit.Must(t, err)
	slave(t, d, "sdm120")
	g := newGateway(t, fmt.Sprintf(edgeNodeOf, b.url(), link))
	want := devices.Slaves["sdm120"].Want
	h.sees("the voltage", func() bool {
		list := h.Samples("DDATA", "meter", "voltage")
		return len(list) > 0 && list[0].Value == want["voltage"]
	})
	for name := range want { // the others arrive later, but they are announced
		if v := h.Samples("DBIRTH", "meter", name); len(v) == 0 || v[0].Type != 9 || v[0].Unit == "" && name != "power_factor" {
			t.Errorf("%s: %+v", name, v)
		}
	}
	_, first := h.Online()
	g.Kill()
	h.sees("NDEATH", func() bool { online, _ := h.Online(); return !online })

	g.restart()
	h.sees("the next NBIRTH", func() bool { online, number := h.Online(); return online && number == first+1 })
	h.sees("the meter", func() bool { return h.Alive("meter") })
	c := g.join()
	b.Kill()
	for i := range 50 {
		say(t, c, "com.example.counter", client.PublishOptions{}, client.Args(i))
	}
	b.Process = start(t, exec.Command("mosquitto", "-p", fmt.Sprint(b.port)), `mosquitto version \S+ running`)
	h2 := newScada(t, b, "gw")
	h2.sees("the values that waited", func() bool { return len(h2.Samples("DDATA", "com.example.counter", "counter")) >= 50 })
	for i, v := range h2.Samples("DDATA", "com.example.counter", "counter")[:50] {
		if v.Value != int64(i) || !v.Historical {
			t.Fatalf("%d: %+v", i, v)
		}
	}
	if v := h2.Samples("DBIRTH", "com.example.counter", "counter"); len(v) == 0 || v[0].Value != int64(49) {
		t.Errorf("%+v", v)
	}
	births := len(h2.Samples("NBIRTH", "", "bdSeq"))
	h2.tell("spBv1.0/plant1/NCMD/gw", sparkplug.Rebirth())
	h2.sees("a rebirth", func() bool { return len(h2.Samples("NBIRTH", "", "bdSeq")) > births && h2.Alive("com.example.counter") })
	d.Close()
	h2.sees("DDEATH", func() bool { return !h2.Alive("meter") })
	g.Signal(syscall.SIGTERM)
	h2.sees("NDEATH", func() bool { online, _ := h2.Online(); return !online })
}
