package mqtt_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/test/kit"
	"runnel/transport/mqtt/packet"
	"runnel/uplink"
	"runnel/uplink/mqtt"
	"runnel/uplink/spool"
)

// five is the far side of one connection by MQTT 5, played by the test.
type five struct {
	t    *testing.T
	conn net.Conn
	got  chan packet.Packet // the link's packets, without pings
}

// newFive takes a connection of the link, before anything was read from it.
func newFive(t *testing.T, conn net.Conn) *five {
	b := &five{t: t, conn: conn, got: make(chan packet.Packet, 1000)}
	r := &packet.Reader{Reader: bufio.NewReader(conn), Version: packet.V5, Max: 1 << 20}
	go func() {
		defer close(b.got)
		for {
			p, err := r.FromClient()
			if err != nil {
				conn.Close()
				return
			}
			if p == (packet.Ping{Type: packet.TypePingreq}) {
				conn.Write(packet.Ping{Type: packet.TypePingresp}.Append(nil, packet.V5))
			} else {
				kit.Send(t, b.got, p)
			}
			if _, last := p.(*packet.Disconnect); last {
				conn.Close()
			}
		}
	}()
	t.Cleanup(func() { conn.Close() })
	return b
}

func next5[P packet.Packet](b *five) (p P) {
	b.t.Helper()
	return sent[P](b.t, b.got)
}

func (b *five) send(p packet.Packet) {
	b.t.Helper()
	_, err := b.conn.Write(p.Append(nil, packet.V5))
	kit.Must(b.t, err)
}

func (b *five) ack(kind packet.Type, id uint16, c packet.Code, words string) {
	b.t.Helper()
	p := &packet.Ack{Type: kind, ID: id, Code: c}
	if words != "" {
		p.Properties = packet.Properties{{ID: packet.ReasonString, Text: words}}
	}
	b.send(p)
}

// site5 is a site whose broker speaks MQTT 5.
type site5 struct {
	*edgeSite
	raw chan net.Conn
}

func newSite5(t *testing.T, opts mqtt.Options) *site5 {
	t.Helper()
	opts.Protocol = packet.V5
	var err error
	opts.Spool, err = spool.Open(spool.Options{Dir: t.TempDir(), SpillAfter: time.Millisecond})
	kit.Must(t, err)
	return newRawSite(t, opts)
}

// newRawSite is newSite for a link whose broker the test plays in either version, whatever the link sends first.
func newRawSite(t *testing.T, opts mqtt.Options) *site5 {
	t.Helper()
	s := &site5{raw: make(chan net.Conn)}
	s.edgeSite = newSiteWith(t, opts, func(ctx context.Context) (net.Conn, error) {
		near, far := net.Pipe()
		select {
		case s.raw <- far:
			return near, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	t.Cleanup(func() { // before the site's own
		s.stop()
		for {
			select {
			case c := <-s.raw:
				c.Close()
			case <-s.ended:
				return
			}
		}
	})
	return s
}

func (s *site5) connect() (*five, *packet.Connect) {
	s.t.Helper()
	select {
	case conn := <-s.raw:
		b := newFive(s.t, conn)
		return b, next5[*packet.Connect](b)
	case <-time.After(kit.Patience):
		s.t.Fatal("the link does not connect")
		return nil, nil
	}
}

func (s *site5) up(session bool, p ...packet.Property) *five {
	s.t.Helper()
	b, _ := s.connect()
	b.send(&packet.Connack{SessionPresent: session, Properties: p})
	return b
}

// stored is a rule whose events are held if the broker refuses them.
func stored(uri string) mqtt.Rule {
	r := topics(uri)
	r.Store = spool.Disk
	return r
}

func user(p *packet.Publish, name string) string { return p.Properties.User(name) }

// CONNECT requests a session that expires. Every event has the time, the publisher and the type as properties.
func TestPropertiesOfEvents(t *testing.T) {
	s := newSite5(t, mqtt.Options{QoS: 1, StateTopic: "gw/state", SessionExpiry: time.Hour,
		Export: []mqtt.Rule{topics("com.example.")}, Import: []mqtt.Rule{topics("com.example.")}})
	b, hello := s.connect()
	if hello.Version != packet.V5 || hello.CleanStart || hello.Bridge || hello.Properties.Number(packet.SessionExpiry, 0) != 3600 ||
		hello.Properties.Number(packet.ReceiveMaximum, 0) == 0 || hello.Will == nil || hello.Will.Topic != "gw/state" {
		t.Errorf("%+v", hello)
	}
	b.send(&packet.Connack{Properties: packet.Properties{{ID: packet.AssignedClientID, Text: "given"}}})
	state := next5[*packet.Publish](b)
	if state.Topic != "gw/state" || !state.Retain || string(state.Payload) != "online" {
		t.Errorf("%+v", state)
	}
	sub := next5[*packet.Subscribe](b)
	if len(sub.Filters) != 1 || sub.Filters[0].Options != 1|packet.NoLocal|packet.RetainAsPublished {
		t.Errorf("%+v", sub)
	}
	b.send(&packet.Suback{Type: packet.TypeSuback, ID: sub.ID, Codes: []packet.Code{1}})
	c := s.program()
	before := time.Now().Add(-time.Second)
	say(t, c, "com.example.a", client.PublishOptions{DiscloseMe: true}, 21.5)
	p := next5[*packet.Publish](b)
	at, err := time.Parse(time.RFC3339, user(p, "time"))
	if err != nil || at.Before(before) || at.After(time.Now().Add(time.Second)) || user(p, "publisher") != "link" ||
		p.Properties.Text(packet.ContentType) != "application/json" || p.Properties.Number(packet.PayloadFormat, 0) != 1 {
		t.Errorf("%+v, %v", p, err)
	}
	b.ack(packet.TypePuback, p.ID, packet.Success, "")
	s.await("the event has landed", func(st uplink.State) bool { return st.EventsUp.Forwarded == 1 && st.Protocol == "MQTT 5" })

	events := make(chan *client.Event, 10)
	_, err = c.Subscribe(context.Background(), "com.example.in", client.SubscribeOptions{}, func(e *client.Event) { kit.Send(t, events, e.Clone()) })
	kit.Must(t, err)
	b.send(&packet.Publish{QoS: 1, ID: 7, Topic: "com/example/in", Payload: []byte{0x18, 0x2a}, Properties: packet.Properties{
		{ID: packet.ContentType, Text: "application/cbor"}, {ID: packet.UserProperty, Name: "time", Text: "2026-01-02T03:04:05.678Z"},
		{ID: packet.UserProperty, Name: "publisher", Text: "gw-7"}}})
	if ack := next5[*packet.Ack](b); ack.ID != 7 || ack.Type != packet.TypePuback {
		t.Errorf("%+v", ack)
	}
	select {
	case e := <-events:
		way := e.ForwardFor()
		if e.Time().UnixMilli() != 1767323045678 || len(way) != 1 || way[0].Authid != "gw-7" || way[0].Node != "mqtt://broker" || fmt.Sprint(e.Args()) != "[42]" {
			t.Errorf("%v %+v %v", e.Time(), way, e.Args())
		}
	case <-time.After(kit.Patience):
		t.Fatal("no event")
	}
	b.conn.Close()
	again, hello := s.connect()
	if hello.ClientID != "given" {
		t.Errorf("the assigned id is not used: %q", hello.ClientID)
	}
	again.conn.Close()
}

// An event that the broker rejects with a reason code is held with the reason, at QoS 1 and 2. The link retries it,
// sends other events meanwhile, and keeps the connection.
func TestRefusedWithAReason(t *testing.T) {
	for qos, kind := range map[byte]packet.Type{1: packet.TypePuback, 2: packet.TypePubrec} {
		t.Run(fmt.Sprint("QoS ", qos), func(t *testing.T) {
			s := newSite5(t, mqtt.Options{QoS: qos, Export: []mqtt.Rule{stored("com.example.")}})
			b := s.up(false)
			c := s.program()
			say(t, c, "com.example.bad", client.PublishOptions{}, 1)
			say(t, c, "com.example.bad", client.PublishOptions{}, 2)
			say(t, c, "com.example.good", client.PublishOptions{}, 3)
			land := func(p *packet.Publish) {
				b.ack(kind, p.ID, packet.Success, "")
				if qos == 2 {
					if rel := next5[*packet.Ack](b); rel.Type != packet.TypePubrel || rel.ID != p.ID {
						t.Errorf("%+v", rel)
					}
					b.ack(packet.TypePubcomp, p.ID, packet.Success, "")
				}
			}
			var all, bad []*packet.Publish
			for range 3 {
				all = append(all, next5[*packet.Publish](b))
			}
			for _, p := range all {
				if p.Topic == "com/example/good" {
					land(p)
				} else {
					b.ack(kind, p.ID, packet.NotAuthorized, "ask the operator")
					bad = append(bad, p)
				}
			}
			s.await("the topic is held", func(st uplink.State) bool {
				return st.Queue.Held.Events == 2 && st.Queue.Held.Reason == "the broker refuses it: not authorized (0x87): ask the operator" && st.EventsUp.Forwarded == 1
			})
			s.spool.Retry()
			for i := range 2 {
				p := next5[*packet.Publish](b)
				if string(p.Payload) != string(bad[i].Payload) {
					t.Errorf("%s is sent again, not %s", p.Payload, bad[i].Payload)
				}
				land(p)
			}
			s.await("nothing is held", func(st uplink.State) bool { return st.Queue.Events == 0 && st.Reconnects == 0 })
		})
	}
}

// The broker's limits hold: messages without an acknowledgement, those of the link itself included, the size of a packet, QoS,
// retained messages.
func TestLimitsOfTheBroker(t *testing.T) {
	s := newSite5(t, mqtt.Options{QoS: 2, StateTopic: "gw/state", Export: []mqtt.Rule{stored("com.example.")}})
	b := s.up(false, packet.Property{ID: packet.ReceiveMaximum, Number: 2}, packet.Property{ID: packet.MaximumPacketSize, Number: 500},
		packet.Property{ID: packet.MaximumQoS, Number: 1}, packet.Property{ID: packet.RetainAvailable})
	c := s.program()
	state := next5[*packet.Publish](b)
	if state.Retain || state.QoS != 1 {
		t.Errorf("%+v", state)
	}
	say(t, c, "com.example.large", client.PublishOptions{}, strings.Repeat("x", 500))
	for i := range 5 {
		say(t, c, "com.example.small", client.PublishOptions{Retain: true}, i)
	}
	s.await("the large one is held", func(st uplink.State) bool {
		return st.Queue.Held.Topics == 1 && strings.HasPrefix(st.Queue.Held.Reason, "the packet has 5") && strings.HasSuffix(st.Queue.Held.Reason, "accepts at most 500")
	})
	first := next5[*packet.Publish](b)
	b.send(packet.Ping{Type: packet.TypePingresp}) // time for a third one
	if first.Retain || first.QoS != 1 || len(b.got) > 0 {
		t.Errorf("%+v, and %d more", first, len(b.got))
	}
	b.ack(packet.TypePuback, state.ID, packet.Success, "")
	second := next5[*packet.Publish](b)
	for _, p := range []*packet.Publish{first, second} {
		b.ack(packet.TypePuback, p.ID, packet.Success, "")
		next5[*packet.Publish](b)
	}
	b.conn.Close()
	b = s.up(true)
	next5[*packet.Publish](b)
	got := map[string]bool{}
	for done := 0; done < 4; {
		switch p := next5[packet.Packet](b).(type) {
		case *packet.Publish:
			got[p.Topic] = true
			b.ack(packet.TypePubrec, p.ID, packet.Success, "")
		case *packet.Ack:
			b.ack(packet.TypePubcomp, p.ID, packet.Success, "")
			done++
		}
	}
	if !got["com/example/large"] {
		t.Errorf("%v", got)
	}
	s.await("all landed", func(st uplink.State) bool { return st.Queue.Events == 0 })
}

// The reason of a DISCONNECT is in the error. A takeover is reported at once, and an event that makes the broker close the
// connection is held.
func TestDisconnectsOfTheBroker(t *testing.T) {
	s := newSite5(t, mqtt.Options{QoS: 1, Export: []mqtt.Rule{stored("com.example.")}})
	for _, c := range []struct {
		p    packet.Disconnect
		want string
	}{
		{packet.Disconnect{Code: 0x8b}, "server shutting down (0x8b)"},
		{packet.Disconnect{Code: packet.ServerMoved, Properties: packet.Properties{{ID: packet.ServerReference, Text: "b2:1883"}}}, "server moved (0x9d); write the server that it names into url: b2:1883"},
		{packet.Disconnect{Code: packet.QuotaExceeded, Properties: packet.Properties{{ID: packet.ReasonString, Text: "\x1b[1mtoo much"}}}, "quota exceeded (0x97): [1mtoo much"},
		{packet.Disconnect{Code: packet.SessionTakenOver}, "session taken over (0x8e); another client takes over the session"},
	} {
		b := s.up(false)
		b.send(&c.p)
		b.conn.Close()
		s.await(c.want, func(st uplink.State) bool { return strings.Contains(st.LastError, c.want) })
	}
	if st := s.link.State(); !strings.Contains(st.Clash, `client id "gateway"`) {
		t.Errorf("%+v", st)
	}
	say(t, s.program(), "com.example.large", client.PublishOptions{}, 1)
	for i := 0; s.link.State().Queue.Held.Events == 0; i++ {
		if i > 20 {
			t.Fatalf("not held: %+v", s.link.State())
		}
		b := s.up(false)
		select {
		case p := <-b.got:
			if _, ok := p.(*packet.Publish); ok {
				b.send(&packet.Disconnect{Code: packet.PacketTooLarge})
				b.conn.Close()
			}
		case <-time.After(kit.Patience):
			t.Fatal("nothing is sent")
		}
		s.await("down", func(st uplink.State) bool { return !st.Up || st.Queue.Held.Events > 0 })
	}
	if st := s.link.State(); !strings.Contains(st.LastError, "after PUBLISH to com/example/large (1 bytes, QoS 1): packet too large (0x95)") {
		t.Errorf("%+v", st)
	}
}

// A call may have a response topic and correlation data instead of an id. Answers go only where answers are expected.
func TestCallsByRequestAndResponse(t *testing.T) {
	s := newSite5(t, mqtt.Options{Export: []mqtt.Rule{procedures("com.example.")}})
	b := s.up(false)
	if sub := next5[*packet.Subscribe](b); !slices.ContainsFunc(sub.Filters, func(f packet.Filter) bool { return f.Options == packet.NoLocal|packet.RetainNever }) {
		t.Errorf("%+v", sub)
	}
	c := s.program()
	_, err := c.Register(context.Background(), "com.example.add", client.RegisterOptions{}, func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
		return client.Args(len(inv.Args())), nil
	})
	kit.Must(t, err)
	call := func(payload string, p ...packet.Property) {
		b.send(&packet.Publish{Topic: "com/example/add/request", Payload: []byte(payload), Properties: p})
	}
	reply := func(topic string) packet.Property { return packet.Property{ID: packet.ResponseTopic, Text: topic} }
	data := packet.Property{ID: packet.CorrelationData, Text: "\x00\xff"}
	for _, wrong := range []string{"com/example/valve", "$SYS/response", "response/#", ""} {
		call(`{"args":[1]}`, reply(wrong), data)
	}
	call(`{"args":[1]}`, reply("panel/response")) // neither id nor data
	call(`{"args":[1,2]}`, reply("panel/response"), data)
	if p := next5[*packet.Publish](b); p.Topic != "panel/response" || string(p.Payload) != `{"args":[2]}` || p.Properties.Text(packet.CorrelationData) != "\x00\xff" {
		t.Errorf("%+v", p)
	}
	call("", reply("panel/response/x"), packet.Property{ID: packet.CorrelationData, Text: "8"}, packet.Property{ID: packet.MessageExpiry, Number: 60})
	if p := next5[*packet.Publish](b); p.Topic != "panel/response/x" || string(p.Payload) != `{"args":[0]}` {
		t.Errorf("%+v", p)
	}
	call(`{"id":7,"args":[1]}`)
	if p := next5[*packet.Publish](b); p.Topic != "com/example/add/response/7" || string(p.Payload) != `{"id":7,"args":[1]}` {
		t.Errorf("%+v", p)
	}
	s.await("the others are counted", func(st uplink.State) bool { return st.CallsDown.Dropped == 5 && st.CallsDown.Forwarded == 3 })
}

// A broker without MQTT 5 rejects the version, closes the connection, or answers in its own form. The link then uses
// 3.1.1, also for later connections.
func TestBrokersWithoutFive(t *testing.T) {
	for name, answer := range map[string]string{"a code of 3.1.1": "\x20\x02\x00\x01", "a reason code": "\x20\x03\x00\x84\x00", "closed": "", "another code of 3.1.1": "\x20\x02\x00\x02"} {
		t.Run(name, func(t *testing.T) {
			s := newRawSite(t, mqtt.Options{Protocol: automatic, QoS: 1, Export: []mqtt.Rule{topics("com.example.")}})
			b, hello := s.connect()
			if hello.Version != packet.V5 {
				t.Fatalf("%+v", hello)
			}
			if answer != "" {
				b.conn.Write([]byte(answer))
			}
			b.conn.Close()
			for range 2 {
				old, hello := s.connect()
				if hello.Version != packet.V311 {
					t.Fatalf("%+v", hello)
				}
				old.conn.Write([]byte("\x20\x02\x00\x00"))
				s.await("3.1.1", func(st uplink.State) bool { return st.Protocol == "MQTT 3.1.1" })
				old.conn.Close()
			}
		})
	}
}

// A broker that refuses the link for another reason is not asked in another version, and its words are in the error.
func TestRefusedConnect(t *testing.T) {
	s := newSite5(t, mqtt.Options{Export: []mqtt.Rule{topics("com.example.")}})
	for _, c := range []struct {
		ack  packet.Connack
		want string
	}{
		{packet.Connack{Code: packet.BadLogin, Properties: packet.Properties{{ID: packet.ReasonString, Text: "who is it?"}}}, "the broker rejected CONNECT: bad user name or password (0x86): who is it?; check username and password"},
		{packet.Connack{Code: packet.UseAnotherServer, Properties: packet.Properties{{ID: packet.ServerReference, Text: "b2"}}}, "use another server (0x9c); write the server that it names into url: b2"},
		{packet.Connack{Code: packet.UnsupportedVersion}, "unsupported protocol version (0x84); set another protocol"},
	} {
		b, _ := s.connect()
		b.send(&c.ack)
		s.await(c.want, func(st uplink.State) bool { return strings.Contains(st.LastError, c.want) })
	}
}
