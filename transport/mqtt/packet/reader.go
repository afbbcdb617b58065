package packet

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// Reader reads the packets of one connection. Its methods are for one goroutine.
type Reader struct {
	*bufio.Reader
	Version Version // of the following packets; FromClient sets it from CONNECT
	Max     int     // limit of a packet without its fixed header
}

// ErrTooLarge is returned with a PUBLISH beyond Max, of which only header, topic and id are set.
var ErrTooLarge = errors.New("the message is too large")

// Error is a violation of the protocol. The connection cannot be used any longer.
type Error struct {
	Code Code // for the peer
	Text string
}

func (e *Error) Error() string { return e.Text }

func malformed(format string, args ...any) error {
	return &Error{MalformedPacket, fmt.Sprintf(format, args...)}
}

// firstPiece is how many bytes of a packet are allocated before any of them has arrived.
const firstPiece = 16 << 10

// FromServer reads the next packet of a server.
func (r *Reader) FromServer() (Packet, error) {
	h, err := r.head()
	if err != nil {
		return nil, err
	}
	switch h.kind {
	case TypeConnack, TypeSuback, TypeUnsuback, TypePingresp:
	case TypeDisconnect, TypeAuth:
		if r.Version < V5 {
			return nil, wrongSide(h.kind)
		}
	default:
		return r.common(h, false)
	}
	d, err := r.body(h)
	if err != nil {
		return nil, err
	}
	return d.fromServer(h.kind)
}

// FromClient reads the next packet of a client.
func (r *Reader) FromClient() (Packet, error) {
	h, err := r.head()
	if err != nil {
		return nil, err
	}
	switch h.kind {
	case TypeConnect, TypeSubscribe, TypeUnsubscribe, TypePingreq, TypeDisconnect:
	case TypeAuth:
		if r.Version < V5 {
			return nil, wrongSide(h.kind)
		}
	default:
		return r.common(h, true)
	}
	d, err := r.body(h)
	if err != nil {
		return nil, err
	}
	d.strict = true
	p, err := d.fromClient(h.kind)
	if c, ok := p.(*Connect); ok && err == nil {
		r.Version = c.Version
	}
	return p, err
}

// Size returns the length of the packet at the beginning of data, with its fixed header; 0 if that is incomplete. It checks
// the header of a packet that a client sends.
func Size(data []byte) (int, error) {
	if len(data) == 0 {
		return 0, nil
	}
	if t := Type(data[0] >> 4); t != TypePublish && data[0] != fixed(t) {
		return 0, malformed("a %v with the flags %04b", t, data[0]&15)
	}
	length := 0
	for i := 1; i < len(data); i++ {
		length |= int(data[i]&127) << (7 * (i - 1))
		if data[i] < 128 {
			return 1 + i + length, nil
		}
		if i == 4 {
			return 0, malformed("the length of a packet has more than four octets")
		}
	}
	return 0, nil
}

// FromClient decodes a whole packet of a client, whose length is that of Size. v is 0 before CONNECT. The payload of a PUBLISH
// and the password of a CONNECT are parts of data.
func FromClient(data []byte, v Version) (Packet, error) {
	h := head{kind: Type(data[0] >> 4), flags: data[0] & 15}
	body := 2
	for data[body-1] >= 128 {
		body++
	}
	d := decoder{data: data[body:], version: v, strict: true}
	switch h.kind {
	case TypeConnect, TypeSubscribe, TypeUnsubscribe, TypePingreq, TypeDisconnect:
		return d.fromClient(h.kind)
	case TypePuback, TypePubrec, TypePubrel, TypePubcomp:
		return d.ack(h.kind)
	case TypePublish:
		if h.flags>>1&3 == 3 {
			return nil, malformed("a PUBLISH with QoS 3")
		}
		return d.publish(h.flags)
	case TypeAuth:
		if v >= V5 {
			return d.fromClient(h.kind)
		}
	}
	return nil, wrongSide(h.kind)
}

// common reads a packet that both sides send.
func (r *Reader) common(h head, strict bool) (Packet, error) {
	switch {
	case h.kind < TypePublish || h.kind > TypePubcomp:
		return nil, wrongSide(h.kind)
	case h.kind == TypePublish && h.flags>>1&3 == 3:
		return nil, malformed("a PUBLISH with QoS 3")
	case h.kind == TypePublish && h.length > r.Max:
		return r.skip(h)
	}
	d, err := r.body(h)
	if err != nil {
		return nil, err
	}
	d.strict = strict
	if h.kind == TypePublish {
		return d.publish(h.flags)
	}
	return d.ack(h.kind)
}

func wrongSide(t Type) error {
	return &Error{ProtocolError, "a " + t.String() + ", which this peer must not send"}
}

// head is the fixed header (2.1).
type head struct {
	kind   Type
	flags  byte
	length int
}

func (r *Reader) head() (h head, err error) {
	first, err := r.ReadByte()
	if err != nil {
		return h, err
	}
	h.kind, h.flags = Type(first>>4), first&15
	if h.kind != TypePublish && first != fixed(h.kind) {
		return h, malformed("a %v with the flags %04b", h.kind, h.flags)
	}
	for shift := 0; shift < 28; shift += 7 {
		c, err := r.ReadByte()
		if err != nil {
			return h, err
		}
		h.length |= int(c&127) << shift
		if c < 128 {
			return h, nil
		}
	}
	return h, malformed("the length of a packet has more than four octets")
}

// body reads the rest of a packet. Memory grows with the bytes that arrive, not with the length that the header
// announces.
func (r *Reader) body(h head) (*decoder, error) {
	if h.length > r.Max {
		return nil, &Error{PacketTooLarge, fmt.Sprintf("a %v with %d octets", h.kind, h.length)}
	}
	b := make([]byte, min(h.length, firstPiece))
	for have := 0; ; {
		if _, err := io.ReadFull(r, b[have:]); err != nil {
			return nil, err
		}
		if have = len(b); have == h.length {
			return &decoder{data: b, version: r.Version}, nil
		}
		next := make([]byte, min(h.length, 2*have))
		copy(next, b)
		b = next
	}
}

// skip reads topic and id of a PUBLISH and discards the rest. The message must be acknowledged, or the peer would send it again
// and again.
func (r *Reader) skip(h head) (Packet, error) {
	p := publishOf(h.flags)
	var word [2]byte
	rest := h.length - len(word)
	if _, err := io.ReadFull(r, word[:]); err != nil {
		return nil, err
	}
	n := int(word[0])<<8 | int(word[1])
	if n > rest {
		return nil, malformed("a malformed PUBLISH")
	}
	topic := make([]byte, n)
	if _, err := io.ReadFull(r, topic); err != nil {
		return nil, err
	}
	p.Topic = string(topic)
	rest -= len(topic)
	if p.QoS > 0 {
		if rest -= len(word); rest < 0 {
			return nil, malformed("a malformed PUBLISH")
		}
		if _, err := io.ReadFull(r, word[:]); err != nil {
			return nil, err
		}
		p.ID = uint16(word[0])<<8 | uint16(word[1])
	}
	if _, err := io.CopyN(io.Discard, r, int64(rest)); err != nil {
		return nil, err
	}
	return p, ErrTooLarge
}
