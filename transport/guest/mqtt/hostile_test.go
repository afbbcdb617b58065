package mqtt

import (
	"testing"

	"runnel/transport/mqtt/packet"
)

// Peers that are no MQTT clients, or that want too much before they have joined, are turned away at once.
func TestHostile(t *testing.T) {
	t.Parallel()
	s := newStage(t, "")
	for name, bytes := range map[string]string{
		"HTTP": "GET / HTTP/1.1\r\n", "RawSocket": "\x7f\xf1\x00\x00", "a long CONNECT": "\x10\xff\xff\xff\x7f", "no end of a length": "\x10\xff\xff\xff\xff\xff",
		"a PUBLISH first": "\x30\x03\x00\x01a", "flags": "\x1f\x00",
	} {
		t.Run(name, func(t *testing.T) {
			d := s.open(packet.V311)
			d.raw([]byte(bytes))
			d.expectClosed(0)
		})
	}
	for name, bytes := range map[string]string{"a packet without an end": "\x30\xff\xff\xff\x7f", "a packet of a server": "\x20\x02\x00\x00", "type 0": "\x00\x00"} {
		t.Run(name, func(t *testing.T) {
			d := s.join(packet.V311, "")
			d.up()
			d.raw([]byte(bytes))
			d.expectClosed(0)
		})
	}
	d := s.join(packet.V5, "")
	d.up()
	d.sub(0, "still/alive")
	d.pub(packet.Publish{Topic: "still/alive"})
	d.message()
}
