package proxies

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"runnel/test/kit"
)

// upgrade are the headers of a WebSocket's request.
var upgrade = []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol: wamp.2.json"}

func reader(conn net.Conn) *bufio.Reader { return bufio.NewReader(conn) }

// session joins over a WebSocket and returns the address that the router has of this client.
func (s *site) session(t *testing.T, headers []string) string {
	conn := s.dial(t)
	s.request(conn, "/ws", append(append([]string{fmt.Sprintf("Origin: https://%s:%d", name, s.port)}, upgrade...), headers...))
	in := reader(conn)
	r, err := http.ReadResponse(in, &http.Request{Method: "GET"})
	kit.Must(t, err)
	if r.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(r.Body)
		t.Fatalf("the WebSocket: %s %s", r.Status, body)
	}
	send(conn, `[1,"realm1",{"roles":{"caller":{}}}]`)
	var id float64
	kit.Must(t, json.Unmarshal(receive(t, in)[1], &id))
	send(conn, fmt.Sprintf(`[48,1,{},"wamp.session.get",[%.0f]]`, id))
	answer := receive(t, in)
	var details []struct {
		Transport struct {
			Peer string `json:"peer"`
		} `json:"transport"`
	}
	if len(answer) < 4 || json.Unmarshal(answer[3], &details) != nil || len(details) != 1 {
		t.Fatalf("wamp.session.get: %s", answer)
	}
	return details[0].Transport.Peer
}

// send writes a short text frame, masked with zeros (RFC 6455, 5.2).
func send(conn net.Conn, text string) {
	conn.Write(append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...))
}

// receive reads a text frame with a WAMP message.
func receive(t *testing.T, in *bufio.Reader) (message []json.RawMessage) {
	t.Helper()
	var head [2]byte
	_, err := io.ReadFull(in, head[:])
	kit.Must(t, err)
	size := int(head[1])
	if size == 126 {
		var long [2]byte
		_, err := io.ReadFull(in, long[:])
		kit.Must(t, err)
		size = int(binary.BigEndian.Uint16(long[:]))
	}
	text := make([]byte, size)
	_, err = io.ReadFull(in, text)
	kit.Must(t, err)
	if err := json.Unmarshal(text, &message); head[0] != 0x81 || err != nil || len(message) < 3 {
		t.Fatalf("a frame %x with %s: %v", head, text, err)
	}
	return message
}
