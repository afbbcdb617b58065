package conn

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

const (
	// maxLine is the longest line of the server, in bytes. In practice, the longest line is an INFO with the URLs of a
	// large cluster.
	maxLine = 32 << 10

	// maxPayload is the highest max_payload of nats-server.
	maxPayload = 64 << 20

	// MaxSubject is the longest subject, in bytes. A line of nats-server holds at most 4,096 bytes: two subjects and
	// numbers.
	MaxSubject = 2000

	// keepBuffer is the longest payload buffer that is kept for the next payload, in bytes.
	keepBuffer = 64 << 10
)

var errProtocol = errors.New("the server breaks the protocol")

// source counts the bytes that a Conn reads.
type source struct{ c *Conn }

func (s source) Read(b []byte) (int, error) {
	n, err := s.c.conn.Read(b)
	s.c.heard.Add(uint64(n))
	return n, err
}

// readLine returns the next line without its end. It is valid until the next read.
func (c *Conn) readLine() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		return nil, fmt.Errorf("%w: a line has more than %d bytes", errProtocol, maxLine)
	}
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

// op is an operation of the server.
type op int

const (
	opUnknown op = iota
	opMsg
	opHmsg
	opPing
	opPong
	opInfo
	opErr
	opOK
)

var operations = [...]string{opMsg: "msg", opHmsg: "hmsg", opPing: "ping", opPong: "pong", opInfo: "info", opErr: "-err", opOK: "+ok"}

// operation splits a line into its operation, in upper or lower case, and the rest.
func operation(line []byte) (op, []byte) {
	end := 0
	for end < len(line) && line[end] != ' ' && line[end] != '\t' {
		end++
	}
	for i, name := range operations[1:] {
		if end == len(name) && equalFold(line[:end], name) {
			return op(i + 1), line[end:]
		}
	}
	return opUnknown, nil
}

// read handles the server's lines until the connection ends.
func (c *Conn) read() error {
	for {
		line, err := c.readLine()
		if err != nil {
			return err
		}
		if err := c.handle(line); err != nil {
			return err
		}
	}
}

// handle handles one line, and the message that follows it. An error ends the connection.
func (c *Conn) handle(line []byte) error {
	switch op, args := operation(line); op {
	case opMsg, opHmsg:
		return c.message(args, op == opHmsg)
	case opPing:
		// This blocks if a server sends PINGs and does not read.
		if err := c.out.Room(context.Background()); err != nil {
			return err
		}
		return c.out.line("PONG")
	case opPong:
		c.pong()
		return nil
	case opInfo:
		if err := c.setInfo(args); err != nil {
			return err
		}
		if c.opts.OnInfo != nil {
			c.opts.OnInfo(*c.info.Load())
		}
		return nil
	case opErr:
		return c.failed(args)
	case opOK:
		return nil
	}
	return fmt.Errorf("%w: unknown operation %q", errProtocol, words(line[:min(len(line), 20)]))
}

// failed handles -ERR.
func (c *Conn) failed(args []byte) error {
	err, goesOn := parseErr(args)
	if !goesOn {
		return err
	}
	var d *Denied
	if !errors.As(err, &d) {
		if c.opts.OnError != nil {
			c.opts.OnError(err.(*ServerError))
		}
		return nil
	}
	c.deny(d)
	if c.opts.OnDenied != nil {
		c.opts.OnDenied(d)
	}
	return nil
}

// envelope is a line of MSG or HMSG.
type envelope struct {
	subject, reply []byte
	sid            uint64
	header, size   int // bytes; size includes header
}

// parseEnvelope parses "subject sid [reply] size", for HMSG "subject sid [reply] header size".
func parseEnvelope(args []byte, headers bool) (e envelope, ok bool) {
	var words [5][]byte
	n := 0
	for i := 0; i < len(args); {
		if args[i] == ' ' || args[i] == '\t' {
			i++
			continue
		}
		begin := i
		for i < len(args) && args[i] != ' ' && args[i] != '\t' {
			i++
		}
		if n == len(words) {
			return e, false
		}
		words[n] = args[begin:i]
		n++
	}
	numbers := 1
	if headers {
		numbers = 2
	}
	if n != 2+numbers && n != 3+numbers {
		return e, false
	}
	e.subject = words[0]
	sid, ok := number(words[1])
	if !ok {
		return e, false
	}
	e.sid = sid
	if n == 3+numbers {
		e.reply = words[2]
	}
	size, ok := number(words[n-1])
	if !ok || size > maxPayload {
		return e, false
	}
	e.size = int(size)
	if headers {
		header, ok := number(words[n-2])
		if !ok || header > size {
			return e, false
		}
		e.header = int(header)
	}
	return e, true
}

// number parses a decimal number below 10^18.
func number(text []byte) (n uint64, ok bool) {
	if len(text) == 0 || len(text) > 18 {
		return 0, false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// message reads a message and calls the handler of its subscription.
func (c *Conn) message(args []byte, headers bool) error {
	e, ok := parseEnvelope(args, headers)
	if !ok {
		return fmt.Errorf("%w: invalid line of a message", errProtocol)
	}
	// The payload may overwrite the line.
	c.names = append(append(c.names[:0], e.subject...), e.reply...)
	m := &c.msg
	*m = Msg{Subject: c.names[:len(e.subject):len(e.subject)], Reply: c.names[len(e.subject):], Sub: c.sub(e.sid)}
	if e.size > c.opts.MaxMessage || m.Sub == nil && e.sid != 1 {
		return c.skip(m, e.size)
	}
	body, err := c.body(e.size + len("\r\n"))
	if err != nil {
		return err
	}
	if body[e.size] != '\r' || body[e.size+1] != '\n' {
		return fmt.Errorf("%w: no end of line after a message", errProtocol)
	}
	m.Header, m.Data = ParseHeader(body[:e.header]), body[e.header:e.size:e.size]
	if m.Sub != nil {
		m.Sub.handle(m)
	} else {
		c.answered(m)
	}
	return c.release(len(body))
}

// body returns the next n bytes. If they fit into the buffer, they stay there until release discards them.
func (c *Conn) body(n int) ([]byte, error) {
	if n <= maxLine {
		return c.in.Peek(n)
	}
	if cap(c.large) < n {
		c.large = make([]byte, n)
	}
	body := c.large[:n]
	_, err := io.ReadFull(c.in, body)
	return body, err
}

// release frees the bytes of body.
func (c *Conn) release(n int) error {
	if n <= maxLine {
		_, err := c.in.Discard(n)
		return err
	}
	if cap(c.large) > keepBuffer {
		c.large = nil
	}
	return nil
}

// skip discards a message that is too long, or whose subscription has ended.
func (c *Conn) skip(m *Msg, size int) error {
	if size > c.opts.MaxMessage && c.opts.OnOversize != nil {
		c.opts.OnOversize(m, size)
	}
	_, err := c.in.Discard(size + len("\r\n"))
	return err
}
