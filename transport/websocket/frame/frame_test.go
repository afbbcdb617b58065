package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// TestHeads checks each rule for a client's frame, with its section of RFC 6455. A valid frame has no code.
func TestHeads(t *testing.T) {
	key := "\x01\x02\x03\x04"
	for _, c := range []struct {
		rule   string
		octets string
		code   Code
		head   Head
	}{
		{"5.2 text", "\x81\x80" + key, 0, Head{Op: Text, Final: true, Masked: true, Key: 0x04030201, Size: 6}},
		{"5.2 binary", "\x82\x85" + key, 0, Head{Op: Binary, Final: true, Masked: true, Key: 0x04030201, Size: 6, Length: 5}},
		{"5.2 the longest short length", "\x81\xfd" + key, 0, Head{Op: Text, Final: true, Masked: true, Key: 0x04030201, Size: 6, Length: 125}},
		{"5.2 16 bits", "\x81\xfe\x00\x7e" + key, 0, Head{Op: Text, Final: true, Masked: true, Key: 0x04030201, Size: 8, Length: 126}},
		{"5.2 16 bits, the longest", "\x81\xfe\xff\xff" + key, 0, Head{Op: Text, Final: true, Masked: true, Key: 0x04030201, Size: 8, Length: 65535}},
		{"5.2 64 bits", "\x81\xff\x00\x00\x00\x00\x00\x01\x00\x00" + key, 0, Head{Op: Text, Final: true, Masked: true, Key: 0x04030201, Size: 14, Length: 65536}},
		{"5.2 63 bits", "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff" + key, 0, Head{Op: Text, Final: true, Masked: true, Key: 0x04030201, Size: 14, Length: 1<<63 - 1}},
		{"5.2 not minimal, 16 bits", "\x81\xfe\x00\x7d" + key, ProtocolError, Head{}},
		{"5.2 not minimal, 64 bits", "\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff" + key, ProtocolError, Head{}},
		{"5.2 not minimal, zero", "\x82\xff\x00\x00\x00\x00\x00\x00\x00\x00" + key, ProtocolError, Head{}},
		{"5.2 the first bit of 64", "\x81\xff\x80\x00\x00\x00\x00\x00\x00\x05" + key, ProtocolError, Head{}},
		{"5.2 RSV1", "\xc1", ProtocolError, Head{}}, {"5.2 RSV2", "\xa1", ProtocolError, Head{}}, {"5.2 RSV3", "\x91", ProtocolError, Head{}},
		{"5.2 opcode 3", "\x83", ProtocolError, Head{}}, {"5.2 opcode 7", "\x87", ProtocolError, Head{}},
		{"5.2 opcode 11", "\x8b", ProtocolError, Head{}}, {"5.2 opcode 15", "\x8f", ProtocolError, Head{}},
		{"5.1 unmasked", "\x81\x01", ProtocolError, Head{}},
		{"5.4 nothing to continue", "\x80", ProtocolError, Head{}}, {"5.4 nothing to continue, not final", "\x00", ProtocolError, Head{}},
		{"5.5 PING", "\x89\xfd" + key, 0, Head{Op: Ping, Final: true, Masked: true, Key: 0x04030201, Size: 6, Length: 125}},
		{"5.5 PONG", "\x8a\x80" + key, 0, Head{Op: Pong, Final: true, Masked: true, Key: 0x04030201, Size: 6}},
		{"5.5 CLOSE", "\x88\x82" + key, 0, Head{Op: Close, Final: true, Masked: true, Key: 0x04030201, Size: 6, Length: 2}},
		{"5.5 long PING", "\x89\xfe", ProtocolError, Head{}}, {"5.5 longer CLOSE", "\x88\xff", ProtocolError, Head{}},
		{"5.5 PING in fragments", "\x09", ProtocolError, Head{}}, {"5.5 CLOSE in fragments", "\x08", ProtocolError, Head{}},
	} {
		octets := c.octets
		if len(octets) == 1 {
			octets += "\x80"
		}
		h, need, err := new(Decoder).Head([]byte(octets + "payload"))
		if c.code != 0 {
			if violation := (*Error)(nil); !errors.As(err, &violation) || violation.Code != c.code {
				t.Errorf("%s: %+v, %v", c.rule, h, err)
			}
			continue
		}
		if err != nil || need != 0 || h != c.head {
			t.Errorf("%s: %+v, %d, %v; want %+v", c.rule, h, need, err, c.head)
		}
		for n := range c.octets {
			if _, need, err := new(Decoder).Head([]byte(c.octets[:n])); err != nil || need <= n || need > len(c.octets) {
				t.Errorf("%s: %d octets of %d: %d, %v", c.rule, n, len(c.octets), need, err)
			}
		}
	}
}

// TestSequences checks the rules for several frames. Each frame is a first octet.
func TestSequences(t *testing.T) {
	for rule, c := range map[string]struct {
		frames  string
		deflate bool
		invalid int // the index of the frame that is refused; -1: none
	}{
		"5.4 fragments":                     {"\x01\x00\x00\x80\x81", false, -1},
		"5.4 control frames between":        {"\x01\x89\x00\x8a\x80\x82", false, -1},
		"5.4 a message in a message":        {"\x01\x00\x81", false, 2},
		"5.4 a fragment of another message": {"\x02\x02", false, 1},
		"5.4 continued after the end":       {"\x01\x80\x80", false, 2},
		"7692 6: compressed":                {"\xc1\xc2\x41\x00\x80\x81", true, -1},
		"7692 6: compressed, not agreed on": {"\xc1", false, 0},
		"7692 6: in a continuation":         {"\x41\xc0", true, 1},
		"7692 6: in a PING":                 {"\xc9", true, 0},
		"7692 6: RSV2 with permessage":      {"\xe1", true, 0},
	} {
		d := Decoder{Deflate: c.deflate}
		for i, first := range []byte(c.frames) {
			h, need, err := d.Head([]byte{first, 0x80, 0, 0, 0, 0})
			if (err != nil) != (i == c.invalid) || need != 0 || err == nil && h.Compressed != (first&0x40 != 0) {
				t.Errorf("%s: frame %d: %+v, %d, %v", rule, i, h, need, err)
			}
		}
	}
}

// A server's frames have no mask (RFC 6455, 5.1).
func TestServersFrames(t *testing.T) {
	if h, need, err := (&Decoder{FromServer: true}).Head([]byte("\x82\x7e\x01\x00")); err != nil || need != 0 || h.Length != 256 || h.Size != 4 || h.Masked {
		t.Errorf("%+v, %d, %v", h, need, err)
	}
	if _, _, err := (&Decoder{FromServer: true}).Head([]byte("\x82\x80")); err != errMasked {
		t.Errorf("a mask: %v", err)
	}
}

// A Decoder reads each head that AppendHead writes.
func TestAppendHead(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 1 << 20} {
		for _, mask := range []bool{false, true} {
			key := uint32(0)
			if mask {
				key = 0x89abcdef
			}
			b := AppendHead(nil, Binary, n > 0, n, mask, key)
			h, need, err := (&Decoder{FromServer: !mask, Deflate: true}).Head(b)
			if want := (Head{Binary, true, n > 0, mask, key, len(b), int64(n)}); h != want || need != 0 || err != nil || len(b) > MaxHead {
				t.Errorf("%d octets: %+v, %d, %v; want %+v", n, h, need, err, want)
			}
		}
	}
}

// Mask gives the same as the definition (RFC 6455, 5.3), at each length, alignment and division.
func TestMask(t *testing.T) {
	const key = 0x44332211
	octets := make([]byte, 200)
	for i := range octets {
		octets[i] = byte(i * 7)
	}
	for n := range 100 {
		for from := range 9 {
			want := bytes.Clone(octets[from : from+n])
			for i := range want {
				want[i] ^= "\x11\x22\x33\x44"[i%4]
			}
			for _, cut := range []int{0, n / 3, n / 2, n} {
				got := bytes.Clone(octets)[from : from+n]
				Mask(got[cut:], Mask(got[:cut], key))
				if !bytes.Equal(got, want) {
					t.Fatalf("%d octets from %d, cut at %d: % x, want % x", n, from, cut, got, want)
				}
			}
		}
	}
}

// TestClose checks the rules for the payload of CLOSE (RFC 6455, 5.5.1 and 7.4).
func TestClose(t *testing.T) {
	of := func(code Code, reason string) string {
		return string(binary.BigEndian.AppendUint16(nil, uint16(code))) + reason
	}
	for payload, want := range map[string]Code{
		"": 0, of(1000, ""): 0, of(1001, "bye"): 0, of(1002, "grüß"): 0, of(1003, ""): 0, of(1007, ""): 0, of(1008, ""): 0, of(1009, ""): 0, of(1010, ""): 0,
		of(1011, ""): 0, of(1012, ""): 0, of(1014, ""): 0, of(3000, ""): 0, of(4999, ""): 0, of(1000, strings.Repeat("x", MaxReason)): 0,
		"\x03": ProtocolError, of(0, ""): ProtocolError, of(999, ""): ProtocolError, of(1004, ""): ProtocolError, of(1005, ""): ProtocolError, of(1006, ""): ProtocolError,
		of(1015, ""): ProtocolError, of(2999, ""): ProtocolError, of(5000, ""): ProtocolError, of(65535, ""): ProtocolError,
		of(1000, "\xff"): InvalidData, of(1000, "\xc3"): InvalidData,
	} {
		c, err := ParseClose([]byte(payload))
		if violation, _ := err.(*Error); (want == 0) != (err == nil) || want != 0 && violation.Code != want {
			t.Errorf("%q: %v, %v; want %d", payload, c, err, want)
		}
		if err == nil && string(AppendClose(nil, c.Code, c.Reason)) != payload {
			t.Errorf("%q is written as %q", payload, AppendClose(nil, c.Code, c.Reason))
		}
	}
	for n := range 4 {
		long := strings.Repeat("x", MaxReason-n) + "€€"
		b := AppendClose(nil, Normal, long)
		if c, err := ParseClose(b); err != nil || len(b) > MaxControl || !strings.HasPrefix(long, c.Reason) || len(c.Reason) < MaxReason-3 {
			t.Errorf("a long reason: %d octets, %v", len(b), err)
		}
	}
}

// Heads and masks cost no allocation.
func TestAllocations(t *testing.T) {
	b := make([]byte, MaxHead, 200)
	d := Decoder{}
	if n := testing.AllocsPerRun(100, func() {
		head := AppendHead(b[:0], Text, false, 100, true, 7)
		if h, _, err := d.Head(head); err != nil || h.Length != 100 || WholeMessage(head) {
			t.Fatal(h, err)
		}
		Mask(b[:cap(b)], 7)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMask(b *testing.B) {
	octets := make([]byte, 150)
	b.SetBytes(int64(len(octets)))
	for b.Loop() {
		Mask(octets, 0x12345678)
	}
}

func BenchmarkHead(b *testing.B) {
	octets := AppendHead(nil, Text, false, 150, true, 7)
	d := Decoder{}
	for b.Loop() {
		if _, _, err := d.Head(octets); err != nil {
			b.Fatal(err)
		}
	}
}
