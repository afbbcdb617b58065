package websocket

import (
	"bytes"
	"encoding/binary"
	"net"
	"strings"
	"testing"

	"runnel/edge/wamp"
	"runnel/transport/subprotocol"
)

// endless is a connection whose peer sends the same bytes again and again, and takes everything.
type endless struct {
	net.Conn
	sends []byte
	next  int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.sends[e.next:])
	e.next = (e.next + n) % len(e.sends)
	return n, nil
}

func (e *endless) Write(p []byte) (int, error) { return len(p), nil }
func (e *endless) Close() error                { return nil }

// bench returns a router's connection, or a client's, over an endless one.
func bench(serializer wamp.Serializer, batched, client bool, sends string) *Conn {
	return newConn(newSocket(&endless{sends: []byte(sends)}, nil), subprotocol.Protocol{Serializer: serializer, Batched: batched}, Options{}, client, false)
}

// unmasked is a server's frame.
func unmasked(head byte, payload string) string {
	b := []byte{head}
	if len(payload) < 126 {
		b = append(b, byte(len(payload)))
	} else {
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(len(payload)))
	}
	return string(b) + payload
}

// masked is a client's frame with a mask.
func masked(head byte, payload string) string {
	b := []byte(frameOf(head, payload))
	at := len(b) - len(payload)
	for i := range payload {
		b[at-4+i%4] = "\x11\x22\x33\x44"[i%4]
		b[at+i] ^= "\x11\x22\x33\x44"[i%4]
	}
	return string(b)
}

// benches are the connections whose messages cost no allocation.
func benches() map[string]*Conn {
	message := strings.Repeat("e", 150)
	batch := string(batchOf(message, message, message))
	return map[string]*Conn{
		"router, CBOR":         bench(wamp.CBOR, false, false, masked(binaryData, message)),
		"router, JSON":         bench(wamp.JSON, false, false, masked(text, message)),
		"router, CBOR batched": bench(wamp.CBOR, true, false, masked(binaryData, batch)),
		"router, JSON batched": bench(wamp.JSON, true, false, masked(text, strings.Repeat(message+"\x1e", 3))),
		"client, CBOR":         bench(wamp.CBOR, false, true, unmasked(binaryData, message)),
		"router, PING":         bench(wamp.CBOR, false, false, masked(binaryData, message)+masked(pong, "x")),
		"router, fragments":    bench(wamp.CBOR, false, false, masked(0x02, message[:50])+masked(0x00, message[:50])+masked(0x80, message[:50])),
	}
}

// TestNoAllocations: messages are read and written without an allocation.
func TestNoAllocations(t *testing.T) {
	message := strings.Repeat("e", 150)
	batch := batchOf(message, message, message)
	for name, conn := range benches() {
		read := func() {
			if m, _, err := conn.ReadMessage(); err != nil || string(m) != message {
				t.Fatalf("%s: %q, %v", name, m, err)
			}
		}
		write := func() {
			if n, err := conn.Write(batch, true); n != len(batch) || err != nil {
				t.Fatalf("%s: %d, %v", name, n, err)
			}
		}
		for range 1000 { // the buffer of a stream has its length then
			read()
		}
		for what, f := range map[string]func(){"read": read, "write": write} {
			if n := testing.AllocsPerRun(1000, f); n != 0 {
				t.Errorf("%s: %v allocations in a %s", name, n, what)
			}
		}
		conn.socket.Close()
	}
}

// TestMessageIsNotCopied: a message of one frame stays in the buffer into which the connection was read.
func TestMessageIsNotCopied(t *testing.T) {
	conn := bench(wamp.CBOR, false, false, masked(binaryData, "hello"))
	m, _, err := conn.ReadMessage()
	if b := conn.socket.wire.Buffered(); err != nil || !bytes.HasSuffix(b[:conn.held], m) || &b[conn.held-1] != &m[len(m)-1] {
		t.Errorf("%q, %v", m, err)
	}
}

func BenchmarkRead(b *testing.B) {
	for name, conn := range benches() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := conn.ReadMessage(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWrite writes batches of 100 messages.
func BenchmarkWrite(b *testing.B) {
	var batch []byte
	for range 100 {
		batch = append(batch, batchOf(strings.Repeat("e", 150))...)
	}
	for name, conn := range benches() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := conn.Write(batch, true); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
