package mqtt_test

import (
	"strings"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"runnel/edge/client"
	"runnel/uplink"
	"runnel/uplink/mqtt"
)

// A broker that ends one healthy connection after the other has given the session to another client.
func TestAnotherClientWithTheSameID(t *testing.T) {
	s := newSite(t, mqtt.Options{QoS: 1, Import: []mqtt.Rule{topics("com.example.")}})
	for i := 0; s.link.State().Clash == ""; i++ {
		if i > 100 {
			t.Fatalf("nothing is told: %+v", s.link.State())
		}
		b := s.up(i > 0)
		if i == 0 {
			b.subscribed()
		}
		b.publish("com/example/a", "1", 1, 1)
		receive[*packets.PubackPacket](b)
		b.conn.Close()
		s.await("the link does not notice", func(st uplink.State) bool { return !st.Up })
	}
	st := s.link.State()
	if !strings.Contains(st.Clash, `client id "gateway"`) || !strings.Contains(st.LastError, `client id "gateway"`) {
		t.Errorf("%+v", st)
	}
}

// A broker that goes away, or does not bear an event, is no such thing.
func TestABrokerThatEndsConnectionsForOtherReasons(t *testing.T) {
	s := newSite(t, mqtt.Options{QoS: 1, Export: []mqtt.Rule{topics("com.example.")}})
	for range 5 { // away in between
		s.up(true).conn.Close()
		s.next().conn.Close()
	}
	c := s.program()
	for range 5 {
		say(t, c, "com.example.bad", client.PublishOptions{}, 1)
		b := s.up(true)
		receive[*packets.PublishPacket](b)
		b.conn.Close()
	}
	if st := s.link.State(); st.Clash != "" {
		t.Errorf("%+v", st)
	}
}
