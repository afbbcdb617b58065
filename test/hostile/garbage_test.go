package hostile

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/stage"
)

func handshake(s byte) []byte { return []byte{0x7f, 0xf0 | s, 0, 0} }

// garbage lists input of broken, misdirected or hostile peers, for any listener.
func garbage() map[string][]byte {
	random := make([]byte, 256<<10)
	for i, r := 0, rand.New(rand.NewPCG(5, 6)); i < len(random); i++ {
		random[i] = byte(r.Uint32())
	}
	hello := stage.Frame(0, []byte(strings.ReplaceAll(stage.Simple, "@", "stage.tcp_json")))
	join := append(handshake(1), hello...)
	with := func(head []byte, more ...byte) []byte { return append(bytes.Clone(head), more...) }
	all := map[string][]byte{
		"nothing":                       nil,
		"one octet":                     {0x7f},
		"half a handshake":              {0x7f, 0xf3},
		"no serializer":                 handshake(0),
		"an unknown serializer":         handshake(9),
		"reserved octets":               {0x7f, 0xf3, 1, 2},
		"random":                        random,
		"random after a handshake":      with(handshake(3), random...),
		"random in a session":           with(join, random...),
		"half a frame":                  with(handshake(3), 0, 0, 1, 0, 0x83),
		"half a frame in a session":     with(join, 0, 0, 1, 0, '['),
		"the largest length":            with(handshake(3), 0, 0xff, 0xff, 0xff),
		"the largest length, a session": with(join, 0, 0xff, 0xff, 0xff),
		"16 MiB":                        with(handshake(3), 8, 0, 0, 0, 0, 0, 0, 0),
		"a reserved frame type":         with(handshake(3), 7, 0, 0, 0),
		"reserved bits":                 with(handshake(3), 0x10, 0, 0, 0),
		"PINGs without end":             with(join, bytes.Repeat(stage.Frame(1, random[:100]), 1000)...),
		"PONGs without end":             with(join, bytes.Repeat(stage.Frame(2, nil), 20_000)...),
		"empty messages":                with(join, make([]byte, 4000)...),
		"GOODBYE a thousand times":      with(join, bytes.Repeat(stage.Frame(0, []byte(`[6,{},"a.b"]`)), 1000)...),
		"HELLO a thousand times":        with(join, bytes.Repeat(hello, 1000)...),
		"HTTP":                          []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		"HTTP without end":              with([]byte("GET /ws HTTP/1.1\r\n"), bytes.Repeat([]byte("X-A: b\r\n"), 1<<15)...),
		"a line without end":            with([]byte("GET /"), bytes.Repeat([]byte("a"), 1<<18)...),
		"HTTP/2":                        []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
		"a POST without end":            with([]byte("POST /ws HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"), random...),
		"chunks":                        []byte("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"),
		"requests in a row":             bytes.Repeat([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), 2000),
		"a WebSocket without a key":     []byte("GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
		"TLS":                           {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3},
		"a TLS record of 64 KiB":        with([]byte{0x16, 3, 1, 0xff, 0xff}, random[:1000]...),
		"SSH":                           []byte("SSH-2.0-OpenSSH_9.9\r\n"),
		"MQTT":                          {0x10, 0x0c, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 0},
	}
	for s, open := range map[byte]string{1: "[", 2: "\x91", 3: "\x81"} {
		deep := []byte(strings.Repeat(open, 200<<10))
		all["deep "+wamp.Serializer(s).String()] = append(handshake(s), stage.Frame(0, deep)...)
		for _, length := range []uint32{1, 255, 65535, 1 << 18} {
			head := binary.BigEndian.AppendUint32(handshake(s), length)
			all["random "+wamp.Serializer(s).String()+", "+string(rune('a'+len(all)%26))] = append(head, random[:min(int(length), len(random))]...)
		}
	}
	return all
}

// The log reports each kind at most once a minute, possibly before this case.
func TestGarbage(t *testing.T) {
	for name, c := range map[string]struct {
		way    stage.Way
		logged string
	}{
		"tcp":         {stage.Way{Network: "tcp"}, "listener=tcp://"},
		"tls":         {stage.Way{Network: "tls"}, "listener=tls://"},
		"tcp for tls": {stage.Way{Network: "tcp", Address: house.TLS}, "listener=tls://"},
		"unix":        {stage.Way{Network: "unix"}, "listener=unix://"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("all", func(t *testing.T) { // ends when the parallel ones have
				for what, octets := range garbage() {
					t.Run(what, func(t *testing.T) {
						t.Parallel()
						pour(t, c.way, octets)
					})
				}
			})
			unmoved(t, stage.Strict)
			modest(t)
			logged(t, 0, `level=WARN msg="connection failed before its first message" `+c.logged)
			if err := house.Crashed(); err != nil {
				t.Error(err)
			}
		})
	}
	logged(t, 0, `level=WARN msg="session refused" peer=\S+ listener=tcp\S+ err=`)
	logged(t, 0, `level=INFO msg="session ended" realm=stage\.\S+ session=\d+ authid=\S+ peer=\S+ duration=\S+ err="protocol violation: `)
}

// pour sends octets and waits for the router to close the connection. If the router would wait for more, pour closes it.
func pour(t *testing.T, w stage.Way, octets []byte) {
	t.Helper()
	conn, err := house.Dial(context.Background(), w, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(kit.Patience))
	go func() {
		conn.Write(octets) // the router may hang up in the middle
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			half.CloseWrite()
		}
	}()
	io.Copy(io.Discard, conn)
}

// A slow peer is disconnected after a limited time, wherever it stops.
func TestSlowPeers(t *testing.T) {
	hello := []byte(strings.ReplaceAll(stage.Simple, "@", "stage.tcp_json"))
	upgrade := "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: wamp.2.json\r\n\r\n"
	ticket := []byte(`[1,"stage.tcp_json",{"roles":{"caller":{}},"authid":"bystander","authmethods":["ticket"]}]`)
	for name, c := range map[string]struct {
		network string
		at      string
		octets  []byte
	}{
		"nothing":                  {"tcp", "", nil},
		"nothing, unix":            {"unix", "", nil},
		"nothing, for tls":         {"tcp", house.TLS, nil},
		"nothing, in tls":          {"tls", "", nil},
		"half a handshake":         {"tcp", "", handshake(1)[:3]},
		"half a handshake, in tls": {"tls", "", handshake(1)[:2]},
		"half a tls handshake":     {"tcp", house.TLS, []byte{0x16, 3, 1, 2, 0, 1}},
		"half a request":           {"tcp", "", []byte(upgrade[:60])},
		"half a request, in tls":   {"tls", "", []byte(upgrade[:60])},
		"no HELLO":                 {"tcp", "", handshake(1)},
		"no HELLO, unix":           {"unix", "", handshake(1)},
		"no HELLO, in tls":         {"tls", "", handshake(1)},
		"no HELLO, WebSocket":      {"tcp", "", []byte(upgrade)},
		"half a HELLO":             {"tcp", "", append(handshake(1), stage.Frame(0, hello)[:20]...)},
		"PINGs, but no HELLO":      {"tcp", "", append(handshake(1), bytes.Repeat(stage.Frame(1, []byte("x")), 10)...)},
		"no AUTHENTICATE":          {"tcp", "", append(handshake(1), stage.Frame(0, ticket)...)},
		"half a WebSocket frame":   {"tcp", "", append([]byte(upgrade), 0x81)},
		"half a WebSocket message": {"tcp", "", append([]byte(upgrade), 0x01, 0x81, 0, 0, 0, 0, '[')},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t, stage.Way{Network: c.network, Address: c.at})
			for len(c.octets) > 0 { // in small pieces, as if there were more to come
				n := min(7, len(c.octets))
				if _, err := w.Write(c.octets[:n]); err != nil {
					t.Fatal(err)
				}
				c.octets = c.octets[n:]
			}
			w.expectClosed()
		})
	}
}

// A thousand connections that are silent, or have only made their handshake, each use one place and little memory. A peer
// that sends HELLO still gets a place.
func TestSilentConnections(t *testing.T) {
	for i := range 3000 {
		conn, err := net.Dial("tcp", house.TCP)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if i%2 == 0 {
			if err := stage.Handshake(conn, wamp.CBOR); err != nil {
				t.Fatal(err)
			}
		}
	}
	w := stage.Way{Network: "tcp", Serializer: wamp.CBOR}
	p := house.Scene(t, w, w.Realm()).Join(stage.Simple)
	p.Sync()
	unmoved(t, w.Realm())
	modest(t)
}

// The router skips noise on a serial line and serves a device that is connected later.
func TestNoiseOnALine(t *testing.T) {
	before := mark()
	for _, serializer := range wamp.Serializers {
		w := stage.Way{Network: "serial", Serializer: serializer}
		r := rand.New(rand.NewPCG(7, uint64(serializer)))
		for range 20 {
			device := house.Line(w.Realm())
			noise := make([]byte, 1+r.IntN(20_000))
			for i := range noise {
				if noise[i] = byte(r.Uint32()); noise[i] == 0x7f {
					noise[i] = 0 // would look like a handshake, to which a device must not say more before the answer
				}
			}
			if _, err := device.Write(noise); err != nil {
				t.Fatal(err)
			}
			device.Close()
		}
		s := house.Scene(t, w, w.Realm())
		for range 24 { // one on each line
			s.Join(stage.Simple).Sync()
		}
		unmoved(t, w.Realm())
	}
	logged(t, before, `level=WARN msg="serial device sends bytes that are not a RawSocket handshake; skipping them"`)
	modest(t)
}
