package conformance

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"

	"runnel/test/stage"
)

// web is a WebSocket connection that cases read and write octet by octet.
type web struct {
	*wire
	in *bufio.Reader
}

// request sends an upgrade request, or the given lines.
func (w *web) request(lines ...string) *http.Response {
	w.Helper()
	w.put([]byte(strings.Join(lines, "\r\n") + "\r\n\r\n")...)
	answer, err := http.ReadResponse(w.in, nil)
	if err != nil {
		w.Fatal(err)
	}
	return answer
}

// upgradeTo returns the lines of an upgrade request for a subprotocol.
func upgradeTo(protocols string, more ...string) []string {
	lines := []string{"GET /ws HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: keep-alive, Upgrade",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
	if protocols != "" {
		lines = append(lines, "Sec-WebSocket-Protocol: "+protocols)
	}
	return append(lines, more...)
}

func browse(t *testing.T, at stage.Way) *web {
	t.Helper()
	w := open(t, at)
	return &web{w, bufio.NewReader(w)}
}

// over runs a case over ws and wss.
func over(t *testing.T, name string, plot func(w *web)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		for _, network := range []string{"ws", "wss"} {
			t.Run(network, func(t *testing.T) {
				t.Parallel()
				plot(browse(t, stage.Way{Network: network}))
			})
		}
	})
}

// upgraded returns a connection with the subprotocol.
func (w *web) upgraded(protocol string) {
	w.Helper()
	if answer := w.request(upgradeTo(protocol)...); answer.StatusCode != 101 || answer.Header.Get("Sec-WebSocket-Protocol") != protocol {
		w.Fatalf("%v %v", answer.Status, answer.Header)
	}
}

// Opcodes.
const (
	more, text, binary2, closing, ping, pong = 0, 1, 2, 8, 9, 10
)

// webFrame returns a masked frame. final marks the last frame of a message.
func webFrame(final bool, op byte, payload []byte) []byte {
	head := []byte{op, 0x80}
	if final {
		head[0] |= 0x80
	}
	switch n := len(payload); {
	case n < 126:
		head[1] |= byte(n)
	case n < 1<<16:
		head[1] |= 126
		head = binary.BigEndian.AppendUint16(head, uint16(n))
	default:
		head[1] |= 127
		head = binary.BigEndian.AppendUint64(head, uint64(n))
	}
	mask := []byte{0x12, 0x34, 0x56, 0x78}
	frame := append(head, mask...)
	for i, b := range payload {
		frame = append(frame, b^mask[i%4])
	}
	return frame
}

// receive reads an unmasked frame.
func (w *web) receive() (first byte, payload []byte) {
	w.Helper()
	head := make([]byte, 2)
	read := func(b []byte) []byte {
		if _, err := io.ReadFull(w.in, b); err != nil {
			w.Fatalf("read a frame: %v", err)
		}
		return b
	}
	read(head)
	if head[1]&0x80 != 0 {
		w.Fatalf("a frame of the router's is masked: % x", head)
	}
	n := uint64(head[1])
	switch n {
	case 126:
		n = uint64(binary.BigEndian.Uint16(read(make([]byte, 2))))
	case 127:
		n = binary.BigEndian.Uint64(read(make([]byte, 8)))
	}
	return head[0], read(make([]byte, n))
}

// message sends a WAMP message in one frame of the right type.
func (w *web) message(op byte) []byte {
	w.Helper()
	first, payload := w.receive()
	for first == 0x80|ping { // on a slow machine the router may have become impatient
		first, payload = w.receive()
	}
	if first != 0x80|op {
		w.Fatalf("a frame % x of %q", first, payload)
	}
	return payload
}

// failed checks that the router closes the connection with a code.
func (w *web) failed(codes ...uint16) {
	w.Helper()
	first, payload := w.receive()
	if first != 0x80|closing || len(payload) < 2 {
		w.Fatalf("a frame % x of %q, expected CLOSE", first, payload)
	}
	got := binary.BigEndian.Uint16(payload)
	for _, code := range codes {
		if got == code {
			w.put(webFrame(true, closing, payload[:2])...)
			w.expectClosed()
			return
		}
	}
	w.Fatalf("closed with %d %q, expected %v", got, payload[2:], codes)
}

// expectClosed checks that the connection ends without further data.
func (w *web) expectClosed() {
	w.Helper()
	if b, err := w.in.ReadByte(); err == nil {
		w.Fatalf("read %02x, expected the end", b)
	}
}

const webHello = `[1,"stage.ws_json",{"roles":{"publisher":{},"subscriber":{}}}]`

// joinedText returns a connection with a session in JSON.
func (w *web) joinedText() {
	w.Helper()
	w.upgraded("wamp.2.json")
	w.put(webFrame(true, text, []byte(webHello))...)
	if got := w.message(text); !bytes.HasPrefix(got, []byte("[2,")) {
		w.Fatalf("heard %s", got)
	}
}

func (w *web) answered(message, prefix string) {
	w.Helper()
	w.put(webFrame(true, text, []byte(message))...)
	if got := w.message(text); !bytes.HasPrefix(got, []byte(prefix)) {
		w.Fatalf("heard %s", got)
	}
}
