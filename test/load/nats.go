package main

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
)

// natsClient speaks the core protocol of NATS. A call is a publication with an inbox of this connection to reply to.
type natsClient struct {
	stream

	// Owned by the sender.
	out           []byte
	subscriptions int
	calls         uint64
	inbox         string

	// Owned by the receiver.
	in    []byte
	reply []byte
}

func newNATS(s stream) (client, error) {
	if _, err := s.r.ReadSlice('\n'); err != nil { // INFO
		return nil, err
	}
	s.w.WriteString("CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"go\",\"version\":\"1\",\"protocol\":1}\r\n")
	c := &natsClient{stream: s}
	c.inbox = fmt.Sprintf("_INBOX.%p", c)
	return c, c.ping()
}

// ping waits until the server has taken all that was sent.
func (c *natsClient) ping() error {
	c.w.WriteString("PING\r\n")
	if err := c.flush(); err != nil {
		return err
	}
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if bytes.HasPrefix(line, []byte("-ERR")) {
			return fmt.Errorf("nats-server: %s", bytes.TrimSpace(line))
		}
		if bytes.HasPrefix(line, []byte("PONG")) {
			return nil
		}
	}
}

func (c *natsClient) subscribe(topic string) error {
	return c.subscribeAll(1, func(int) string { return topic })
}

func (c *natsClient) subscribeAll(n int, topic func(int) string) error {
	for i := range n {
		c.subscriptions++
		fmt.Fprintf(c.w, "SUB %s %d\r\n", topic(i), c.subscriptions)
	}
	return c.ping()
}

func (c *natsClient) register(procedure string) error { return c.subscribe(procedure) }

func (c *natsClient) publish(topic string, payload []byte) error {
	return c.send(append(append(c.out[:0], "PUB "...), topic...), payload)
}

func (c *natsClient) call(procedure string, payload []byte) error {
	if c.calls == 0 { // the server keeps order, so no answer is needed
		c.subscriptions++
		fmt.Fprintf(c.w, "SUB %s.* %d\r\n", c.inbox, c.subscriptions)
	}
	c.calls++
	b := append(append(append(c.out[:0], "PUB "...), procedure...), ' ')
	return c.send(strconv.AppendUint(append(append(b, c.inbox...), '.'), c.calls, 10), payload)
}

// send completes a PUB.
func (c *natsClient) send(b, payload []byte) error {
	b = strconv.AppendInt(append(b, ' '), int64(len(payload)), 10)
	b = append(append(append(b, "\r\n"...), payload...), "\r\n"...)
	c.out = b
	_, err := c.w.Write(b)
	return err
}

func (c *natsClient) event() ([]byte, error)  { return c.receive() }
func (c *natsClient) result() ([]byte, error) { return c.receive() }

// receive waits for the next MSG, keeps the subject to reply to, and returns the payload.
func (c *natsClient) receive() ([]byte, error) {
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		switch {
		case bytes.HasPrefix(line, []byte("MSG ")):
			return c.message(line)
		case bytes.HasPrefix(line, []byte("PING")):
			c.w.WriteString("PONG\r\n")
			c.flush()
		case bytes.HasPrefix(line, []byte("-ERR")):
			return nil, fmt.Errorf("nats-server: %s", bytes.TrimSpace(line))
		}
	}
}

// message reads the payload that "MSG subject sid [reply] size" announces.
func (c *natsClient) message(line []byte) ([]byte, error) {
	fields := bytes.Fields(line)
	n, err := strconv.Atoi(string(fields[len(fields)-1]))
	if err != nil {
		return nil, fmt.Errorf("nats-server: %q: %w", line, err)
	}
	c.reply = c.reply[:0]
	if len(fields) == 5 {
		c.reply = append(c.reply, fields[3]...)
	}
	if cap(c.in) < n+2 {
		c.in = make([]byte, n+2)
	}
	c.in = c.in[:n+2]
	_, err = io.ReadFull(c.r, c.in)
	return c.in[:n], err
}

func (c *natsClient) serve() error {
	for {
		payload, err := c.receive()
		if err != nil {
			return err
		}
		if err := c.send(append(append(c.out[:0], "PUB "...), c.reply...), payload); err != nil {
			return err
		}
		if c.r.Buffered() == 0 {
			if err := c.flush(); err != nil {
				return err
			}
		}
	}
}
