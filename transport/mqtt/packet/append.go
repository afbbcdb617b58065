package packet

import "encoding/binary"

// maxText bounds a text or binary data (1.5.4, 1.5.6).
const maxText = 65535

// maxLength bounds the part of a packet after the fixed header (1.5.5).
const maxLength = 1<<28 - 1

// Append appends CONNECT. The version is that of p.
func (p *Connect) Append(dst []byte, _ Version) []byte {
	dst, start := begin(dst, byte(TypeConnect)<<4)
	level, flags := byte(p.Version), byte(0)
	if p.Bridge {
		level |= bridgeBit
	}
	if p.CleanStart {
		flags |= 1 << 1
	}
	if w := p.Will; w != nil {
		flags |= 1<<2 | w.QoS<<3
		if w.Retain {
			flags |= 1 << 5
		}
	}
	if p.Secret {
		flags |= 1 << 6
	}
	if p.Named {
		flags |= 1 << 7
	}
	dst = append(appendText(dst, protocolName), level, flags)
	dst = binary.BigEndian.AppendUint16(dst, p.KeepAlive)
	dst = p.Properties.append(dst, p.Version)
	dst = appendText(dst, p.ClientID)
	if w := p.Will; w != nil {
		dst = w.Properties.append(dst, p.Version)
		dst = appendText(appendText(dst, w.Topic), w.Payload)
	}
	if p.Named {
		dst = appendText(dst, p.Username)
	}
	if p.Secret {
		dst = appendText(dst, p.Password)
	}
	return insertLength(dst, start)
}

// Append appends CONNACK.
func (p *Connack) Append(dst []byte, v Version) []byte {
	dst, start := begin(dst, byte(TypeConnack)<<4)
	present := byte(0)
	if p.SessionPresent {
		present = 1
	}
	return insertLength(p.Properties.append(append(dst, present, byte(p.Code)), v), start)
}

// Append appends PUBLISH.
func (p *Publish) Append(dst []byte, v Version) []byte {
	head := byte(TypePublish)<<4 | p.QoS<<1
	if p.Dup {
		head |= 1 << 3
	}
	if p.Retain {
		head |= 1
	}
	dst, start := begin(dst, head)
	dst = appendText(dst, p.Topic)
	if p.QoS > 0 {
		dst = binary.BigEndian.AppendUint16(dst, p.ID)
	}
	dst = p.Properties.append(dst, v)
	return insertLength(append(dst, p.Payload...), start)
}

// Append appends PUBACK, PUBREC, PUBREL or PUBCOMP.
func (p *Ack) Append(dst []byte, v Version) []byte {
	dst, start := begin(dst, fixed(p.Type))
	dst = binary.BigEndian.AppendUint16(dst, p.ID)
	return insertLength(appendReason(dst, v, p.Code, p.Properties), start)
}

// Append appends SUBSCRIBE.
func (p *Subscribe) Append(dst []byte, v Version) []byte {
	dst, start := begin(dst, fixed(TypeSubscribe))
	dst = p.Properties.append(binary.BigEndian.AppendUint16(dst, p.ID), v)
	for _, f := range p.Filters {
		if v < V5 {
			f.Options &= qosBits
		}
		dst = append(appendText(dst, f.Topic), byte(f.Options))
	}
	return insertLength(dst, start)
}

// Append appends UNSUBSCRIBE.
func (p *Unsubscribe) Append(dst []byte, v Version) []byte {
	dst, start := begin(dst, fixed(TypeUnsubscribe))
	dst = p.Properties.append(binary.BigEndian.AppendUint16(dst, p.ID), v)
	for _, topic := range p.Topics {
		dst = appendText(dst, topic)
	}
	return insertLength(dst, start)
}

// Append appends SUBACK or UNSUBACK.
func (p *Suback) Append(dst []byte, v Version) []byte {
	dst, start := begin(dst, fixed(p.Type))
	dst = p.Properties.append(binary.BigEndian.AppendUint16(dst, p.ID), v)
	if v >= V5 || p.Type == TypeSuback {
		for _, c := range p.Codes {
			dst = append(dst, byte(c))
		}
	}
	return insertLength(dst, start)
}

// Append appends PINGREQ or PINGRESP.
func (p Ping) Append(dst []byte, _ Version) []byte { return append(dst, fixed(p.Type), 0) }

// Append appends DISCONNECT.
func (p *Disconnect) Append(dst []byte, v Version) []byte {
	dst, start := begin(dst, fixed(TypeDisconnect))
	return insertLength(appendReason(dst, v, p.Code, p.Properties), start)
}

// Append appends AUTH.
func (p *Auth) Append(dst []byte, v Version) []byte {
	dst, start := begin(dst, fixed(TypeAuth))
	return insertLength(appendReason(dst, v, p.Code, p.Properties), start)
}

// fixed returns the first octet of a packet other than PUBLISH, with the flags that 2.1.3 prescribes.
func fixed(t Type) byte {
	if t == TypeSubscribe || t == TypeUnsubscribe || t == TypePubrel {
		return byte(t)<<4 | 2
	}
	return byte(t) << 4
}

func begin(dst []byte, head byte) (next []byte, start int) {
	dst = append(dst, head)
	return dst, len(dst)
}

// insertLength inserts the length of dst[start:] before it.
func insertLength(dst []byte, start int) []byte {
	var size [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(size[:], uint64(len(dst)-start)) // the same form as 1.5.5
	dst = append(dst, size[:n]...)
	copy(dst[start+n:], dst[start:])
	copy(dst[start:], size[:n])
	return dst
}

// appendReason appends code and properties, which may be left out at the end of a packet (3.4.2.1).
func appendReason(dst []byte, v Version, c Code, p Properties) []byte {
	if v < V5 || c == Success && len(p) == 0 {
		return dst
	}
	dst = append(dst, byte(c))
	if len(p) == 0 {
		return dst
	}
	return p.append(dst, v)
}

// appendText appends a text or binary data. It cuts texts that are longer than the protocol allows, so that the
// packet stays well-formed.
func appendText[T string | []byte](dst []byte, text T) []byte {
	text = text[:min(len(text), maxText)]
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(text))), text...)
}

func (p Properties) append(dst []byte, v Version) []byte {
	if v < V5 {
		return dst
	}
	start := len(dst)
	for i := range p {
		f := &p[i]
		dst = append(dst, byte(f.ID))
		switch properties[f.ID].form {
		case octet:
			dst = append(dst, byte(f.Number))
		case word:
			dst = binary.BigEndian.AppendUint16(dst, uint16(f.Number))
		case long:
			dst = binary.BigEndian.AppendUint32(dst, f.Number)
		case varint:
			dst = binary.AppendUvarint(dst, uint64(f.Number&maxLength))
		case pair:
			dst = appendText(appendText(dst, f.Name), f.Text)
		default:
			dst = appendText(dst, f.Text)
		}
	}
	return insertLength(dst, start)
}
