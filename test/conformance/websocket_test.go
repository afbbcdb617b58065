package conformance

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"

	"runnel/edge/wamp"
	"runnel/test/say"
	"runnel/test/stage"
)

func TestWebSocketHandshake(t *testing.T) {
	for _, c := range []struct{ asked, chosen string }{
		{"wamp.2.json", "wamp.2.json"}, {"wamp.2.msgpack", "wamp.2.msgpack"}, {"wamp.2.cbor", "wamp.2.cbor"},
		{"wamp.2.json.batched", "wamp.2.json.batched"}, {"wamp.2.msgpack.batched", "wamp.2.msgpack.batched"}, {"wamp.2.cbor.batched", "wamp.2.cbor.batched"},
		{"wamp.2.json, wamp.2.cbor", "wamp.2.json"}, {"wamp.2.cbor,wamp.2.json", "wamp.2.cbor"}, // the client's order
		{"soap, wamp.2.ubjson ,wamp.2.msgpack", "wamp.2.msgpack"},
	} {
		over(t, c.asked, func(w *web) {
			answer := w.request(upgradeTo(c.asked)...)
			if answer.StatusCode != 101 || answer.Header.Get("Sec-WebSocket-Protocol") != c.chosen || answer.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
				w.Fatalf("%v %v", answer.Status, answer.Header)
			}
			if extensions := answer.Header.Get("Sec-WebSocket-Extensions"); extensions != "" {
				w.Errorf("the extensions %s, which nobody asked for", extensions)
			}
		})
	}
	for _, c := range []struct {
		name   string
		lines  []string
		status int
	}{
		{"no subprotocol", upgradeTo(""), 400},
		{"no common subprotocol", upgradeTo("soap, wamp.2.ubjson"), 400},
		{"no key", []string{"GET /ws HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: wamp.2.json"}, 400},
		{"another version", []string{"GET /ws HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 8",
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: wamp.2.json"}, 400},
		{"no upgrade", []string{"GET /ws HTTP/1.1", "Host: localhost"}, 426},
		{"POST", append([]string{"POST /ws HTTP/1.1"}, upgradeTo("wamp.2.json")[1:]...), 405},
		{"another path", []string{"GET /other HTTP/1.1", "Host: localhost"}, 404},
		{"the front page", []string{"GET / HTTP/1.1", "Host: localhost"}, 200},
	} {
		over(t, c.name, func(w *web) {
			if answer := w.request(c.lines...); answer.StatusCode != c.status {
				w.Errorf("%v", answer.Status)
			}
		})
	}
}

// A web page may connect if its origin is this machine or allowed by the listener.
func TestOrigins(t *testing.T) {
	limited := strings.TrimPrefix(house.More[2], "tcp://")
	for _, c := range []struct {
		origin, address string
		status          int
	}{
		{"http://127.0.0.1", "", 101}, {"http://evil.example.com", "", 403}, {"null", "", 403}, {"https://app.example.com", "", 403},
		{"https://app.example.com", limited, 101}, {"http://app.example.com", limited, 403}, {"https://evil.example.com", limited, 403},
	} {
		t.Run(c.origin+" "+c.address, func(t *testing.T) {
			w := browse(t, stage.Way{Network: "ws", Address: c.address})
			if answer := w.request(upgradeTo("wamp.2.json", "Origin: "+c.origin)...); answer.StatusCode != c.status {
				t.Errorf("%v", answer.Status)
			}
			w.Close()
		})
	}
	// A foreign name that resolves to this machine is not one of its own names (DNS rebinding).
	w := browse(t, stage.Way{Network: "ws"})
	lines := upgradeTo("wamp.2.json", "Origin: http://evil.example.com")
	lines[1] = "Host: evil.example.com"
	if answer := w.request(lines...); answer.StatusCode != 403 {
		t.Errorf("rebound: %v", answer.Status)
	}
}

func TestWebSocketFrames(t *testing.T) {
	over(t, "a session", func(w *web) {
		w.joinedText()
		w.answered(`[32,1,{},"a.b"]`, "[33,1,")
		w.answered(`[6,{},"wamp.close.normal"]`, `[6,{},"wamp.close.goodbye_and_out"]`)
		w.failed(1000)
	})
	over(t, "fragments, with PING in between", func(w *web) {
		w.joinedText()
		m := []byte(`[32,1,{},"a.b"]`)
		w.put(webFrame(false, text, m[:3])...)
		w.put(webFrame(true, ping, []byte("are you there"))...)
		w.put(webFrame(false, more, m[3:3])...)
		w.put(webFrame(false, more, m[3:9])...)
		w.put(webFrame(true, more, m[9:])...)
		if first, payload := w.receive(); first != 0x80|pong || string(payload) != "are you there" {
			w.Errorf("PONG: % x %q", first, payload)
		}
		if got := w.message(text); !bytes.HasPrefix(got, []byte("[33,1,")) {
			w.Errorf("heard %s", got)
		}
	})
	over(t, "PING of any legal length", func(w *web) {
		w.joinedText()
		for _, n := range []int{0, 1, 125} {
			octets := bytes.Repeat([]byte{0xff}, n)
			w.put(webFrame(true, ping, octets)...)
			if first, payload := w.receive(); first != 0x80|pong || !bytes.Equal(payload, octets) {
				w.Errorf("PONG: % x of %d", first, len(payload))
			}
		}
		w.put(webFrame(true, pong, []byte("nobody asked"))...)
		w.answered(`[32,1,{},"a.b"]`, "[33,1,")
	})
	over(t, "several in one write", func(w *web) {
		w.joinedText()
		w.put(append(webFrame(true, text, []byte(`[32,1,{},"a.b"]`)), webFrame(true, text, []byte(`[32,2,{},"a.c"]`))...)...)
		for _, prefix := range []string{"[33,1,", "[33,2,"} {
			if got := w.message(text); !bytes.HasPrefix(got, []byte(prefix)) {
				w.Errorf("heard %s", got)
			}
		}
	})
	over(t, "the longest message", func(w *web) {
		w.joinedText()
		head, tail := `[16,1,{"acknowledge":true},"a.b",["`, `"]]`
		m := head + strings.Repeat("x", 1<<20-len(head)-len(tail)) + tail
		w.answered(m, "[17,1,")
		go w.Write(webFrame(true, text, []byte(m+" ")))
		w.failed(1009)
	})
	over(t, "CLOSE", func(w *web) {
		w.joinedText()
		w.put(webFrame(true, closing, []byte{3, 0xe8})...)
		w.failed(1000)
	})
	for name, c := range map[string]struct {
		octets []byte
		codes  []uint16
	}{
		"binary for JSON":             {webFrame(true, binary2, []byte(`[32,1,{},"a.b"]`)), []uint16{1003}},
		"not masked":                  {[]byte{0x81, 2, '[', ']'}, []uint16{1002}},
		"reserved bit":                {append([]byte{0xc1}, webFrame(true, text, []byte("[]"))[1:]...), []uint16{1002}},
		"reserved opcode":             {webFrame(true, 3, []byte("[]")), []uint16{1002}},
		"reserved control opcode":     {webFrame(true, 11, nil), []uint16{1002}},
		"long control frame":          {webFrame(true, ping, make([]byte, 126)), []uint16{1002}},
		"control frame in pieces":     {webFrame(false, ping, []byte("a")), []uint16{1002}},
		"continuation of nothing":     {webFrame(true, more, []byte("[]")), []uint16{1002}},
		"a message in the middle":     {append(webFrame(false, text, []byte("[")), webFrame(true, text, []byte("]"))...), []uint16{1002}},
		"a negative length":           {append([]byte{0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0, 0, 0, 0, '['), []uint16{1002}},
		"CLOSE with a forbidden code": {webFrame(true, closing, []byte{3, 0xed}), []uint16{1002}},
		"CLOSE with half a code":      {webFrame(true, closing, []byte{3}), []uint16{1002}},
	} {
		over(t, name, func(w *web) {
			w.joinedText()
			go w.Write(c.octets)
			w.failed(c.codes...)
		})
	}
	for _, s := range []wamp.Serializer{wamp.MsgPack, wamp.CBOR} {
		over(t, "text for "+s.String(), func(w *web) {
			w.upgraded("wamp.2." + s.String())
			hello, err := say.Names{}.Encode(s, webHello)
			if err != nil {
				w.Fatal(err)
			}
			w.put(webFrame(true, binary2, hello)...)
			w.message(binary2)
			w.put(webFrame(true, text, []byte(`[32,1,{},"a.b"]`))...)
			w.failed(1003)
		})
	}
	t.Run("the router's own PING", func(t *testing.T) {
		w := browse(t, stage.Way{Network: "ws", Address: strings.TrimPrefix(house.More[2], "tcp://")})
		w.joinedText()
		first, payload := w.receive()
		if first != 0x80|ping {
			t.Fatalf("a frame % x of %q", first, payload)
		}
		w.put(webFrame(true, pong, payload)...)
		w.answered(`[32,1,{},"a.b"]`, "[33,1,")
		w.Close()
	})
}

// deflated returns a masked frame of the permessage-deflate extension.
func deflated(t *testing.T, op byte, payload []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := flate.NewWriter(&b, flate.BestCompression)
	if err == nil {
		_, err = z.Write(payload)
	}
	if err == nil {
		err = z.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	frame := webFrame(true, op, bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff}))
	frame[0] |= 0x40
	return frame
}

// inflated returns the content of a frame, and whether it was compressed.
func (w *web) inflated(op byte) (payload []byte, packed bool) {
	w.Helper()
	first, payload := w.receive()
	for first == 0x80|ping {
		first, payload = w.receive()
	}
	if first&^0x40 != 0x80|op {
		w.Fatalf("a frame % x of %q", first, payload)
	}
	if first&0x40 == 0 {
		return payload, false
	}
	payload, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff"))))
	if err != nil {
		w.Fatal(err)
	}
	return payload, true
}

// A listener with compress = true uses permessage-deflate with clients that offer it.
func TestWebSocketCompression(t *testing.T) {
	const offer = "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover"
	compressing := stage.Way{Network: "ws", Address: strings.TrimPrefix(house.More[4], "tcp://")}
	upgrade := func(w *web, protocol, want string, more ...string) {
		w.Helper()
		answer := w.request(upgradeTo(protocol, more...)...)
		if got := answer.Header.Get("Sec-WebSocket-Extensions"); answer.StatusCode != 101 || !strings.HasPrefix(got, want) || want == "" && got != "" {
			w.Fatalf("%v %v", answer.Status, answer.Header)
		}
	}
	for _, s := range wamp.Serializers {
		t.Run(s.String(), func(t *testing.T) {
			op := byte(binary2)
			if s == wamp.JSON {
				op = text
			}
			w := browse(t, compressing)
			upgrade(w, "wamp.2."+s.String(), "permessage-deflate", offer)
			long := strings.Repeat("compressible ", 1000)
			for _, c := range []struct{ say, hear string }{
				{webHello, `[2,"*","*"]`}, {`[32,1,{},"compressed.` + s.String() + `"]`, `[33,1,"*"]`},
				{`[16,2,{"exclude_me":false},"compressed.` + s.String() + `",["` + long + `"]]`, `[36,"*","*",{},["` + long + `"]]`},
			} {
				message, err := say.Names{}.Encode(s, c.say)
				if err != nil {
					t.Fatal(err)
				}
				w.put(deflated(t, op, message)...)
				answer, packed := w.inflated(op)
				got, err := say.Decode(s, answer)
				if err != nil {
					t.Fatal(err)
				}
				if ok, err := (say.Names{}).Match(c.hear, got); err != nil || !ok {
					t.Errorf("heard %s: %v", got, err)
				}
				if len(answer) > len(long) && !packed {
					t.Errorf("%d octets are not compressed", len(answer))
				}
			}
		})
	}
	t.Run("not offered", func(t *testing.T) {
		w := browse(t, compressing)
		upgrade(w, "wamp.2.json", "")
		w.put(webFrame(true, text, []byte(webHello))...)
		w.message(text)
	})
	t.Run("not configured", func(t *testing.T) {
		upgrade(browse(t, stage.Way{Network: "ws"}), "wamp.2.json", "", offer)
	})
	t.Run("more than it seems", func(t *testing.T) { // the limit applies to the decompressed message
		w := browse(t, compressing)
		upgrade(w, "wamp.2.json", "permessage-deflate", offer)
		w.put(webFrame(true, text, []byte(webHello))...)
		w.inflated(text)
		w.put(deflated(t, text, []byte(`[16,1,{},"a.b",["`+strings.Repeat("x", 1<<20)+`"]]`))...)
		w.failed(1009)
	})
}

// The batched subprotocols: advanced/transport_batched_websocket.md.
func TestBatchedWebSocket(t *testing.T) {
	for _, s := range wamp.Serializers {
		op := byte(binary2)
		if s == wamp.JSON {
			op = text
		}
		batch := func(w *web, messages ...string) (b []byte) {
			for _, m := range messages {
				data, err := say.Names{}.Encode(s, m)
				if err != nil {
					w.Fatal(err)
				}
				if s == wamp.JSON {
					b = append(append(b, data...), 0x1e)
				} else {
					b = append(binary.BigEndian.AppendUint32(b, uint32(len(data))), data...)
				}
			}
			return b
		}
		unbatch := func(w *web, b []byte) (texts []string) {
			for len(b) > 0 {
				var m []byte
				if s == wamp.JSON {
					var ok bool
					if m, b, ok = bytes.Cut(b, []byte{0x1e}); !ok {
						w.Fatalf("a batch without its end: %q", m)
					}
				} else {
					n := binary.BigEndian.Uint32(b)
					m, b = b[4:4+n], b[4+n:]
				}
				got, err := say.Decode(s, m)
				if err != nil {
					w.Fatalf("% x: %v", m, err)
				}
				texts = append(texts, got)
			}
			return texts
		}
		over(t, s.String(), func(w *web) {
			w.upgraded("wamp.2." + s.String() + ".batched")
			w.put(webFrame(true, op, batch(w, webHello))...)
			if got := unbatch(w, w.message(op)); len(got) != 1 || !strings.HasPrefix(got[0], "[2,") {
				w.Fatalf("heard %q", got)
			}
			var requests []string
			for i := range 50 {
				requests = append(requests, fmt.Sprintf(`[16,%d,{"acknowledge":true},"a.b",["\u0000AQID"]]`, i+1))
			}
			w.put(webFrame(true, op, batch(w, requests...))...)
			var got []string
			for len(got) < 50 {
				got = append(got, unbatch(w, w.message(op))...)
			}
			for i, m := range got {
				if !strings.HasPrefix(m, fmt.Sprintf("[17,%d,", i+1)) {
					w.Errorf("heard %s", m)
				}
			}
		})
		broken := map[string][]byte{"empty batch": nil}
		if s == wamp.JSON {
			broken["no separator"] = []byte(`[32,1,{},"a.b"]`)
		} else {
			broken["half a length"] = []byte{0, 0}
			broken["longer than it is"] = []byte{0, 0, 0, 9, 1}
			broken["much longer than it is"] = []byte{0xff, 0xff, 0xff, 0xff, 1}
		}
		for name, octets := range broken {
			over(t, s.String()+", "+name, func(w *web) {
				w.upgraded("wamp.2." + s.String() + ".batched")
				w.put(webFrame(true, op, batch(w, webHello))...)
				w.message(op)
				w.put(webFrame(true, op, octets)...)
				w.failed(1002)
			})
		}
		over(t, s.String()+", empty message", func(w *web) {
			w.upgraded("wamp.2." + s.String() + ".batched")
			w.put(webFrame(true, op, batch(w, webHello))...)
			w.message(op)
			octets := []byte{0x1e}
			if s != wamp.JSON {
				octets = make([]byte, 4)
			}
			w.put(webFrame(true, op, octets)...)
			if got := unbatch(w, w.message(op)); len(got) != 1 || !strings.Contains(got[0], "wamp.error.protocol_violation") {
				w.Errorf("heard %q", got)
			}
		})
	}
}
