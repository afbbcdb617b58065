package mqtt_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"runnel/edge/client"
	"runnel/test/kit"
	"runnel/transport/mqtt/packet"
	"runnel/uplink"
	"runnel/uplink/mqtt"
)

// replace puts another link in the place of the present one, as a reload does.
func (s *edgeSite) replace(opts mqtt.Options) {
	s.t.Helper()
	h := uplink.NewHandover()
	opts.Name, opts.Realm, opts.Local, opts.Spool, opts.From, opts.ClientID = "broker", "realm1", s.dial, s.spool, h, "gateway"
	opts.Protocol = packet.V311
	opts.Brokers = []mqtt.Broker{{URL: "mqtt://broker", Dial: s.dialBroker}}
	next, err := mqtt.New(opts)
	kit.Must(s.t, err)
	s.link.SetHandover(h)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		next.Run(ctx)
	}()
	<-next.Ready()
	s.stop()
	s.link, s.stop, s.ended = next, stop, ended
}

// When another link takes over, no event is lost or rejected: neither one in flight nor one that is published
// meanwhile.
func TestHandover(t *testing.T) {
	opts := mqtt.Options{QoS: 1, Export: []mqtt.Rule{topics("com.example.")}}
	s := newSite(t, opts)
	b := s.up(false)
	c := s.program()
	say(t, c, "com.example.x", client.PublishOptions{}, 0)
	if p := receive[*packets.PublishPacket](b); string(p.Payload) != "0" {
		t.Fatalf("%v", p)
	}
	said := make(chan int)
	done := make(chan struct{})
	go func() {
		defer close(said)
		for i := 1; ; i++ {
			if err := c.Publish(context.Background(), "com.example.x", client.PublishOptions{Acknowledge: true}, client.Args(i)); err != nil {
				t.Errorf("%d: %v", i, err)
			}
			select {
			case said <- i:
			case <-done:
				return
			}
		}
	}()
	for range 20 {
		<-said
	}
	s.replace(opts)
	last := 0
	for range 20 {
		last = <-said
	}
	close(done)
	for range said { // until the publisher has ended
	}
	b = s.up(false)
	for want := 0; want <= last; want++ { // 0 was not acknowledged
		p := receive[*packets.PublishPacket](b)
		if string(p.Payload) != strconv.Itoa(want) {
			t.Fatalf("%s arrives; want %d", p.Payload, want)
		}
		b.ack(p.MessageID)
	}
}
