package conn

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"runnel/transport/batch"
)

// Options configure a Conn. The zero value is the default.
type Options struct {
	// TLS encrypts the connection; its ServerName is required. Open refuses a server that offers no TLS. nil: no TLS,
	// and Open refuses a server that requires it.
	TLS *tls.Config

	// TLSFirst starts TLS at once, for servers with handshake_first. Otherwise TLS starts after the server's INFO.
	TLSFirst bool

	// Login returns the client's credentials; nil: none. Open calls it once.
	Login func() (Login, error)

	Name  string // of the connection, for the server's monitoring
	Agent string // the program and its version, such as "runnel/1.2.3"

	// Inbox is the first part of the subjects for answers. "": "_INBOX".
	Inbox string

	MaxMessage  int // bytes of a received message, headers included; 0: 1 MiB
	MaxBuffered int // bytes that may wait to be written; 0: 4 MiB
	MaxRequests int // requests and inboxes at a time; 0: 65,536

	Ping   time.Duration // time between two PINGs; 0: 20 s
	Answer time.Duration // timeout of a PONG; 0: 10 s

	// The goroutine of Run calls the following functions. They must not wait, and may be nil.

	OnDenied   func(*Denied)           // the server has rejected a subject; Requests and Subs get it as well
	OnOversize func(m *Msg, size int)  // a message was longer than MaxMessage; m has neither header nor data
	OnInfo     func(Info)              // the server has sent a new INFO, such as that it is about to shut down
	OnError    func(text *ServerError) // an error of the server that leaves the connection open
}

// Info is the server's INFO.
type Info struct {
	ServerID    string   `json:"server_id"`
	ServerName  string   `json:"server_name"`
	Version     string   `json:"version"`
	Cluster     string   `json:"cluster"`
	Domain      string   `json:"domain"` // of JetStream
	ClientID    uint64   `json:"client_id"`
	ClientIP    string   `json:"client_ip"`
	MaxPayload  int      `json:"max_payload"` // bytes of a message, headers included
	Headers     bool     `json:"headers"`
	JetStream   bool     `json:"jetstream"`
	TLSRequired bool     `json:"tls_required"`
	TLSOffered  bool     `json:"tls_available"`
	Nonce       string   `json:"nonce"`
	LameDuck    bool     `json:"ldm"` // the server is about to shut down: connect to another one
	URLs        []string `json:"connect_urls"`
}

// connect is the client's CONNECT.
type connect struct {
	Verbose      bool   `json:"verbose"`
	Pedantic     bool   `json:"pedantic"`
	TLS          bool   `json:"tls_required"`
	Name         string `json:"name,omitempty"`
	Lang         string `json:"lang"`
	Version      string `json:"version"`
	Protocol     int    `json:"protocol"`
	Echo         bool   `json:"echo"`
	Headers      bool   `json:"headers"`
	NoResponders bool   `json:"no_responders"`
	User         string `json:"user,omitempty"`
	Pass         string `json:"pass,omitempty"`
	Token        string `json:"auth_token,omitempty"`
	JWT          string `json:"jwt,omitempty"`
	NKey         string `json:"nkey,omitempty"`
	Signature    string `json:"sig,omitempty"`
}

const (
	defaultMaxMessage  = 1 << 20
	defaultMaxBuffered = 4 << 20
	defaultMaxRequests = 1 << 16
	defaultPing        = 20 * time.Second
	defaultAnswer      = 10 * time.Second
)

func orDefault[T int | time.Duration | string](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Open performs the handshake on a connection to a server. It closes the connection if the handshake fails or ctx ends
// first. Otherwise the caller calls Run next.
func Open(ctx context.Context, raw net.Conn, opts Options) (*Conn, error) {
	orDefault(&opts.MaxMessage, defaultMaxMessage)
	orDefault(&opts.MaxBuffered, defaultMaxBuffered)
	orDefault(&opts.MaxRequests, defaultMaxRequests)
	orDefault(&opts.Ping, defaultPing)
	orDefault(&opts.Answer, defaultAnswer)
	orDefault(&opts.Inbox, "_INBOX")
	c := &Conn{
		opts: opts, conn: raw, done: make(chan struct{}), began: time.Now(),
		inbox: opts.Inbox + "." + rand.Text() + ".", subs: map[uint64]*Sub{}, inboxes: map[uint64]*Inbox{},
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	err := c.handshake(ctx)
	if !stop() && err == nil || ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("nats handshake: %w", err)
	}
	return c, nil
}

// handshake exchanges INFO and CONNECT, PING and PONG. If the login fails, the server answers -ERR instead of PONG.
func (c *Conn) handshake(ctx context.Context) error {
	if !ValidSubject(c.inbox+"*", true) {
		return errors.New("the prefix of inboxes is not a subject")
	}
	if c.opts.TLS != nil && c.opts.TLSFirst {
		if err := c.secure(ctx); err != nil {
			return err
		}
	}
	c.in = bufio.NewReaderSize(source{c}, maxLine)
	info, err := c.readInfo()
	if err != nil {
		return err
	}
	switch {
	case c.opts.TLS == nil && info.TLSRequired:
		return errors.New("the server requires TLS; write tls+nats:// into url")
	case c.opts.TLS != nil && !c.opts.TLSFirst:
		if !info.TLSRequired && !info.TLSOffered {
			return errors.New("the server offers no TLS; configure tls there, or write nats:// into url")
		}
		if c.in.Buffered() > 0 {
			return errors.New("the server sent more than INFO before TLS")
		}
		if err := c.secure(ctx); err != nil {
			return err
		}
	}
	if !info.Headers {
		return fmt.Errorf("nats-server %s has no headers; Runnel needs version 2.2 or later", words([]byte(info.Version)))
	}
	hello, err := c.hello(info.Nonce)
	if err != nil {
		return err
	}
	_, failed := c.conn.Write(hello)
	err = c.welcome()
	var why *ServerError
	if failed != nil && !errors.As(err, &why) {
		return failed // the server gave no reason
	}
	return err
}

func (c *Conn) secure(ctx context.Context) error {
	conn := tls.Client(c.conn, c.opts.TLS)
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("tls handshake: %w", err)
	}
	c.conn = conn
	return nil
}

// readInfo reads the server's first line.
func (c *Conn) readInfo() (*Info, error) {
	line, err := c.readLine()
	if err != nil {
		return nil, fmt.Errorf("no INFO: %w", err)
	}
	op, args := operation(line)
	if op == opErr {
		return nil, serverError(args)
	}
	if op != opInfo {
		return nil, errors.New("this is not a NATS server: its first line is not INFO")
	}
	if err := c.setInfo(args); err != nil {
		return nil, err
	}
	return c.info.Load(), nil
}

// setInfo replaces the INFO.
func (c *Conn) setInfo(args []byte) error {
	info := &Info{}
	if err := json.Unmarshal(args, info); err != nil {
		return fmt.Errorf("invalid INFO: %w", err)
	}
	if info.MaxPayload <= 0 || info.MaxPayload > maxPayload {
		info.MaxPayload = defaultMaxMessage
	}
	c.info.Store(info)
	return nil
}

// hello returns CONNECT and two PINGs. After the answer to the first PING, the server sends another INFO with the
// limits of the user's account, and then answers the second PING.
func (c *Conn) hello(nonce string) ([]byte, error) {
	_, secure := c.conn.(*tls.Conn)
	lang, version, _ := strings.Cut(c.opts.Agent, "/")
	m := connect{TLS: secure, Name: c.opts.Name, Lang: lang, Version: version, Protocol: 1, Headers: true, NoResponders: true}
	if c.opts.Login != nil {
		login, err := c.opts.Login()
		if err == nil {
			err = login.sign(&m, nonce)
		}
		if err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(&m)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "CONNECT %s\r\nPING\r\nPING\r\n", text), nil
}

// welcome reads lines until the second PONG.
func (c *Conn) welcome() error {
	pongs := 0
	for range maxGreeting {
		line, err := c.readLine()
		if err != nil {
			return fmt.Errorf("no PONG: %w", err)
		}
		switch op, args := operation(line); op {
		case opPong:
			if pongs++; pongs == 2 {
				return c.begin()
			}
		case opInfo:
			err = c.setInfo(args)
		case opErr:
			err = serverError(args)
		case opPing, opOK:
		default:
			err = errors.New("the server sent a message before PONG")
		}
		if err != nil {
			return err
		}
	}
	return errors.New("the server sent no PONG")
}

// maxGreeting bounds the lines of the handshake.
const maxGreeting = 100

// serverError returns an -ERR as the reason of a failed handshake.
func serverError(args []byte) error {
	return &ServerError{strings.Trim(words(bytes.TrimSpace(args)), "'")}
}

// begin makes the connection ready for Run.
func (c *Conn) begin() error {
	c.out = writer{batch.New(c.conn), c.opts.MaxBuffered}
	c.sids = 1 // of the inboxes
	return c.out.line("SUB", c.inbox+"*", "1")
}
