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

// Magic is the first octet of every RawSocket connection. No HTTP request begins with it.
const Magic = 0x7F

// Limits that the handshake can express, in bytes. The default is enough for a JPEG from a small camera and keeps the
// memory small that one peer can occupy.
const (
	minLimit         = 1 << 9
	maxLimit         = 1 << 24
	defaultLimit     = 1 << 20
	handshakeTimeout = 10 * time.Second
	pingTimeout      = 10 * time.Second
)

// Refusal is the router's error answer to a handshake.
type Refusal byte

// The refusals that the specification defines. The other values are reserved.
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

// Options configure a connection. The zero value is the default.
type Options struct {
	// Serializer is the serializer that a client requests; 0: CBOR. A server uses the one that the client requests.
	Serializer wamp.Serializer

	// MaxMessage is the length of the longest message to accept, in bytes: 512 to 16 MiB, rounded down to a power of two.
	// 0: 1 MiB.
	MaxMessage int

	// PingInterval is how long the peer may be silent before a PING is sent. PingTimeout is how long it may stay silent
	// after the PING before the connection is closed (0: 10 s). PingInterval 0: no PING is sent, because some clients do
	// not support it.
	PingInterval time.Duration
	PingTimeout  time.Duration

	// HandshakeTimeout bounds the handshake. 0: 10 s; negative: no bound.
	HandshakeTimeout time.Duration

	// Head holds bytes of the peer's handshake that the caller has read already, at most four.
	Head []byte

	// Account is charged for the peer's messages; nil: memory is not bounded.
	Account *budget.Account

	// Transport describes the peer as far as the caller knows it. The handshake fills in Protocol, Serializer and Limit.
	Transport wamp.Transport
}

// Server answers a client's handshake on rw. On failure it closes rw; if it refused the client, the error is a Refusal.
func Server(rw io.ReadWriteCloser, opts Options) (*Conn, error) {
	c, err := opts.shakeHands(rw, opts.serve)
	if err != nil {
		return nil, fmt.Errorf("rawsocket handshake: %w", err)
	}
	return c, nil
}

// Client performs the handshake with a router on rw. On failure it closes rw; if the router refused, the error is a
// Refusal.
func Client(rw io.ReadWriteCloser, opts Options) (*Conn, error) {
	c, err := opts.shakeHands(rw, opts.request)
	if err != nil {
		return nil, fmt.Errorf("rawsocket handshake: %w", err)
	}
	return c, nil
}

// Refuse reads a client's handshake, answers it with the refusal why, and closes rw. opts.Head holds bytes of the handshake
// that the caller has read already.
func Refuse(rw io.ReadWriteCloser, opts Options, why Refusal) error {
	_, err := opts.shakeHands(rw, func(rw io.ReadWriteCloser) (*Conn, error) {
		if _, err := opts.readWord(rw); err != nil {
			return nil, err
		}
		return nil, refuse(rw, why)
	})
	if err == error(why) {
		return nil
	}
	return fmt.Errorf("rawsocket handshake: %w", err)
}

// shakeHands runs one side's part of the handshake within HandshakeTimeout.
func (o Options) shakeHands(rw io.ReadWriteCloser, part func(io.ReadWriteCloser) (*Conn, error)) (*Conn, error) {
	stop := o.limitTime(rw)
	c, err := part(rw)
	if late := stop(); late && err != nil {
		err = fmt.Errorf("not completed within %v", o.timeout())
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

// limitTime bounds the time for reads and writes of rw until stop is called. stop reports whether the time had passed.
func (o Options) limitTime(rw io.ReadWriteCloser) (stop func() (late bool)) {
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

// serve is the server's part of the handshake.
func (o Options) serve(rw io.ReadWriteCloser) (*Conn, error) {
	word, err := o.readWord(rw)
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
	// Every length is acceptable: the router sends no message that is too long for the peer.
	if _, err := rw.Write(o.word(s)); err != nil {
		return nil, fmt.Errorf("write: %w", err)
	}
	return o.conn(rw, s, word[1]), nil
}

// request is the client's part of the handshake.
func (o Options) request(rw io.ReadWriteCloser) (*Conn, error) {
	s := o.Serializer
	if s == 0 {
		s = wamp.CBOR
	}
	if _, err := rw.Write(o.word(s)); err != nil {
		return nil, fmt.Errorf("write: %w", err)
	}
	word, err := o.readWord(rw)
	if err != nil {
		return nil, err
	}
	switch got := wamp.Serializer(word[1] & 0xF); {
	case got == 0:
		return nil, Refusal(word[1] >> 4)
	case got != s:
		return nil, fmt.Errorf("the router chose serializer %d, the client requested %v", got, s)
	case word[2]|word[3] != 0:
		return nil, fmt.Errorf("answer % x uses reserved bits", word)
	}
	return o.conn(rw, s, word[1]), nil
}

// readWord reads the peer's handshake: exactly four octets, because the octets after them belong to the first frame.
func (o Options) readWord(r io.Reader) (word [4]byte, err error) {
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

// word is this side's handshake: the longest message that it accepts, and the serializer.
func (o Options) word(s wamp.Serializer) []byte {
	return []byte{Magic, byte(bits.Len(uint(o.limit()))-10)<<4 | byte(s), 0, 0}
}

// limit is MaxMessage rounded down to a length that the handshake can express.
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

// refuse answers a client with a refusal, and returns it as the error.
func refuse(w io.Writer, why Refusal) error {
	if _, err := w.Write([]byte{Magic, byte(why) << 4, 0, 0}); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("%w (and write: %w)", why, err)
	}
	return why
}
