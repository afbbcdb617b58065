package mqtt_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/uplink"
	"runnel/uplink/mqtt"
	"runnel/uplink/spool"
)

func TestExportIsSentUntilAcknowledged(t *testing.T) {
	s := newSite(t, mqtt.Options{QoS: 1, Export: []mqtt.Rule{topics("com.example.")}})
	b := s.up(false)
	c := s.program()
	say(t, c, "com.example.weather", client.PublishOptions{}, 21.5)
	say(t, c, "com.example.door", client.PublishOptions{Retain: true}, "open")
	first, second := receive[*packets.PublishPacket](b), receive[*packets.PublishPacket](b)
	if first.TopicName != "com/example/weather" || string(first.Payload) != "21.5" || first.Qos != 1 || first.Retain || first.Dup {
		t.Errorf("%v", first)
	}
	if second.TopicName != "com/example/door" || string(second.Payload) != `"open"` || !second.Retain {
		t.Errorf("%v", second)
	}
	b.ack(second.MessageID)
	s.await("the second is not taken as acknowledged", func(st uplink.State) bool { return st.EventsUp.Forwarded == 1 })
	b.conn.Close()
	s.await("the link does not notice", func(st uplink.State) bool { return !st.Up })
	say(t, c, "com.example.late", client.PublishOptions{}, 1)
	b = s.up(false)
	again, late := receive[*packets.PublishPacket](b), receive[*packets.PublishPacket](b)
	if again.MessageID != first.MessageID || !again.Dup || again.TopicName != first.TopicName || late.TopicName != "com/example/late" || late.Dup {
		t.Errorf("%v, %v", again, late)
	}
	b.ack(again.MessageID)
	b.ack(late.MessageID)
	s.await("not all is acknowledged", func(st uplink.State) bool { return st.EventsUp.Forwarded == 3 && s.spool.State().Events == 0 })
}

func TestExportExactlyOnce(t *testing.T) {
	s := newSite(t, mqtt.Options{QoS: 2, Export: []mqtt.Rule{topics("com.example.")}})
	b := s.up(false)
	say(t, s.program(), "com.example.x", client.PublishOptions{}, 1)
	p := receive[*packets.PublishPacket](b)
	b.rec(p.MessageID)
	if rel := receive[*packets.PubrelPacket](b); rel.MessageID != p.MessageID {
		t.Errorf("%v", rel)
	}
	b.conn.Close()
	b = s.up(true)
	if rel := receive[*packets.PubrelPacket](b); rel.MessageID != p.MessageID {
		t.Errorf("%v", rel)
	}
	b.comp(p.MessageID)
	s.await("not acknowledged", func(st uplink.State) bool { return st.EventsUp.Forwarded == 1 && s.spool.State().Events == 0 })
}

func TestImport(t *testing.T) {
	s := newSite(t, mqtt.Options{QoS: 2, Import: []mqtt.Rule{
		{Rule: uplink.Rule{Topic: "site.", Match: wamp.Prefix, LocalPrefix: "com.example.", RemotePrefix: "site."}}}})
	c := s.program()
	ch := heard(t, c, client.SubscribeOptions{})
	b := s.up(false)
	if p := b.subscribed(); p.Topics[0] != "site/#" || p.Qoss[0] != 2 {
		t.Errorf("%v", p)
	}
	b.publish("site/a", `{"args":[1],"kwargs":{"k":true}}`, 0, 0)
	expect(t, ch, "com.example.a [1] map[k:true] false")
	b.publish("site/b", `"x"`, 1, 7)
	if ack := receive[*packets.PubackPacket](b); ack.MessageID != 7 {
		t.Errorf("%v", ack)
	}
	expect(t, ch, "com.example.b [x] map[] false")

	b.publish("site/c", `1`, 2, 8)
	receive[*packets.PubrecPacket](b)
	expect(t, ch, "com.example.c [1] map[] false")
	b.conn.Close()
	b = s.up(true)
	b.publish("site/c", `1`, 2, 8) // once more: PUBREC may have been lost
	receive[*packets.PubrecPacket](b)
	b.rel(8)
	receive[*packets.PubcompPacket](b)
	b.publish("site/c", `2`, 2, 8)
	receive[*packets.PubrecPacket](b)
	expect(t, ch, "com.example.c [2] map[] false")
}

func TestImportRetains(t *testing.T) {
	s := newSite(t, mqtt.Options{QoS: 1, Import: []mqtt.Rule{topics("com.example.")}})
	b := s.up(false)
	b.subscribed()
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Payload, p.Qos, p.MessageID, p.Retain = "com/example/door", []byte(`"open"`), 1, 1, true
	b.send(p)
	receive[*packets.PubackPacket](b)
	expect(t, heard(t, s.program(), client.SubscribeOptions{GetRetained: true}), "com.example.door [open] map[] true")
	p.Payload = nil
	b.send(p)
	receive[*packets.PubackPacket](b)
	ch := heard(t, s.program(), client.SubscribeOptions{GetRetained: true})
	b.publish("com/example/end", "", 0, 0)
	expect(t, ch, "com.example.end [] map[] false")
}

// A message that can't be imported is counted and acknowledged; otherwise the broker would repeat it forever.
func TestImportRefuses(t *testing.T) {
	s := newSite(t, mqtt.Options{QoS: 1, MaxMessage: 100, Import: []mqtt.Rule{{Rule: uplink.Rule{Match: wamp.Prefix}}}})
	b := s.up(false)
	b.subscribed()
	for i, m := range []struct{ topic, payload string }{
		{"$SYS/example", "1"}, {"com/exam\x01ple", "1"}, {"wamp/session", "1"}, {"com/example/forbidden", "1"}, {"com/example", "{"},
		{"com/example", strings.Repeat(" ", 5000)}, {"com/exam\x7fple", "1"},
	} {
		b.publish(m.topic, m.payload, 1, uint16(i+1))
		if ack := receive[*packets.PubackPacket](b); ack.MessageID != uint16(i+1) {
			t.Errorf("%v", ack)
		}
		s.await(fmt.Sprintf("%q is not counted", m.topic), func(st uplink.State) bool { return st.EventsDown.Dropped == uint64(i+1) })
	}
}

func TestExportRefuses(t *testing.T) {
	s := newSite(t, mqtt.Options{QoS: 1, Format: mqtt.Raw, MaxMessage: 100, Export: []mqtt.Rule{topics("com.example.")}})
	b := s.up(false)
	c := s.program()
	say2 := func(topic string, args ...any) {
		t.Helper()
		c.Publish(context.Background(), topic, client.PublishOptions{Acknowledge: true}, client.Args(args...))
	}
	say2("com.example.a/b", "x")
	say2("com.example.+", "x")
	say2("com.example.number", 1)
	say2("com.example.two", "x", "y")
	say2("com.example.long", strings.Repeat("x", 101))
	say2("com.example.end", []byte{1, 2})
	if p := receive[*packets.PublishPacket](b); p.TopicName != "com/example/end" || !bytes.Equal(p.Payload, []byte{1, 2}) {
		t.Errorf("%v", p)
	}
	s.await("not all are counted", func(st uplink.State) bool { return st.EventsUp.Dropped == 5 })
}

// With the same pattern both ways, the link does not publish its own messages here again.
func TestNoLoop(t *testing.T) {
	s := newSite(t, mqtt.Options{QoS: 1, Export: []mqtt.Rule{topics("com.example.")}, Import: []mqtt.Rule{topics("com.example.")}})
	c := s.program()
	ch := heard(t, c, client.SubscribeOptions{})
	b := s.next()
	if p := receive[*packets.ConnectPacket](b); p.ProtocolVersion != 0x84 {
		t.Errorf("%v", p)
	}
	no := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
	no.ReturnCode = packets.ErrRefusedBadProtocolVersion
	b.send(no)
	b = s.next()
	if p := receive[*packets.ConnectPacket](b); p.ProtocolVersion != 4 {
		t.Errorf("%v", p)
	}
	b.accept(false)
	b.subscribed()
	say(t, s.program(), "com.example.a", client.PublishOptions{}, 1)
	expect(t, ch, "com.example.a [1] map[] false")
	p := receive[*packets.PublishPacket](b)
	b.ack(p.MessageID)
	b.publish(p.TopicName, string(p.Payload), 1, 1) // the echo
	receive[*packets.PubackPacket](b)
	b.publish(p.TopicName, string(p.Payload), 1, 2) // another client
	receive[*packets.PubackPacket](b)
	expect(t, ch, "com.example.a [1] map[] false")
	b.publish("com/example/b", "2", 1, 3)
	receive[*packets.PubackPacket](b)
	expect(t, ch, "com.example.b [2] map[] false")
	select {
	case p := <-b.got:
		t.Errorf("the link has sent %v", p)
	default:
	}
}

// An event that another gateway imported from the same broker is not sent back to it.
func TestNoCircle(t *testing.T) {
	s := newSite(t, mqtt.Options{QoS: 1, Export: []mqtt.Rule{topics("com.example.")}, Import: []mqtt.Rule{topics("org.example.")}})
	b := s.up(false)
	b.subscribed()
	way := make(chan []client.Hop, 1)
	c := s.program()
	_, err := c.Subscribe(context.Background(), "org.example.x", client.SubscribeOptions{}, func(e *client.Event) { kit.Send(t, way, e.ForwardFor()) })
	kit.Must(t, err)
	b.publish("org/example/x", "1", 0, 0)
	came := <-way
	if len(came) != 1 || came[0].Node != "mqtt://broker" {
		t.Fatalf("%+v", came)
	}
	say(t, c, "com.example.circle", client.PublishOptions{ForwardFor: append(came, client.Hop{Node: "centre"})}, 1)
	say(t, c, "com.example.other", client.PublishOptions{ForwardFor: []client.Hop{{Node: "mqtt://other"}}}, 2)
	if p := receive[*packets.PublishPacket](b); p.TopicName != "com/example/other" {
		t.Errorf("%v", p)
	}
	s.await("not counted", func(st uplink.State) bool { return st.Looped == 1 })
}

func TestCalls(t *testing.T) {
	s := newSite(t, mqtt.Options{QoS: 1, Export: []mqtt.Rule{procedures("com.example.")}})
	c := s.program()
	_, err := c.Register(context.Background(), "com.example.pump.set", client.RegisterOptions{}, func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
		if args := inv.Args(); len(args) == 1 && args[0] == "jam" {
			return client.Payload{}, client.NewError("com.example.error.jammed", "valve 3")
		}
		return client.Payload{Args: inv.Args(), Kwargs: inv.Kwargs()}, nil
	})
	kit.Must(t, err)
	b := s.up(false)
	if p := b.subscribed(); p.Topics[1] != "com/example/+/+/request" || p.Qoss[1] != 0 {
		t.Errorf("%v", p)
	}
	for _, m := range []struct{ topic, request, reply, response string }{
		{"pump/set", `{"id":7,"args":[1],"kwargs":{"a":2}}`, "7", `{"id":7,"args":[1],"kwargs":{"a":2}}`},
		{"pump/set", `{"id":"j","args":["jam"]}`, "j", `{"id":"j","error":"com.example.error.jammed","args":["valve 3"]}`},
		{"nobody", `{"id":"n"}`, "n", `{"id":"n","error":"wamp.error.no_such_procedure"`},
	} {
		b.publish("com/example/"+m.topic+"/request", m.request, 0, 0)
		p := receive[*packets.PublishPacket](b)
		if p.TopicName != "com/example/"+m.topic+"/response/"+m.reply || !strings.HasPrefix(string(p.Payload), m.response) || p.Retain || p.Qos != 0 {
			t.Errorf("%v", p)
		}
	}
	b.publish("com/example/pump/set/request", `{"id":"a/b"}`, 0, 0)
	b.publish("com/example/pump/set/request", `[]`, 0, 0)
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Payload, p.Retain = "com/example/pump/set/request", []byte(`{"id":"r"}`), true
	b.send(p)
	s.await("not all are counted", func(st uplink.State) bool { return st.CallsDown.Dropped == 3 && st.CallsDown.Forwarded == 3 })
}

func TestLinkState(t *testing.T) {
	s := newSite(t, mqtt.Options{QoS: 1, StateTopic: "com/example/gw/state", Username: "u", Password: "p", Export: []mqtt.Rule{topics("com.example.")}})
	b := s.next()
	p := receive[*packets.ConnectPacket](b)
	if !p.WillFlag || !p.WillRetain || p.WillTopic != "com/example/gw/state" || string(p.WillMessage) != "offline" ||
		p.Username != "u" || string(p.Password) != "p" || p.ClientIdentifier != "gateway" {
		t.Errorf("%v", p)
	}
	b.accept(false)
	if p := receive[*packets.PublishPacket](b); string(p.Payload) != "online" || !p.Retain || p.TopicName != "com/example/gw/state" {
		t.Errorf("%v", p)
	}
	s.stop()
	if p := receive[*packets.PublishPacket](b); string(p.Payload) != "offline" || !p.Retain {
		t.Errorf("%v", p)
	}
	receive[*packets.DisconnectPacket](b)
}

// After any input from a broker, the link reconnects and works.
func TestHostileBroker(t *testing.T) {
	s := newSite(t, mqtt.Options{QoS: 1, Import: []mqtt.Rule{topics("com.example.")}, Export: []mqtt.Rule{topics("com.example.")}})
	for _, octets := range []string{
		"", "\x00", "\x20\xff\xff\xff\x7f", "\x20\xff\xff\xff\xff\xff", "\x20\x00", "\x20\x02\x00\x05", "\x20\x02\x00\x63", "\x90\x02\x00\x01",
		"HTTP/1.1 400 Bad Request\r\n\r\n",
	} {
		b := s.next()
		receive[*packets.ConnectPacket](b)
		io.WriteString(b.conn, octets)
		b.conn.Close()
	}
	for _, octets := range []string{
		"\x20\x02\x00\x00", "\x10\x00", "\x30\x00", "\x30\x02\xff\xff", "\x36\x05\x00\x01a\x00\x01", "\x32\x05\x00\x01a\x00\x00", "\x90\x01\x00",
		"\x90\x03\x00\x01\x00", "\x90\x04\xfd\xe9\x00\x00", "\x40\x02\x00\x00", "\xf0\x00", "\x50\xff\xff\xff\x7f",
	} {
		b := s.up(false)
		io.WriteString(b.conn, octets)
		b.conn.Close()
	}
	b := s.up(false)
	b.subscribed()
	b.publish("com/example/a", "1", 1, 1)
	receive[*packets.PubackPacket](b)
}

// The link drops an event that makes the broker close the connection. Later events get through.
func TestBrokerEndsConnectionForAnEvent(t *testing.T) {
	s := newSite(t, mqtt.Options{QoS: 1, Export: []mqtt.Rule{topics("com.example.")}})
	c := s.program()
	b := s.up(false)
	say(t, c, "com.example.bad", client.PublishOptions{}, 1)
	say(t, c, "com.example.good", client.PublishOptions{}, 2)
	for tries := 0; ; tries++ {
		p := receive[*packets.PublishPacket](b)
		if p.TopicName == "com/example/good" {
			b.ack(p.MessageID)
			break
		}
		if tries == 100 {
			t.Fatal("the event is sent again and again")
		}
		s.await("the link is not asked", func(st uplink.State) bool { return st.Up && st.RoundTrip > 0 })
		b.conn.Close()
		b = s.up(false)
	}
	s.await("not counted", func(st uplink.State) bool {
		return st.EventsUp.Dropped == 1 && st.EventsUp.Forwarded == 1 && st.Queue.Events == 0
	})
}

func TestBadRules(t *testing.T) {
	store, err := spool.Open(spool.Options{})
	kit.Must(t, err)
	for name, o := range map[string]mqtt.Options{
		"procedure imported":   {Import: []mqtt.Rule{procedures("com.example.")}},
		"calls by raw":         {Format: mqtt.Raw, Export: []mqtt.Rule{procedures("com.example.")}},
		"half a level":         {Import: []mqtt.Rule{topics("com.exam")}},
		"a slash":              {Export: []mqtt.Rule{topics("com/example.")}},
		"another prefix":       {Export: []mqtt.Rule{{Rule: uplink.Rule{Topic: "a.b", LocalPrefix: "b.", RemotePrefix: "c."}}}},
		"nothing":              {Export: []mqtt.Rule{{}}},
		"broker's own":         {Import: []mqtt.Rule{topics("$SYS.")}},
		"a state with pattern": {StateTopic: "a/+"},
	} {
		o.Spool, o.Brokers = store, []mqtt.Broker{{URL: "mqtt://x"}}
		if _, err := mqtt.New(o); err == nil {
			t.Errorf("%s: no complaint", name)
		}
	}
}

// With QoS 0 an event has crossed once it is written.
func TestExportWithoutAcknowledgement(t *testing.T) {
	s := newSite(t, mqtt.Options{Export: []mqtt.Rule{topics("com.example.")}})
	c := s.program()
	b := s.up(false)
	for i := range 3 {
		say(t, c, "com.example.x", client.PublishOptions{}, i)
		if p := receive[*packets.PublishPacket](b); string(p.Payload) != fmt.Sprint(i) || p.Qos != 0 || p.MessageID != 0 {
			t.Errorf("%v", p)
		}
	}
	s.await("events are left", func(st uplink.State) bool { return st.EventsUp.Forwarded == 3 && st.Queue.Events == 0 })
	b.conn.Close()
	b = s.up(false)
	say(t, c, "com.example.x", client.PublishOptions{}, "next")
	if p := receive[*packets.PublishPacket](b); string(p.Payload) != `"next"` {
		t.Errorf("%v", p)
	}
}

// A message whose topic only looks like that of a call is an event.
func TestRequestsOfNoProcedure(t *testing.T) {
	s := newSite(t, mqtt.Options{QoS: 1, Export: []mqtt.Rule{procedures("com.example.pump.")}, Import: []mqtt.Rule{topics("com.example.")}})
	ch := heard(t, s.program(), client.SubscribeOptions{})
	b := s.up(false)
	b.subscribed()
	b.publish("com/example/door/request", "1", 1, 1)
	receive[*packets.PubackPacket](b)
	expect(t, ch, "com.example.door.request [1] map[] false")
	if st := s.link.State(); st.CallsDown.Forwarded+st.CallsDown.Dropped != 0 || st.EventsDown.Forwarded != 1 {
		t.Errorf("%+v", st)
	}
}

// A request that the broker sends twice is one call.
func TestCallsAreMadeOnce(t *testing.T) {
	s := newSite(t, mqtt.Options{QoS: 1, Export: []mqtt.Rule{procedures("com.example.")}})
	c := s.program()
	called := make(chan any, 10)
	_, err := c.Register(context.Background(), "com.example.pump.set", client.RegisterOptions{}, func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
		kit.Send(t, called, inv.Args()[0])
		return client.Args(inv.Args()[0]), nil
	})
	kit.Must(t, err)
	b := s.up(false)
	b.subscribed()
	for range 2 {
		b.publish("com/example/pump/set/request", `{"id":1,"args":["one"]}`, 0, 0)
	}
	b.publish("com/example/pump/set/request", `{"id":2,"args":["two"]}`, 0, 0)
	replies := map[string]bool{}
	for range 2 {
		replies[receive[*packets.PublishPacket](b).TopicName] = true
	}
	if len(replies) != 2 || !replies["com/example/pump/set/response/1"] || !replies["com/example/pump/set/response/2"] || len(called) != 2 {
		t.Errorf("replies %v, %d calls", replies, len(called))
	}
}

// An answer that is too large for MQTT becomes an error.
func TestAnswerIsTooLarge(t *testing.T) {
	s := newSite(t, mqtt.Options{QoS: 1, MaxMessage: 200, Export: []mqtt.Rule{procedures("com.example.")}})
	_, err := s.program().Register(context.Background(), "com.example.long", client.RegisterOptions{}, func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
		return client.Args(strings.Repeat("x", int(inv.Args()[0].(int64)))), nil
	})
	kit.Must(t, err)
	b := s.up(false)
	b.subscribed()
	const frame = len(`{"id":1,"args":[""]}`)
	for n, want := range map[int]string{200 - frame: `{"id":1,"args":["xxx`, 201 - frame: `{"id":1,"error":"wamp.error.payload_size_exceeded"`} {
		id := 1
		if n == 201-frame {
			id, want = 2, strings.Replace(want, "1", "2", 1)
		}
		b.publish("com/example/long/request", fmt.Sprintf(`{"id":%d,"args":[%d]}`, id, n), 0, 0)
		if p := receive[*packets.PublishPacket](b); !strings.HasPrefix(string(p.Payload), want) {
			t.Errorf("%d characters: %s", n, p.Payload)
		}
	}
}

// A message is acknowledged when the local realm has it. While the realm is unreachable, the link has no connection,
// and the broker keeps the message.
func TestImportWhileTheRealmIsAway(t *testing.T) {
	for _, qos := range []byte{1, 2} {
		s := newSite(t, mqtt.Options{QoS: qos, Import: []mqtt.Rule{topics("com.example.")}})
		ch := heard(t, s.program(), client.SubscribeOptions{})
		b := s.up(false)
		b.subscribed()
		b.publish("com/example/a", "1", qos, 1)
		if qos == 1 {
			receive[*packets.PubackPacket](b)
		} else {
			receive[*packets.PubrecPacket](b)
			b.rel(1)
			receive[*packets.PubcompPacket](b)
		}
		expect(t, ch, "com.example.a [1] map[] false")
		s.Cut()
		b.publish("com/example/b", "2", qos, 2)
		for p := range b.got { // until the link closes the connection
			t.Errorf("QoS %d: the link has sent %v", qos, p)
		}
		s.Mend()
		b = s.up(true)
		b.publish("com/example/b", "2", qos, 2)
		if qos == 1 {
			receive[*packets.PubackPacket](b)
		} else {
			receive[*packets.PubrecPacket](b)
		}
		expect(t, ch, "com.example.b [2] map[] false")
		if st := s.link.State(); st.EventsDown.Dropped != 0 || st.EventsDown.Forwarded != 2 {
			t.Errorf("QoS %d: %+v", qos, st)
		}
	}
}
