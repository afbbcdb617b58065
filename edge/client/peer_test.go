package client_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport/memory"
)

func TestMain(m *testing.M) { kit.Leakproof(m) }

// peer is a scripted router: the test controls what it reads and writes.
type peer struct {
	t    *testing.T
	conn *memory.Conn
	s    wamp.Serializer
}

// network provides connections whose other ends belong to the test.
type network struct {
	t       *testing.T
	opts    memory.Options
	dialled chan *memory.Conn
}

func newNetwork(t *testing.T) *network { return &network{t: t, dialled: make(chan *memory.Conn)} }

func (n *network) dial(ctx context.Context) (client.Conn, error) {
	a, b := memory.Pipe(n.opts)
	select {
	case n.dialled <- b:
		return a, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// accept returns the test's end of the next connection.
func (n *network) accept() *peer {
	n.t.Helper()
	select {
	case conn := <-n.dialled:
		return &peer{n.t, conn, conn.Transport().Serializer}
	case <-n.t.Context().Done():
		n.t.Fatal("no connection")
		return nil
	}
}

// welcome accepts the next connection and its HELLO.
func (n *network) welcome() *peer {
	n.t.Helper()
	p := n.accept()
	p.expect(wamp.Hello)
	p.send(codec.Message{Type: wamp.Welcome, ID: 7, Dict: p.dict(map[string]any{
		"authid": "joe",
		"roles":  map[string]any{"broker": map[string]any{}, "dealer": map[string]any{}},
	})})
	return p
}

// start connects a client and returns it with the router's end. The client is closed when the test ends.
func start(t *testing.T, opts client.Options) (*client.Client, *peer, *network) {
	t.Helper()
	n := newNetwork(t)
	c, p := n.connect(opts)
	return c, p, n
}

func (n *network) connect(opts client.Options) (*client.Client, *peer) {
	n.t.Helper()
	opts.Dial, opts.Realm = n.dial, "realm1"
	var c *client.Client
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err = client.Connect(context.Background(), opts)
	}()
	p := n.welcome()
	<-done
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { closeNow(c) })
	return c, p
}

// closeNow closes a client whose router no longer answers GOODBYE.
func closeNow(c *client.Client) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c.Close(ctx)
	<-c.Done()
}

func (p *peer) expect(t wamp.Type) *codec.Message {
	p.t.Helper()
	data, _, err := p.conn.ReadMessage()
	if err != nil {
		p.t.Fatalf("waiting for %s: %v", t, err)
	}
	m := new(codec.Message)
	if err := codec.Parse(p.s, append([]byte(nil), data...), m); err != nil {
		p.t.Fatalf("waiting for %s: %v", t, err)
	}
	if m.Type != t {
		p.t.Fatalf("got %s %s %v, want %s", m.Type, m.Text, p.options(m), t)
	}
	return m
}

func (p *peer) expectEnd() {
	p.t.Helper()
	if _, _, err := p.conn.ReadMessage(); !errors.Is(err, io.EOF) {
		p.t.Fatalf("reading on: %v", err)
	}
}

func (p *peer) send(messages ...codec.Message) {
	p.t.Helper()
	var batch []byte
	for _, m := range messages {
		data, err := codec.Append(nil, p.s, &m)
		if err != nil {
			p.t.Fatalf("encode %s: %v", m.Type, err)
		}
		batch = append(binary.BigEndian.AppendUint32(batch, uint32(len(data))), data...)
	}
	if _, err := p.conn.Write(batch, true); err != nil {
		p.t.Errorf("send: %v", err)
	}
}

func (p *peer) dict(m map[string]any) codec.Dict {
	p.t.Helper()
	d, err := codec.NewDict(p.s, m)
	if err != nil {
		p.t.Fatal(err)
	}
	return d
}

func (p *peer) payload(args ...any) codec.Payload {
	p.t.Helper()
	payload, err := codec.NewPayload(p.s, args, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return payload
}

func (p *peer) options(m *codec.Message) map[string]any {
	p.t.Helper()
	options, err := m.Dict.Map()
	if err != nil {
		p.t.Fatal(err)
	}
	return options
}

// subscribed answers the next SUBSCRIBE with id.
func (p *peer) subscribed(id wamp.ID) *codec.Message {
	p.t.Helper()
	m := p.expect(wamp.Subscribe)
	p.send(codec.Message{Type: wamp.Subscribed, Request: m.Request, ID: id})
	return m
}

// registered answers the next REGISTER with id.
func (p *peer) registered(id wamp.ID) *codec.Message {
	p.t.Helper()
	m := p.expect(wamp.Register)
	p.send(codec.Message{Type: wamp.Registered, Request: m.Request, ID: id})
	return m
}

// refuse answers a request with ERROR.
func (p *peer) refuse(m *codec.Message, uri wamp.Failure) {
	p.t.Helper()
	p.send(codec.Message{Type: wamp.Error, ErrorType: m.Type, Request: m.Request, Text: []byte(uri)})
}

func (p *peer) event(id wamp.ID, args ...any) codec.Message {
	p.t.Helper()
	return codec.Message{Type: wamp.Event, ID: id, Publication: 99, Payload: p.payload(args...)}
}

// run runs f in a goroutine and returns its result through a channel.
func run(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}
