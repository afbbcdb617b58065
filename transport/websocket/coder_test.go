package websocket

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"runnel/edge/wamp"
	"runnel/transport/subprotocol"
	"runnel/transport/websocket/frame"
)

// The library coder/websocket is the independent counterpart of this package: it is its peer, and gets the same frames.

// outcome is the result of a side's reading of its peer's frames.
type outcome struct {
	messages []string
	answers  []string // the frames that it sent: PONG with its payload, or CLOSE with its code
}

// reader reads messages until the connection ends.
type reader func(conn net.Conn) (messages []string)

const fuzzLimit = 1000

// byRunnel reads as the router, or as a client.
func byRunnel(client bool) reader {
	return func(conn net.Conn) (messages []string) {
		c := frameReader(conn, client)
		for {
			m, _, err := c.ReadMessage()
			if err != nil {
				<-c.Done()
				return messages
			}
			messages = append(messages, string(m))
		}
	}
}

func frameReader(conn net.Conn, client bool) *Conn {
	o := Options{MaxMessage: fuzzLimit}
	return newConn(newSocket(conn, nil), subprotocol.Protocol{Serializer: wamp.CBOR}, o, client, false)
}

// byCoder reads as the router, or as a client, by coder/websocket.
func byCoder(t *testing.T, client bool) reader {
	return func(conn net.Conn) (messages []string) {
		c, err := coderConn(conn, client)
		if err != nil {
			t.Fatal(err)
		}
		c.SetReadLimit(fuzzLimit)
		defer c.CloseNow()
		for {
			kind, r, err := c.Reader(context.Background())
			if err == nil && kind != websocket.MessageBinary {
				c.Close(websocket.StatusUnsupportedData, "")
				return messages
			}
			var m []byte
			if err == nil {
				m, err = io.ReadAll(r)
			}
			if err != nil {
				return messages
			}
			messages = append(messages, string(m))
		}
	}
}

// coderConn makes a connection of coder/websocket. Its handshake has a peer of its own.
func coderConn(conn net.Conn, client bool) (*websocket.Conn, error) {
	r := httptest.NewRequest("GET", "/", nil)
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="} {
		r.Header.Set(name, value)
	}
	if !client {
		return websocket.Accept(mute{httptest.NewRecorder(), conn}, r, nil)
	}
	c, _, err := websocket.Dial(context.Background(), "ws://router/", &websocket.DialOptions{HTTPClient: &http.Client{Transport: agrees{conn}}})
	return c, err
}

// mute is hijacked without an answer.
type mute struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

func (m mute) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return m.conn, bufio.NewReadWriter(bufio.NewReader(m.conn), bufio.NewWriter(m.conn)), nil
}

// agrees answers a handshake without the peer.
type agrees struct{ conn net.Conn }

func (a agrees) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusSwitchingProtocols, Body: a.conn, Header: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Accept": {accept(r)},
	}}, nil
}

// between passes octets that end with CLOSE to a reader, and returns the reader's result.
func between(t *testing.T, octets string, read reader) (o outcome) {
	near, far := net.Pipe()
	done := make(chan []string)
	go func() { done <- read(near) }()
	go io.WriteString(far, octets)
	o.answers = answersOf(bufio.NewReader(far))
	far.Close()
	o.messages = <-done
	return o
}

// answersOf reads the frames of a side up to its CLOSE.
func answersOf(r *bufio.Reader) (answers []string) {
	d := frame.Decoder{FromServer: true}
	for {
		b, _ := r.Peek(2)
		if len(b) < 2 {
			return append(answers, "end")
		}
		d.FromServer = b[1]&0x80 == 0
		h, need, err := d.Head(b)
		if need > 0 {
			b, _ = r.Peek(need)
			h, need, err = d.Head(b)
		}
		if err != nil || need > 0 {
			return append(answers, fmt.Sprint(err, need))
		}
		payload := make([]byte, h.Size+int(h.Length))
		io.ReadFull(r, payload)
		payload = payload[h.Size:]
		frame.Mask(payload, h.Key)
		if h.Op != frame.Close {
			answers = append(answers, fmt.Sprintf("%d %q", h.Op, payload))
			continue
		}
		return append(answers, fmt.Sprintf("CLOSE % x", payload[:min(2, len(payload))]))
	}
}

// script makes frames of bytes: three for the first octet, the length and the content of each. CLOSE follows the last one.
func script(bytesOf []byte, client bool) string {
	var b strings.Builder
	put := func(first byte, payload string) {
		if client {
			b.WriteString(masked(first, payload))
		} else {
			b.WriteString(unmasked(first, payload))
		}
	}
	for len(bytesOf) >= 3 {
		first, length, content := bytesOf[0], int(bytesOf[1]), bytesOf[2]
		if length > 200 {
			length = (length - 200) * 20 // around fuzzLimit
		}
		payload := strings.Repeat(string('a'+rune(content%26)), length)
		if first&0x0f == byte(frame.Close) && length >= 2 { // codes around those that are allowed
			payload = string(binary.BigEndian.AppendUint16(nil, uint16(content)*20+uint16(length%20)+990)) + payload[2:]
		}
		put(first, payload)
		bytesOf = bytesOf[3:]
	}
	put(0x88, "\x03\xe8")
	return b.String()
}

// FuzzAgainstCoder: both implementations make the same of any frames, as a router and as a client: the same messages, PONGs and
// close codes.
func FuzzAgainstCoder(f *testing.F) {
	for _, s := range []string{
		"\x82\x05a\x82\x00b", "\x02\x05a\x89\x03b\x00\x00c\x80\x05d", "\x81\x05a", "\x82\xff\x01", "\x02\xe0a\x80\xe0b", "\x80\x01a", "\x02\x01a\x82\x01b",
		"\xc2\x01a", "\x83\x01a", "\x8b\x01a", "\x09\x01a", "\x89\x7da", "\x89\x7ea", "\x88\x00a", "\x88\x01a", "\x88\x05a", "\x88\x02\x00", "\x8a\x02a\x8a\x03b", "\x02\x00a\x00\x00b\x80\x00c",
	} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, frames []byte, client bool) {
		if len(frames) > 60 {
			return
		}
		octets := script(frames, !client)
		got, want := between(t, octets, byRunnel(client)), between(t, octets, byCoder(t, client))
		if !slices.Equal(got.messages, want.messages) || !slices.Equal(got.answers, want.answers) {
			t.Errorf("% x: %d messages, answers %q; coder/websocket: %d, %q", frames, len(got.messages), got.answers, len(want.messages), want.answers)
		}
	})
}

// TestAgainstCoder exchanges messages with coder/websocket, in both roles, with and without compression.
func TestAgainstCoder(t *testing.T) {
	messages := []string{"", "x", strings.Repeat("compressible ", 50), strings.Repeat("m", 125), strings.Repeat("m", 126), strings.Repeat("long ", 60_000), strings.Repeat("m", 65535)}
	for _, compress := range []bool{false, true} {
		mode := map[bool]websocket.CompressionMode{false: websocket.CompressionDisabled, true: websocket.CompressionNoContextTakeover}[compress]
		t.Run(fmt.Sprintf("as a router, compress %v", compress), func(t *testing.T) {
			s := serve(t, Options{Compress: compress})
			c, resp, err := websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{Subprotocols: []string{"wamp.2.cbor"}, CompressionMode: mode})
			if err != nil {
				t.Fatal(err)
			}
			if got := resp.Header.Get("Sec-WebSocket-Extensions"); (got != "") != compress {
				t.Errorf("agreed on %q", got)
			}
			converse(t, <-s.conns, c, messages)
		})
		t.Run(fmt.Sprintf("as a client, compress %v", compress), func(t *testing.T) {
			conns := make(chan *websocket.Conn, 1)
			hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"wamp.2.cbor"}, CompressionMode: mode})
				if err != nil {
					t.Error(err)
				}
				conns <- c
			}))
			defer hs.Close()
			conn, err := dialServer(&server{Server: hs}, Options{Compress: compress})
			if err != nil {
				t.Fatal(err)
			}
			if conn.deflate != compress {
				t.Errorf("compression is %v", conn.deflate)
			}
			converse(t, conn, <-conns, messages)
		})
	}
}

// converse sends messages in both directions and closes the connection.
func converse(t *testing.T, conn *Conn, coder *websocket.Conn, messages []string) {
	coder.SetReadLimit(-1)
	go conn.Write(batchOf(messages...), true)
	for _, want := range messages {
		if kind, m, err := coder.Read(t.Context()); err != nil || kind != websocket.MessageBinary || string(m) != want {
			t.Fatalf("coder/websocket reads %v %.20q (%d bytes), %v; want %.20q", kind, m, len(m), err, want)
		}
	}
	sent := make(chan error, 1)
	go func() {
		for i, m := range messages {
			if i%2 == 0 { // in fragments
				w, _ := coder.Writer(t.Context(), websocket.MessageBinary)
				for _, part := range bytes.SplitAfter([]byte(m), []byte("o")) {
					w.Write(part)
				}
				w.Close()
			} else {
				coder.Write(t.Context(), websocket.MessageBinary, []byte(m))
			}
		}
		sent <- coder.Close(4001, "enough")
	}()
	for _, want := range messages {
		if m, _, err := conn.ReadMessage(); err != nil || string(m) != want {
			t.Fatalf("read %.20q (%d bytes), %v; want %.20q", m, len(m), err, want)
		}
	}
	if _, _, err := conn.ReadMessage(); err == nil || err.Error() != `websocket: the peer closed with 4001 "enough"` {
		t.Errorf("the end is %v", err)
	}
	if err := <-sent; err != nil {
		t.Errorf("coder/websocket closes: %v", err)
	}
	<-conn.Done()
	if _, err := conn.Write(batchOf("x"), true); !errors.Is(err, net.ErrClosed) {
		t.Errorf("written after the end: %v", err)
	}
}
