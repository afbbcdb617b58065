package mqtt

import (
	"context"
	"testing"

	wampclient "runnel/edge/client"
	"runnel/test/kit"
	"runnel/transport/memory"
	"runnel/transport/mqtt/packet"
)

// operator joins as a WAMP client that may do all.
func (s *stage) operator() *wampclient.Client {
	c, err := wampclient.Connect(context.Background(), wampclient.Options{Realm: "realm1", Reconnect: wampclient.Reconnect{Disabled: true},
		Dial: func(context.Context) (wampclient.Conn, error) {
			near, far := memory.Pipe(memory.Options{Authid: "op", Role: "user", Realm: "realm1"})
			go s.router.Serve(far)
			return near, nil
		}})
	kit.Must(s, err)
	s.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// kill ends the sessions of a user as an operator does.
func (s *stage) kill(authid string) {
	_, err := s.operator().Call(context.Background(), "wamp.session.kill_by_authid", wampclient.CallOptions{}, wampclient.Args(authid))
	kit.Must(s, err)
}

func will(delay uint32) func(*packet.Connect) {
	return func(p *packet.Connect) {
		p.Will = &packet.Will{Topic: "will", Retain: true, QoS: 1, Payload: []byte("gone")}
		if delay > 0 {
			p.Will.Properties = append(p.Will.Properties, packet.Property{ID: packet.WillDelay, Number: delay})
		}
	}
}

// watch returns a client that gets wills, and the end of a case.
func (s *stage) watch() *device {
	d := s.join(packet.V5, "watch", bob)
	d.up()
	d.sub(1, "will", "end")
	return d
}

func (d *device) willed() {
	d.Helper()
	if p := d.message(); p.Topic != "will" || string(p.Payload) != "gone" || p.QoS != 1 {
		d.Errorf("%+v in place of the will", p)
	}
}

// quiet checks that no event has arrived.
func (d *device) quiet() {
	d.Helper()
	d.pub(packet.Publish{Topic: "end"})
	if p := d.message(); p.Topic != "end" {
		d.Errorf("%+v came before", p)
	}
}

// The will is published when an operator ends the session, when another connection takes it over, and when the router ends.
func TestWillAtEachEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		version packet.Version
		killed  packet.Code // servers of MQTT 3.1.1 send no DISCONNECT
	}{
		"3.1.1": {packet.V311, 0}, "5": {packet.V5, administrative},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := c.version
			s := newStage(t, t.TempDir())
			w := s.watch()
			d := s.join(v, "dev", ada, will(0))
			d.up()
			s.kill("ada")
			w.willed()
			d.expectClosed(c.killed)
			d = s.join(v, "dev", ada, will(0))
			d.up()
			s.join(v, "dev", ada).up()
			w.willed()
			d = s.join(v, "dev", ada, will(0))
			d.up()
			d.send(&packet.Disconnect{})
			d.expectClosed(0)
			w.quiet()
			s.join(v, "dev", ada, will(0)).up()
			s.door.Broker.Close()
			kit.Must(t, s.router.Close(context.Background()))
			s2 := s.again()
			late := s2.join(packet.V5, "late", bob)
			late.up()
			late.sub(1, "will")
			late.willed() // it is retained
		})
	}
}

// A will that the role may not publish does not keep the client from connecting.
func TestForbiddenWill(t *testing.T) {
	t.Parallel()
	s := newStage(t, "")
	w := s.watch()
	d := s.join(packet.V5, "dev", ada, func(p *packet.Connect) { p.Will = &packet.Will{Topic: "secret/x"} })
	d.up()
	d.conn.Close()
	w.quiet()
}

// A will with a delay is published later, also after a restart of the router, but not if the client reconnects.
func TestWillDelay(t *testing.T) {
	t.Parallel()
	s := newStage(t, t.TempDir())
	w := s.watch()
	d := s.join(packet.V5, "dev", ada, kept, will(3600))
	d.up()
	d.conn.Close()
	d = s.join(packet.V5, "dev", ada, kept, will(3600)) // it reconnects
	d.up()
	w.quiet()
	d.conn.Close()
	d = s.join(packet.V5, "dev", ada, will(1)) // a clean session: the former one has ended, and without a session there is no delay
	d.up()
	w.willed()
	d.conn.Close()
	w.willed()
	d = s.join(packet.V5, "dev", ada, kept, will(3600))
	d.up()
	d.send(&packet.Disconnect{})
	d.expectClosed(0)
	s.kill("ada")
	w.quiet()
	d = s.join(packet.V5, "dev", ada, kept, will(1))
	d.up()
	s.kill("ada") // the session is kept, so the delay holds
	w.willed()
	d = s.join(packet.V5, "dev", ada, kept, will(1))
	d.up()
	d.send(&packet.Disconnect{Code: withWill})
	w.willed()
	d = s.join(packet.V5, "dev", ada, kept, will(3600))
	d.up()
	d.send(&packet.Disconnect{Code: withWill, Properties: props(packet.Property{ID: packet.SessionExpiry, Number: 0})})
	w.willed()

	d = s.join(packet.V5, "dev", ada, kept, will(1))
	d.up()
	w.pub(packet.Publish{Topic: "will", Retain: true}) // no event is retained
	w.message()
	s.door.Broker.Close()
	kit.Must(t, s.router.Close(context.Background()))
	s = s.again()
	s.watch().willed()
}

// A client may send packets before it has got CONNACK.
func TestPacketsAtOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, t.TempDir())
	for _, v := range []packet.Version{packet.V311, packet.V5} {
		d := s.open(v)
		p := packet.Connect{Version: v, CleanStart: true, ClientID: "dev"}
		ada(&p)
		will(0)(&p)
		d.send(&p, &packet.Subscribe{ID: 1, Filters: []packet.Filter{{Topic: "x"}}}, &packet.Publish{Topic: "x", Payload: []byte("1")})
		d.up()
		gets[*packet.Suback](d)
		d.message()
	}
}

// A message in flight keeps its id when the client reconnects (4.4). A message of QoS 2 arrives once.
func TestRedelivery(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]packet.Version{"3.1.1": packet.V311, "5": packet.V5} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, t.TempDir())
			d := s.join(v, "dev", ada, kept)
			d.up()
			d.sub(2, "k/#")
			p := s.join(packet.V5, "p", bob)
			p.up()
			for qos := byte(1); qos < 3; qos++ {
				p.pub(packet.Publish{Topic: "k/x", QoS: qos})
				p.pub(packet.Publish{Topic: "k/x", QoS: qos})
			}
			ids := map[uint16]byte{}
			for range 4 {
				m := gets[*packet.Publish](d)
				ids[m.ID] = m.QoS
			}
			d.conn.Close()
			d = s.join(v, "dev", ada, kept)
			d.up()
			p.pub(packet.Publish{Topic: "k/new", QoS: 2})
			var recs []packet.Packet
			for range 5 {
				m := gets[*packet.Publish](d)
				if qos, known := ids[m.ID]; known != m.Dup || known && qos != m.QoS || m.Dup != (m.Topic == "k/x") {
					t.Errorf("%+v; sent before: %v", m, ids)
				}
				delete(ids, m.ID)
				if m.QoS == 2 { // PUBREL is owed
					recs = append(recs, &packet.Ack{Type: packet.TypePubrec, ID: m.ID})
				}
			}
			d.send(recs...)
			released := map[uint16]bool{}
			for range 3 {
				released[gets[*packet.Ack](d).ID] = true
			}
			s.door.Broker.Close()
			kit.Must(t, s.router.Close(context.Background()))
			s = s.again()
			d = s.join(v, "dev", ada, kept)
			d.up()
			for range 3 {
				if ack := gets[*packet.Ack](d); ack.Type != packet.TypePubrel || !released[ack.ID] {
					t.Errorf("%+v", ack)
				}
			}
		})
	}
}

// Messages of QoS 2 from the client are taken once, over reconnects and restarts.
func TestQoS2Kept(t *testing.T) {
	t.Parallel()
	s := newStage(t, t.TempDir())
	watch := func() *device {
		w := s.join(packet.V5, "watch", bob)
		w.up()
		w.sub(1, "once")
		return w
	}
	w := watch()
	d := s.join(packet.V5, "dev", ada, kept)
	d.up()
	p := packet.Publish{Topic: "once", QoS: 2, ID: 9}
	q := packet.Publish{Topic: "once", QoS: 2, ID: 10, Payload: []byte("q")}
	d.send(&p, &q)
	gets[*packet.Ack](d)
	gets[*packet.Ack](d)
	w.message()
	w.message()
	d.send(&packet.Ack{Type: packet.TypePubrel, ID: 10})
	gets[*packet.Ack](d)
	d.conn.Close()
	for restart := range 2 {
		if restart == 1 {
			s.door.Broker.Close()
			kit.Must(t, s.router.Close(context.Background()))
			s = s.again()
			w = watch()
		}
		d = s.join(packet.V5, "dev", ada, kept)
		if !d.up().SessionPresent {
			t.Fatal("the session is not present")
		}
		p.Dup = true
		d.send(&p)
		if ack := gets[*packet.Ack](d); ack.Type != packet.TypePubrec || ack.Code != 0 {
			t.Errorf("%+v", ack)
		}
		w.pub(packet.Publish{Topic: "once", Payload: []byte("end")})
		if m := w.message(); string(m.Payload) != "end" {
			t.Errorf("%+v came again", m)
		}
		d.conn.Close()
	}
	d = s.join(packet.V5, "dev", ada, kept)
	d.up()
	d.send(&packet.Ack{Type: packet.TypePubrel, ID: 9})
	if ack := gets[*packet.Ack](d); ack.Type != packet.TypePubcomp || ack.Code != 0 {
		t.Errorf("%+v", ack)
	}
	d.send(&packet.Publish{Topic: "once", QoS: 2, ID: 9, Payload: []byte("new")}, &packet.Publish{Topic: "once", QoS: 2, ID: 10, Payload: []byte("new")})
	w.message()
	w.message()
}
