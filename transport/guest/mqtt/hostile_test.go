package mqtt

import (
	"io"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/test/kit"
	"runnel/transport/mqtt/packet"
	"runnel/transport/wire"
)

// Peers that are not MQTT clients, or that request too much before they have joined, are disconnected at once.
func TestHostile(t *testing.T) {
	t.Parallel()
	s := newStage(t, "")
	for name, bytes := range map[string]string{
		"HTTP": "GET / HTTP/1.1\r\n", "RawSocket": "\x7f\xf1\x00\x00", "a long CONNECT": "\x10\xff\xff\xff\x7f", "no end of a length": "\x10\xff\xff\xff\xff\xff",
		"a PUBLISH first": "\x30\x03\x00\x01a", "flags": "\x1f\x00",
	} {
		t.Run(name, func(t *testing.T) {
			d := s.open(packet.V311)
			d.raw([]byte(bytes))
			d.expectClosed(0)
		})
	}
	for name, bytes := range map[string]string{"a packet without an end": "\x30\xff\xff\xff\x7f", "a packet of a server": "\x20\x02\x00\x00", "type 0": "\x00\x00"} {
		t.Run(name, func(t *testing.T) {
			d := s.join(packet.V311, "")
			d.up()
			d.raw([]byte(bytes))
			d.expectClosed(0)
		})
	}
	d := s.join(packet.V5, "")
	d.up()
	d.sub(0, "still/alive")
	d.pub(packet.Publish{Topic: "still/alive"})
	d.message()
}

// long returns a PUBLISH that is longer than the limit of a packet and than the buffers of a socket.
func long() []byte { return append([]byte{0x30, 0xff, 0xff, 0xff, 0x01}, make([]byte, 4<<20-1)...) }

// A client that still writes when the router ends its connection reads the reason: the connection is not reset.
func TestReasonArrives(t *testing.T) {
	t.Parallel()
	s := newStage(t, "")
	for name, c := range map[string]struct {
		version packet.Version
		first   string // before the long packet: instead of a valid CONNECT or after it
		change  func(*packet.Connect)
		code    packet.Code
	}{
		"a long packet":      {packet.V5, "", func(*packet.Connect) {}, packet.PacketTooLarge},
		"a malformed packet": {packet.V5, "\x1f\x00", func(*packet.Connect) {}, packet.MalformedPacket},
		"a wrong password":   {packet.V5, "", func(p *packet.Connect) { ada(p); p.Password = nil }, packet.BadLogin},
		"a long client id":   {packet.V311, "", func(p *packet.Connect) { p.ClientID = strings.Repeat("a", maxClientID+1) }, 2},
		"an unknown version": {packet.V311, "\x10\x0e\x00\x06MQIsdp\x03\x02\x00\x00\x00\x00", nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			d := s.open(c.version)
			if c.change != nil {
				p := packet.Connect{Version: c.version, CleanStart: true}
				c.change(&p)
				d.send(&p)
			}
			if c.code.Failed() && c.code != packet.BadLogin {
				d.up()
			}
			began, wrote := time.Now(), make(chan error, 1)
			go func() {
				_, err := d.conn.Write(append([]byte(c.first), long()...))
				wrote <- err
			}()
			d.expectClosed(c.code)
			if err := kit.Receive(t, "the end of the packet", wrote); err != nil && time.Since(began) < lingerTime { // later, the router may end it
				t.Error(err)
			}
		})
	}
}

// A client that got the reason cannot keep its connection, neither by further writes nor by silence.
func TestLingeringIsBounded(t *testing.T) {
	t.Parallel()
	s := newStage(t, "")
	for name, size := range map[string]int{"writes little": 1, "writes much": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			d := s.join(packet.V5, "")
			d.up()
			d.raw([]byte("\x1f\x00"))
			d.expectClosed(packet.MalformedPacket)
			kit.Eventually(t, "the end of the connection", func() bool {
				_, err := d.conn.Write(make([]byte, size))
				return err != nil
			})
		})
	}
}

// peer is a stream from a client that is silent, or sends as much as it can.
type peer struct {
	sends  bool
	read   int
	closed chan struct{}
}

func (p *peer) Read(b []byte) (int, error) {
	if !p.sends {
		<-p.closed
		return 0, io.EOF
	}
	p.read += len(b)
	return len(b), nil
}

func (p *peer) Write(b []byte) (int, error) { return len(b), nil }
func (p *peer) CloseWrite() error           { return nil }
func (p *peer) Close() error                { close(p.closed); return nil }

func TestBoundsOfLinger(t *testing.T) {
	for name, want := range map[string]struct {
		peer
		took   time.Duration
		octets int
	}{"silent": {took: lingerTime}, "busy": {peer: peer{sends: true}, octets: lingerBytes}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := want.peer
				p.closed = make(chan struct{})
				w := wire.New(&p, nil)
				start := time.Now()
				linger(w)
				if took := time.Since(start); took != want.took || p.read < want.octets || p.read > want.octets+64<<10 {
					t.Errorf("read %d bytes in %v", p.read, took)
				}
				w.Close()
			})
		})
	}
}

// A refused client gives its buffer back. Otherwise the buffers that connections share would run out.
func TestRefusedClientsKeepNoBuffers(t *testing.T) {
	const size = 50_000
	wire.LimitBuffers(0)
	defer wire.LimitBuffers(math.MaxInt64)
	s := newStage(t, "")
	for range 40 { // more than there are shared buffers
		d := s.open(packet.V311)
		d.raw(append([]byte("\x10\xd0\x86\x03\x00\x04MQTT\x04\x03"), make([]byte, size-8)...)) // a reserved flag
		d.expectClosed(0)
	}
	near, far := kit.Sockets(t, "tcp", "127.0.0.1:0")
	_, err := near.Write(make([]byte, size))
	kit.Must(t, err)
	w := wire.New(far, nil)
	defer w.Close()
	most := 0
	for left := size; left > 0; { // a busy reader borrows a large buffer
		kit.Must(t, w.Fill(1))
		n := len(w.Buffered())
		w.Discard(n)
		most, left = max(most, n), left-n
	}
	if most < 20_000 {
		t.Errorf("a reader gets %d bytes at once, as if all buffers were lent", most)
	}
}
