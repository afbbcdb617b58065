package mqtt

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// The reader accepts what a broker may send, within its limit. It skips a PUBLISH that is too long, and rejects everything
// else.
func TestPackets(t *testing.T) {
	const max = 20
	publish := func(head byte, rest string) string { return string([]byte{head, byte(len(rest))}) + rest }
	for _, c := range []struct {
		name   string
		octets string
		err    string // a part of it; "": none
	}{
		{"PUBLISH", publish(0x30, "\x00\x01ahello"), ""},
		{"PUBLISH, QoS 2", publish(0x34, "\x00\x01a\x00\x07hello"), ""},
		{"PUBLISH, as long as may be", publish(0x30, "\x00\x01a"+strings.Repeat("x", max-3)), ""},
		{"PUBLISH, too long", publish(0x30, "\x00\x01a"+strings.Repeat("x", max-2)), "too large"},
		{"PUBLISH, too long, QoS 1", publish(0x32, "\x00\x01a\x00\x07"+strings.Repeat("x", max)), "too large"},
		{"PUBLISH, too long for its topic", publish(0x30, "\x00\xff"+strings.Repeat("x", max)), "EOF"},
		{"PUBLISH, too long, only a topic", publish(0x30, "\x00\x13"+strings.Repeat("x", max-1)), "too large"},
		{"PUBLISH, too long, no room for an id", publish(0x32, "\x00\x13"+strings.Repeat("x", max-1)) + "\x00\x07", "malformed"},
		{"PUBLISH, too long, QoS 3", publish(0x36, "\x00\x01a\x00\x07"+strings.Repeat("x", max)), "malformed"},
		{"PUBLISH, too long, cut", publish(0x30, "\x00\x01a"+strings.Repeat("x", max))[:12], "EOF"},
		{"PUBLISH, too long, cut in the topic", "\x30\x7f\x00\x05ab", "EOF"},
		{"PUBLISH, too long, cut before the id", "\x32\x7f\x00\x01a\x00", "EOF"},
		{"PUBLISH, too long, cut at once", "\x30\x7f\x00", "EOF"},
		{"PUBLISH, QoS 3", publish(0x36, "\x00\x01a\x00\x07hello"), "QoS 3"},
		{"PUBLISH, QoS 1 without id", publish(0x32, "\x00\x01a\x00\x00hello"), "id 0"},
		{"PUBLISH, cut", publish(0x30, "\x00\x01ahello")[:6], "EOF"},
		{"PUBACK", "\x40\x02\x00\x07", ""},
		{"PUBACK, cut", "\x40\x02\x00", "EOF"},
		{"PUBREC", "\x50\x02\x00\x07", ""},
		{"PUBREL", "\x62\x02\x00\x07", ""},
		{"PUBREL without id", "\x62\x02\x00\x00", "id 0"},
		{"PUBCOMP", "\x70\x02\x00\x07", ""},
		{"SUBACK", "\x90\x03\x00\x07\x01", ""},
		{"SUBACK, too long", "\x90\x15" + strings.Repeat("\x01", max+1), "with 21 octets"},
		{"SUBACK, as long as may be", "\x90\x14\x00\x07" + strings.Repeat("\x01", max-2), ""},
		{"UNSUBACK", "\xb0\x02\x00\x07", ""},
		{"PINGRESP", "\xd0\x00", ""},
		{"CONNACK", "\x20\x02\x00\x00", ""},
		{"CONNECT", "\x10\x00", "only clients send"},
		{"SUBSCRIBE", "\x82\x00", "only clients send"},
		{"a length of four octets", "\x40\x82\x80\x80\x00\x00\x07", ""},
		{"a length of five octets", "\x40\x82\x80\x80\x80\x00\x00\x07", "more than four octets"},
		{"a length that is cut", "\x40\x82", "EOF"},
		{"nothing", "", "EOF"},
	} {
		r := &reader{bufio.NewReader(strings.NewReader(c.octets + "\xd0\x00")), max}
		if strings.Contains(c.err, "EOF") {
			r.Reader = bufio.NewReader(strings.NewReader(c.octets))
		}
		p, err := r.next()
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %+v, %v", c.name, p, err)
			continue
		}
		if err != nil && !errors.Is(err, errTooLarge) {
			continue
		}
		if large, ok := p.(*packets.PublishPacket); err != nil && (!ok || large.TopicName == "" || (large.Qos > 0) != (large.MessageID == 7)) {
			t.Errorf("%s: %+v", c.name, p)
		}
		next, err := r.next()
		if _, ok := next.(*packets.PingrespPacket); !ok || err != nil {
			t.Errorf("%s: the next packet is %+v, %v", c.name, next, err)
		}
		if _, err := r.next(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v at the end", c.name, err)
		}
	}
}

// Some packets of the link have fixed flags (MQTT 3.1.1, 2.2.2).
func TestFixedFlags(t *testing.T) {
	for kind, want := range map[byte]byte{
		packets.Connect: 0, packets.Publish: 0, packets.Puback: 0, packets.Pubrec: 0, packets.Pubrel: 1, packets.Pubcomp: 0,
		packets.Subscribe: 1, packets.Unsubscribe: 1, packets.Pingreq: 0, packets.Disconnect: 0,
	} {
		if h := headOf(kind); h.MessageType != kind || h.Qos != want {
			t.Errorf("type %d: %+v", kind, h)
		}
	}
}
