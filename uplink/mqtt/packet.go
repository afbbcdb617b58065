package mqtt

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// errTooLarge comes with a PUBLISH whose payload was left out.
var errTooLarge = errors.New("the message is too large")

// reader reads the broker's packets. No packet takes more than max bytes of memory, whatever its header announces.
type reader struct {
	*bufio.Reader
	max int
}

func (r *reader) next() (received, error) {
	head, err := r.head()
	if err != nil {
		return nil, err
	}
	p := kindOf(head)
	if p == nil {
		return nil, fmt.Errorf("the broker sent a packet of type %d, which only clients send", head.MessageType)
	}
	if publish, ok := p.(*packets.PublishPacket); ok && head.RemainingLength > r.max {
		return publish, r.skip(publish)
	}
	if head.RemainingLength > r.max {
		return nil, fmt.Errorf("a packet of type %d with %d octets", head.MessageType, head.RemainingLength)
	}
	body := make([]byte, head.RemainingLength)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	if err := p.Unpack(bytes.NewBuffer(body)); err != nil {
		return nil, fmt.Errorf("read packet of type %d: %w", head.MessageType, err)
	}
	if d := p.Details(); d.Qos > 2 || d.Qos > 0 && d.MessageID == 0 && identified(head.MessageType) {
		return nil, fmt.Errorf("a packet of type %d with QoS %d and id %d", head.MessageType, d.Qos, d.MessageID)
	}
	return p, nil
}

// received is any packet that a broker sends. The library's constructor is not used, because it links all kinds of packets.
type received interface {
	Unpack(io.Reader) error
	Details() packets.Details
}

// kindOf returns an empty packet for a header; nil if brokers do not send this type.
func kindOf(head packets.FixedHeader) received {
	switch head.MessageType {
	case packets.Connack:
		return &packets.ConnackPacket{FixedHeader: head}
	case packets.Publish:
		return &packets.PublishPacket{FixedHeader: head}
	case packets.Puback:
		return &packets.PubackPacket{FixedHeader: head}
	case packets.Pubrec:
		return &packets.PubrecPacket{FixedHeader: head}
	case packets.Pubrel:
		return &packets.PubrelPacket{FixedHeader: head}
	case packets.Pubcomp:
		return &packets.PubcompPacket{FixedHeader: head}
	case packets.Suback:
		return &packets.SubackPacket{FixedHeader: head}
	case packets.Unsuback:
		return &packets.UnsubackPacket{FixedHeader: head}
	case packets.Pingresp:
		return &packets.PingrespPacket{FixedHeader: head}
	}
	return nil
}

// headOf returns the header of a packet of the link. Some types have the fixed flags 0010 (MQTT 3.1.1, 2.2.2), a QoS of 1.
func headOf(kind byte) packets.FixedHeader {
	h := packets.FixedHeader{MessageType: kind}
	if kind == packets.Subscribe || kind == packets.Unsubscribe || kind == packets.Pubrel {
		h.Qos = 1
	}
	return h
}

// identified reports whether packets of this type from a broker have an id.
func identified(kind byte) bool { return kind >= packets.Publish && kind <= packets.Pubcomp }

// head reads the fixed header (MQTT 3.1.1, 2.2).
func (r *reader) head() (h packets.FixedHeader, err error) {
	first, err := r.ReadByte()
	if err != nil {
		return h, err
	}
	h.MessageType, h.Dup, h.Qos, h.Retain = first>>4, first&8 != 0, first>>1&3, first&1 != 0
	for shift := 0; shift < 28; shift += 7 {
		c, err := r.ReadByte()
		if err != nil {
			return h, err
		}
		h.RemainingLength |= int(c&127) << shift
		if c < 128 {
			return h, nil
		}
	}
	return h, errors.New("the length of a packet has more than four octets")
}

// skip reads topic and id of a PUBLISH and discards its payload. The message must be acknowledged, or the broker would send it
// again and again.
func (r *reader) skip(p *packets.PublishPacket) error {
	var word [2]byte
	if _, err := io.ReadFull(r, word[:]); err != nil {
		return err
	}
	topic := make([]byte, binary.BigEndian.Uint16(word[:]))
	if _, err := io.ReadFull(r, topic); err != nil {
		return err
	}
	rest := p.RemainingLength - len(word) - len(topic)
	if p.Qos > 0 {
		if _, err := io.ReadFull(r, word[:]); err != nil {
			return err
		}
		p.MessageID = binary.BigEndian.Uint16(word[:])
		rest -= len(word)
	}
	p.TopicName = string(topic)
	if rest < 0 || p.Qos > 2 {
		return errors.New("the broker sent a malformed PUBLISH")
	}
	if _, err := io.CopyN(io.Discard, r, int64(rest)); err != nil {
		return err
	}
	return errTooLarge
}
