package mqtt_test

import (
	"bytes"
	"context"
	"log/slog"
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

// retained sends a message as brokers do that a new subscription matches.
func (b *broker) retained(topic, payload string, id uint16) {
	b.t.Helper()
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Payload, p.Qos, p.MessageID, p.Retain = topic, []byte(payload), 1, id, true
	b.send(p)
	if ack := receive[*packets.PubackPacket](b); ack.MessageID != id {
		b.t.Errorf("%v", ack)
	}
}

// A broker answers SUBSCRIBE with all retained messages. The link therefore subscribes only to filters that the
// broker's session lacks. A retained command that is repeated all the same is not executed again.
func TestSubscribesOnceForASession(t *testing.T) {
	s := newSite(t, mqtt.Options{QoS: 1, Import: []mqtt.Rule{topics("com.example.")}})
	ch := heard(t, s.program(), client.SubscribeOptions{})
	b := s.up(false)
	b.subscribed()
	b.retained("com/example/pump", `"on"`, 1)
	expect(t, ch, "com.example.pump [on] map[] false")

	b.conn.Close()
	b = s.up(true)
	b.publish("com/example/a", "1", 1, 2)
	receive[*packets.PubackPacket](b) // and no SUBSCRIBE before it
	expect(t, ch, "com.example.a [1] map[] false")

	b.conn.Close()
	b = s.up(false) // the broker has lost the session
	b.subscribed()
	b.retained("com/example/pump", `"on"`, 3)
	b.retained("com/example/pump", `"on"`, 4) // now it is a new message
	expect(t, ch, "com.example.pump [on] map[] false")
	b.conn.Close()
	b = s.up(false)
	b.subscribed()
	b.retained("com/example/pump", `"off"`, 5) // it has changed meanwhile
	expect(t, ch, "com.example.pump [off] map[] false")
	b.publish("com/example/end", "", 0, 0)
	expect(t, ch, "com.example.end [] map[] false")
}

// A SUBSCRIBE that was not answered is sent again.
func TestSubscribesAgainWhatWasNotAnswered(t *testing.T) {
	s := newSite(t, mqtt.Options{QoS: 1, Import: []mqtt.Rule{topics("com.example.a."), topics("com.example.b.")}})
	b := s.up(false)
	receive[*packets.SubscribePacket](b)
	b.conn.Close()
	b = s.up(true)
	p := receive[*packets.SubscribePacket](b)
	ack := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
	ack.MessageID, ack.ReturnCodes = p.MessageID, []byte{1, 0x80}
	b.send(ack)
	s.await("the refusal is not told", func(st uplink.State) bool { return len(st.Refused) == 1 })
	b.conn.Close()
	b = s.up(true)
	if p := b.subscribed(); len(p.Topics) != 1 || p.Topics[0] != "com/example/b/#" {
		t.Errorf("%v", p)
	}
}

// The next process continues the session of the previous one, without filters that the configuration no longer has.
func TestSubscriptionsOutliveTheProcess(t *testing.T) {
	dir := t.TempDir()
	s := newSite(t, mqtt.Options{QoS: 1, Dir: dir, Import: []mqtt.Rule{topics("com.example.a."), topics("com.example.b.")}})
	b := s.up(false)
	b.subscribed()
	b.publish("com/example/a/x", "1", 1, 1)
	receive[*packets.PubackPacket](b) // SUBACK was read before
	s.close()

	s = newSite(t, mqtt.Options{QoS: 1, Dir: dir, Import: []mqtt.Rule{topics("com.example.b."), topics("com.example.c.")}})
	b = s.up(true)
	if p := receive[*packets.UnsubscribePacket](b); len(p.Topics) != 1 || p.Topics[0] != "com/example/a/#" {
		t.Errorf("%v", p)
	}
	if p := b.subscribed(); len(p.Topics) != 1 || p.Topics[0] != "com/example/c/#" {
		t.Errorf("%v", p)
	}
}

func rule(topic string, match wamp.Match, store spool.Class) mqtt.Rule {
	return mqtt.Rule{Rule: uplink.Rule{Topic: topic, Match: match, Store: store}}
}

// The most specific matching rule decides, independently of the order of the rules.
func TestTheMostSpecificRuleDecides(t *testing.T) {
	wide, exact := rule("com.example.", wamp.Prefix, spool.Memory), rule("com.example.alarm", wamp.Exact, spool.Memory)
	narrow, any := rule("com.example.door.", wamp.Prefix, spool.Memory), rule("com..alarm", wamp.Wildcard, spool.Memory)
	exact.Retain, narrow.RemotePrefix, narrow.LocalPrefix, any.RemotePrefix = true, "doors.", "com.example.door.", "any."
	s := newSite(t, mqtt.Options{QoS: 1, Export: []mqtt.Rule{any, wide, narrow, exact}})
	b := s.up(false)
	c := s.program()
	for _, m := range []struct {
		topic, remote string
		retained      bool
	}{
		{"com.example.alarm", "com/example/alarm", true},
		{"com.example.door.1", "doors/1", false},
		{"com.example.weather", "com/example/weather", false},
		{"com.other.alarm", "any/com/other/alarm", false},
	} {
		kit.Must(t, c.Publish(context.Background(), m.topic, client.PublishOptions{Acknowledge: true}, client.Args(1)))
		if p := receive[*packets.PublishPacket](b); p.TopicName != m.remote || p.Retain != m.retained {
			t.Errorf("%s: %v", m.topic, p)
		}
	}
}

// The same for incoming messages.
func TestTheMostSpecificImportDecides(t *testing.T) {
	wide, narrow := topics(""), topics("site.")
	narrow.RemotePrefix, narrow.LocalPrefix = "site.", "com.example."
	s := newSite(t, mqtt.Options{QoS: 1, Import: []mqtt.Rule{wide, narrow}})
	ch := heard(t, s.program(), client.SubscribeOptions{})
	b := s.up(false)
	b.subscribed()
	b.publish("site/a", "1", 1, 1)
	expect(t, ch, "com.example.a [1] map[] false")
}

// TestEchoesOfTheLastConnection: if the broker has kept the session, the link's messages may still come back in the
// next connection. Without the session, the same message comes from another client.
func TestEchoesOfTheLastConnection(t *testing.T) {
	for _, session := range []bool{true, false} {
		s := newSite(t, mqtt.Options{QoS: 1, Export: []mqtt.Rule{topics("com.example.")}, Import: []mqtt.Rule{topics("com.example.")}})
		c := s.program()
		ch := heard(t, c, client.SubscribeOptions{})
		b := s.next()
		receive[*packets.ConnectPacket](b)
		no := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
		no.ReturnCode = packets.ErrRefusedBadProtocolVersion // no bridge extension: the broker sends the link's messages back
		b.send(no)
		b = s.up(false)
		b.subscribed()
		say(t, s.program(), "com.example.a", client.PublishOptions{}, 1)
		expect(t, ch, "com.example.a [1] map[] false")
		b.ack(receive[*packets.PublishPacket](b).MessageID)
		s.await("acknowledged", func(st uplink.State) bool { return st.EventsUp.Forwarded == 1 })
		b.conn.Close()
		b = s.up(session)
		if !session {
			b.subscribed()
			b.publish("com/example/a", "1", 1, 1)
			receive[*packets.PubackPacket](b)
			expect(t, ch, "com.example.a [1] map[] false")
		} else {
			b.publish("com/example/a", "1", 1, 1)
			receive[*packets.PubackPacket](b)
		}
		b.publish("com/example/end", "", 1, 2)
		receive[*packets.PubackPacket](b)
		expect(t, ch, "com.example.end [] map[] false")
	}
}

// TestSubscriptionRefused: a filter that the broker refuses is a rule that fails, and is reported once.
func TestSubscriptionRefused(t *testing.T) {
	var log bytes.Buffer
	s := newSite(t, mqtt.Options{QoS: 1, Log: slog.New(slog.NewTextHandler(&log, nil)), Import: []mqtt.Rule{topics("com.example.a."), topics("com.example.b.")}})
	for range 2 {
		b := s.up(false)
		p := receive[*packets.SubscribePacket](b)
		ack := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
		ack.MessageID, ack.ReturnCodes = p.MessageID, []byte{1, 0x80}
		b.send(ack)
		b.publish("com/example/a/x", "1", 1, 1)
		receive[*packets.PubackPacket](b) // SUBACK was read before it
		b.conn.Close()
	}
	s.close()
	if n := strings.Count(log.String(), "rule refused"); n != 1 || !strings.Contains(log.String(), "com/example/b/#") || strings.Contains(log.String(), "to com/example/a/#") {
		t.Errorf("%d lines:\n%s", n, &log)
	}
}

// An exported procedure is no topic: the link does not subscribe to anything in the realm for it.
func TestProcedureIsNoTopic(t *testing.T) {
	s := newSite(t, mqtt.Options{Export: []mqtt.Rule{{Rule: uplink.Rule{Procedure: "com.example.", Match: wamp.Prefix}}, topics("org.example.")}})
	s.up(false).subscribed()
	c := s.program()
	for topic, want := range map[string]bool{"com.example.a": false, "org.example.a": true} {
		r, err := c.Call(t.Context(), "wamp.subscription.match", client.CallOptions{}, client.Args(topic))
		kit.Must(t, err)
		if got := len(r.Args()) > 0 && r.Args()[0] != nil; got != want {
			t.Errorf("%s: the link subscribes: %v, want %v", topic, got, want)
		}
	}
}
