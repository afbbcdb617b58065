package main

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"time"
)

// target is the broker that a run talks to, and how.
type target struct {
	process
	protocol   protocol
	serializer string // of WAMP: cbor or json
	addr       string
	webSocket  bool
	secure     bool
	match      string // of the entries of a table
	size       int    // of payloads, in bytes
	kept       bool   // the broker keeps the events on disk
	qos        byte   // of MQTT
	local      string // path of a socket for programs that speak WAMP; "": there is none
}

// publisher sends events. publish leaves the frame in a buffer until flush.
type publisher interface {
	publish(topic string, payload []byte) error
	flush() error
}

// receiver waits for the next event and returns its payload, which is valid until the next call.
type receiver interface {
	event() ([]byte, error)
}

// client is one connection. One goroutine may send while another one receives.
type client interface {
	publisher
	receiver
	subscribe(topic string) error
	// subscribeAll subscribes to n topics with many pending requests.
	subscribeAll(n int, topic func(i int) string) error
	register(procedure string) error
	// call leaves the frame in a buffer until flush, and result is like event.
	call(procedure string, payload []byte) error
	result() ([]byte, error)
	// serve answers each call with its own payload until the connection ends.
	serve() error
	close()
}

// dial opens a session.
func (t target) dial() (client, error) {
	network := "tcp"
	if strings.HasPrefix(t.addr, "/") {
		network = "unix"
	}
	c, err := net.Dial(network, t.addr)
	if err != nil {
		return nil, err
	}
	if t.secure {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true}) // the broker has made its certificate a moment ago
	}
	s, err := t.handshake(c)
	if err != nil {
		c.Close()
		return nil, err
	}
	return s, nil
}

func (t target) handshake(c net.Conn) (client, error) {
	switch t.protocol {
	case natsProtocol:
		return newNATS(newStream(c))
	case mqttProtocol:
		return newMQTT(newStream(c), t.serializer == "json", t.qos)
	}
	if t.webSocket {
		w, err := upgrade(c, t.addr, t.serializer)
		if err != nil {
			return nil, err
		}
		c = w
	}
	return newWAMP(newStream(c), t)
}

// stream is a buffered connection.
type stream struct {
	conn net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
}

// streamBuffer is the size of each buffer, in bytes: large enough for the batches of a window.
const streamBuffer = 64 << 10

func newStream(c net.Conn) stream {
	return stream{conn: c, r: bufio.NewReaderSize(c, streamBuffer), w: bufio.NewWriterSize(c, streamBuffer)}
}

func (s stream) flush() error { return s.w.Flush() }
func (s stream) close()       { s.conn.Close() }

// dialAll opens n sessions. If one fails, it closes those before it.
func (t target) dialAll(n int) ([]client, error) {
	clients := make([]client, 0, n)
	for i := range n {
		c, err := t.dial()
		if err != nil {
			closeAll(clients)
			return nil, fmt.Errorf("open session %d: %w", i+1, err)
		}
		clients = append(clients, c)
	}
	return clients, nil
}

func closeAll(clients []client) {
	for _, c := range clients {
		c.close()
	}
}

var epoch = time.Now()

// stamp writes the time of sending into the payload.
func stamp(payload []byte) {
	if len(payload) >= 8 {
		binary.BigEndian.PutUint64(payload, uint64(time.Since(epoch)))
	}
}

// number writes the number of an event into the payload, after the stamp.
func number(payload []byte, n int) {
	if len(payload) >= 16 {
		binary.BigEndian.PutUint64(payload[8:], uint64(n))
	}
}

// age returns the time since a payload was stamped, if the payload is unchanged. JSON changes its form.
func age(payload []byte) (time.Duration, bool) {
	if len(payload) < 8 {
		return 0, false
	}
	d := time.Since(epoch) - time.Duration(binary.BigEndian.Uint64(payload))
	return d, d > 0 && d < time.Hour
}
