package mqtt_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/sparkplug"
	"runnel/uplink"
	"runnel/uplink/mqtt"
	plug "runnel/uplink/mqtt/sparkplug"
)

// metrics exports events as data of devices.
func metrics(uri, device string) mqtt.Rule {
	return mqtt.Rule{Rule: uplink.Rule{Topic: uri, Match: wamp.Prefix}, Form: &mqtt.Form{Format: mqtt.SparkplugB}, Device: device}
}

func edgeNode(devices ...plug.Device) *mqtt.Sparkplug {
	return &mqtt.Sparkplug{Group: "plant 1", Node: "gw", Devices: devices}
}

// plugged is a connection of an Edge Node with a host behind the broker.
type plugged struct {
	*broker
	host *sparkplug.Host
	will *packets.ConnectPacket

	acked uint16 // in the last PUBACK
}

// connected accepts the next connection and its subscriptions.
func connected(s *edgeSite, h *sparkplug.Host) *plugged {
	s.t.Helper()
	b := s.next()
	p := &plugged{broker: b, host: h, will: receive[*packets.ConnectPacket](b)}
	b.accept(false)
	b.subscribed()
	return p
}

// takes gives the host messages until it has one of this kind. It skips acknowledgements.
func (p *plugged) takes(kind string) {
	p.t.Helper()
	for p.take() != kind {
	}
}

// puback does the same until PUBACK, and returns its number.
func (p *plugged) puback() (id uint16) {
	p.t.Helper()
	for p.take() != "PUBACK" {
	}
	return p.acked
}

// take gives the host the next message and returns its kind and device.
func (p *plugged) take() string {
	p.t.Helper()
	switch m := kit.Receive(p.t, "a message of the link", p.got).(type) {
	case *packets.PublishPacket:
		p.host.Take(m.TopicName, m.Payload, m.Qos, m.Retain)
		list := p.host.Messages()
		return list[len(list)-1]
	case *packets.PubackPacket:
		p.acked = m.MessageID
		return "PUBACK"
	default:
		p.t.Fatalf("the link sent %T", m)
		return ""
	}
}

func newHost(t *testing.T) *sparkplug.Host {
	h := &sparkplug.Host{Group: "plant 1", Node: "gw"}
	t.Cleanup(func() {
		for _, f := range h.Faults() {
			t.Error(f)
		}
	})
	return h
}

func last(t *testing.T, h *sparkplug.Host, kind, device, name string) sparkplug.Sample {
	t.Helper()
	list := h.Samples(kind, device, name)
	if len(list) == 0 {
		t.Fatalf("no %s of %s at %s; messages %q", kind, name, device, h.Messages())
	}
	return list[len(list)-1]
}

// A node is born before its devices, and a device before its data. Values that wait while the broker is unreachable are
// historical, and the birth has the newest one. The last will has the number of the birth.
func TestSparkplugBirths(t *testing.T) {
	dir, h := t.TempDir(), newHost(t)
	s := newSite(t, mqtt.Options{QoS: 1, Dir: dir, Sparkplug: edgeNode(), Export: []mqtt.Rule{metrics("com.example.", "{3}")}})
	b, c := connected(s, h), s.program()
	b.takes("NBIRTH")
	if w := b.will; !w.WillFlag || w.WillRetain || w.WillQos != 1 || w.WillTopic != "spBv1.0/plant 1/NDEATH/gw" || !w.CleanSession {
		t.Errorf("%+v", w)
	}
	if p, err := sparkplug.Decode(b.will.WillMessage); err != nil || p.Seq != -1 || p.Metrics[0].Name != "bdSeq" || p.Metrics[0].Integer(4) != 0 {
		t.Errorf("%+v, %v", p, err)
	}
	say(t, c, "com.example.meter.voltage", client.PublishOptions{}, 230.1)
	b.takes("DDATA meter")
	if got := fmt.Sprint(h.Messages()); got != "[NBIRTH DBIRTH meter DDATA meter]" {
		t.Error(got)
	}
	if v := last(t, h, "DDATA", "meter", "voltage"); v.Value != 230.1 || v.Type != 10 || v.Historical {
		t.Errorf("%+v", v)
	}
	s.await("the broker has the value", func(st uplink.State) bool { return st.EventsUp.Forwarded == 1 && st.Queue.Events == 0 })

	b.conn.Close()
	for i := range 3 {
		say(t, c, "com.example.meter.voltage", client.PublishOptions{}, 231+float64(i))
	}
	b = connected(s, h)
	for len(h.Samples("DDATA", "meter", "voltage")) < 4 {
		b.takes("DDATA meter")
	}
	say(t, c, "com.example.meter.voltage", client.PublishOptions{}, 240.0)
	b.takes("DDATA meter")
	list := h.Samples("", "meter", "voltage")[2:]
	if len(list) != 5 || list[0].Kind != "DBIRTH" || list[0].Value != 233.0 {
		t.Fatalf("%+v", list)
	}
	for i, want := range []float64{231, 232, 233, 240} {
		if v := list[i+1]; v.Value != want || v.Historical != (want < 240) {
			t.Errorf("%v: %+v", want, v)
		}
	}
	if _, number := h.Online(); number != 1 {
		t.Errorf("bdSeq %d", number)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "sparkplug.bdseq")); err != nil || string(text) != "1" {
		t.Errorf("%q, %v", text, err)
	}
}

// A value that the broker may not have is sent again in the next connection, as a historical one.
func TestSparkplugUnproven(t *testing.T) {
	h := newHost(t)
	s := newSite(t, mqtt.Options{QoS: 1, Sparkplug: edgeNode(), Export: []mqtt.Rule{metrics("com.example.", "")}})
	b, c := connected(s, h), s.program()
	b.takes("NBIRTH")
	b.mute.Store(true)
	say(t, c, "com.example.meter", client.PublishOptions{}, int64(7))
	b.takes("DDATA com.example.meter")
	b.conn.Close()
	b = connected(s, h)
	b.takes("DDATA com.example.meter")
	if list := h.Samples("DDATA", "com.example.meter", "meter"); len(list) != 2 || !list[1].Historical || list[1].Value != int64(7) || list[0].Time != list[1].Time {
		t.Errorf("%+v", list)
	}
	s.await("the broker has the value", func(st uplink.State) bool { return st.EventsUp.Forwarded == 1 && st.Queue.Events == 0 })
}

// A host asks for a rebirth: all births are sent again, with the same bdSeq.
func TestSparkplugRebirth(t *testing.T) {
	h := newHost(t)
	s := newSite(t, mqtt.Options{QoS: 0, Sparkplug: edgeNode(), Export: []mqtt.Rule{metrics("com.example.", "{3}")}})
	b, c := connected(s, h), s.program()
	b.takes("NBIRTH")
	for i := range 300 { // the number of a message wraps
		say(t, c, "com.example.meter", client.PublishOptions{}, int64(i))
		b.takes("DDATA meter")
	}
	say(t, c, "com.example.lamp", client.PublishOptions{}, true)
	b.takes("DDATA lamp")
	b.publish("spBv1.0/plant 1/NCMD/gw", string(sparkplug.Rebirth()), 1, 7)
	if ack := b.puback(); ack != 7 {
		t.Errorf("PUBACK of %d", ack)
	}
	list := h.Messages()
	if got := fmt.Sprint(list[len(list)-3:]); got != "[NBIRTH DBIRTH meter DBIRTH lamp]" {
		t.Error(got)
	}
	if v := last(t, h, "DBIRTH", "meter", "meter"); v.Value != int64(299) || v.Type != 4 {
		t.Errorf("%+v", v)
	}
	for _, bad := range []string{"", "\xff", string(sparkplug.Command("Node Control/Rebirth", 11, 14, false)), string(sparkplug.Command("Node Control/Reboot", 11, 14, true))} {
		b.publish("spBv1.0/plant 1/NCMD/gw", bad, 0, 0)
	}
	say(t, c, "com.example.meter", client.PublishOptions{}, int64(300))
	b.takes("DDATA meter")
	if got := len(h.Messages()); got != len(list)+1 {
		t.Errorf("%q", h.Messages()[len(list):])
	}
}

// A new metric, a number that is no longer an integer, and a unit cause a new birth of the device. A value that does
// not fit is null. Maps are folders, and lists are text.
func TestSparkplugMetrics(t *testing.T) {
	h := newHost(t)
	s := newSite(t, mqtt.Options{QoS: 1, Sparkplug: edgeNode(), Export: []mqtt.Rule{metrics("com.example.", "{3}")}})
	b, c := connected(s, h), s.program()
	publish := func(kwargs map[string]any) {
		kit.Must(t, c.Publish(context.Background(), "com.example.station", client.PublishOptions{Acknowledge: true}, client.Payload{Kwargs: kwargs}))
		b.takes("DDATA station")
	}
	publish(map[string]any{"t": int64(21), "time": "2026-11-22T12:00:00.250Z", "units": map[string]any{"t": "°C"}})
	if v := last(t, h, "DDATA", "station", "t"); v.Value != int64(21) || v.Unit != "°C" || v.Time != 1795348800250 || v.Type != 4 {
		t.Errorf("%+v", v)
	}
	publish(map[string]any{"t": 21.5, "on": true, "at": "2026-11-22T12:00:00Z", "big": uint64(1 << 63), "bytes": []byte{1, 2}})
	for name, want := range map[string]any{"t": 21.5, "on": true, "at": int64(1795348800000), "big": int64(-1 << 63)} {
		if v := last(t, h, "DDATA", "station", name); v.Value != want {
			t.Errorf("%s: %+v", name, v)
		}
	}
	publish(map[string]any{"t": "broken", "on": nil, "wind": map[string]any{"speed": int64(-3), "from": map[string]any{"deg": 270.5}}, "list": []any{int64(1), "x"}})
	for name, want := range map[string]any{"t": nil, "on": nil, "wind/speed": int64(-3), "wind/from/deg": 270.5, "list": `[1,"x"]`} {
		if v := last(t, h, "DDATA", "station", name); v.Value != want {
			t.Errorf("%s: %+v", name, v)
		}
	}
	births := 0
	for _, m := range h.Messages() {
		if m == "DBIRTH station" {
			births++
		}
	}
	if births != 3 {
		t.Errorf("%q", h.Messages())
	}
	err := c.Publish(context.Background(), "com.example.x.y", client.PublishOptions{Acknowledge: true}, client.Args(int64(1), int64(2)))
	if err == nil || !strings.Contains(err.Error(), "at most one positional argument") {
		t.Error(err)
	}
}

// meter is a Modbus line with two slaves.
func meter(slave int) plug.Device {
	return plug.Device{Name: fmt.Sprintf("bus-%d", slave), Line: "bus", Slave: slave, Metrics: []plug.Metric{
		{Name: "voltage", Type: plug.Float, Unit: "V", URI: "com.example.bus", Key: "value", Only: "voltage"},
		{Name: "limit", Type: plug.UInt16, URI: "com.example.bus", Key: "value", Only: "limit", Write: "com.example.limit.set"},
		{Name: "secret", Type: plug.UInt16, URI: "com.example.bus", Key: "value", Only: "secret", Write: "com.secret.set"},
	}}
}

// Slaves of a line are devices with all their metrics. They die with the line, or when they fall silent, and are born
// again.
func TestSparkplugLines(t *testing.T) {
	h := newHost(t)
	s := newSite(t, mqtt.Options{QoS: 1, Sparkplug: edgeNode(meter(1), meter(2)), Export: []mqtt.Rule{metrics("com.example.", "")}})
	b, c := connected(s, h), s.program()
	read := func(slave int64, name string, value any) {
		kit.Must(t, c.Publish(context.Background(), "com.example.bus", client.PublishOptions{Acknowledge: true},
			client.Kwargs(map[string]any{"name": name, "slave": slave, "value": value, "unit": "V", "time": "2026-11-22T12:00:00Z"})))
		b.takes(fmt.Sprint("DDATA bus-", slave))
	}
	lineIs := func(phase string, silent bool) {
		slaves := []any{map[string]any{"slave": int64(1), "silent": false}, map[string]any{"slave": int64(2), "silent": silent}}
		say(t, c, "runnel.serial.on_state.bus", client.PublishOptions{Retain: true},
			map[string]any{"name": "bus", "state": phase, "sensor": map[string]any{"silent": false}, "modbus": map[string]any{"slaves": slaves}})
	}
	read(1, "voltage", 230.5)
	read(2, "limit", int64(7))
	if v := last(t, h, "DBIRTH", "bus-1", "limit"); v.Type != 7-1 || v.Value != nil {
		t.Errorf("%+v", v)
	}
	if v := last(t, h, "DDATA", "bus-1", "voltage"); v.Type != 9 || v.Value != 230.5 || v.Unit != "V" {
		t.Errorf("%+v", v)
	}
	if len(h.Samples("", "bus-1", "secret")) == 0 || len(h.Samples("", "bus-2", "name")) > 0 {
		t.Errorf("%q", h.Messages())
	}
	lineIs("serving", true)
	b.takes("DDEATH bus-2")
	lineIs("serving", false)
	b.takes("DBIRTH bus-2")
	lineIs("waiting", false)
	b.takes("DDEATH bus-2")
	if h.Alive("bus-1") || h.Alive("bus-2") {
		t.Errorf("%q", h.Messages())
	}
	read(2, "limit", int64(8)) // it is back before the router says so
	if h.Alive("bus-1") || !h.Alive("bus-2") {
		t.Errorf("%q", h.Messages())
	}
}

// A host sets a metric whose procedure is exported. Other commands become events.
func TestSparkplugCommands(t *testing.T) {
	h := newHost(t)
	s := newSite(t, mqtt.Options{
		QoS: 1, Sparkplug: edgeNode(meter(1)), Export: []mqtt.Rule{metrics("com.example.", ""), procedures("com.example.limit.")},
		Import: []mqtt.Rule{{Rule: uplink.Rule{Topic: "com.example.command.", Match: wamp.Prefix}, Form: &mqtt.Form{Format: mqtt.SparkplugB}}},
	})
	b, c := connected(s, h), s.program()
	b.takes("NBIRTH")
	calls := make(chan string, 100)
	for _, procedure := range []string{"com.example.limit.set", "com.secret.set"} {
		_, err := c.Register(context.Background(), procedure, client.RegisterOptions{}, func(_ context.Context, i *client.Invocation) (client.Payload, error) {
			calls <- fmt.Sprint(procedure, i.Args())
			return client.Payload{}, nil
		})
		kit.Must(t, err)
	}
	events := heard(t, c, client.SubscribeOptions{})
	write := func(device, name string, kind, field int, value any) {
		b.publish("spBv1.0/plant 1/DCMD/gw"+device, string(sparkplug.Command(name, kind, field, value)), 0, 0)
	}
	for i := range 20 {
		write("/bus-1", "limit", 6, 10, i)
	}
	for i := range 20 {
		expect(t, calls, fmt.Sprintf("com.example.limit.set[%d]", i))
	}
	write("/bus-1", "secret", 6, 10, 7)
	expect(t, events, "com.example.command.bus-1.secret [7] map[] false")
	write("/pump 2", "Outputs/On", 11, 14, true)
	expect(t, events, "com.example.command.pump%202.Outputs.On [true] map[] false")
	write("/bus-1", "name", 12, 15, "x")
	write("/bus-1", "f", 9, 12, float32(1.5))
	write("/bus-1", "d", 10, 13, 2.5)
	write("/bus-1", "i", 3, 10, int(uint32(0xfffffffe)))
	for _, want := range []string{"name [x]", "f [1.5]", "d [2.5]", "i [-2]"} {
		expect(t, events, "com.example.command.bus-1."+want+" map[] false")
	}
	b.publish("spBv1.0/plant 1/NCMD/gw", string(sparkplug.Command("Node Control/Reboot", 11, 14, true)), 0, 0)
	expect(t, events, "com.example.command.Node%20Control.Reboot [true] map[] false")
	retained := b.publishPacket("spBv1.0/plant 1/DCMD/gw/bus-1", string(sparkplug.Command("limit", 6, 10, 1)))
	retained.Retain = true
	b.send(retained)
	s.await("the retained command is not counted", func(st uplink.State) bool { return st.CallsDown.Dropped == 1 && st.CallsDown.Forwarded == 20 })
	if len(calls) > 0 {
		t.Errorf("%s", <-calls)
	}
}

// The births wait for the primary host application. When the host goes offline, the node leaves. A state of an earlier
// connection of the host has no effect.
func TestSparkplugHost(t *testing.T) {
	h, node := newHost(t), edgeNode()
	node.Host = "scada"
	s := newSite(t, mqtt.Options{QoS: 1, Sparkplug: node, Export: []mqtt.Rule{metrics("com.example.", "{3}")}})
	b, c := connected(s, h), s.program()
	say(t, c, "com.example.meter", client.PublishOptions{}, int64(1))
	b.publish("spBv1.0/STATE/scada", `{"online":false,"timestamp":5}`, 0, 0)
	b.publish("spBv1.0/STATE/scada", `ONLINE`, 0, 0)
	b.publish("spBv1.0/STATE/other", `{"online":true,"timestamp":9}`, 0, 0)
	b.publish("spBv1.0/STATE/scada", `{"online":true,"timestamp":6}`, 1, 9)
	b.takes("DDATA meter")
	if got := fmt.Sprint(h.Messages()); got != "[NBIRTH DBIRTH meter DDATA meter]" {
		t.Error(got)
	}
	b.publish("spBv1.0/STATE/scada", `{"online":false,"timestamp":5}`, 0, 0)
	say(t, c, "com.example.meter", client.PublishOptions{}, int64(2))
	b.takes("DDATA meter")
	b.publish("spBv1.0/STATE/scada", `{"online":false,"timestamp":6}`, 0, 0)
	b.takes("NDEATH")
	receive[*packets.DisconnectPacket](b.broker)
	if online, _ := h.Online(); online {
		t.Error("the node is online")
	}
	b = connected(s, h)
	b.publish("spBv1.0/STATE/scada", `{"online":true,"timestamp":1}`, 0, 0)
	b.takes("NBIRTH")
}

// At its end, the node sends its death before DISCONNECT.
func TestSparkplugLeaves(t *testing.T) {
	h := newHost(t)
	s := newSite(t, mqtt.Options{QoS: 1, Sparkplug: edgeNode(), Export: []mqtt.Rule{metrics("com.example.", "")}})
	b := connected(s, h)
	b.takes("NBIRTH")
	s.stop()
	b.takes("NDEATH")
	receive[*packets.DisconnectPacket](b.broker)
	if online, _ := h.Online(); online || !slices.Equal(h.Messages(), []string{"NBIRTH", "NDEATH"}) {
		t.Errorf("%q", h.Messages())
	}
}
