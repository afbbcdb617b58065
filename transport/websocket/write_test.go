package websocket

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"runnel/test/kit"
)

// accept computes the answer to a handshake's key (RFC 6455, 4.2.2).
func accept(r *http.Request) string {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func batchOf(messages ...string) (b []byte) {
	for _, m := range messages {
		b = binary.BigEndian.AppendUint32(b, uint32(len(m)))
		b = append(b, m...)
	}
	return b
}

func TestWrite(t *testing.T) {
	for _, c := range []struct {
		protocol string
		frames   []string
	}{
		{"wamp.2.json", []string{"\x81one", "\x81", "\x81three"}},
		{"wamp.2.cbor", []string{"\x82one", "\x82", "\x82three"}},
		{"wamp.2.json.batched", []string{"\x81one\x1e\x1ethree\x1e"}},
		{"wamp.2.msgpack.batched", []string{"\x82\x00\x00\x00\x03one\x00\x00\x00\x00\x00\x00\x00\x05three"}},
	} {
		t.Run(c.protocol, func(t *testing.T) {
			peer, conn := open(t, Options{}, c.protocol, "")
			b := batchOf("one", "", "three")
			if n, err := conn.Write(b, false); n != len(b) || err != nil {
				t.Fatalf("wrote %d of %d, %v", n, len(b), err)
			}
			for _, want := range c.frames {
				if head, payload := peer.next(t); string(head)+payload != string(rune(want[0]))+payload && head != want[0] || payload != want[1:] {
					t.Errorf("frame %x %q, want %q", head, payload, want)
				}
			}
		})
	}
}

// counted counts the writes to a connection.
type counted struct {
	net.Conn
	writes atomic.Int32
}

func (c *counted) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// TestOneWritePerBatch counts a client's writes: all frames of a batch go out together.
func TestOneWritePerBatch(t *testing.T) {
	s := serve(t, Options{})
	var wire *counted
	near, err := Dial(context.Background(), s.URL+"/ws", func(_ context.Context, address string) (net.Conn, error) {
		conn, err := net.Dial("tcp", address)
		wire = &counted{Conn: conn}
		return wire, err
	}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	far := <-s.conns
	before := wire.writes.Load()
	messages := make([]string, 200)
	for i := range messages {
		messages[i] = strings.Repeat("m", 60)
	}
	if _, err := near.Write(batchOf(messages...), true); err != nil {
		t.Fatal(err)
	}
	if n := wire.writes.Load() - before; n != 1 {
		t.Errorf("%d writes for a batch of %d messages", n, len(messages))
	}
	for range messages {
		if _, _, err := far.ReadMessage(); err != nil {
			t.Fatal(err)
		}
	}
	go far.ReadMessage()
	near.Close()
	<-near.Done()
	far.Close()
	<-far.Done()
}

// TestFramesAreNeverTorn writes batches with and without waiting to a peer that reads slowly and sends PINGs, and looks
// whether the peer gets whole frames, in order.
func TestFramesAreNeverTorn(t *testing.T) {
	const messages, pings = 3000, 300
	for _, protocol := range []string{"wamp.2.cbor", "wamp.2.cbor.batched"} {
		t.Run(protocol, func(t *testing.T) {
			peer, conn := open(t, Options{}, protocol, "")
			conn.socket.Conn.(*net.TCPConn).SetWriteBuffer(4 << 10)
			go conn.ReadMessage() // answers PINGs
			go func() {
				for i := range pings {
					peer.send(t, frameOf(ping, fmt.Sprintf("ping %d", i)))
				}
			}()
			partial := make(chan int, 1)
			framed := func(text string) []byte { return batchOf(text) }
			go func() {
				partial <- kit.WriteMessages(t, conn.Write, messages, 150, framed, func() bool { return rand.IntN(3) > 0 })
			}()
			m, p := 0, 0
			message := func(payload string) {
				if !strings.HasPrefix(payload, fmt.Sprintf("message %d ", m)) {
					t.Fatalf("message %d is %.40q", m, payload)
				}
				m++
			}
			for m < messages || p < pings {
				head, payload := peer.next(t)
				switch {
				case head == pong && payload == fmt.Sprintf("ping %d", p):
					p++
				case head == binaryData && conn.protocol.Batched:
					for len(payload) > 0 {
						n := 4 + int(binary.BigEndian.Uint32([]byte(payload)))
						message(payload[4:n])
						payload = payload[n:]
					}
				case head == binaryData:
					message(payload)
				default:
					t.Fatalf("after %d messages and %d PONGs: %x %.40q", m, p, head, payload)
				}
			}
			if n := <-partial; n == 0 {
				t.Error("no write was cut short: the test tests nothing")
			}
		})
	}
}

// TestSlowPeer stops reading. Writes without waiting must not wait, and hold little.
func TestSlowPeer(t *testing.T) {
	peer, conn := open(t, Options{}, "wamp.2.cbor", "")
	batch := batchOf(strings.Repeat("m", 1000), strings.Repeat("n", 1000))
	written := 0
	rest := batch
	for zero := 0; zero < 10; {
		n, err := conn.Write(rest, false)
		if err != nil {
			t.Fatal(err)
		}
		if written += n; n == 0 {
			zero++
		}
		if rest = rest[n:]; len(rest) == 0 {
			rest = batch
		}
		if written > 64<<20 {
			t.Fatal("64 MiB were taken for a peer that reads nothing")
		}
	}
	if n := len(conn.socket.frames); n > chunkSize+len(batch) {
		t.Errorf("%d octets are held", n)
	}
	// A PING meanwhile blocks no goroutine: its PONG is queued after the frames.
	peer.send(t, frameOf(ping, "hello"), frameOf(binaryData, "after"))
	want(t, conn, "after", false)
	done := make(chan error)
	go func() {
		_, err := conn.Write(rest, true)
		for err == nil { // the system's buffers may still grow
			_, err = conn.Write(batch, true)
		}
		done <- err
	}()
	conn.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("error is %v", err)
	}
}

// piped connects a Conn with the other end of a net.Pipe, which speaks as a server by hand.
func piped(t *testing.T, o Options) (*Conn, *client) {
	near, far := net.Pipe()
	peer := &client{far, bufio.NewReader(far)}
	go func() {
		r, err := http.ReadRequest(peer.r)
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(far, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: wamp.2.cbor\r\n"+
			"Sec-WebSocket-Accept: "+accept(r)+"\r\n\r\n")
	}()
	conn, err := Dial(context.Background(), "ws://router/ws", func(context.Context, string) (net.Conn, error) { return near, nil }, o)
	if err != nil {
		t.Fatal(err)
	}
	return conn, peer
}

// slow is a connection that takes 2000 bytes each second.
type slow struct{ net.Conn }

func (s slow) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p[:min(len(p), 2000)])
	time.Sleep(time.Duration(n) * time.Second / 2000)
	return n, err
}

// hijackable answers an upgrade on a connection.
type hijackable struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	io.WriteString(h.conn, "HTTP/1.1 101 Switching Protocols\r\n")
	h.Header().Write(h.conn)
	io.WriteString(h.conn, "\r\n")
	return h.conn, bufio.NewReadWriter(bufio.NewReader(h.conn), bufio.NewWriter(h.conn)), nil
}

// pair connects a server and a client over connections on which every write waits.
func pair(t *testing.T, at, from net.Conn, server, client Options) (*Conn, *Conn) {
	t.Helper()
	accepted := make(chan *Conn, 1)
	go func() {
		r, err := http.ReadRequest(bufio.NewReader(at))
		if err != nil {
			t.Error(err)
		}
		conn, err := Accept(hijackable{httptest.NewRecorder(), at}, r, server)
		if err != nil {
			t.Error(err)
		}
		accepted <- conn
	}()
	conn, err := Dial(t.Context(), "ws://router/ws", func(context.Context, string) (net.Conn, error) { return from, nil }, client)
	if err != nil {
		t.Fatal(err)
	}
	return <-accepted, conn
}

// readSlowly writes 400 KB to a peer that reads 2000 bytes each second, sends no messages, and answers a PING when it
// reads it. The peer must get all of it.
func readSlowly(t *testing.T, conn, peer *Conn, size int) {
	const total = 400_000
	go conn.ReadMessage()
	wrote := make(chan error, 1)
	go func() {
		_, err := conn.Write(batchOf(slices.Repeat([]string{strings.Repeat("m", size)}, total/size)...), true)
		wrote <- err
	}()
	for i := range total / size {
		if _, _, err := peer.ReadMessage(); err != nil {
			t.Errorf("message %d: %v", i, err)
			break
		}
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	conn.Close()
	peer.Close()
	<-conn.Done()
	<-peer.Done()
}

func TestKeepAlive(t *testing.T) {
	o := Options{PingInterval: 30 * time.Second, PingTimeout: 10 * time.Second}
	t.Run("a peer that is gone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			conn, peer := piped(t, o)
			go io.Copy(io.Discard, peer.r)
			start := time.Now()
			_, _, err := conn.ReadMessage()
			if err == nil || err.Error() != "websocket: no answer to PING in 10s" {
				t.Errorf("error is %v", err)
			}
			if d := time.Since(start); d < 40*time.Second || d > 70*time.Second {
				t.Errorf("found after %v", d)
			}
			<-conn.Done()
			peer.Conn.Close()
		})
	})
	t.Run("a peer that reads slowly but steadily", func(t *testing.T) {
		for _, size := range []int{500, 100_000} {
			t.Run(fmt.Sprintf("a client, messages of %d bytes", size), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					near, far := net.Pipe()
					conn, peer := pair(t, near, slow{far}, o, Options{})
					readSlowly(t, conn, peer, size)
				})
			})
			t.Run(fmt.Sprintf("a server, messages of %d bytes", size), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					near, far := net.Pipe()
					peer, conn := pair(t, slow{far}, near, Options{}, o)
					readSlowly(t, conn, peer, size)
				})
			})
		}
	})
	t.Run("a peer that answers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			conn, peer := piped(t, o)
			start := time.Now()
			go func() {
				for range 20 {
					var head [6]byte
					io.ReadFull(peer.r, head[:])
					b := make([]byte, head[1]&0x7F)
					io.ReadFull(peer.r, b)
					for i := range b {
						b[i] ^= head[2+i%4]
					}
					io.WriteString(peer.Conn, "\x8a"+string(rune(len(b)))+string(b))
				}
				peer.Conn.Close()
			}()
			if _, _, err := conn.ReadMessage(); err != io.EOF {
				t.Errorf("error is %v", err)
			}
			if d := time.Since(start); d < 20*30*time.Second {
				t.Errorf("20 PINGs within %v", d)
			}
			<-conn.Done()
		})
	})
}

// TestChunks: a batch is framed chunk by chunk. A chunk ends with the message that fills it, or before a longer one.
func TestChunks(t *testing.T) {
	const head = headSize
	for _, c := range []struct {
		name     string
		messages []int // sizes in bytes
		want     []int // sizes of the frames
	}{
		{"less than a chunk", []int{10, chunkSize - 10 - 2*head - 1}, []int{chunkSize - 1}},
		{"a chunk", []int{10, chunkSize - 10 - 2*head, 5}, []int{chunkSize, head + 5}},
		{"a chunk and a byte", []int{10, chunkSize - 10 - 2*head - 1, 5, 5}, []int{chunkSize + head + 4, head + 5}},
		{"a message that fills a chunk", []int{5, chunkSize - head, 5}, []int{head + 5 + chunkSize, head + 5}},
		{"a longer message", []int{5, chunkSize, 5, 5}, []int{head + 5, chunkSize + head, 2 * (head + 5)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			peer, conn := open(t, Options{}, "wamp.2.cbor.batched", "")
			var messages []string
			for _, n := range c.messages {
				messages = append(messages, strings.Repeat("m", n))
			}
			written := make(chan error, 1)
			go func() {
				_, err := conn.Write(batchOf(messages...), true)
				written <- err
			}()
			for _, want := range c.want {
				if _, payload := peer.next(t); len(payload) != want {
					t.Errorf("a frame of %d bytes, want %d", len(payload), want)
				}
			}
			if err := <-written; err != nil {
				t.Error(err)
			}
		})
	}
}

func BenchmarkBatch(b *testing.B) {
	for _, protocol := range []string{"wamp.2.cbor", "wamp.2.cbor.batched"} {
		b.Run(protocol, func(b *testing.B) {
			peer, conn := open(b, Options{}, protocol, "")
			message := strings.Repeat("e", 150)
			go io.Copy(io.Discard, peer.r)
			var batch []byte
			var frames string
			for range 1000 {
				batch = append(batch, batchOf(message)...)
				frames += frameOf(binaryData, message)
			}
			if conn.protocol.Batched {
				frames = frameOf(binaryData, string(batch))
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := conn.Write(batch, true); err != nil {
					b.Fatal(err)
				}
				go io.WriteString(peer.Conn, frames)
				for range 1000 {
					if _, _, err := conn.ReadMessage(); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
