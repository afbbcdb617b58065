package transport

import (
	"encoding/binary"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"runnel/edge/budget"
)

// Counters are the figures of a Listener since it was opened. Octets count messages, with four for the length of each. The
// overhead of frames and TLS and the effect of compression are not included.
type Counters struct {
	Connections int    `json:"connections"` // open now, including those in their handshake and idle HTTP connections
	Limit       int    `json:"limit"`       // of Connections
	Accepted    uint64 `json:"accepted"`    // total
	Refused     uint64 `json:"refused"`     // because of Limit, memory or descriptors
	Failed      uint64 `json:"failed"`      // before their first message

	RawSocket int `json:"rawsocket"` // peers connected now, by protocol
	WebSocket int `json:"websocket"`
	LongPoll  int `json:"longpoll"`
	MQTT      int `json:"mqtt"`

	MessagesIn  uint64 `json:"messages_in"`
	MessagesOut uint64 `json:"messages_out"`
	OctetsIn    uint64 `json:"octets_in"`
	OctetsOut   uint64 `json:"octets_out"`
}

// Counters returns the current figures.
func (l *Listener) Counters() Counters {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := Counters{
		Connections: l.used, Limit: l.opts.MaxConns, Accepted: l.accepted, Refused: l.refused, Failed: l.failed,
		MessagesIn: l.traffic.messagesIn.Load(), MessagesOut: l.traffic.messagesOut.Load(),
	}
	c.OctetsIn, c.OctetsOut = l.traffic.Octets()
	for conn := range l.serving {
		switch conn.(*counted).Transport().Protocol {
		case "rawsocket":
			c.RawSocket++
		case "websocket":
			c.WebSocket++
		case "longpoll":
			c.LongPoll++
		case "mqtt":
			c.MQTT++
		}
	}
	return c
}

// Traffic counts the messages and bytes of one or more connections. Any goroutine may use it.
type Traffic struct{ messagesIn, messagesOut, octetsIn, octetsOut atomic.Uint64 }

// Octets returns the number of bytes received and sent.
func (t *Traffic) Octets() (in, out uint64) { return t.octetsIn.Load(), t.octetsOut.Load() }

// counted is a Conn that counts its messages, once a batch.
type counted struct {
	Conn
	sum *Traffic

	// Owned by ReadMessage.
	messages, octets uint64 // not in sum yet

	// Owned by Write.
	begun int // bytes at the start of the next batch that belong to a message that is counted already
}

const headSize = 4

// SetReadLimit, Probe, Account and CloseWrite are optional methods of a Conn that the router uses.

func (c *counted) SetReadLimit(bytes int) {
	if l, ok := c.Conn.(interface{ SetReadLimit(int) }); ok {
		l.SetReadLimit(bytes)
	}
}

// Probe returns true for a Conn that has no Probe.
func (c *counted) Probe(within time.Duration) bool {
	p, ok := c.Conn.(interface{ Probe(time.Duration) bool })
	return !ok || p.Probe(within)
}

// Account is charged for the peer's memory. It is nil if memory is not bounded.
func (c *counted) Account() *budget.Account {
	if o, ok := c.Conn.(interface{ Account() *budget.Account }); ok {
		return o.Account()
	}
	return nil
}

func (c *counted) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

func (c *counted) ReadMessage() (msg []byte, more bool, err error) {
	msg, more, err = c.Conn.ReadMessage()
	if err == nil {
		c.messages++
		c.octets += uint64(headSize + len(msg))
	}
	if !more || err != nil {
		c.sum.messagesIn.Add(c.messages)
		c.sum.octetsIn.Add(c.octets)
		c.messages, c.octets = 0, 0
	}
	return msg, more, err
}

func (c *counted) Write(batch []byte, wait bool) (n int, err error) {
	n, err = c.Conn.Write(batch, wait)
	at, messages := c.begun, uint64(0)
	for at < n && at+headSize <= len(batch) {
		at += headSize + int(binary.BigEndian.Uint32(batch[at:]))
		messages++
	}
	c.begun = at - n
	c.sum.messagesOut.Add(messages)
	c.sum.octetsOut.Add(uint64(n))
	return n, err
}

// countedStream counts the bytes of a connection that carries another protocol than WAMP.
type countedStream struct {
	net.Conn
	sum *Traffic
}

func (c *countedStream) Read(p []byte) (n int, err error) {
	n, err = c.Conn.Read(p)
	c.sum.octetsIn.Add(uint64(n))
	return n, err
}

func (c *countedStream) Write(p []byte) (n int, err error) {
	n, err = c.Conn.Write(p)
	c.sum.octetsOut.Add(uint64(n))
	return n, err
}
