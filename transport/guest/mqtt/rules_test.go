package mqtt

import (
	"strings"
	"testing"

	"runnel/transport/mqtt/packet"
)

func props(list ...packet.Property) packet.Properties { return list }

// TestRules has rules of the specification that a client can see, by their section (MQTT 5 unless it says 3.1.1).
func TestRules(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]func(t *testing.T, s *stage){
		"2.1.3 reserved flags": func(t *testing.T, s *stage) {
			d := s.join(packet.V5, "a")
			d.up()
			d.raw([]byte{0x80, 5, 0, 1, 0, 0, 0}) // SUBSCRIBE with flags 0
			d.expectClosed(packet.MalformedPacket)
		},
		"2.2.1 id 0": func(t *testing.T, s *stage) {
			d := s.join(packet.V5, "a")
			d.up()
			d.send(&packet.Publish{QoS: 1, Topic: "a"})
			d.expectClosed(packet.MalformedPacket)
		},
		"3.1.0 CONNECT first": func(t *testing.T, s *stage) {
			d := s.open(packet.V5)
			d.send(packet.Ping{Type: packet.TypePingreq})
			d.expectClosed(0)
		},
		"3.1.0 second CONNECT": func(t *testing.T, s *stage) {
			d := s.join(packet.V5, "a")
			d.up()
			d.send(&packet.Connect{Version: packet.V5, CleanStart: true, ClientID: "a"})
			d.expectClosed(packet.ProtocolError)
		},
		"3.1.2.1 unknown version": func(t *testing.T, s *stage) {
			d := s.open(packet.V311)
			d.raw([]byte("\x10\x0e\x00\x06MQIsdp\x03\x02\x00\x00\x00\x00"))
			if p := gets[*packet.Connack](d); p.Code != 1 {
				t.Errorf("%+v", p)
			}
			d = s.open(packet.V311)
			d.raw([]byte("\x10\x0c\x00\x04MQTT\x04\x03\x00\x00\x00\x00")) // a reserved flag
			if p := d.next(); p != nil {
				t.Errorf("%+v for a malformed CONNECT", p)
			}
		},
		"3.1.3.1 assigned id": func(t *testing.T, s *stage) {
			d := s.join(packet.V5, "")
			if p := d.up(); p.Properties.Text(packet.AssignedClientID) == "" {
				t.Error("CONNACK has no id")
			}
		},
		"3.1.1, 3.1.3.1 no id and no clean session": func(t *testing.T, s *stage) {
			s.join(packet.V311, "", func(p *packet.Connect) { p.CleanStart = false }).expectClosed(2)
		},
		"3.1.2.10 server keep alive": func(t *testing.T, s *stage) {
			s.door.KeepAlive = 60e9
			d := s.join(packet.V5, "a")
			if p := d.up(); p.Properties.Number(packet.ServerKeepAlive, 0) != 60 {
				t.Error("CONNACK has no keep alive")
			}
		},
		"3.1.2.11.9 authentication method": func(t *testing.T, s *stage) {
			s.join(packet.V5, "a", func(p *packet.Connect) {
				p.Properties = props(packet.Property{ID: packet.AuthenticationMethod, Text: "x"})
			}).expectClosed(badMethod)
		},
		"3.1.4 login": func(t *testing.T, s *stage) {
			s.join(packet.V5, "a", ada).up()
			s.join(packet.V5, "b", ada, func(p *packet.Connect) { p.Password = []byte("wrong") }).expectClosed(packet.BadLogin)
			s.join(packet.V311, "b", ada, func(p *packet.Connect) { p.Password = []byte("wrong") }).expectClosed(4)
		},
		"3.1.4 take over": func(t *testing.T, s *stage) {
			first := s.join(packet.V5, "a", ada)
			first.up()
			other, nameless := s.join(packet.V5, "a", bob), s.join(packet.V5, "a") // other users' client ids are other clients
			other.up()
			nameless.up()
			s.join(packet.V5, "a", ada).up()
			first.expectClosed(packet.SessionTakenOver)
			for _, d := range []*device{other, nameless} {
				d.send(packet.Ping{Type: packet.TypePingreq})
				gets[packet.Ping](d)
			}
		},
		"3.3.1.2 QoS is the lesser one": func(t *testing.T, s *stage) {
			for published := range byte(3) {
				for granted := range byte(3) {
					d := s.join(packet.V311, "")
					d.up()
					if codes := d.sub(packet.Options(granted), "q/+"); codes[0] != packet.Code(granted) {
						t.Fatal(codes)
					}
					other := s.join(packet.V311, "")
					other.up()
					other.pub(packet.Publish{Topic: "q/x", QoS: published, Payload: []byte("x")})
					if p := d.message(); p.QoS != min(published, granted) || string(p.Payload) != "x" || p.Topic != "q/x" {
						t.Errorf("published with %d, granted %d: %+v", published, granted, p)
					}
				}
			}
		},
		"3.3.1.3 retained": func(t *testing.T, s *stage) {
			d := s.join(packet.V5, "a")
			d.up()
			d.sub(0, "r/x")
			d.sub(packet.RetainAsPublished, "r/+")
			other := s.join(packet.V5, "o")
			other.up()
			other.pub(packet.Publish{Topic: "r/x", QoS: 1, Retain: true, Payload: []byte("1")})
			a, b := d.message(), d.message()
			if a.Retain == b.Retain {
				t.Error("only the subscription with retain as published tells of it")
			}
			late := s.join(packet.V5, "b")
			late.up()
			late.sub(packet.RetainNever, "r/#")
			late.sub(1|packet.RetainIfNew, "r/x")
			if p := late.message(); !p.Retain || string(p.Payload) != "1" {
				t.Errorf("%+v", p)
			}
			late.sub(1|packet.RetainIfNew, "r/x") // not again
			other.pub(packet.Publish{Topic: "r/x", QoS: 1, Retain: true})
			none := s.join(packet.V5, "c")
			none.up()
			none.sub(0, "r/x")
			none.pub(packet.Publish{Topic: "r/x", QoS: 0, Payload: []byte("live")})
			if p := none.message(); p.Retain || string(p.Payload) != "live" {
				t.Errorf("cleared, but %+v", p)
			}
		},
		"3.3.2.3.4 topic alias": func(t *testing.T, s *stage) {
			d := s.join(packet.V5, "a")
			d.up()
			d.sub(0, "alias")
			alias := props(packet.Property{ID: packet.TopicAlias, Number: 3})
			d.pub(packet.Publish{Topic: "alias", Payload: []byte("1"), Properties: alias})
			d.pub(packet.Publish{Payload: []byte("2"), Properties: alias})
			if a, b := d.message(), d.message(); a.Topic != "alias" || b.Topic != "alias" || string(b.Payload) != "2" {
				t.Errorf("%+v %+v", a, b)
			}
			d.send(&packet.Publish{Topic: "x", Properties: props(packet.Property{ID: packet.TopicAlias, Number: maxAliases + 1})})
			d.expectClosed(aliasInvalid)
		},
		"3.3.2.3 properties are passed on": func(t *testing.T, s *stage) {
			d := s.join(packet.V5, "a")
			d.up()
			d.sub(0, "p")
			d.pub(packet.Publish{Topic: "p", Payload: []byte("{}"), Properties: props(
				packet.Property{ID: packet.PayloadFormat, Number: 1}, packet.Property{ID: packet.ContentType, Text: "text/x"},
				packet.Property{ID: packet.ResponseTopic, Text: "re"}, packet.Property{ID: packet.CorrelationData, Text: "\x00\xff"},
				packet.Property{ID: packet.UserProperty, Name: "a", Text: "1"}, packet.Property{ID: packet.UserProperty, Name: "a", Text: "2"},
				packet.Property{ID: packet.MessageExpiry, Number: 60})})
			p := d.message().Properties
			users := 0
			for _, f := range p {
				if f.ID == packet.UserProperty {
					users++
				}
			}
			if p.Number(packet.PayloadFormat, 0) != 1 || p.Text(packet.ContentType) != "text/x" || p.Text(packet.ResponseTopic) != "re" ||
				p.Text(packet.CorrelationData) != "\x00\xff" || users != 2 || p.Number(packet.MessageExpiry, 0) == 0 {
				t.Errorf("%+v", p)
			}
		},
		"3.3.4 subscription identifiers": func(t *testing.T, s *stage) {
			d := s.join(packet.V5, "a")
			d.up()
			d.send(&packet.Subscribe{ID: 1, Filters: []packet.Filter{{Topic: "i/x"}}, Properties: props(packet.Property{ID: packet.SubscriptionID, Number: 9})})
			gets[*packet.Suback](d)
			d.pub(packet.Publish{Topic: "i/x"})
			if p := d.message(); p.Properties.Number(packet.SubscriptionID, 0) != 9 {
				t.Errorf("%+v", p)
			}
		},
		"3.4 not authorized": func(t *testing.T, s *stage) {
			d := s.join(packet.V5, "a")
			d.up()
			for qos := byte(1); qos < 3; qos++ {
				if code := d.pub(packet.Publish{Topic: "secret/x", QoS: qos}); code != packet.NotAuthorized {
					t.Errorf("QoS %d: %v", qos, code)
				}
			}
			if codes := d.sub(1, "secret/x", "open"); codes[0] != packet.NotAuthorized || codes[1] != 1 {
				t.Error(codes)
			}
			old := s.join(packet.V311, "b")
			old.up()
			if code := old.pub(packet.Publish{Topic: "secret/x", QoS: 1}); code != 0 {
				t.Error(code)
			}
			if codes := old.sub(1, "secret/x"); codes[0] != 0x80 {
				t.Error(codes)
			}
		},
		"3.8.3.1 no local": func(t *testing.T, s *stage) {
			d := s.join(packet.V5, "a")
			d.up()
			d.sub(packet.NoLocal, "n/a")
			d.sub(0, "n/b")
			d.pub(packet.Publish{Topic: "n/a", Payload: []byte("own")})
			d.pub(packet.Publish{Topic: "n/b", Payload: []byte("own, too")})
			if p := d.message(); p.Topic != "n/b" {
				t.Errorf("%+v", p)
			}
			d.send(&packet.Subscribe{ID: 1, Filters: []packet.Filter{{Topic: "$share/g/a", Options: packet.NoLocal}}})
			d.expectClosed(packet.ProtocolError)
		},
		"3.10 unsubscribe": func(t *testing.T, s *stage) {
			d := s.join(packet.V5, "a")
			d.up()
			d.sub(0, "u/#", "v")
			d.send(&packet.Unsubscribe{ID: 3, Topics: []string{"u/#", "w"}})
			if codes := gets[*packet.Suback](d).Codes; codes[0] != 0 || codes[1] != noSubscription {
				t.Error(codes)
			}
			d.pub(packet.Publish{Topic: "u/x"})
			d.pub(packet.Publish{Topic: "v"})
			if p := d.message(); p.Topic != "v" {
				t.Errorf("%+v", p)
			}
		},
		"3.12 ping": func(t *testing.T, s *stage) {
			d := s.join(packet.V311, "a")
			d.up()
			d.send(packet.Ping{Type: packet.TypePingreq})
			gets[packet.Ping](d)
		},
		"3.14 will": func(t *testing.T, s *stage) {
			watch := s.join(packet.V5, "w")
			watch.up()
			watch.sub(1, "will/#")
			will := func(name string) func(*packet.Connect) {
				return func(p *packet.Connect) { p.Will = &packet.Will{Topic: "will/" + name, QoS: 1, Payload: []byte("gone")} }
			}
			quiet := s.join(packet.V5, "a", will("quiet"))
			quiet.up()
			quiet.send(&packet.Disconnect{})
			quiet.expectClosed(0)
			wanted := s.join(packet.V5, "b", will("wanted"))
			wanted.up()
			wanted.send(&packet.Disconnect{Code: withWill})
			if p := watch.message(); p.Topic != "will/wanted" {
				t.Errorf("%+v", p)
			}
			lost := s.join(packet.V5, "c", will("lost"))
			lost.up()
			lost.conn.Close()
			if p := watch.message(); p.Topic != "will/lost" {
				t.Errorf("%+v", p)
			}
			wrong := s.join(packet.V5, "d", will("wrong"))
			wrong.up()
			wrong.raw([]byte{0xff, 0xff})
			if p := watch.message(); p.Topic != "will/wrong" || string(p.Payload) != "gone" {
				t.Errorf("%+v", p)
			}
		},
		"4.3.3 QoS 2 once": func(t *testing.T, s *stage) {
			d := s.join(packet.V5, "a")
			d.up()
			d.sub(0, "once")
			p := packet.Publish{Topic: "once", QoS: 2, ID: 9, Payload: []byte("x")}
			d.send(&p)
			again := p
			again.Dup = true
			for acks, messages := 0, 0; acks < 1 || messages < 1; {
				switch d.next().(type) {
				case *packet.Ack:
					acks++
				case *packet.Publish:
					messages++
				}
			}
			d.send(&again)
			if ack := gets[*packet.Ack](d); ack.Type != packet.TypePubrec {
				t.Errorf("%+v", ack)
			}
			d.send(&packet.Ack{Type: packet.TypePubrel, ID: 9})
			gets[*packet.Ack](d)
			d.send(&packet.Ack{Type: packet.TypePubrel, ID: 9})
			if ack := gets[*packet.Ack](d); ack.Type != packet.TypePubcomp || ack.Code != idNotFound {
				t.Errorf("%+v", ack)
			}
		},
		"4.7 topics and filters": func(t *testing.T, s *stage) {
			d := s.join(packet.V5, "a")
			d.up()
			for _, bad := range []string{"a/#/b", "a#", "+a", "$SYS/#", "$share/g", "$share//a", "wamp/x", "a\x01b"} {
				if codes := d.sub(0, bad); codes[0] != packet.TopicFilterInvalid {
					t.Errorf("%q: %v", bad, codes)
				}
			}
			for _, bad := range []string{"a/+", "#", "$SYS/x", "wamp/session/on_join", "wamp", strings.Repeat("a", 2000)} {
				if code := d.pub(packet.Publish{Topic: bad, QoS: 1}); code != packet.TopicNameInvalid {
					t.Errorf("%q: %v", bad, code)
				}
			}
			for topic, filters := range map[string][]string{
				"m/a/b": {"m/a/b", "m/+/b", "m/#", "m/a/#", "m/+/#", "+/a/#", "+/+/+", "m/a/b/#"}, "m": {"m", "m/#", "+"}, "/": {"/", "+/+", "/+"}, "m/ a.b%/": {"m/ a.b%/", "m/+/", "m/+/#"},
			} {
				for _, f := range filters {
					one := s.join(packet.V5, "")
					one.up()
					one.sub(0, f)
					one.pub(packet.Publish{Topic: "m/x/y/z"})
					one.pub(packet.Publish{Topic: topic, Payload: []byte("1")})
					p := one.message()
					if p.Topic == "m/x/y/z" && (f == "m/#" || f == "m/+/#") {
						p = one.message()
					}
					if p.Topic != topic {
						t.Errorf("%q at %q: %q", topic, f, p.Topic)
					}
					one.conn.Close()
				}
			}
		},
		"4.8.2 shared subscriptions": func(t *testing.T, s *stage) {
			var group []*device
			for range 3 {
				d := s.join(packet.V5, "")
				d.up()
				d.sub(1, "$share/g/s/#")
				group = append(group, d)
			}
			d := s.join(packet.V5, "p")
			d.up()
			d.sub(1, "$share/g/s/#")
			d.send(&packet.Unsubscribe{ID: 3, Topics: []string{"$share/g/s/#"}})
			gets[*packet.Suback](d)
			const n = 60
			for range n {
				d.pub(packet.Publish{Topic: "s/x", QoS: 1})
			}
			sum := 0
			for _, g := range group {
				g.send(packet.Ping{Type: packet.TypePingreq}) // after all messages
				for {
					p := g.next()
					if _, done := p.(packet.Ping); done {
						break
					}
					if p == nil {
						t.Fatal("the connection has ended")
					}
					sum++
				}
			}
			if sum != n {
				t.Errorf("%d of %d messages", sum, n)
			}
		},
		"4.9 flow control": func(t *testing.T, s *stage) {
			d := s.join(packet.V5, "a", func(p *packet.Connect) { p.Properties = props(packet.Property{ID: packet.ReceiveMaximum, Number: 2}) })
			d.up()
			d.sub(1, "f")
			other := s.join(packet.V5, "b")
			other.up()
			for range 6 {
				other.pub(packet.Publish{Topic: "f", QoS: 1})
			}
			a, b := gets[*packet.Publish](d), gets[*packet.Publish](d)
			d.send(packet.Ping{Type: packet.TypePingreq})
			gets[packet.Ping](d) // no third message before
			d.send(&packet.Ack{Type: packet.TypePuback, ID: a.ID}, &packet.Ack{Type: packet.TypePuback, ID: b.ID})
			for range 4 {
				d.message()
			}
		},
		"3.1.2.11.4 maximum packet size": func(t *testing.T, s *stage) {
			d := s.join(packet.V5, "a", func(p *packet.Connect) {
				p.Properties = props(packet.Property{ID: packet.MaximumPacketSize, Number: 100})
			})
			d.up()
			d.sub(1, "big")
			d.pub(packet.Publish{Topic: "big", Payload: []byte(strings.Repeat("x", 200))})
			d.pub(packet.Publish{Topic: "big", Payload: []byte("small")})
			if p := d.message(); string(p.Payload) != "small" {
				t.Errorf("%+v", p)
			}
		},
		"3.2.2.3.6 maximum packet size": func(t *testing.T, s *stage) {
			s.door.MaxPacket = 1000
			d := s.join(packet.V5, "a")
			if p := d.up(); p.Properties.Number(packet.MaximumPacketSize, 0) != 1000 {
				t.Errorf("%+v", p)
			}
			d.send(&packet.Publish{Topic: "big", Payload: make([]byte, 2000)})
			d.expectClosed(packet.PacketTooLarge)
		},
		"4.10 request and response": func(t *testing.T, s *stage) {
			d := s.join(packet.V5, "a")
			d.up()
			d.sub(1, "re/a")
			d.send(&packet.Publish{Topic: "$call/wamp/session/count", QoS: 1, ID: 4, Properties: props(
				packet.Property{ID: packet.ResponseTopic, Text: "re/a"}, packet.Property{ID: packet.CorrelationData, Text: "7"})})
			if ack := gets[*packet.Ack](d); ack.Code != 0 {
				t.Error(ack.Code)
			}
			if p := d.message(); string(p.Payload) != "1" || p.Properties.Text(packet.CorrelationData) != "7" {
				t.Errorf("%+v %s", p, p.Payload)
			}
			d.send(&packet.Publish{Topic: "$call/no/such", Properties: props(packet.Property{ID: packet.ResponseTopic, Text: "re/a"})})
			if p := d.message(); p.Properties.User(errorName) != "wamp.error.no_such_procedure" {
				t.Errorf("%+v", p)
			}
			if code := d.pub(packet.Publish{Topic: "$call/a", QoS: 1}); code != packet.TopicNameInvalid {
				t.Error(code)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rule(t, newStage(t, ""))
		})
	}
}
