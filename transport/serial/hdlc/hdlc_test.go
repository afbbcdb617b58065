package hdlc

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// vectors are those of the link's specification, and additional ones for other cases.
var vectors = []struct {
	name    string
	address byte
	control byte
	info    string
	wire    string
}{
	{"SABM P", 0x03, 0x3F, "", "7e 03 3f 01 6c 92 dc 7e"},
	{"UA F", 0x03, 0x73, "", "7e 03 73 ba 61 f8 a3 7e"},
	{"I 0,0", 0x01, 0x00, "7f010000", "7e 01 00 7f 01 00 00 fb a8 00 48 7e"},
	{"I 0,1", 0x03, 0x20, "7f710000", "7e 03 20 7f 71 00 00 a4 4e f8 90 7e"},
	{"RR 1", 0x03, 0x21, "", "7e 03 21 62 51 9d 26 7e"},
	{"REJ 2", 0x03, 0x49, "", "7e 03 49 08 b8 f4 65 7e"},
	{"DM F", 0x03, 0x1F, "", "7e 03 1f c9 4c fc e7 7e"},
	{"DISC P", 0x03, 0x53, "", "7e 03 53 72 41 96 98 7e"},
}

func octets(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decode pushes stream and writes each frame it finds as "address control info".
func decode(d *Decoder, stream []byte) (frames []string) {
	for _, b := range stream {
		if f, ok := d.Push(b); ok {
			frames = append(frames, fmt.Sprintf("%02x %02x %x", f.Address, f.Control, f.Info))
		}
	}
	return frames
}

func TestVectors(t *testing.T) {
	for _, v := range vectors {
		wire, info := octets(t, v.wire), octets(t, v.info)
		if got := Append(nil, Frame{v.address, v.control, info}); !bytes.Equal(got, wire) {
			t.Errorf("%s: encoded as % x", v.name, got)
		}
		want := fmt.Sprintf("%02x %02x %s", v.address, v.control, v.info)
		if got := decode(NewDecoder(128), wire); len(got) != 1 || got[0] != want {
			t.Errorf("%s: decoded as %v", v.name, got)
		}
	}
}

func TestEscapes(t *testing.T) {
	got := Append(nil, Frame{0x11, 0x13, []byte{0x7E, 0x7D, 0x5E, 0x20}})
	if !bytes.HasPrefix(got, octets(t, "7e 7d31 7d33 7d5e 7d5d 5e 20")) {
		t.Errorf("% x", got)
	}
	for i, b := range got[1 : len(got)-1] {
		if b == Flag || b == xon || b == xoff {
			t.Errorf("octet %d of % x is bare", i+1, got)
		}
	}
	if frames := decode(NewDecoder(128), got); len(frames) != 1 || frames[0] != "11 13 7e7d5e20" {
		t.Errorf("%v", frames)
	}
}

// TestSharedFlag checks that each flag between consecutive frames closes one and opens the next.
func TestSharedFlag(t *testing.T) {
	two := Append(Append(nil, Frame{3, 0x3F, nil}), Frame{3, 0x73, nil})
	if want := octets(t, "7e 033f016c92dc 7e 0373ba61f8a3 7e"); !bytes.Equal(two, want) {
		t.Errorf("% x", two)
	}
	if frames := decode(NewDecoder(128), two); len(frames) != 2 {
		t.Errorf("%v", frames)
	}
}

// TestOverheadOfPlainFrames: each of several consecutive frames takes Overhead octets more than its info if no octet is
// escaped.
func TestOverheadOfPlainFrames(t *testing.T) {
	for _, size := range []int{0, 1, 128} {
		f := Frame{1, 0, make([]byte, size)} // no octet of these frames is escaped
		one := Append(nil, f)
		if added := len(Append(one, f)) - len(one); added != size+Overhead {
			t.Errorf("info of %d octets takes %d on the wire, want %d", size, added, size+Overhead)
		}
	}
}

// TestOverhead checks the specification's figure: at 128 octets of random info a frame takes 137 on the wire.
func TestOverhead(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var wire []byte
	const frames = 10_000
	info := make([]byte, 128)
	for range frames {
		for i := range info {
			info[i] = byte(r.Uint32())
		}
		wire = Append(wire, Frame{1, 0, info})
	}
	if each := (len(wire) + frames/2) / frames; each != 137 {
		t.Errorf("%d octets a frame", each)
	}
}

func TestDecoder(t *testing.T) {
	const sabm, ua = "033f016c92dc", "0373ba61f8a3"
	long := make([]byte, 129)
	for _, c := range []struct {
		name   string
		stream string
		want   []string
		count  Counters
	}{
		{"nothing but flags", "7e7e7e7e", nil, Counters{}},
		{"text before the first flag", "68656c6c6f 7e" + sabm + "7e", []string{"03 3f "}, Counters{Frames: 1, Skipped: 5}},
		{"a frame without an opening flag", sabm + "7e" + ua + "7e", []string{"03 73 "}, Counters{Frames: 1, Skipped: 6}},
		{"bare XON and XOFF", "7e1103113f13016c1192dc137e", []string{"03 3f "}, Counters{Frames: 1}},
		{"XOFF behind an escape", "7e 7d 13 23 3f016c92dc 7e", []string{"03 3f "}, Counters{Frames: 1}},
		{"escaped without need", "7e7d237d1f7d217d4c7db27dfc7e", []string{"03 3f "}, Counters{Frames: 1}},
		{"abort", "7e 0102037d 7e" + sabm + "7e", []string{"03 3f "}, Counters{Frames: 1, Aborted: 1}},
		{"abort at once", "7e 7d 7e" + sabm + "7e", []string{"03 3f "}, Counters{Frames: 1, Aborted: 1}},
		{"wrong FCS", "7e033f016c92dd 7e" + ua + "7e", []string{"03 73 "}, Counters{Frames: 1, FCS: 1}},
		{"five octets", "7e033f016c92 7e" + ua + "7e", []string{"03 73 "}, Counters{Frames: 1, Short: 1}},
		{"the CRC of nothing", "7e 00000000 7e" + ua + "7e", []string{"03 73 "}, Counters{Frames: 1, Short: 1}},
		{"too long", hex.EncodeToString(Append(nil, Frame{1, 0, long})) + ua + "7e", []string{"03 73 "}, Counters{Frames: 1, Long: 1}},
		{"as long as may be", hex.EncodeToString(Append(nil, Frame{1, 0, long[:128]})), []string{"01 00 " + strings.Repeat("00", 128)}, Counters{Frames: 1}},
		{"for ever", "7e" + strings.Repeat("aa", 200), nil, Counters{Long: 1, Skipped: 65}},
		{"a lost flag", "7e" + sabm + ua + "7e" + ua + "7e", []string{"03 73 "}, Counters{Frames: 1, FCS: 1}},
	} {
		d := NewDecoder(128)
		if got := decode(d, octets(t, c.stream)); fmt.Sprint(got) != fmt.Sprint(c.want) || d.Counters() != c.count {
			t.Errorf("%s: %v, %+v", c.name, got, d.Counters())
		}
	}
}

// TestEveryFlip checks that a frame with any single flipped bit is rejected.
func TestEveryFlip(t *testing.T) {
	whole := Append(nil, Frame{1, 0x20, []byte("the \x7e \x7d \x11 \x13 of all")})
	for i := 1; i < len(whole)-1; i++ {
		for bit := range 8 {
			broken := bytes.Clone(whole)
			broken[i] ^= 1 << bit
			if got := decode(NewDecoder(128), broken); len(got) != 0 {
				t.Errorf("octet %d, bit %d: %v", i, bit, got)
			}
		}
	}
}

func TestAllocations(t *testing.T) {
	f := Frame{1, 0, bytes.Repeat([]byte{0x7E, 1, 2, 3}, 32)}
	wire := make([]byte, 0, 512)
	d := NewDecoder(128)
	n := testing.AllocsPerRun(100, func() {
		wire = Append(wire[:0], f)
		for _, b := range wire {
			d.Push(b)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
	if c := d.Counters(); c.Frames != 101 || c.Bad() != 0 {
		t.Errorf("%+v", c)
	}
}

func TestCountersAdd(t *testing.T) {
	c := Counters{1, 2, 3, 4, 5, 6}
	c.Add(Counters{10, 20, 30, 40, 50, 60})
	if c != (Counters{11, 22, 33, 44, 55, 66}) || c.Bad() != 22+33+44+55 {
		t.Errorf("%+v", c)
	}
}

// FuzzDecoder: for any input, a decoded frame is at most as long as agreed, and encoding and decoding it again gives
// the same frame. A frame after the noise is decoded.
func FuzzDecoder(f *testing.F) {
	for _, v := range vectors {
		f.Add(octets(f, v.wire), uint8(128))
	}
	f.Add([]byte("\x7e\x7d\x7e\x11\x7e\x00\x00\x00\x00\x00\x00\x7e"), uint8(1))
	f.Fuzz(func(t *testing.T, stream []byte, maxInfo uint8) {
		d := NewDecoder(int(maxInfo))
		for _, b := range stream {
			f, ok := d.Push(b)
			if !ok {
				continue
			}
			if len(f.Info) > int(maxInfo) {
				t.Fatalf("%d octets of info, at most %d are allowed", len(f.Info), maxInfo)
			}
			want := fmt.Sprintf("%02x %02x %x", f.Address, f.Control, f.Info)
			if again := decode(NewDecoder(int(maxInfo)), Append(nil, f)); len(again) != 1 || again[0] != want {
				t.Fatalf("%s sent again is %v", want, again)
			}
		}
		if last := decode(d, octets(t, "7e 7e 033f016c92dc 7e")); len(last) == 0 || last[len(last)-1] != "03 3f " {
			t.Fatalf("behind the noise: %v", last)
		}
	})
}

// FuzzRoundTrip checks that every frame arrives unchanged.
func FuzzRoundTrip(f *testing.F) {
	f.Add(byte(1), byte(0), []byte("\x7e\x7d\x11\x13"))
	f.Fuzz(func(t *testing.T, address, control byte, info []byte) {
		want := fmt.Sprintf("%02x %02x %x", address, control, info)
		if got := decode(NewDecoder(len(info)), Append(nil, Frame{address, control, info})); len(got) != 1 || got[0] != want {
			t.Fatalf("%s arrives as %v", want, got)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	f := Frame{1, 0, make([]byte, 128)}
	wire := make([]byte, 0, 512)
	b.SetBytes(128)
	for b.Loop() {
		wire = Append(wire[:0], f)
	}
}

func BenchmarkDecoder(b *testing.B) {
	wire := Append(nil, Frame{1, 0, make([]byte, 128)})
	d := NewDecoder(128)
	b.SetBytes(128)
	for b.Loop() {
		for _, octet := range wire {
			d.Push(octet)
		}
	}
}
