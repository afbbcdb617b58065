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

// reader reads a broker's packets. No packet takes more memory than max octets, whatever its head promises.
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
		return nil, fmt.Errorf("a packet of type %d, which brokers don't send", head.MessageType)
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

// received is what a broker sends: each kind of the packets'. Their common constructor would have all kinds linked.
type received interface {
	Unpack(io.Reader) error
	Details() packets.Details
}

// kindOf makes the packet that a head is of; nil if brokers send none such.
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

// headOf is the head of a packet of ours. Those that ask for an answer have a 1 where others have their QoS.
func headOf(kind byte) packets.FixedHeader {
	h := packets.FixedHeader{MessageType: kind}
	if kind == packets.Subscribe || kind == packets.Unsubscribe || kind == packets.Pubrel {
		h.Qos = 1
	}
	return h
}

// identified reports whether packets of a type that a broker sends have an id.
func identified(kind byte) bool { return kind >= packets.Publish && kind <= packets.Pubcomp }

// head reads what all packets begin with (MQTT 3.1.1, 2.2).
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
	return h, errors.New("a length of more than four octets")
}

// skip reads the topic and the id of a PUBLISH and leaves its payload out: it has to be acknowledged, or the broker would
// send it over and over.
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
		return errors.New("a PUBLISH that is not well-formed")
	}
	if _, err := io.CopyN(io.Discard, r, int64(rest)); err != nil {
		return err
	}
	return errTooLarge
}
