package mqtt_test

import (
	"context"
	"strings"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/uplink"
	"runnel/uplink/mqtt"
)

func named(uri string, match wamp.Match, topic string, form *mqtt.Form) mqtt.Rule {
	return mqtt.Rule{Rule: uplink.Rule{Topic: uri, Match: match}, MQTTTopic: topic, Form: form}
}

// Events go to the topics that their rules name, in the format of their rules. The link rejects an event without a name
// and reports the reason.
func TestExportToNamedTopics(t *testing.T) {
	s := newSite(t, mqtt.Options{QoS: 1, Export: []mqtt.Rule{
		topics("com.example."),
		named("com.example.meter.", wamp.Prefix, "v1/devices/me/telemetry", &mqtt.Form{Format: mqtt.Flat}),
		named("com.example.room.", wamp.Prefix, "/site one/{4}/{5}/", &mqtt.Form{Format: mqtt.Text}),
		named("com.example.shadow", wamp.Exact, "$aws/things/gw/shadow/update", nil),
	}})
	b := s.up(false)
	c := s.program()
	for _, e := range []struct {
		uri     string
		payload client.Payload
		topic   string
		message string
	}{
		{"com.example.meter.voltage", client.Args(230.1), "v1/devices/me/telemetry", `{"voltage":230.1}`},
		{"com.example.meter.x", client.Kwargs(map[string]any{"t": 1}), "v1/devices/me/telemetry", `{"t":1}`},
		{"com.example.room.Living%20Room.lamp%2E1", client.Args("on"), "/site one/Living Room/lamp.1/", "on"},
		{"com.example.shadow", client.Args(map[string]any{"state": nil}), "$aws/things/gw/shadow/update", `{"state":null}`},
		{"com.example.other.%.x", client.Args(1), "com/example/other//x", "1"},
	} {
		kit.Must(t, c.Publish(context.Background(), e.uri, client.PublishOptions{Acknowledge: true}, e.payload))
		p := receive[*packets.PublishPacket](b)
		if p.TopicName != e.topic || string(p.Payload) != e.message {
			t.Errorf("%s: %s %s", e.uri, p.TopicName, p.Payload)
		}
		b.ack(p.MessageID)
	}
	s.await("not all is acknowledged", func(st uplink.State) bool { return st.EventsUp.Forwarded == 5 && s.spool.State().Events == 0 })
	err := c.Publish(context.Background(), "com.example.room.x", client.PublishOptions{Acknowledge: true}, client.Args("on"))
	if err == nil || !strings.Contains(err.Error(), "needs component 5 of the URI, which has 4") {
		t.Error(err)
	}
	s.await("an event without a topic is not counted", func(st uplink.State) bool { return st.EventsUp.Dropped == 1 })
}

// Messages of topics with blanks, dots, empty levels and $ become events, each of the rule that fits best.
func TestImportFromNamedTopics(t *testing.T) {
	s := newSite(t, mqtt.Options{QoS: 1, Import: []mqtt.Rule{
		topics("com.example."),
		named("com.example.room.", wamp.Prefix, "/site one/{4...}", &mqtt.Form{Format: mqtt.Flat}),
		named("com.example.one", wamp.Exact, "/site one/special", &mqtt.Form{Format: mqtt.Text}),
		named("com.example.accepted", wamp.Exact, "$aws/things/gw/shadow/update/accepted", nil),
		named("com.example..state", wamp.Wildcard, "stat/sensor-{3}/STATE", nil),
	}})
	ch := heard(t, s.program(), client.SubscribeOptions{})
	b := s.up(false)
	if p := b.subscribed(); strings.Join(p.Topics, " ") != "com/example/# /site one/# $aws/things/gw/shadow/update/accepted stat/+/STATE" {
		t.Errorf("%q", p.Topics)
	}
	for i, m := range []struct{ topic, message, want string }{
		{"/site one/Living Room/lamp.1/", `{"on":true}`, "com.example.room.Living%20Room.lamp%2E1.% [] map[on:true] false"},
		{"/site one/special", "x", "com.example.one [x] map[] false"},
		{"$aws/things/gw/shadow/update/accepted", "{}", "com.example.accepted [map[]] map[] false"},
		{"stat/sensor-7/STATE", "1", "com.example.7.state [1] map[] false"},
		{"com/example/a b", "2", "com.example.a%20b [2] map[] false"},
	} {
		b.publish(m.topic, m.message, 1, uint16(i+1))
		if ack := receive[*packets.PubackPacket](b); ack.MessageID != uint16(i+1) {
			t.Errorf("%v", ack)
		}
		expect(t, ch, m.want)
	}
	b.publish("stat/actor-7/STATE", "1", 1, 9) // the filter is wider than the rule
	if ack := receive[*packets.PubackPacket](b); ack.MessageID != 9 {
		t.Errorf("%v", ack)
	}
	if n := s.link.State().EventsDown.Dropped; n != 0 {
		t.Errorf("%d messages were dropped", n)
	}
}
