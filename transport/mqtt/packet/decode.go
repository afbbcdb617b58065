package packet

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// decoder reads the fields of one packet. After a missing or malformed field, bad is true and all further fields are zero.
type decoder struct {
	data    []byte
	version Version
	strict  bool // texts must be valid (1.5.4)
	bad     bool
	note    string // why, if there is more to say than "malformed"
}

func (d *decoder) take(n int) []byte {
	if n > len(d.data) {
		d.bad, d.data = true, nil
		return nil
	}
	b := d.data[:n:n]
	d.data = d.data[n:]
	return b
}

func (d *decoder) octet() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) word() uint16 {
	if b := d.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (d *decoder) long() uint32 {
	if b := d.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) varint() (n uint32) {
	for shift := 0; shift < 28; shift += 7 {
		c := d.octet()
		n |= uint32(c&127) << shift
		if c < 128 {
			return n
		}
	}
	d.bad = true
	return 0
}

// binary returns binary data. It aliases the packet.
func (d *decoder) binary() []byte { return d.take(int(d.word())) }

func (d *decoder) text() string {
	s := string(d.binary())
	if d.strict && !ValidText(s) {
		d.fail("a text that is not UTF-8")
	}
	return s
}

// ValidText reports whether a text is UTF-8 without the null character (1.5.4).
func ValidText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

func (d *decoder) fail(note string) {
	d.bad, d.data = true, nil
	if d.note == "" {
		d.note = note
	}
}

// id reads the id of a packet.
func (d *decoder) id() uint16 {
	n := d.word()
	if n == 0 {
		d.fail("id 0")
	}
	return n
}

// finish returns the error of a decoded packet. Remaining bytes are an error.
func (d *decoder) finish(t Type) error {
	if len(d.data) > 0 {
		d.fail("octets after its end")
	}
	if !d.bad {
		return nil
	}
	if d.note != "" {
		return malformed("a malformed %v: %s", t, d.note)
	}
	return malformed("a malformed %v", t)
}

func (d *decoder) connect() (p *Connect) {
	p = new(Connect)
	name, level := d.text(), d.octet()
	p.Version, p.Bridge = Version(level&^bridgeBit), level&bridgeBit != 0
	if d.bad || name != protocolName || p.Version != V311 && level != byte(V5) {
		d.fail("unsupported protocol version")
		return p
	}
	d.version = p.Version
	flags := d.octet()
	p.CleanStart, p.Secret, p.Named = flags&(1<<1) != 0, flags&(1<<6) != 0, flags&(1<<7) != 0
	p.KeepAlive = d.word()
	p.Properties = d.properties(TypeConnect)
	p.ClientID = d.text()
	hasWill := flags&(1<<2) != 0
	if flags&1 != 0 || !hasWill && flags&(7<<3) != 0 || flags>>3&3 == 3 || p.Version < V5 && p.Secret && !p.Named {
		d.fail("invalid flags")
	}
	if hasWill {
		w := &Will{QoS: flags >> 3 & 3, Retain: flags&(1<<5) != 0, Properties: d.properties(will)}
		w.Topic, w.Payload = d.text(), d.binary()
		p.Will = w
	}
	if p.Named {
		p.Username = d.text()
	}
	if p.Secret {
		p.Password = d.binary()
	}
	return p
}

func (d *decoder) connack() *Connack {
	flags := d.octet()
	if flags > 1 {
		d.fail("invalid flags")
	}
	p := &Connack{SessionPresent: flags == 1, Code: Code(d.octet())}
	if len(d.data) > 0 { // a server without MQTT 5 answers in its own form
		p.Properties = d.properties(TypeConnack)
	}
	return p
}

func publishOf(flags byte) *Publish {
	return &Publish{Dup: flags&8 != 0, QoS: flags >> 1 & 3, Retain: flags&1 != 0}
}

func (d *decoder) publish(flags byte) (Packet, error) {
	p := publishOf(flags)
	p.Topic = d.text()
	if p.QoS > 0 {
		p.ID = d.id()
	}
	p.Properties = d.properties(TypePublish)
	p.Payload, d.data = d.data, nil
	return p, d.finish(TypePublish)
}

func (d *decoder) ack(t Type) (Packet, error) {
	p := &Ack{Type: t, ID: d.id()}
	p.Code, p.Properties = d.reason(t)
	return p, d.finish(t)
}

// reason reads code and properties at the end of a packet.
func (d *decoder) reason(t Type) (c Code, p Properties) {
	if d.version < V5 || len(d.data) == 0 {
		return c, nil
	}
	c = Code(d.octet())
	if len(d.data) > 0 {
		p = d.properties(t)
	}
	return c, p
}

func (d *decoder) subscribe() *Subscribe {
	p := &Subscribe{ID: d.id(), Properties: d.properties(TypeSubscribe)}
	for first := true; !d.bad && (first || len(d.data) > 0); first = false {
		f := Filter{d.text(), Options(d.octet())}
		if !f.Options.valid(d.version) || f.Topic == "" {
			d.fail("invalid filter")
		}
		p.Filters = append(p.Filters, f)
	}
	return p
}

func (d *decoder) unsubscribe() *Unsubscribe {
	p := &Unsubscribe{ID: d.id(), Properties: d.properties(TypeUnsubscribe)}
	for first := true; !d.bad && (first || len(d.data) > 0); first = false {
		topic := d.text()
		if topic == "" {
			d.fail("invalid filter")
		}
		p.Topics = append(p.Topics, topic)
	}
	return p
}

func (d *decoder) suback(t Type) *Suback {
	p := &Suback{Type: t, ID: d.id(), Properties: d.properties(t)}
	if d.version < V5 && t == TypeUnsuback {
		return p
	}
	for _, c := range d.take(len(d.data)) {
		p.Codes = append(p.Codes, Code(c))
	}
	return p
}

func (d *decoder) fromServer(t Type) (p Packet, err error) {
	switch t {
	case TypeConnack:
		p = d.connack()
	case TypeSuback, TypeUnsuback:
		p = d.suback(t)
	case TypePingresp:
		p = Ping{t}
	case TypeDisconnect:
		p = d.disconnect()
	case TypeAuth:
		p = (*Auth)(d.auth())
	}
	return p, d.finish(t)
}

func (d *decoder) fromClient(t Type) (p Packet, err error) {
	switch t {
	case TypeConnect:
		c := d.connect()
		if p, err = c, d.finish(t); d.note == "unsupported protocol version" {
			err.(*Error).Code = UnsupportedVersion
		}
		return p, err
	case TypeSubscribe:
		p = d.subscribe()
	case TypeUnsubscribe:
		p = d.unsubscribe()
	case TypePingreq:
		p = Ping{t}
	case TypeDisconnect:
		p = d.disconnect()
	case TypeAuth:
		p = (*Auth)(d.auth())
	}
	return p, d.finish(t)
}

func (d *decoder) disconnect() *Disconnect {
	p := new(Disconnect)
	p.Code, p.Properties = d.reason(TypeDisconnect)
	return p
}

func (d *decoder) auth() *Disconnect {
	p := new(Disconnect)
	p.Code, p.Properties = d.reason(TypeAuth)
	return p
}

// properties reads the properties of a packet, or of a will.
func (d *decoder) properties(t Type) (list Properties) {
	if d.version < V5 {
		return nil
	}
	size := d.varint()
	own := decoder{data: d.take(int(size)), version: d.version, strict: d.strict}
	seen := uint64(0)
	for !d.bad && len(own.data) > 0 {
		f := own.property(t)
		repeatable := f.ID == UserProperty || f.ID == SubscriptionID && t == TypePublish
		if own.bad || !repeatable && seen&(1<<f.ID) != 0 {
			d.fail("invalid properties")
			return nil
		}
		seen |= 1 << f.ID
		if !repeatable || len(list) < maxProperties {
			list = append(list, f)
		}
	}
	return list
}

func (d *decoder) property(t Type) (f Property) {
	f.ID = PropertyID(d.octet())
	if int(f.ID) >= len(properties) || properties[f.ID].in&(1<<t) == 0 {
		d.bad = true
		return Property{}
	}
	switch properties[f.ID].form {
	case octet:
		f.Number = uint32(d.octet())
	case word:
		f.Number = uint32(d.word())
	case long:
		f.Number = d.long()
	case varint:
		f.Number = d.varint()
	case text:
		f.Text = d.text()
	case binaryData:
		f.Text = string(d.binary())
	case pair:
		f.Name, f.Text = d.text(), d.text()
	}
	if f.Number > 1 && booleans&(1<<f.ID) != 0 || f.Number == 0 && positive&(1<<f.ID) != 0 {
		d.bad = true
	}
	return f
}
