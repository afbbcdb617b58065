package rawsocket

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net"
	"time"

	"runnel/edge/budget"
	"runnel/edge/wamp"
	"runnel/transport/wire"
)

// Magic is the first octet of every RawSocket connection. No HTTP request starts with it.
const Magic = 0x7F

// Limits that the handshake can express. MaxMessage's default holds a JPEG of a small camera, and keeps what one peer
// can make the router hold small.
const (
	minLimit         = 1 << 9
	maxLimit         = 1 << 24
	defaultLimit     = 1 << 20
	handshakeTimeout = 10 * time.Second
	pingTimeout      = 10 * time.Second
)

// Refusal is the router's answer to a handshake that it declines.
type Refusal byte

// The specification's refusals. The others are reserved.
const (
	BadSerializer      Refusal = 1
	BadLength          Refusal = 2
	ReservedBits       Refusal = 3
	TooManyConnections Refusal = 4
)

func (r Refusal) Error() string {
	switch r {
	case BadSerializer:
		return "serializer unsupported"
	case BadLength:
		return "maximum message length unacceptable"
	case ReservedBits:
		return "use of reserved bits"
	case TooManyConnections:
		return "maximum connection count reached"
	}
	return fmt.Sprintf("refusal %d", byte(r))
}

// Options say how to speak. The zero value is the default.
type Options struct {
	// Serializer is the one a client asks for; 0: CBOR. A server speaks what the client asks for.
	Serializer wamp.Serializer

	// MaxMessage is the longest message in octets to accept, at most 16 MiB; it is rounded down to a power of two, at
	// least 512. 0: 1 MiB.
	MaxMessage int

	// A peer that has been silent for PingInterval is sent a PING; one that stays silent for PingTimeout (0: 10 s) after
	// that is given up. PingInterval 0: no PING is sent, because some clients do not know it.
	PingInterval time.Duration
	PingTimeout  time.Duration

	// HandshakeTimeout bounds the handshake. 0: 10 s; negative: no bound.
	HandshakeTimeout time.Duration

	// Head holds octets of the peer that have been read already, at most the handshake's four.
	Head []byte

	// Account is charged for the peer's messages; nil: memory is not bounded.
	Account *budget.Account

	// Transport is what the caller knows of the peer. Protocol, Serializer and Limit are filled in by the handshake.
	Transport wamp.Transport
}

// Server answers a client's handshake on rw. If it fails, rw is closed; if the client was refused, the error is a
// Refusal.
func Server(rw io.ReadWriteCloser, opts Options) (*Conn, error) {
	c, err := opts.shake(rw, opts.serve)
	if err != nil {
		return nil, fmt.Errorf("rawsocket handshake: %w", err)
	}
	return c, nil
}

// Client makes the handshake with a router on rw. If it fails, rw is closed; if the router refused, the error is a
// Refusal.
func Client(rw io.ReadWriteCloser, opts Options) (*Conn, error) {
	c, err := opts.shake(rw, opts.ask)
	if err != nil {
		return nil, fmt.Errorf("rawsocket handshake: %w", err)
	}
	return c, nil
}

// Refuse reads a client's handshake, whose octets in opts.Head have been read already, answers it with why, and closes
// rw.
func Refuse(rw io.ReadWriteCloser, opts Options, why Refusal) error {
	_, err := opts.shake(rw, func(rw io.ReadWriteCloser) (*Conn, error) {
		if _, err := opts.hear(rw); err != nil {
			return nil, err
		}
		return nil, refuse(rw, why)
	})
	if err == error(why) {
		return nil
	}
	return fmt.Errorf("rawsocket handshake: %w", err)
}

// shake runs one side's part within the time allowed.
func (o Options) shake(rw io.ReadWriteCloser, part func(io.ReadWriteCloser) (*Conn, error)) (*Conn, error) {
	stop := o.bound(rw)
	c, err := part(rw)
	if late := stop(); late && err != nil {
		err = fmt.Errorf("not done within %v", o.timeout())
	}
	if err != nil {
		rw.Close()
		return nil, err
	}
	c.start(o)
	return c, nil
}

func (o Options) timeout() time.Duration {
	if o.HandshakeTimeout == 0 {
		return handshakeTimeout
	}
	return o.HandshakeTimeout
}

// bound limits the time for rw's reads and writes until stop is called, which reports whether it was over.
func (o Options) bound(rw io.ReadWriteCloser) (stop func() (late bool)) {
	limit := o.timeout()
	if limit < 0 {
		return func() bool { return false }
	}
	if d, ok := rw.(interface{ SetDeadline(time.Time) error }); ok {
		end := time.Now().Add(limit)
		if d.SetDeadline(end) == nil {
			return func() bool {
				d.SetDeadline(time.Time{})
				return !time.Now().Before(end)
			}
		}
	}
	t := time.AfterFunc(limit, func() { rw.Close() })
	return func() bool { return !t.Stop() }
}

// serve is the server's part.
func (o Options) serve(rw io.ReadWriteCloser) (*Conn, error) {
	word, err := o.hear(rw)
	if err != nil {
		return nil, err
	}
	s := wamp.Serializer(word[1] & 0xF)
	if word[2]|word[3] != 0 {
		return nil, refuse(rw, ReservedBits)
	}
	if !s.Known() {
		return nil, refuse(rw, BadSerializer)
	}
	// Every length is acceptable: what is too long for this peer is not sent to it.
	if _, err := rw.Write(o.hello(s)); err != nil {
		return nil, fmt.Errorf("write: %w", err)
	}
	return o.conn(rw, s, word[1]), nil
}

// ask is the client's part.
func (o Options) ask(rw io.ReadWriteCloser) (*Conn, error) {
	s := o.Serializer
	if s == 0 {
		s = wamp.CBOR
	}
	if _, err := rw.Write(o.hello(s)); err != nil {
		return nil, fmt.Errorf("write: %w", err)
	}
	word, err := o.hear(rw)
	if err != nil {
		return nil, err
	}
	switch got := wamp.Serializer(word[1] & 0xF); {
	case got == 0:
		return nil, Refusal(word[1] >> 4)
	case got != s:
		return nil, fmt.Errorf("answered with serializer %d, asked for %v", got, s)
	case word[2]|word[3] != 0:
		return nil, fmt.Errorf("answer % x uses reserved bits", word)
	}
	return o.conn(rw, s, word[1]), nil
}

// hear reads the other side's four octets, and not one more: what follows belongs to the first frame.
func (o Options) hear(r io.Reader) (word [4]byte, err error) {
	n := copy(word[:], o.Head)
	for err == nil && n < len(word) && (n == 0 || word[0] == Magic) {
		var m int
		m, err = r.Read(word[n:])
		n += m
	}
	switch {
	case n > 0 && word[0] != Magic:
		return word, fmt.Errorf("first octet is %02x, want %02x", word[0], Magic)
	case n == len(word):
		return word, nil
	case n > 0 && err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return word, fmt.Errorf("read: %w", err)
}

// hello is our own word: the longest message we accept, and the serializer.
func (o Options) hello(s wamp.Serializer) []byte {
	return []byte{Magic, byte(bits.Len(uint(o.limit()))-10)<<4 | byte(s), 0, 0}
}

// limit is MaxMessage as the handshake can express it.
func (o Options) limit() int {
	n := o.MaxMessage
	if n == 0 {
		n = defaultLimit
	}
	n = min(max(n, minLimit), maxLimit)
	return 1 << (bits.Len(uint(n)) - 1)
}

func (o Options) conn(rw io.ReadWriteCloser, s wamp.Serializer, word byte) *Conn {
	t := o.Transport
	t.Protocol, t.Serializer = "rawsocket", s
	// A message of exactly 2^24 octets is never sent: in a batch its head would read as an empty PING.
	t.Limit = min(minLimit<<(word>>4), lengthBits)
	w := wire.New(rw, nil)
	w.Charge(o.Account)
	return &Conn{wire: w, transport: t, limit: o.limit(), account: o.Account}
}

// refuse answers a client with an error.
func refuse(w io.Writer, why Refusal) error {
	if _, err := w.Write([]byte{Magic, byte(why) << 4, 0, 0}); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("%w (and write: %w)", why, err)
	}
	return why
}
