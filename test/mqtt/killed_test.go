package mqtt

import (
	"testing"

	"runnel/edge/client"
	"runnel/test/kit"
	"runnel/transport/mqtt/packet"
)

// The will of a device is published when an operator kills its session, and at once when the router stops; one with a delay waits
// for it over a kill of the router.
func TestWillOfTheKilled(t *testing.T) {
	t.Parallel()
	g, b := newDoor(t)
	will := func(name string, delay uint32) func(*packet.Connect) {
		return func(c *packet.Connect) {
			c.Will = &packet.Will{Topic: "last/" + name, QoS: 1, Retain: true, Payload: []byte("gone"), Properties: packet.Properties{{ID: packet.WillDelay, Number: delay}}}
		}
	}
	w := b.join(t, packet.V5)
	w.sub("last/+", 1)
	victim := b.join(t, packet.V5, named("victim"), will("victim", 0))
	c := g.join()
	result, err := c.Call(t.Context(), "wamp.session.list", client.CallOptions{}, client.Payload{})
	kit.Must(t, err)
	list, _ := result.Args()[0].([]any)
	for _, id := range list {
		result, err := c.Call(t.Context(), "wamp.session.get", client.CallOptions{}, client.Args(id))
		kit.Must(t, err)
		details, _ := result.Args()[0].(map[string]any)
		if transport, _ := details["transport"].(map[string]any); transport["client_id"] == "victim" {
			_, err = c.Call(t.Context(), "wamp.session.kill", client.CallOptions{}, client.Args(id))
			kit.Must(t, err)
		}
	}
	w.takes("last/victim|1|0|gone")
	victim.over()

	b.join(t, packet.V5, lasting("late", 600), will("late", 1))
	g.Kill()
	b = g.open()
	w = b.join(t, packet.V5)
	w.sub("last/+", 1)
	for m := w.take(); m.Topic != "last/late"; m = w.take() { // that of the victim is retained
		if m.Topic != "last/victim" {
			t.Errorf("%+v", m)
		}
	}
}

// A router that is killed between PUBLISH and PUBREL takes the message once.
func TestKilledBeforePubrel(t *testing.T) {
	t.Parallel()
	for _, v := range []packet.Version{packet.V311, packet.V5} {
		t.Run(v.String(), func(t *testing.T) {
			t.Parallel()
			g, b := newDoor(t)
			w := b.join(t, v, lasting("watch", 600))
			w.sub("once", 2)
			w.close()
			p := b.join(t, v, lasting("device", 600))
			m := packet.Publish{Topic: "once", QoS: 2, ID: 7, Payload: []byte("x")}
			p.send(&m)
			next[*packet.Ack](p)
			for range 2 {
				g.Kill()
				b = g.open()
				p = b.join(t, v, lasting("device", 600))
				m.Dup = true
				p.send(&m)
				if ack := next[*packet.Ack](p); ack.Type != packet.TypePubrec || ack.Code != 0 {
					t.Errorf("%+v", ack)
				}
			}
			p.send(&packet.Ack{Type: packet.TypePubrel, ID: 7})
			if ack := next[*packet.Ack](p); ack.Type != packet.TypePubcomp || ack.Code != 0 {
				t.Errorf("%+v", ack)
			}
			g.Kill()
			b = g.open()
			p = b.join(t, v, lasting("device", 600))
			m.Dup, m.Payload = false, []byte("next")
			p.send(&m) // the id is free again
			next[*packet.Ack](p)
			b.join(t, v, lasting("watch", 600)).takes("once|2|0|x", "once|2|0|next")
		})
	}
}
