package mqtt

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"testing"
	"time"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport/memory"
	"runnel/transport/mqtt/packet"
)

func TestMain(m *testing.M) { kit.Leakproof(m) }

// stage is a router with a door for MQTT clients.
type stage struct {
	testing.TB
	router *edge.Router
	door   *Door
	dir    string
}

// newStage returns a stage. dir keeps the state; "": nothing is kept.
func newStage(t testing.TB, dir string) *stage {
	s := &stage{TB: t, dir: dir}
	log := slog.New(slog.DiscardHandler)
	s.router = edge.NewRouter(edge.Options{Log: log, CloseTimeout: 200 * time.Millisecond})
	principals, err := auth.NewPrincipals([]auth.Principal{{Authid: "ada", Role: "user", Ticket: "secret"}, {Authid: "bob", Role: "user", Ticket: "secret"}})
	kit.Must(t, err)
	all := auth.Publish | auth.Subscribe | auth.Call
	role := func(name string) *auth.Role {
		return auth.NewRole(name, []auth.Permission{{Match: wamp.Prefix, Allow: all}, {URI: "secret.", Match: wamp.Prefix}})
	}
	user := role("user")
	if dir != "" {
		user = user.WithDurable()
	}
	kit.Must(t, s.router.AddRealm(edge.RealmOptions{Name: "realm1", Anonymous: "guest", Roles: []*auth.Role{user, role("guest")}, Principals: principals, State: dir}))
	b := NewBroker(BrokerOptions{Log: log, Directory: dir, Join: func(o Owner) wamp.Conn {
		near, far := memory.Pipe(memory.Options{Peer: &wamp.Transport{Client: o.Client, Authid: o.Authid, Role: o.Role, Realm: o.Realm}})
		go s.router.Serve(far)
		return near
	}})
	s.door = &Door{Broker: b, Realm: "realm1"}
	t.Cleanup(func() {
		b.Close()
		s.router.Close(context.Background())
	})
	return s
}

// again returns a stage with the state of s, which has ended.
func (s *stage) again() *stage { return newStage(s.TB, s.dir) }

// device is an MQTT client.
type device struct {
	testing.TB
	conn net.Conn
	r    packet.Reader
	end  error // of the connection, see next
}

// open connects a device that has not sent CONNECT.
func (s *stage) open(v packet.Version) *device {
	near, far := kit.Sockets(s, "tcp", "127.0.0.1:0")
	go func() {
		defer far.Close()
		c, err := s.door.Accept(far, wamp.Transport{Remote: far.RemoteAddr().String(), Network: "tcp"}, nil, time.Now().Add(time.Minute))
		if err == nil {
			s.router.Serve(c)
			c.Close()
			<-c.(*Conn).Done()
		}
	}()
	d := &device{TB: s, conn: near, r: packet.Reader{Reader: bufio.NewReader(near), Version: v, Max: 1 << 20}}
	s.Cleanup(func() { near.Close() })
	return d
}

// join connects a device with a clean session, or as the given CONNECT.
func (s *stage) join(v packet.Version, id string, change ...func(*packet.Connect)) *device {
	s.Helper()
	d := s.open(v)
	p := packet.Connect{Version: v, CleanStart: true, ClientID: id}
	for _, f := range change {
		f(&p)
	}
	d.send(&p)
	return d
}

func ada(p *packet.Connect) {
	p.Named, p.Username, p.Secret, p.Password = true, "ada", true, []byte("secret")
}
func bob(p *packet.Connect) { ada(p); p.Username = "bob" }
func kept(p *packet.Connect) {
	p.CleanStart = false
	p.Properties = append(p.Properties, packet.Property{ID: packet.SessionExpiry, Number: 3600})
}

func (d *device) send(list ...packet.Packet) {
	d.Helper()
	var b []byte
	for _, p := range list {
		b = p.Append(b, d.r.Version)
	}
	d.raw(b)
}

func (d *device) raw(b []byte) {
	d.Helper()
	_, err := d.conn.Write(b)
	kit.Must(d, err)
}

// next returns the next packet, nil at the end of the connection.
func (d *device) next() packet.Packet {
	d.Helper()
	d.conn.SetReadDeadline(time.Now().Add(time.Minute))
	p, err := d.r.FromServer()
	d.end = err
	switch ne := net.Error(nil); {
	case err == nil:
		return p
	case errors.As(err, &ne) && ne.Timeout():
		d.Fatal("nothing comes")
	case ne == nil && err != io.EOF:
		d.Fatal(err)
	}
	return nil
}

// gets waits for a packet of a type, past PUBLISHes unless one is wanted.
func gets[P packet.Packet](d *device) (p P) {
	d.Helper()
	got := d.next()
	p, ok := got.(P)
	if !ok {
		d.Fatalf("got %T %+v, want %T", got, got, p)
	}
	return p
}

// expectClosed checks that the connection ends: by one CONNACK or DISCONNECT with a code, or by neither if the code is 0. A
// connection that ends by a code is not reset.
func (d *device) expectClosed(code packet.Code) {
	d.Helper()
	var got, want []packet.Code
	if code != 0 {
		want = append(want, code)
	}
	for p := d.next(); p != nil; p = d.next() {
		switch p := p.(type) {
		case *packet.Disconnect:
			got = append(got, p.Code)
		case *packet.Connack:
			got = append(got, p.Code)
		}
	}
	if !slices.Equal(got, want) || code != 0 && d.end != io.EOF {
		d.Errorf("ends by %v, not %v; %v", got, want, d.end)
	}
}

// up waits for CONNACK.
func (d *device) up() *packet.Connack {
	d.Helper()
	p := gets[*packet.Connack](d)
	if p.Code != packet.Success {
		d.Fatalf("CONNACK has %v", p.Code)
	}
	return p
}

// sub subscribes to filters and returns the codes.
func (d *device) sub(options packet.Options, filters ...string) []packet.Code {
	d.Helper()
	p := packet.Subscribe{ID: 77}
	for _, f := range filters {
		p.Filters = append(p.Filters, packet.Filter{Topic: f, Options: options})
	}
	d.send(&p)
	return gets[*packet.Suback](d).Codes
}

// pub publishes and completes the exchange.
func (d *device) pub(p packet.Publish) packet.Code {
	d.Helper()
	p.ID = 5
	d.send(&p)
	if p.QoS == 0 {
		return packet.Success
	}
	ack := gets[*packet.Ack](d)
	if p.QoS == 2 && !ack.Code.Failed() {
		d.send(&packet.Ack{Type: packet.TypePubrel, ID: p.ID})
		if comp := gets[*packet.Ack](d); comp.Type != packet.TypePubcomp {
			d.Fatalf("%v in place of PUBCOMP", comp.Type)
		}
	}
	return ack.Code
}

// message waits for a PUBLISH and acknowledges it.
func (d *device) message() *packet.Publish {
	d.Helper()
	p := gets[*packet.Publish](d)
	switch p.QoS {
	case 1:
		d.send(&packet.Ack{Type: packet.TypePuback, ID: p.ID})
	case 2:
		d.send(&packet.Ack{Type: packet.TypePubrec, ID: p.ID})
		if rel := gets[*packet.Ack](d); rel.Type != packet.TypePubrel || rel.ID != p.ID {
			d.Fatalf("%+v in place of PUBREL", rel)
		}
		d.send(&packet.Ack{Type: packet.TypePubcomp, ID: p.ID})
	}
	return p
}

func (s *stage) peer() wamp.Transport { return wamp.Transport{Remote: "fuzz", Network: "tcp"} }
