package stage

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/coder/websocket"

	"runnel/edge/wamp"
)

// link carries messages to the router and back. One goroutine at a time may call send, and one receive.
type link interface {
	send(messages ...[]byte) error
	receive() ([]byte, error)
	close()
}

// rawLink is RawSocket over any stream.
type rawLink struct {
	stream io.ReadWriteCloser
	in     *bufio.Reader

	mu sync.Mutex // PONG and messages are not mixed
}

// Handshake performs a RawSocket client's handshake that accepts messages of up to 16 MiB.
func Handshake(stream io.ReadWriter, s wamp.Serializer) error {
	if _, err := stream.Write([]byte{0x7f, 0xf0 | byte(s), 0, 0}); err != nil {
		return err
	}
	var answer [4]byte
	if _, err := io.ReadFull(stream, answer[:]); err != nil {
		return fmt.Errorf("read handshake: %w", err)
	}
	if answer[0] != 0x7f || answer[1]&0xf != byte(s) || answer[2]|answer[3] != 0 {
		return fmt.Errorf("the handshake is answered with % x", answer)
	}
	return nil
}

func newRawLink(stream io.ReadWriteCloser, s wamp.Serializer, handshake func(io.ReadWriter, wamp.Serializer) error) (*rawLink, error) {
	if err := handshake(stream, s); err != nil {
		stream.Close()
		return nil, err
	}
	return &rawLink{stream: stream, in: bufio.NewReader(stream)}, nil
}

// Frame is a RawSocket frame of the kind 0 (message), 1 (PING) or 2 (PONG).
func Frame(kind byte, payload []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(kind)<<24|uint32(len(payload))), payload...)
}

func (l *rawLink) send(messages ...[]byte) error {
	var batch []byte
	for _, m := range messages {
		batch = append(batch, Frame(0, m)...)
	}
	return l.write(batch)
}

func (l *rawLink) write(octets []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.stream.Write(octets)
	return err
}

func (l *rawLink) receive() ([]byte, error) {
	for {
		kind, payload, err := ReadFrame(l.in)
		if err != nil {
			return nil, err
		}
		switch kind {
		case 0:
			return payload, nil
		case 1:
			if err := l.write(Frame(2, payload)); err != nil {
				return nil, err
			}
		}
	}
}

// ReadFrame reads a RawSocket frame of less than 16 MiB.
func ReadFrame(r io.Reader) (kind byte, payload []byte, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	if kind = head[0]; kind > 2 {
		return kind, nil, fmt.Errorf("a frame begins with % x", head)
	}
	head[0] = 0
	payload = make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err = io.ReadFull(r, payload)
	return kind, payload, err
}

func (l *rawLink) close() { l.stream.Close() }

// webLink is a WebSocket that carries single messages or batches.
type webLink struct {
	ws      *websocket.Conn
	kind    websocket.MessageType
	batched bool
	batches
}

// batches are read and written as in advanced/transport_batched_websocket.md.
type batches struct {
	text bool
	rest [][]byte // messages of the last batch that were not read yet
}

const webLimit = 16 << 20

func dialWeb(ctx context.Context, url string, dial func(context.Context) (net.Conn, error), w Way) (*webLink, error) {
	protocol := "wamp.2." + w.Serializer.String()
	if w.Batched {
		protocol += ".batched"
	}
	overTLS := func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }
	transport := &http.Transport{DialContext: overTLS, DialTLSContext: overTLS, DisableKeepAlives: true}
	ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient:   &http.Client{Transport: transport},
		Subprotocols: []string{protocol},
	})
	if err != nil {
		return nil, err
	}
	if ws.Subprotocol() != protocol {
		ws.CloseNow()
		return nil, fmt.Errorf("asked for %s, the router chose %q", protocol, ws.Subprotocol())
	}
	ws.SetReadLimit(webLimit)
	l := &webLink{ws: ws, kind: websocket.MessageBinary, batched: w.Batched}
	if w.Serializer == wamp.JSON {
		l.kind, l.text = websocket.MessageText, true
	}
	return l, nil
}

func (l *webLink) send(messages ...[]byte) error {
	if l.batched {
		messages = [][]byte{l.pack(messages)}
	}
	for _, m := range messages {
		if err := l.ws.Write(context.Background(), l.kind, m); err != nil {
			return err
		}
	}
	return nil
}

// pack makes one batch.
func (l *batches) pack(messages [][]byte) (batch []byte) {
	for _, m := range messages {
		if l.text {
			batch = append(append(batch, m...), 0x1e)
		} else {
			batch = append(binary.BigEndian.AppendUint32(batch, uint32(len(m))), m...)
		}
	}
	return batch
}

func (l *batches) unpack(batch []byte) error {
	for len(batch) > 0 {
		end, skip := 0, 0
		if l.text {
			for end < len(batch) && batch[end] != 0x1e {
				end++
			}
			skip = 1
		} else if len(batch) >= 4 {
			end = int(binary.BigEndian.Uint32(batch))
			batch = batch[4:]
		}
		if end == 0 || end+skip > len(batch) {
			return errors.New("the router sends a broken batch")
		}
		l.rest = append(l.rest, batch[:end])
		batch = batch[end+skip:]
	}
	return nil
}

func (l *webLink) receive() ([]byte, error) {
	for len(l.rest) == 0 {
		kind, m, err := l.ws.Read(context.Background())
		if err != nil {
			return nil, err
		}
		if kind != l.kind {
			return nil, fmt.Errorf("the router sends a message of type %v", kind)
		}
		if !l.batched {
			return m, nil
		}
		if err := l.unpack(m); err != nil {
			return nil, err
		}
	}
	m := l.rest[0]
	l.rest = l.rest[1:]
	return m, nil
}

func (l *webLink) close() { l.ws.CloseNow() }
