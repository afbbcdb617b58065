package subprotocol

import (
	"bytes"
	"encoding/binary"
	"testing"

	"runnel/edge/wamp"
)

func TestChoose(t *testing.T) {
	for _, name := range Names() {
		if p, ok := Parse(name); !ok || p.String() != name || p.Text() != (p.Serializer == wamp.JSON) {
			t.Errorf("%s is read as %v, %v", name, p, ok)
		}
	}
	for _, name := range []string{"", "wamp.2.", "wamp.2.flatbuffers", "wamp.1.json", "wamp.2.json.batched.batched", "mqtt"} {
		if p, ok := Parse(name); ok {
			t.Errorf("%q is read as %v", name, p)
		}
	}
	p, ok := Choose([]string{"mqtt", "wamp.2.json.batched", "wamp.2.cbor"})
	if !ok || p != (Protocol{wamp.JSON, true}) {
		t.Errorf("chose %v, %v; the client's order counts", p, ok)
	}
	if p, ok := Choose([]string{"mqtt"}); ok {
		t.Errorf("chose %v", p)
	}
}

// A message may fill its batch and may be empty. One that is cut off is refused.
func TestSplit(t *testing.T) {
	p := Protocol{wamp.CBOR, true}
	for batch, want := range map[string]int{"\x00\x00\x00\x02ab": 2, "\x00\x00\x00\x00": 0, "\x00\x00\x00\x01ab": 1, "\x00\x00\x00\x03ab": -1, "\x00\x00\x00": -1} {
		if _, length, _, ok := p.Split([]byte(batch)); ok != (want >= 0) || ok && length != want {
			t.Errorf("%q: %d, %v", batch, length, ok)
		}
	}
	p.Serializer = wamp.JSON
	for batch, want := range map[string]int{"[1]\x1e": 3, "[1]\x1e[22]\x1e": 3, "\x1e": 0, "[1]": -1, "": -1} {
		if _, length, _, ok := p.Split([]byte(batch)); ok != (want >= 0) || ok && length != want {
			t.Errorf("%q: %d, %v", batch, length, ok)
		}
	}
}

// FuzzSplit: batches are split into messages that make up the whole batch again, or refused.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01a\x00\x00\x00\x00"), false)
	f.Add([]byte("[1]\x1e[2]\x1e"), true)
	f.Fuzz(func(t *testing.T, batch []byte, text bool) {
		p := Protocol{wamp.CBOR, true}
		if text {
			p.Serializer = wamp.JSON
		}
		var messages []byte
		for rest := batch; len(rest) > 0; {
			before, length, after, ok := p.Split(rest)
			if !ok {
				return
			}
			messages = binary.BigEndian.AppendUint32(messages, uint32(length))
			messages = append(messages, rest[before:before+length]...)
			rest = rest[before+length+after:]
		}
		if again := p.Pack(nil, messages); !bytes.Equal(again, batch) {
			t.Errorf("%q was split into what is packed as %q", batch, again)
		}
	})
}
