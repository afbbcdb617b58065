package main

import (
	"encoding/binary"
	"fmt"
	"io"
)

// The codes of the messages that the generator sends and receives (WAMP, basic/messages.md).
const (
	helloCode, welcomeCode                         = 1, 2
	publishCode                                    = 16
	subscribeCode, subscribedCode, eventCode       = 32, 33, 36
	callCode, resultCode                           = 48, 50
	registerCode, registeredCode                   = 64, 65
	invocationCode, yieldCode                      = 68, 70
	requestsUnderWay                               = 500 // of subscribeAll
	rawSocketMessage, rawSocketPing, rawSocketPong = 0, 1, 2
)

// wampClient is a WAMP session over RawSocket with hand-made frames.
type wampClient struct {
	stream
	encoder
	match string // of subscribeAll
	size  int    // of payloads, in bytes

	// Owned by the sender.
	request uint64
	out     []byte
	uri     string // which tail is for
	tail    []byte // of PUBLISH and CALL, from the options to the argument

	// Owned by the receiver.
	in []byte
}

func newWAMP(s stream, t target) (client, error) {
	c := &wampClient{stream: s, encoder: cborEncoder{}, match: t.match, size: t.size}
	if t.serializer == "json" {
		c.encoder = jsonEncoder{}
	}
	s.w.Write([]byte{0x7f, 0xf0 | c.id(), 0, 0})
	if err := c.flush(); err != nil {
		return nil, err
	}
	var answer [4]byte
	if _, err := io.ReadFull(s.r, answer[:]); err != nil {
		return nil, err
	}
	if answer[0] != 0x7f || answer[1]&15 != c.id() {
		return nil, fmt.Errorf("RawSocket handshake refused: % x", answer)
	}
	return c, c.hello()
}

// hello joins realm1, anonymously.
func (c *wampClient) hello() error {
	roles := []string{"publisher", "subscriber", "caller", "callee"}
	b := c.text(c.sep(c.begin(3, helloCode)), "realm1")
	b = c.dict(c.sep(b), 1)
	b = c.dict(c.colon(c.text(b, "roles")), len(roles))
	for i, role := range roles {
		if i > 0 {
			b = c.sep(b)
		}
		b = c.end(c.dict(c.colon(c.text(b, role)), 0), '}')
	}
	c.send(c.end(c.end(c.end(b, '}'), '}'), ']'))
	return c.answered(welcomeCode)
}

// begin opens a message of n items, after room for the frame's head.
func (c *wampClient) begin(n int, kind uint64) []byte {
	return c.number(c.array(append(c.out[:0], 0, 0, 0, 0), n), kind)
}

func (c *wampClient) send(b []byte) error {
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	c.out = b
	_, err := c.w.Write(b)
	return err
}

// receive waits for the next message and answers each PING before it.
func (c *wampClient) receive() (kind, id uint64, err error) {
	for {
		h, err := c.r.Peek(4)
		if err != nil {
			return 0, 0, err
		}
		frame, n := h[0]&7, int(binary.BigEndian.Uint32(h)&0xffffff)
		c.r.Discard(4)
		if cap(c.in) < n {
			c.in = make([]byte, n)
		}
		c.in = c.in[:n]
		if _, err := io.ReadFull(c.r, c.in); err != nil {
			return 0, 0, err
		}
		switch frame {
		case rawSocketMessage:
			kind, id = c.head(c.in)
			return kind, id, nil
		case rawSocketPing: // no run is idle for so long that a sender could be writing here
			c.w.Write(append([]byte{rawSocketPong, byte(n >> 16), byte(n >> 8), byte(n)}, c.in...))
			c.flush()
		}
	}
}

// answered flushes and waits for a message of the kind.
func (c *wampClient) answered(want uint64) error {
	if err := c.flush(); err != nil {
		return err
	}
	got, _, err := c.receive()
	if err == nil && got != want {
		err = fmt.Errorf("message %d instead of %d: %q", got, want, c.in)
	}
	return err
}

// ask sends SUBSCRIBE or REGISTER.
func (c *wampClient) ask(kind uint64, uri, match string) error {
	c.request++
	b := c.number(c.sep(c.begin(4, kind)), c.request)
	if match == "" || match == "exact" {
		b = c.dict(c.sep(b), 0)
	} else {
		b = c.text(c.colon(c.text(c.dict(c.sep(b), 1), "match")), match)
	}
	b = c.end(b, '}')
	return c.send(c.end(c.text(c.sep(b), uri), ']'))
}

func (c *wampClient) subscribe(topic string) error {
	if err := c.ask(subscribeCode, topic, ""); err != nil {
		return err
	}
	return c.answered(subscribedCode)
}

func (c *wampClient) register(procedure string) error {
	if err := c.ask(registerCode, procedure, ""); err != nil {
		return err
	}
	return c.answered(registeredCode)
}

func (c *wampClient) subscribeAll(n int, topic func(int) string) error {
	for at := 0; at < n; at += requestsUnderWay {
		end := min(n, at+requestsUnderWay)
		for i := at; i < end; i++ {
			if err := c.ask(subscribeCode, topic(i), c.match); err != nil {
				return err
			}
		}
		for range end - at {
			if err := c.answered(subscribedCode); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *wampClient) publish(topic string, payload []byte) error {
	return c.message(publishCode, topic, payload)
}

func (c *wampClient) call(procedure string, payload []byte) error {
	return c.message(callCode, procedure, payload)
}

func (c *wampClient) message(kind uint64, uri string, payload []byte) error {
	if c.uri != uri {
		c.uri = uri
		c.tail = c.end(c.dict(c.sep(c.tail[:0]), 0), '}')
		c.tail = c.array(c.sep(c.text(c.sep(c.tail), uri)), 1)
	}
	c.request++
	b := append(c.number(c.sep(c.begin(5, kind)), c.request), c.tail...)
	return c.send(c.end(c.end(c.binary(b, payload), ']'), ']'))
}

func (c *wampClient) event() ([]byte, error)  { return c.next(eventCode) }
func (c *wampClient) result() ([]byte, error) { return c.next(resultCode) }

func (c *wampClient) next(want uint64) ([]byte, error) {
	kind, _, err := c.receive()
	if err != nil {
		return nil, err
	}
	if kind != want {
		return nil, fmt.Errorf("message %d instead of %d: %q", kind, want, c.in)
	}
	return c.payload(c.in, c.size), nil
}

func (c *wampClient) serve() error {
	for {
		kind, id, err := c.receive()
		if err != nil {
			return err
		}
		if kind != invocationCode {
			return fmt.Errorf("message %d instead of INVOCATION: %q", kind, c.in)
		}
		b := c.number(c.sep(c.begin(4, yieldCode)), id)
		b = c.end(c.dict(c.sep(b), 0), '}')
		b = c.array(c.sep(b), 1)
		if p := c.payload(c.in, c.size); p != nil {
			b = c.binary(b, p)
		} else {
			b = c.text(b, "done")
		}
		if err := c.send(c.end(c.end(b, ']'), ']')); err != nil {
			return err
		}
		if c.r.Buffered() == 0 {
			if err := c.flush(); err != nil {
				return err
			}
		}
	}
}
