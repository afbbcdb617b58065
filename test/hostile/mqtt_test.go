package hostile

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"runnel/test/kit"
	"runnel/transport/mqtt/packet"
)

// device is an MQTT client, of version 5.
type device struct {
	*testing.T
	net.Conn
	r packet.Reader
}

// dialMQTT connects a device that has not sent CONNECT.
func dialMQTT(t *testing.T) *device {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(house.More[0], "mqtt://"))
	kit.Must(t, err)
	conn.SetDeadline(time.Now().Add(kit.Patience))
	shorten(conn)
	t.Cleanup(func() { conn.Close() })
	return &device{T: t, Conn: conn, r: packet.Reader{Reader: bufio.NewReader(conn), Version: packet.V5, Max: 1 << 20}}
}

// login connects a device; "": anonymously. expiry is that of its session.
func login(t *testing.T, user, id string, clean bool, expiry uint32) (*device, *packet.Connack) {
	t.Helper()
	d := dialMQTT(t)
	c := packet.Connect{Version: packet.V5, CleanStart: clean, ClientID: id, Properties: packet.Properties{{ID: packet.SessionExpiry, Number: expiry}}}
	if user != "" {
		c.Named, c.Username, c.Secret, c.Password = true, user, true, []byte(user+"'s")
	}
	d.send(&c)
	ack := awaits[*packet.Connack](d)
	if ack.Code != packet.Success {
		t.Fatalf("CONNACK has %v", ack.Code)
	}
	return d, ack
}

func guest(t *testing.T) *device {
	t.Helper()
	d, _ := login(t, "", "", true, 0)
	return d
}

func (d *device) send(list ...packet.Packet) {
	d.Helper()
	var b []byte
	for _, p := range list {
		b = p.Append(b, packet.V5)
	}
	if _, err := d.Write(b); err != nil {
		d.Fatal(err)
	}
}

// awaits returns the next packet of a type. Others are ignored.
func awaits[P packet.Packet](d *device) P {
	d.Helper()
	for {
		p, err := d.r.FromServer()
		one, ok := p.(P)
		if err != nil {
			d.Fatalf("waiting for %T: %v", one, err)
		}
		if ok {
			return one
		}
	}
}

// hungUp waits for the end of the connection, and returns the code of DISCONNECT or CONNACK, 0 if there is none.
func (d *device) hungUp() (code packet.Code) {
	d.Helper()
	for {
		switch p, err := d.r.FromServer(); p := p.(type) {
		case *packet.Disconnect:
			code = p.Code
		case *packet.Connack:
			code = p.Code
		default:
			if os.IsTimeout(err) {
				d.Fatal("the router does not hang up")
			}
			if err != nil {
				return code
			}
		}
	}
}

// published publishes with QoS 1 and returns the code of PUBACK.
func (d *device) published(topic, payload string, properties ...packet.Property) packet.Code {
	d.Helper()
	d.send(&packet.Publish{Topic: topic, QoS: 1, ID: 1, Payload: []byte(payload), Properties: properties})
	return awaits[*packet.Ack](d).Code
}

func (d *device) subscribed(filters ...string) []packet.Code {
	d.Helper()
	p := packet.Subscribe{ID: 1}
	for _, f := range filters {
		p.Filters = append(p.Filters, packet.Filter{Topic: f, Options: 1})
	}
	d.send(&p)
	return awaits[*packet.Suback](d).Codes
}

// answers checks that the device is still served.
func (d *device) answers() {
	d.Helper()
	d.send(packet.Ping{Type: packet.TypePingreq})
	awaits[packet.Ping](d)
}

// No way of writing a topic or a filter leads to URIs that the role may not have, or that are the router's own.
func TestMQTTTopicEscapes(t *testing.T) { // not parallel: it subscribes to everything
	d := guest(t)
	for topic, want := range map[string]packet.Code{
		"bystander/topic": packet.NotAuthorized, "bystander/echo": packet.NotAuthorized, "bystander/": packet.NotAuthorized, "wamp/session/on_join": packet.TopicNameInvalid, "wamp": packet.TopicNameInvalid,
		"$SYS/x": packet.TopicNameInvalid, "$share/g/x": packet.TopicNameInvalid, "$": packet.TopicNameInvalid, "#": packet.TopicNameInvalid, "bystander/+": packet.TopicNameInvalid,
		"a\x01b": packet.TopicNameInvalid, strings.Repeat("a/", 600): packet.TopicNameInvalid, "$call/wamp/session/kill_all": packet.TopicNameInvalid,
		// These are other topics, which anybody may have.
		"bystander.topic": 0, "bystander%2Etopic": 0, "bystander%2ftopic": 0, "/bystander/topic": 0, "bystander": 0, "bystander\\topic": 0, "wamp.session.on_join": 0, "Wamp/x": 0,
		"../bystander/topic": 0, " bystander/topic": 0, "bystander /topic": 0, "%": 0, "/": 0,
	} {
		if code := d.published(topic, "7"); code != want {
			t.Errorf("PUBLISH at %q: %v, want %v", topic, code, want)
		}
	}
	for filter, want := range map[string]packet.Code{
		"bystander/topic": packet.NotAuthorized, "bystander/+": packet.NotAuthorized, "$share/g/bystander/topic": packet.NotAuthorized, "bystander/#": 1, "$share/g/bystander/#": 1, // the level above may be had
		"$share/g/$SYS/x": packet.TopicFilterInvalid, "$SYS/#": packet.TopicFilterInvalid, "$share/g": packet.TopicFilterInvalid, "$share//x": packet.TopicFilterInvalid, "$share/+/x": packet.TopicFilterInvalid,
		"$share/#/x": packet.TopicFilterInvalid, "$share/g/": packet.TopicFilterInvalid, "$share/" + strings.Repeat("g", 5000) + "/x": packet.TopicFilterInvalid, "$share/g/$share/g/x": packet.TopicFilterInvalid,
		"wamp/#": packet.TopicFilterInvalid, "wamp/session/+": packet.TopicFilterInvalid, "a#": packet.TopicFilterInvalid, "#/a": packet.TopicFilterInvalid, "a/+b": packet.TopicFilterInvalid,
		"$call/x": packet.TopicFilterInvalid,
	} {
		if codes := d.subscribed(filter); codes[0] != want {
			t.Errorf("SUBSCRIBE to %q: %v, want %v", filter, codes[0], want)
		}
	}
	// Wildcards do not deliver events without permission, nor the router's own events.
	d.subscribed("#", "+/topic", "+/+/on_join", "$share/g/#")
	unmoved(t, mqttRealm)
	d.send(&packet.Publish{Topic: "device/end"})
	for m := awaits[*packet.Publish](d); m.Topic != "device/end"; m = awaits[*packet.Publish](d) {
		if strings.HasPrefix(m.Topic, "bystander/") || strings.HasPrefix(m.Topic, "wamp") {
			t.Errorf("%+v came", m)
		}
		if m.QoS > 0 {
			d.send(&packet.Ack{Type: packet.TypePuback, ID: m.ID})
		}
	}
}

// Packets that break the rules in any way: the router answers or disconnects, and other clients are not affected.
func TestMQTTMalformed(t *testing.T) {
	t.Parallel()
	good := [][]byte{
		(&packet.Publish{Topic: "device/x", QoS: 2, ID: 9, Payload: []byte("{}"), Properties: packet.Properties{{ID: packet.UserProperty, Name: "a", Text: "b"}, {ID: packet.TopicAlias, Number: 3}}}).Append(nil, packet.V5),
		(&packet.Subscribe{ID: 3, Filters: []packet.Filter{{Topic: "device/+", Options: 2}, {Topic: "$share/g/device/#"}}}).Append(nil, packet.V5),
		(&packet.Unsubscribe{ID: 4, Topics: []string{"device/+"}}).Append(nil, packet.V5),
		(&packet.Ack{Type: packet.TypePubrel, ID: 9}).Append(nil, packet.V5),
		(&packet.Disconnect{Properties: packet.Properties{{ID: packet.SessionExpiry, Number: 5}}}).Append(nil, packet.V5),
	}
	connect := (&packet.Connect{Version: packet.V5, CleanStart: true, ClientID: "x", Named: true, Username: "ann", Secret: true, Password: []byte("ann's"),
		Will: &packet.Will{Topic: "device/will", QoS: 1, Payload: []byte("x")}}).Append(nil, packet.V5)
	random := rand.New(rand.NewSource(7))
	for i := range 160 {
		var d *device
		bytes := bytes.Clone(connect)
		if i%4 == 0 {
			d = dialMQTT(t)
		} else {
			d, bytes = guest(t), append([]byte{}, good[i%len(good)]...)
		}
		switch n := random.Intn(len(bytes)); i % 3 {
		case 0:
			bytes[n] ^= 1 << random.Intn(8)
		case 1:
			bytes = append(bytes[:n], 0xff, 0xff, 0xff, 0x7f)
		default:
			bytes = append(bytes[:n], bytes[min(len(bytes), n+1+random.Intn(4)):]...)
		}
		d.Write(bytes)
		d.Conn.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, d)
		d.Close()
	}
	for name, c := range map[string]struct {
		bytes string
		code  packet.Code
	}{
		"a length without an end": {"\x30\xff\xff\xff\xff\x7f", packet.MalformedPacket}, "256 MiB": {"\x30\xff\xff\xff\x7f", packet.PacketTooLarge},
		"a packet of a server": {"\x20\x03\x00\x00\x00", packet.MalformedPacket}, "QoS 3": {"\x36\x05\x00\x01a\x00\x01", packet.MalformedPacket},
		"no id": {"\x32\x06\x00\x01a\x00\x00\x00", packet.MalformedPacket}, "a second CONNECT": {string(connect), packet.ProtocolError},
		"AUTH": {"\xf0\x00", packet.ProtocolError}, "no filter": {"\x82\x03\x00\x01\x00", packet.ProtocolError},
	} {
		d := guest(t)
		d.Write([]byte(c.bytes))
		if code := d.hungUp(); code != c.code && (code == 0 || c.code == packet.PacketTooLarge) {
			t.Errorf("%s: DISCONNECT has %v, want %v", name, code, c.code)
		}
	}
	unmoved(t, mqttRealm)
}

// Devices that send slowly, or nothing, or half a packet, or wrong passwords, hold little memory and delay no other
// client.
func TestMQTTSlowAndUnknown(t *testing.T) {
	t.Parallel()
	for i := range 60 {
		switch d := dialMQTT(t); i % 3 {
		case 0: // nothing
		case 1:
			d.Write([]byte("\x10\xff\xff\x03\x00\x04MQ"))
		default:
			c := packet.Connect{Version: packet.V5, CleanStart: true, Named: true, Username: []string{"ann", "nobody"}[i%2], Secret: true, Password: []byte("guess")}
			d.send(&c)
			if code := d.hungUp(); code != packet.BadLogin {
				t.Errorf("CONNACK has %v", code)
			}
		}
	}
	slow := dialMQTT(t) // longer than hello_timeout
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		slow.Write([]byte("\x10\xff\x7f"))
		for {
			if _, err := slow.Write([]byte{0}); err != nil {
				return
			}
			time.Sleep(pace)
		}
	}()
	for range 100 {
		d := guest(t)
		p := (&packet.Publish{Topic: "device/half", Payload: make([]byte, 200<<10)}).Append(nil, packet.V5)
		d.Write(p[:len(p)-1])
	}
	unmoved(t, mqttRealm)
	modest(t)
	kit.Receive(t, "the end of a slow CONNECT", ended)
}

// No other user, and no anonymous one, gets at a client's connection or session by its client id.
func TestMQTTTakeover(t *testing.T) {
	t.Parallel()
	ann, _ := login(t, "ann", "pump", false, 600)
	ann.subscribed("device/ann")
	for _, user := range []string{"bob", ""} {
		thief, ack := login(t, user, "pump", false, 600)
		if ack.SessionPresent {
			t.Errorf("%q gets the session", user)
		}
		thief.answers()
		login(t, user, "pump", true, 600) // a clean start ends its own session only
		thief.hungUp()
	}
	ann.answers()
	ann.send(&packet.Disconnect{})
	ann.hungUp()
	for _, user := range []string{"bob", ""} {
		thief, _ := login(t, user, "pump", true, 600)
		thief.send(&packet.Disconnect{Properties: packet.Properties{{ID: packet.SessionExpiry}}})
		thief.hungUp()
	}
	bob, _ := login(t, "bob", "other", true, 0)
	bob.published("device/ann", "7")
	ann, ack := login(t, "ann", "pump", false, 600)
	if m := awaits[*packet.Publish](ann); !ack.SessionPresent || string(m.Payload) != "7" {
		t.Errorf("present: %v, %+v", ack.SessionPresent, m)
	}
	login(t, "ann", "pump", true, 0)
}

// Floods of one device: the router rejects messages beyond its limits. The device and others stay connected.
func TestMQTTFloods(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 900)
	for name, flood := range map[string]func(t *testing.T, d *device){
		"filters": func(t *testing.T, d *device) {
			granted := 0
			for n := range 20 {
				var filters []string
				for i := range 200 {
					filters = append(filters, fmt.Sprintf("device/+/%d/%s/#", n*200+i, long))
				}
				for _, code := range d.subscribed(filters...) {
					if !code.Failed() {
						granted++
					}
				}
			}
			if granted > 1000 {
				t.Errorf("%d filters", granted)
			}
		},
		"shared filters": func(t *testing.T, d *device) {
			granted := 0
			for i := range 1200 {
				if code := d.subscribed(fmt.Sprintf("$share/%d%s/device/x", i, long))[0]; !code.Failed() {
					granted++
				}
			}
			if granted > 1000 {
				t.Errorf("%d filters", granted)
			}
		},
		"retained": func(t *testing.T, d *device) {
			for i := range 2000 {
				d.send(&packet.Publish{Topic: fmt.Sprintf("device/kept/%d", i), Retain: true, Payload: []byte(long)})
			}
		},
		"properties": func(t *testing.T, d *device) {
			var list packet.Properties
			for range 5000 {
				list = append(list, packet.Property{ID: packet.UserProperty, Name: "a", Text: "b"})
			}
			d.subscribed("device/wide")
			for range 50 {
				d.send(&packet.Publish{Topic: "device/wide", Properties: list})
			}
		},
		"aliases": func(t *testing.T, d *device) {
			for i := range 16 {
				d.send(&packet.Publish{Topic: strings.Repeat("x", 60_000), Properties: packet.Properties{{ID: packet.TopicAlias, Number: uint32(i + 1)}}})
			}
			d.answers()
			d.send(&packet.Publish{Properties: packet.Properties{{ID: packet.TopicAlias, Number: 3}}})
			if code := d.hungUp(); code != packet.ProtocolError {
				t.Errorf("an alias of no topic: %v", code)
			}
			for alias, want := range map[uint32]packet.Code{0: 0x94, 17: 0x94, 65535: 0x94, 5: packet.ProtocolError} {
				d := guest(t)
				d.send(&packet.Publish{Properties: packet.Properties{{ID: packet.TopicAlias, Number: alias}}})
				if code := d.hungUp(); code != want {
					t.Errorf("alias %d: %v", alias, code)
				}
			}
			*d = *guest(t)
		},
		"ids of QoS 2": func(t *testing.T, d *device) {
			for i := range 300 {
				p := packet.Publish{Topic: "device/two", QoS: 2, ID: uint16(i + 1)}
				if _, err := d.Write(p.Append(nil, packet.V5)); err != nil {
					break
				}
			}
			if code := d.hungUp(); code != 0x93 {
				t.Errorf("DISCONNECT has %v", code)
			}
			*d = *guest(t)
		},
		"wills": func(t *testing.T, d *device) {
			for range 100 {
				w := dialMQTT(t)
				w.send(&packet.Connect{Version: packet.V5, CleanStart: true, Will: &packet.Will{Topic: "device/will", Payload: make([]byte, 60_000)}})
				awaits[*packet.Connack](w)
			}
		},
		"acknowledgements of nothing": func(t *testing.T, d *device) {
			for i := range 3000 {
				for _, kind := range []packet.Type{packet.TypePuback, packet.TypePubrec, packet.TypePubrel, packet.TypePubcomp} {
					d.send(&packet.Ack{Type: kind, ID: uint16(i + 1)})
				}
				if i%100 == 99 {
					d.answers()
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := guest(t)
			flood(t, d)
			d.answers()
			unmoved(t, mqttRealm)
			modest(t)
		})
	}
}

// A subscriber that does not acknowledge or does not read loses only its own events.
func TestMQTTDeafSubscribers(t *testing.T) {
	t.Parallel()
	silent, deaf, good, p := guest(t), guest(t), guest(t), guest(t)
	for _, d := range []*device{silent, deaf, good} {
		d.subscribed("device/flood")
	}
	go io.Copy(io.Discard, silent) // it reads, but does not acknowledge
	const n = 3000
	payload := strings.Repeat("x", 2000)
	for range n {
		p.published("device/flood", payload)
		m := awaits[*packet.Publish](good)
		good.send(&packet.Ack{Type: packet.TypePuback, ID: m.ID})
	}
	unmoved(t, mqttRealm)
	modest(t)
}
