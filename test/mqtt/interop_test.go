package mqtt

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"runnel/transport/mqtt/packet"
)

// rules are the guarantees that MQTT clients rely on. Each rule takes a broker and its own topic. They hold for
// mosquitto as well as for the router, so they are rules of MQTT and not of the router.
var rules = map[string]func(t *testing.T, b *broker, v packet.Version, own string){
	"basic": func(t *testing.T, b *broker, v packet.Version, own string) {
		id := anyID()
		p := b.join(t, v, named(id))
		if code := p.sub(own, 2); code != 2 {
			t.Errorf("SUBACK has %v", code)
		}
		for qos := range byte(3) {
			p.pub(own, "x", qos)
			p.takes(fmt.Sprintf("%s|%d|0|x", own, qos))
		}
		p.send(packet.Ping{Type: packet.TypePingreq})
		next[packet.Ping](p)
		again := b.join(t, v, named(id)) // the former connection ends
		p.over()
		again.close()
	},
	"retained": func(t *testing.T, b *broker, v packet.Version, own string) {
		p := b.join(t, v)
		for qos := range byte(3) {
			p.publish(packet.Publish{Topic: fmt.Sprint(own, "/", qos), QoS: qos, Retain: true, Payload: []byte("x")})
		}
		late := b.join(t, v)
		for qos := range byte(3) {
			late.sub(fmt.Sprint(own, "/", qos), 2)
			late.takes(fmt.Sprintf("%s/%d|%d|1|x", own, qos, qos))
			p.publish(packet.Publish{Topic: fmt.Sprint(own, "/", qos), QoS: qos, Retain: true})
			late.takes(fmt.Sprintf("%s/%d|%d|0|", own, qos, qos)) // a live message, though it clears
		}
		none := b.join(t, v)
		none.sub(own+"/#", 2)
		none.pub(own+"/end", "", 0)
		none.takes(own + "/end|0|0|")
	},
	"offline queueing": func(t *testing.T, b *broker, v packet.Version, own string) {
		id := anyID()
		p, ack := b.connect(t, v, lasting(id, 600))
		if ack.SessionPresent {
			t.Error("a new session is present")
		}
		p.sub(own+"/+", 2)
		p.close()
		other := b.join(t, v)
		for qos := byte(1); qos < 3; qos++ {
			other.pub(fmt.Sprint(own, "/", qos), "x", qos)
		}
		p, ack = b.connect(t, v, lasting(id, 600))
		if !ack.SessionPresent {
			t.Error("the session is not present")
		}
		p.takes(own+"/1|1|0|x", own+"/2|2|0|x")
		p.close()
		p, ack = b.connect(t, v, named(id)) // a clean one ends it
		if ack.SessionPresent {
			t.Error("the session is present for a clean start")
		}
		p.close()
	},
	"redelivery on reconnect": func(t *testing.T, b *broker, v packet.Version, own string) {
		id := anyID()
		p := b.join(t, v, lasting(id, 600))
		p.sub(own, 2)
		other := b.join(t, v)
		other.pub(own, "1", 1)
		other.pub(own, "2", 2)
		sent := map[string]*packet.Publish{}
		for range 2 {
			m := next[*packet.Publish](p)
			sent[string(m.Payload)] = m
		}
		p.conn.Close()
		p = b.join(t, v, lasting(id, 600))
		for range 2 {
			m := next[*packet.Publish](p)
			if before := sent[string(m.Payload)]; before == nil || !m.Dup || m.ID != before.ID || m.QoS != before.QoS {
				t.Errorf("%+v; before: %+v", m, before)
			}
		}
		b.join(t, v, named(id)).close()
	},
	"a message of QoS 2 is taken once": func(t *testing.T, b *broker, v packet.Version, own string) {
		id := anyID()
		w := b.join(t, v)
		w.sub(own, 1)
		p := b.join(t, v, lasting(id, 600))
		m := packet.Publish{Topic: own, QoS: 2, ID: 7, Payload: []byte("x")}
		p.send(&m)
		next[*packet.Ack](p)
		p.conn.Close()
		p = b.join(t, v, lasting(id, 600))
		m.Dup = true
		p.send(&m)
		next[*packet.Ack](p)
		p.send(&packet.Ack{Type: packet.TypePubrel, ID: 7})
		next[*packet.Ack](p)
		p.pub(own, "end", 1)
		w.takes(own+"|1|0|x", own+"|1|0|end")
		b.join(t, v, named(id)).close()
	},
	"will": func(t *testing.T, b *broker, v packet.Version, own string) {
		w := b.join(t, v)
		w.sub(own+"/+", 2)
		will := func(name string, qos byte) func(*packet.Connect) {
			return func(c *packet.Connect) {
				c.Will = &packet.Will{Topic: own + "/" + name, QoS: qos, Payload: []byte("gone")}
			}
		}
		b.join(t, v, will("quiet", 2)).close()
		b.join(t, v, will("cut", 2)).conn.Close()
		w.takes(own + "/cut|2|0|gone")
		wrong := b.join(t, v, will("wrong", 1))
		wrong.conn.Write([]byte{0x0f, 0})
		w.takes(own + "/wrong|1|0|gone")
	},
	"keep alive": func(t *testing.T, b *broker, v packet.Version, own string) {
		w := b.join(t, v)
		w.sub(own, 0)
		p := b.join(t, v, func(c *packet.Connect) {
			c.KeepAlive, c.Will = 1, &packet.Will{Topic: own, Payload: []byte("late")}
		})
		w.takes(own + "|0|0|late")
		p.over()
	},
	"overlapping subscriptions": func(t *testing.T, b *broker, v packet.Version, own string) {
		p := b.join(t, v)
		p.send(&packet.Subscribe{ID: 1, Filters: []packet.Filter{{Topic: own + "/#", Options: 2}, {Topic: own + "/+", Options: 1}}})
		if codes := next[*packet.Suback](p).Codes; codes[0] != 2 || codes[1] != 1 {
			t.Error(codes)
		}
		p.pub(own+"/x", "1", 2)
		p.pub(own+"/y", "end", 0)
		most, n := byte(0), 0
		for m := p.take(); string(m.Payload) != "end"; m = p.take() {
			most, n = max(most, m.QoS), n+1
		}
		if most != 2 || n > 2 {
			t.Errorf("%d messages, with QoS %d at most", n, most)
		}
	},
	"a client id of no length": func(t *testing.T, b *broker, v packet.Version, own string) {
		_, ack := b.connect(t, v, named(""))
		if v == packet.V5 && ack.Properties.Text(packet.AssignedClientID) == "" {
			t.Error("no id is assigned")
		}
		if v == packet.V311 {
			p := b.dial(t, v)
			p.send(&packet.Connect{Version: v})
			if ack := next[*packet.Connack](p); ack.Code != 2 {
				t.Errorf("CONNACK has %v", ack.Code)
			}
		}
	},
	"$ topics": func(t *testing.T, b *broker, v packet.Version, own string) {
		p := b.join(t, v)
		p.sub("#", 0)
		p.sub("+/"+own, 0)
		p.send(&packet.Publish{Topic: "$" + own + "/" + own})
		p.pub(own+"/x", "", 0)
		for m := p.take(); m.Topic != own+"/x"; m = p.take() {
			if strings.HasPrefix(m.Topic, "$") {
				t.Errorf("%s matches a wildcard", m.Topic)
			}
		}
	},
	"unsubscribe": func(t *testing.T, b *broker, v packet.Version, own string) {
		p := b.join(t, v)
		for _, f := range []string{"/a", "/b", "/c"} {
			p.sub(own+f, 2)
		}
		p.send(&packet.Unsubscribe{ID: 2, Topics: []string{own + "/a"}})
		next[*packet.Suback](p)
		for _, f := range []string{"/a", "/b", "/c"} {
			p.pub(own+f, "", 1)
		}
		p.takes(own+"/b|1|0|", own+"/c|1|0|")
	},
}

// newer are rules of MQTT 5.
var newer = map[string]func(t *testing.T, b *broker, v packet.Version, own string){
	"session expiry": func(t *testing.T, b *broker, v packet.Version, own string) {
		id := anyID()
		present := func(expiry uint32, leave *packet.Disconnect) bool {
			p, ack := b.connect(t, v, lasting(id, expiry))
			p.sub(own, 1)
			p.send(leave)
			p.conn.(*net.TCPConn).CloseWrite()
			p.over()
			return ack.SessionPresent
		}
		end := &packet.Disconnect{Properties: packet.Properties{{ID: packet.SessionExpiry}}}
		for i, c := range []struct {
			expiry  uint32
			leave   *packet.Disconnect
			present bool
		}{{0, &packet.Disconnect{}, false}, {600, &packet.Disconnect{}, false}, {600, &packet.Disconnect{}, true}, {600, end, true}, {0, &packet.Disconnect{}, false}} {
			if got := present(c.expiry, c.leave); got != c.present {
				t.Errorf("connection %d: present is %v", i+1, got)
			}
		}
	},
	"properties": func(t *testing.T, b *broker, v packet.Version, own string) {
		p := b.join(t, v)
		p.sub(own, 1)
		p.pub(own, "x", 1, packet.Property{ID: packet.PayloadFormat, Number: 1}, packet.Property{ID: packet.ContentType, Text: "text/x"},
			packet.Property{ID: packet.MessageExpiry, Number: 600}, packet.Property{ID: packet.UserProperty, Name: "a", Text: "1"},
			packet.Property{ID: packet.UserProperty, Name: "a", Text: "2"})
		m := p.take()
		if m.Properties.Number(packet.PayloadFormat, 0) != 1 || m.Properties.Text(packet.ContentType) != "text/x" || m.Properties.User("a") == "" {
			t.Errorf("%+v", m.Properties)
		}
		if left := m.Properties.Number(packet.MessageExpiry, 0); left == 0 || left > 600 {
			t.Errorf("it expires in %d s", left)
		}
	},
	"subscription options": func(t *testing.T, b *broker, v packet.Version, own string) {
		p, other := b.join(t, v), b.join(t, v)
		p.sub(own+"/a", packet.NoLocal|1)
		p.sub(own+"/b", packet.RetainAsPublished|1)
		p.sub(own+"/c", 1)
		for _, f := range []string{"/a", "/b", "/c"} {
			p.publish(packet.Publish{Topic: own + f, QoS: 1, Retain: true, Payload: []byte("1")})
		}
		p.takes(own+"/b|1|1|1", own+"/c|1|0|1")
		for _, c := range []struct {
			options packet.Options
			counts  [2]int // of retained messages for the first and the second SUBSCRIBE
		}{{0, [2]int{1, 1}}, {packet.RetainIfNew, [2]int{1, 0}}, {packet.RetainNever, [2]int{0, 0}}} {
			q := b.join(t, v)
			for _, want := range c.counts {
				q.sub(own+"/c", c.options|1)
				other.pub(own+"/c", "live", 1)
				n := 0
				for m := q.take(); string(m.Payload) != "live"; m = q.take() {
					n++
				}
				if n != want {
					t.Errorf("options %x: %d retained messages, want %d", c.options, n, want)
				}
			}
		}
		for _, f := range []string{"/a", "/b", "/c"} {
			p.publish(packet.Publish{Topic: own + f, QoS: 1, Retain: true})
		}
	},
	"subscription identifiers": func(t *testing.T, b *broker, v packet.Version, own string) {
		p := b.join(t, v)
		p.sub(own+"/x", 1, packet.Property{ID: packet.SubscriptionID, Number: 456789})
		p.sub(own+"/+", 1, packet.Property{ID: packet.SubscriptionID, Number: 2})
		p.pub(own+"/x", "1", 1)
		p.pub(own+"/y", "end", 0)
		got := map[uint32]bool{}
		for m := p.take(); string(m.Payload) != "end"; m = p.take() {
			for _, f := range m.Properties {
				if f.ID == packet.SubscriptionID {
					got[f.Number] = true
				}
			}
		}
		if !got[456789] || !got[2] {
			t.Errorf("identifiers %v", got)
		}
	},
	"request and response": func(t *testing.T, b *broker, v packet.Version, own string) {
		asks, answers := b.join(t, v), b.join(t, v)
		asks.sub(own+"/re", 1)
		answers.sub(own+"/ask", 1)
		asks.pub(own+"/ask", "?", 1, packet.Property{ID: packet.ResponseTopic, Text: own + "/re"}, packet.Property{ID: packet.CorrelationData, Text: "\x00\xff"})
		q := answers.take().Properties
		answers.pub(q.Text(packet.ResponseTopic), "!", 1, packet.Property{ID: packet.CorrelationData, Text: q.Text(packet.CorrelationData)})
		if m := asks.take(); string(m.Payload) != "!" || m.Properties.Text(packet.CorrelationData) != "\x00\xff" {
			t.Errorf("%+v", m)
		}
	},
	"server keep alive": func(t *testing.T, b *broker, v packet.Version, own string) {
		_, ack := b.connect(t, v, func(c *packet.Connect) { c.KeepAlive = 120 })
		if n := ack.Properties.Number(packet.ServerKeepAlive, 0); n != 60 {
			t.Errorf("it is %d s", n)
		}
	},
	"maximum packet size": func(t *testing.T, b *broker, v packet.Version, own string) {
		p, ack := b.connect(t, v, property(packet.MaximumPacketSize, 200))
		p.sub(own, 1)
		other := b.join(t, v)
		other.pub(own, strings.Repeat("x", 300), 1)
		other.pub(own, "small", 1)
		p.takes(own + "|1|0|small")
		large := packet.Publish{Topic: own, Payload: make([]byte, ack.Properties.Number(packet.MaximumPacketSize, 0)+10)}
		p.conn.Write(large.Append(nil, v)) // fails if the broker closes the connection before it has read the whole packet
		if code := p.over(); code != packet.PacketTooLarge {
			t.Errorf("DISCONNECT has %v", code)
		}
	},
	"flow control": func(t *testing.T, b *broker, v packet.Version, own string) {
		p, ack := b.connect(t, v, property(packet.ReceiveMaximum, 2))
		p.sub(own, 2)
		other := b.join(t, v)
		for i := range 5 {
			other.pub(own, fmt.Sprint(i), byte(1+i%2))
		}
		first, second := next[*packet.Publish](p), next[*packet.Publish](p)
		p.send(packet.Ping{Type: packet.TypePingreq})
		next[packet.Ping](p)
		for _, waits := range p.waiting {
			if m, ok := waits.(*packet.Publish); ok {
				t.Errorf("a third message: %+v", m)
			}
		}
		p.send(&packet.Ack{Type: packet.TypePuback, ID: first.ID}, &packet.Ack{Type: packet.TypePubrec, ID: second.ID})
		next[*packet.Ack](p)
		p.send(&packet.Ack{Type: packet.TypePubcomp, ID: second.ID})
		p.takes(own+"|1|0|2", own+"|2|0|3", own+"|1|0|4")
		for i := range ack.Properties.Number(packet.ReceiveMaximum, 65535) + 1 {
			m := packet.Publish{Topic: own + "/other", QoS: 2, ID: uint16(i + 1)}
			if _, err := p.conn.Write(m.Append(nil, v)); err != nil {
				break
			}
		}
		if code := p.over(); code != 0x93 {
			t.Errorf("DISCONNECT has %v", code)
		}
	},
	"will delay": func(t *testing.T, b *broker, v packet.Version, own string) {
		w, id := b.join(t, v), anyID()
		w.sub(own+"/+", 1)
		will := func(name string, delay uint32) func(*packet.Connect) {
			return func(c *packet.Connect) {
				c.Will = &packet.Will{Topic: own + "/" + name, QoS: 1, Properties: packet.Properties{{ID: packet.WillDelay, Number: delay}}}
			}
		}
		b.join(t, v, lasting(id, 600), will("back", 600)).conn.Close()
		b.join(t, v, lasting(id, 600), will("late", 1)).conn.Close()
		w.takes(own + "/late|1|0|")
		b.join(t, v, lasting(id, 1), will("expired", 600)).conn.Close() // the session ends before the delay does
		w.takes(own + "/expired|1|0|")
	},
	"shared subscriptions": func(t *testing.T, b *broker, v packet.Version, own string) {
		members := []*peer{b.join(t, v), b.join(t, v)}
		for _, p := range members {
			p.sub("$share/group/"+own+"/+", 1)
			p.sub(own+"/end", 0)
		}
		other := b.join(t, v)
		const n = 40
		for i := range n {
			other.pub(own+"/x", fmt.Sprint(i), 1)
		}
		other.pub(own+"/end", "end", 0)
		seen := map[string]int{}
		for _, p := range members {
			for m := p.take(); m.Topic != own+"/end"; m = p.take() {
				seen[string(m.Payload)]++
			}
		}
		delete(seen, "end")
		for i := range n {
			if seen[fmt.Sprint(i)] != 1 {
				t.Errorf("message %d came %d times", i, seen[fmt.Sprint(i)])
			}
		}
	},
	"topic aliases": func(t *testing.T, b *broker, v packet.Version, own string) {
		p, ack := b.connect(t, v)
		p.sub(own+"/+", 1)
		most := ack.Properties.Number(packet.TopicAliasMaximum, 0)
		for _, topic := range []string{own + "/a", "", own + "/b", ""} {
			p.pub(topic, "x", 1, packet.Property{ID: packet.TopicAlias, Number: most})
		}
		p.takes(own+"/a|1|0|x", own+"/a|1|0|x", own+"/b|1|0|x", own+"/b|1|0|x")
		p.send(&packet.Publish{Topic: own, Properties: packet.Properties{{ID: packet.TopicAlias, Number: most + 1}}})
		if code := p.over(); code != 0x94 {
			t.Errorf("DISCONNECT has %v", code)
		}
	},
	"message expiry": func(t *testing.T, b *broker, v packet.Version, own string) {
		id := anyID()
		p := b.join(t, v, lasting(id, 600))
		p.sub(own, 1)
		p.close()
		other := b.join(t, v)
		other.pub(own, "old", 1, packet.Property{ID: packet.MessageExpiry, Number: 1})
		other.pub(own, "new", 1, packet.Property{ID: packet.MessageExpiry, Number: 600})
		time.Sleep(2100 * time.Millisecond) // a longer pause is as good
		p = b.join(t, v, lasting(id, 600))
		p.takes(own + "|1|0|new")
		b.join(t, v, named(id)).close()
	},
}

// others are rules that mosquitto 2.0 does not keep: it delivers with the lesser QoS, and takes more than its receive maximum.
var others = map[string]bool{"overlapping subscriptions": true, "flow control": true}

// The router and mosquitto keep the rules of MQTT 3.1.1 and 5 that clients rely on.
func TestInterop(t *testing.T) {
	for name, start := range map[string]func(t *testing.T) *broker{
		"runnel": func(t *testing.T) *broker {
			dir := t.TempDir()
			g := &gateway{t: t, file: filepath.Join(dir, "runnel.toml")}
			write(t, g.file, fmt.Sprintf(deviceRealm, dir)+"ping_interval = \"60s\"\n")
			return g.open()
		},
		"mosquitto": func(t *testing.T) *broker {
			return mosquitto(t, "allow_anonymous true\nmax_keepalive 60\nmax_packet_size 20000\nmax_topic_alias 16\nallow_zero_length_clientid true\n")
		},
	} {
		for _, v := range []packet.Version{packet.V311, packet.V5} {
			t.Run(name+" "+v.String(), func(t *testing.T) {
				t.Parallel()
				b := start(t)
				run := func(rules map[string]func(*testing.T, *broker, packet.Version, string)) {
					for rule, check := range rules {
						if name == "mosquitto" && others[rule] {
							continue
						}
						t.Run(rule, func(t *testing.T) { check(t, b, v, anyID()) })
					}
				}
				if run(rules); v == packet.V5 {
					run(newer)
				}
			})
		}
	}
}
