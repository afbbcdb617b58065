package mqtt_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/program"
	"runnel/transport/memory"
	"runnel/transport/mqtt/packet"
	"runnel/uplink"
	"runnel/uplink/mqtt"
	"runnel/uplink/spool"
)

func TestMain(m *testing.M) { kit.Leakproof(m) }

// edgeSite is a router with a link to a broker that the test plays.
type edgeSite struct {
	t      *testing.T
	router *edge.Router
	served sync.WaitGroup
	link   *mqtt.Link
	spool  *spool.Spool
	dialed chan *broker // as the link has connected to it
	stop   context.CancelFunc
	ended  chan struct{}

	kit.Route // the link's way to the router
}

func newSite(t *testing.T, opts mqtt.Options) *edgeSite { return newSiteWith(t, opts, nil) }

// automatic is an Options.Protocol that newSiteWith replaces by none.
const automatic packet.Version = 255

// newSiteWith is newSite with another way to the broker; nil: dialBroker.
func newSiteWith(t *testing.T, opts mqtt.Options, dial func(context.Context) (net.Conn, error)) *edgeSite {
	t.Helper()
	s := &edgeSite{t: t, router: edge.NewRouter(edge.Options{Log: slog.New(slog.DiscardHandler)}), dialed: make(chan *broker), ended: make(chan struct{})}
	all := auth.NewRole("all", []auth.Permission{
		{Match: wamp.Prefix, Allow: auth.Everything},
		{URI: "com.example.forbidden", Match: wamp.Exact},
	})
	kit.Must(t, s.router.AddRealm(edge.RealmOptions{Name: "realm1", Anonymous: "all", Roles: []*auth.Role{all}}))
	var err error
	if s.spool = opts.Spool; s.spool == nil {
		s.spool, err = spool.Open(spool.Options{})
		kit.Must(t, err)
	}
	opts.Name, opts.Realm, opts.Local, opts.Spool, opts.ClientID = "broker", "realm1", s.dialRouter, s.spool, "gateway"
	switch opts.Protocol {
	case 0:
		opts.Protocol = packet.V311 // which this broker speaks; see five_test.go
	case automatic:
		opts.Protocol = 0
	}
	if dial == nil {
		dial = s.dialBroker
	}
	opts.Reconnect = client.Reconnect{Min: time.Millisecond, Max: 5 * time.Millisecond}
	opts.Brokers = []mqtt.Broker{{URL: "mqtt://broker", Dial: dial}}
	if s.link, err = mqtt.New(opts); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go func() {
		defer close(s.ended)
		s.link.Run(ctx)
	}()
	t.Cleanup(s.close)
	return s
}

func (s *edgeSite) close() {
	s.stop()
	for {
		select {
		case b := <-s.dialed: // on its way already
			b.conn.Close()
			continue
		case <-s.ended:
		case <-time.After(kit.Patience):
			s.t.Error("the link does not end")
		}
		break
	}
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	s.router.Close(ctx)
	s.served.Wait()
}

// dialRouter is how the link connects to the router.
func (s *edgeSite) dialRouter(context.Context) (client.Conn, error) {
	near, far := memory.Internal(memory.Options{Authid: "link", Role: "all", Realm: "realm1"})
	if err := s.Enter(near); err != nil {
		return nil, err
	}
	s.served.Go(func() { s.router.Serve(far) })
	return near, nil
}

// dial is how a program connects to the router.
func (s *edgeSite) dial(context.Context) (client.Conn, error) {
	near, far := memory.Internal(memory.Options{Authid: "link", Role: "all", Realm: "realm1"})
	s.served.Go(func() { s.router.Serve(far) })
	return near, nil
}

func (s *edgeSite) dialBroker(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case s.dialed <- newBroker(s.t, far):
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// program joins the realm.
func (s *edgeSite) program() *client.Client {
	s.t.Helper()
	return program.Join(s.t, "the router", client.Options{Dial: s.dial})
}

// next is the broker that the link connects to next.
func (s *edgeSite) next() *broker {
	s.t.Helper()
	select {
	case b := <-s.dialed:
		return b
	case <-time.After(kit.Patience):
		s.t.Fatal("the link does not connect")
		return nil
	}
}

// up is the same, with the connection accepted.
func (s *edgeSite) up(session bool) *broker {
	s.t.Helper()
	b := s.next()
	receive[*packets.ConnectPacket](b)
	b.accept(session)
	return b
}

// await waits until the link's state is as it should be.
func (s *edgeSite) await(what string, is func(uplink.State) bool) {
	s.t.Helper()
	kit.Eventually(s.t, what, func() bool { return is(s.link.State()) }, func() string { return fmt.Sprintf("%+v", s.link.State()) })
}

// broker is the far side of one connection.
type broker struct {
	t    *testing.T
	conn net.Conn
	got  chan packets.ControlPacket // the link's packets, without pings
	mute atomic.Bool                // PINGREQ gets no answer

	writing sync.Mutex
}

func newBroker(t *testing.T, conn net.Conn) *broker {
	b := &broker{t: t, conn: conn, got: make(chan packets.ControlPacket, 1000)}
	go func() {
		defer close(b.got)
		for {
			p, err := packets.ReadPacket(conn)
			if err != nil {
				conn.Close()
				return
			}
			if _, ping := p.(*packets.PingreqPacket); ping {
				if !b.mute.Load() {
					b.write(packets.NewControlPacket(packets.Pingresp))
				}
			} else {
				kit.Send(t, b.got, p)
			}
			if _, last := p.(*packets.DisconnectPacket); last {
				conn.Close()
			}
		}
	}()
	t.Cleanup(func() { conn.Close() })
	return b
}

func receive[P packets.ControlPacket](b *broker) (p P) {
	b.t.Helper()
	return sent[P](b.t, b.got)
}

// sent returns the link's next packet, which must be a P.
func sent[P, T any](t testing.TB, packets <-chan T) (p P) {
	t.Helper()
	select {
	case got, ok := <-packets:
		if p, ok = any(got).(P); !ok {
			t.Fatalf("the link sent %T %+v; expected %T", got, got, p)
		}
	case <-time.After(kit.Patience):
		t.Fatalf("the link sent no %T", p)
	}
	return p
}

func (b *broker) send(p packets.ControlPacket) {
	b.t.Helper()
	kit.Must(b.t, b.write(p))
}

// write writes a packet as a whole: a PUBLISH takes two writes.
func (b *broker) write(p packets.ControlPacket) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	return p.Write(b.conn)
}

func (b *broker) accept(session bool) {
	p := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
	p.SessionPresent = session
	b.send(p)
}

// subscribed takes SUBSCRIBE and agrees.
func (b *broker) subscribed() *packets.SubscribePacket {
	b.t.Helper()
	p := receive[*packets.SubscribePacket](b)
	ack := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
	ack.MessageID, ack.ReturnCodes = p.MessageID, p.Qoss
	b.send(ack)
	return p
}

func (b *broker) publish(topic, payload string, qos byte, id uint16) *packets.PublishPacket {
	p := b.publishPacket(topic, payload)
	p.Qos, p.MessageID = qos, id
	b.send(p)
	return p
}

func (b *broker) publishPacket(topic, payload string) *packets.PublishPacket {
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Payload = topic, []byte(payload)
	return p
}

func (b *broker) ack(id uint16) {
	p := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
	p.MessageID = id
	b.send(p)
}

func (b *broker) rec(id uint16) {
	p := packets.NewControlPacket(packets.Pubrec).(*packets.PubrecPacket)
	p.MessageID = id
	b.send(p)
}

func (b *broker) rel(id uint16) {
	p := packets.NewControlPacket(packets.Pubrel).(*packets.PubrelPacket)
	p.MessageID = id
	b.send(p)
}

func (b *broker) comp(id uint16) {
	p := packets.NewControlPacket(packets.Pubcomp).(*packets.PubcompPacket)
	p.MessageID = id
	b.send(p)
}

func topics(uri string) mqtt.Rule {
	return mqtt.Rule{Rule: uplink.Rule{Topic: uri, Match: wamp.Prefix}}
}

func procedures(uri string) mqtt.Rule {
	return mqtt.Rule{Rule: uplink.Rule{Procedure: uri, Match: wamp.Prefix}}
}

// say publishes and waits until the local router has it.
func say(t *testing.T, c *client.Client, topic string, o client.PublishOptions, args ...any) {
	t.Helper()
	o.Acknowledge = true
	kit.Must(t, c.Publish(context.Background(), topic, o, client.Args(args...)))
}

// heard collects events as "topic value retained".
func heard(t *testing.T, c *client.Client, o client.SubscribeOptions) chan string {
	t.Helper()
	ch := make(chan string, 100)
	o.Match = wamp.Prefix
	_, err := c.Subscribe(context.Background(), "com.example.", o, func(e *client.Event) {
		kit.Send(t, ch, fmt.Sprintf("%s %v %v %v", e.Topic(), e.Args(), e.Kwargs(), e.Retained()))
	})
	kit.Must(t, err)
	return ch
}

func expect(t *testing.T, ch chan string, want string) {
	t.Helper()
	select {
	case got := <-ch:
		if got != want {
			t.Errorf("heard %q; expected %q", got, want)
		}
	case <-time.After(kit.Patience):
		t.Fatalf("heard nothing; expected %q", want)
	}
}
