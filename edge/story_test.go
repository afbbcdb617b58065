package edge

import (
	"context"
	"encoding/binary"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/auth"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/say"
	"runnel/transport/memory"
)

func TestMain(m *testing.M) { kit.Leakproof(m) }

// story is a router with peers that send and receive messages, written in the form of package say.
type story struct {
	*testing.T
	router *Router
	kept   say.Names
	served sync.WaitGroup
}

// tell runs a story in a synctest bubble: time passes as fast as possible, and an endless wait fails.
func tell(t *testing.T, opts Options, realm RealmOptions, plot func(s *story)) {
	synctest.Test(t, func(t *testing.T) {
		opts.Log = slog.New(slog.DiscardHandler)
		s := &story{T: t, router: NewRouter(opts), kept: say.Names{}}
		if realm.Name == "" {
			realm = openRealm()
		}
		if err := s.router.AddRealm(realm); err != nil {
			t.Fatal(err)
		}
		defer func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			s.router.Close(ctx)
			s.served.Wait()
		}()
		plot(s)
	})
}

func openRealm() RealmOptions {
	all := auth.NewRole("all", []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}})
	return RealmOptions{Name: "realm1", Anonymous: "all", Roles: []*auth.Role{all}}
}

// peer is one end of a connection. The router serves the other end.
type peer struct {
	*story
	conn   *memory.Conn
	speaks wamp.Serializer
	heard  chan string // all messages, as JSON; closed at the end of the connection
	ended  chan error  // result of Serve
}

// connect returns a peer that has sent nothing.
func (s *story) connect(opts memory.Options) *peer {
	p := s.deaf(opts)
	p.listen()
	return p
}

// deaf returns a peer that does not read until listen is called.
func (s *story) deaf(opts memory.Options) *peer { return s.limited(opts, 0) }

// limited is deaf with a limit for the length of messages to the peer, in bytes.
func (s *story) limited(opts memory.Options, limit int) *peer {
	ours, theirs := memory.Pipe(opts)
	theirs.Transport().Limit = limit
	return s.serve(ours, theirs)
}

// serve lets the router serve one end of a connection and returns the peer at the other end. The peer does not read
// yet.
func (s *story) serve(ours, theirs *memory.Conn) *peer {
	p := &peer{story: s, conn: ours, speaks: ours.Transport().Serializer, ended: make(chan error, 1)}
	s.served.Add(1)
	go func() {
		defer s.served.Done()
		p.ended <- s.router.Serve(theirs)
	}()
	return p
}

// listen starts reading. It keeps up to 100,000 messages.
func (p *peer) listen() {
	p.heard = make(chan string, 100_000)
	go func() {
		defer close(p.heard)
		for {
			data, _, err := p.conn.ReadMessage()
			if err != nil {
				return
			}
			text, err := say.Decode(p.speaks, data)
			if err != nil {
				p.Errorf("the router sent % x: %v", data, err)
				return
			}
			p.heard <- text
		}
	}()
}

const hello = `[1,"realm1",{"roles":{"publisher":{},"subscriber":{},"caller":{},"callee":{}}}]`
const helloAll = `[1,"realm1",{"roles":{
	"publisher":{"features":{"payload_passthru_mode":true}},
	"subscriber":{"features":{"subscription_revocation":true}},
	"caller":{"features":{"progressive_call_invocations":true,"payload_passthru_mode":true}},
	"callee":{"features":{"progressive_call_results":true,"progressive_call_invocations":true,"call_canceling":true,
		"call_timeout":true,"call_reroute":true,"payload_passthru_mode":true,"registration_revocation":true}}}}]`

// join connects and sends HELLO.
func (s *story) join(hello string) *peer { return s.joinAs(memory.Options{}, hello) }

func (s *story) joinAs(opts memory.Options, hello string) *peer {
	s.Helper()
	p := s.connect(opts)
	p.enter(hello)
	return p
}

// internal joins a peer that is a part of the router's process.
func (s *story) internal(hello string) *peer { return s.internalAs(memory.Options{}, hello) }

func (s *story) internalAs(opts memory.Options, hello string) *peer {
	s.Helper()
	p := s.serve(memory.Internal(opts))
	p.listen()
	p.enter(hello)
	return p
}

// enter sends HELLO and expects WELCOME.
func (p *peer) enter(hello string) {
	p.Helper()
	p.say(hello)
	p.hear(`[2,"*","*"]`)
	synctest.Wait() // until wamp.session.on_join is published
}

// say sends one message.
func (p *peer) say(text string) {
	p.Helper()
	p.sayAll(text)
}

// sayAll sends messages in one batch.
func (p *peer) sayAll(texts ...string) {
	p.Helper()
	var batch []byte
	for _, text := range texts {
		data, err := p.kept.Encode(p.speaks, text)
		if err != nil {
			p.Fatalf("say %s: %v", text, err)
		}
		batch = append(binary.BigEndian.AppendUint32(batch, uint32(len(data))), data...)
	}
	if _, err := p.conn.Write(batch, true); err != nil {
		p.Fatalf("say %s: %v", texts[0], err)
	}
}

// raw sends bytes that need not be a message.
func (p *peer) raw(data []byte) {
	p.Helper()
	batch := append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), data...)
	if _, err := p.conn.Write(batch, true); err != nil {
		p.Fatalf("send % x: %v", data, err)
	}
}

// hear waits for messages, and compares them with the expected ones in order.
func (p *peer) hear(want ...string) {
	p.Helper()
	for _, w := range want {
		got, open := <-p.heard
		if !open {
			p.Fatalf("the connection is closed; expected %s", w)
		}
		if err := p.kept.Check(w, got); err != nil {
			p.Fatal(err)
		}
	}
}

// silent checks that the peer has received nothing more.
func (p *peer) silent() {
	p.Helper()
	synctest.Wait()
	select {
	case got, open := <-p.heard:
		if open {
			p.Fatalf("heard %s, expected nothing", got)
		}
		p.Fatal("the connection is closed")
	default:
	}
}

// closed waits for the end of the connection and returns the result of Serve.
func (p *peer) closed() error {
	p.Helper()
	if got, open := <-p.heard; open {
		p.Fatalf("heard %s, expected the end of the connection", got)
	}
	return <-p.ended
}

func decode(t *testing.T, text string) any {
	t.Helper()
	v, err := say.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}
