package lines

import (
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/transport/serial/reading"
)

// The check values of the catalogue: each check of "123456789".
func TestChecks(t *testing.T) {
	want := map[string]uint16{
		"xor8": 0x31, "sum8": 0xdd, "lrc8": 0x23, "sum16": 0x01dd,
		"crc16-arc": 0xbb3d, "crc16-modbus": 0x4b37, "crc16-usb": 0xb4c8, "crc16-umts": 0xfee8, "crc16-ccitt-false": 0x29b1, "crc16-genibus": 0xd64e,
		"crc16-xmodem": 0x31c3, "crc16-kermit": 0x2189, "crc16-mcrf4xx": 0x6f91, "crc16-x25": 0x906e, "crc16-dnp": 0xea82,
	}
	for _, name := range CheckNames() {
		if got := checks[name].compute([]byte("123456789")); got != want[name] {
			t.Errorf("%s: %04x, want %04x", name, got, want[name])
		}
		if got := checks[name].compute(nil); name == "crc16-modbus" && got != 0xffff {
			t.Errorf("%s of nothing: %04x", name, got)
		}
	}
	if len(want) != len(checks) {
		t.Errorf("%d checks, %d values", len(checks), len(want))
	}
}

// frame is one telegram that a framer takes or drops.
type frame struct {
	text string
	err  string
}

// framed splits chunks, of which one arrives every 10 ms. An empty chunk stands for a second of silence.
func framed(t *testing.T, c Telegram, chunks ...string) (got []frame) {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	now := noon
	f := newFramer(&c, now, func(b []byte) { got = append(got, frame{string(b), ""}) }, func(b []byte, err error) { got = append(got, frame{string(b), err.Error()}) })
	for _, chunk := range chunks {
		now = now.Add(10 * time.Millisecond)
		if chunk == "" {
			now = now.Add(time.Second)
		}
		f.push([]byte(chunk), now)
	}
	return got
}

func TestFramer(t *testing.T) {
	stx := Telegram{Begin: []byte("\x02"), End: []byte("\x03"), Trailer: 1, Check: Check{Name: "xor8", Skip: 1}}
	ends := Telegram{End: []byte("\r\n\r\n")}
	quiet := Telegram{Silence: 50 * time.Millisecond}
	inner := Telegram{Begin: []byte("\x68"), LengthType: Uint8, LengthAt: 1, LengthAdd: 3, Check: Check{Name: "sum8", Skip: 2}}
	for _, c := range []struct {
		name   string
		t      Telegram
		chunks []string
		want   []frame
	}{
		{"between", stx, []string{"x\x02", "AB\x03", "\x00junk\x02B\x03A"}, []frame{{"\x02AB\x03\x00", ""}, {"\x02B\x03A", ""}}},
		{"wrong check", stx, []string{"\x02AB\x03\x01\x02B\x03A"}, []frame{{"\x02AB\x03\x01", "wrong check: xor8 is 01, want 00"}, {"\x02B\x03A", ""}}},
		{"cut off by the next", stx, []string{"\x02A\x02B\x03A"}, []frame{{"\x02A\x02B\x03A", "wrong check: xor8 is 41, want 02"}, {"\x02B\x03A", ""}}},
		{"the check is an end", stx, []string{"\x02\x00\x03\x03\x02B\x03A"}, []frame{{"\x02\x00\x03\x03", ""}, {"\x02B\x03A", ""}}},
		{"first is cut", ends, []string{"alf\r\n\r", "\nwhole\r\n\r\n"}, []frame{{"alf\r\n\r\n", "partial\nthe telegram is incomplete"}, {"whole\r\n\r\n", ""}}},
		{"first after silence", ends, []string{"", "whole\r\n\r\n"}, []frame{{"whole\r\n\r\n", ""}}},
		{"by silence", quiet, []string{"half", "", "one", "two", "", "x"}, []frame{{"half", "partial\nthe telegram is incomplete"}, {"onetwo", ""}}},
		{"length within", inner, []string{"\x68\x02ab\xc3", "\x68\x00\x00\x68\x02ab\xc3"}, []frame{{"\x68\x02ab\xc3", ""}, {"\x68\x00\x00", ""}, {"\x68\x02ab\xc3", ""}}},
		{"too long", Telegram{Begin: []byte("<"), End: []byte(">"), Max: 4}, []string{"<abcdef<a>"}, []frame{{"<abc", errTooLong.Error()}, {"<a>", ""}}},
		{"length and silence", Telegram{Length: 3, Silence: 50 * time.Millisecond}, []string{"ab", "", "abcab", "", "xyz"}, []frame{{"ab", "partial\nthe telegram is incomplete"}, {"abc", ""}, {"ab", errTruncated.Error()}, {"xyz", ""}}},
		{"length and end", Telegram{Begin: []byte("A"), Length: 4, End: []byte("Z")}, []string{"A12ZA1234A12Z"}, []frame{{"A12Z", ""}, {"A123", errNoEnd.Error()}, {"A12Z", ""}}},
		{"begin split", Telegram{Begin: []byte("abc"), Length: 4}, []string{"ab", "xab", "c", "1abab", "c2"}, []frame{{"abc1", ""}, {"abc2", ""}}},
		{"begin in data", Telegram{Begin: []byte("BM"), Length: 5, Check: Check{Name: "sum8"}}, []string{"BMBM\x01", "\x02\x92BM\x01\x02\x92"},
			[]frame{{"BMBM\x01", "wrong check: sum8 is 01, want 1e"}, {"BM\x01\x02\x92", ""}, {"BM\x01\x02\x92", ""}}},
	} {
		if got := framed(t, c.t, c.chunks...); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %q\nwant %q", c.name, got, c.want)
		}
	}
}

// A device that sends only beginnings of telegrams causes bounded work.
func TestFramerCredit(t *testing.T) {
	c := Telegram{Begin: []byte("A"), Length: MaxTelegram, Max: MaxTelegram, Check: Check{Name: "crc16-arc"}}
	if got := len(framed(t, c, strings.Repeat("A", 8*MaxTelegram))); got > 8*creditPerByte {
		t.Errorf("%d telegrams examined", got)
	}
}

func TestTelegramConfig(t *testing.T) {
	begin := []byte("A")
	for _, c := range []struct {
		t    Telegram
		want string
	}{
		{Telegram{}, "its end is missing"},
		{Telegram{Length: 8}, "its beginning is missing"},
		{Telegram{Begin: begin, Length: 8, LengthType: Uint8}, "exclude each other"},
		{Telegram{Begin: begin, LengthType: Float32}, "a whole number"},
		{Telegram{Begin: begin, LengthType: Uint64}, "a whole number"},
		{Telegram{Begin: begin, LengthType: BCD}, "a whole number"},
		{Telegram{Begin: begin, Length: MaxTelegram + 1, Max: MaxTelegram}, "longer than max"},
		{Telegram{Begin: begin, Length: 2, Check: Check{Name: "sum16", Skip: 1}}, "too short for its parts, 3 bytes"},
		{Telegram{Begin: begin, Silence: 50 * time.Millisecond, Max: 2, Check: Check{Name: "sum16", Skip: 1}}, "its parts have 3 bytes"},
		{Telegram{Begin: begin, Silence: time.Millisecond}, "silence 1ms: want 2ms to 1m"},
		{Telegram{Begin: begin, End: begin, Max: 1}, "max 1: want 2 to 65536"},
		{Telegram{Begin: begin, Length: 9, Trailer: 2}, "trailer without end"},
		{Telegram{Begin: begin, Length: 9, Check: Check{Name: "crc17"}}, `check "crc17" is not known`},
	} {
		_, err := New(Config{Format: KeyValue, Topic: "a", Telegram: &c.t})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.t, err, c.want)
		}
	}
	frame := &Telegram{Begin: begin, Length: 9}
	for _, c := range []struct {
		f    Field
		want string
	}{
		{Field{Name: "a"}, "type is missing"},
		{Field{Name: "a", Binary: BCD}, "length 0"},
		{Field{Name: "a", Binary: BCD, Length: 10}, "length 10"},
		{Field{Name: "a", Binary: Int8, Length: 1}, "only for the types bcd and text"},
		{Field{Name: "a", Binary: Int16, Bit: 17}, "bit 16"},
		{Field{Name: "a", Binary: Float32, Bit: 1}, "bit 0"},
		{Field{Name: "a", Binary: Int16, At: 8}, "ends at byte 10"},
		{Field{Name: "a", Binary: Int16, At: 7, Bit: 16}, ""},
	} {
		_, err := New(Config{Format: Bytes, Topic: "a", Telegram: frame, Fields: []Field{c.f}})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.f, err, c.want)
		}
	}
}

// Values of all binary types, in both orders.
func TestBinaryFields(t *testing.T) {
	octets := "\x81\x82\x83\x84\x85\x86\x87\x88"
	for _, c := range []struct {
		f    Field
		want any
	}{
		{Field{Binary: Uint8}, int64(0x81)}, {Field{Binary: Int8}, int64(-127)},
		{Field{Binary: Uint16}, int64(0x8182)}, {Field{Binary: Int16, Little: true}, int64(-0x7d7f)},
		{Field{Binary: Uint24}, int64(0x818283)}, {Field{Binary: Int24, Little: true}, int64(-0x7c7d7f)},
		{Field{Binary: Uint32}, int64(0x81828384)}, {Field{Binary: Int32}, int64(0x81828384 - 1<<32)},
		{Field{Binary: Uint64}, uint64(0x8182838485868788)}, {Field{Binary: Int64}, int64(-0x7e7d7c7b7a797878)},
		{Field{Binary: Uint16, Bit: 1}, false}, {Field{Binary: Uint16, Bit: 16}, true}, {Field{Binary: Uint16, Bit: 2, Little: true}, false},
		{Field{Binary: Characters, Length: 2}, "\u0081\u0082"}, {Field{Binary: Float32, At: 8}, 0.1}, {Field{Binary: Float64, At: 12, Little: true}, 21.5},
		{Field{Binary: BCD, Length: 3, At: 20}, int64(123456)}, {Field{Binary: BCD, Length: 3, At: 20, Little: true}, int64(563412)},
		{Field{Binary: BCD, Length: 1, At: 33}, int64(99)}, {Field{Binary: BCD, Length: 1, At: 34}, nil}, {Field{Binary: BCD, Length: 1, At: 35}, nil},
		{Field{Binary: Characters, Length: 5, At: 23}, "ab"}, {Field{Binary: Characters, Length: 1, At: 28}, nil},
		{Field{Binary: BCD, Length: 1, At: 8}, nil}, {Field{Binary: Float32, At: 29}, nil}, {Field{Binary: Uint8, At: 36}, nil},
		{Field{Binary: Int16, Scale: reading.Scale{Factor: 0.1}}, -3238.2},
	} {
		c.f.Name = "v"
		p := parser(t, Config{Format: Bytes, Fields: []Field{c.f, {Name: "one", Binary: Uint8}}, Telegram: &Telegram{Begin: []byte("\x81"), End: []byte("\xff"), Max: 64}})
		e, flaws, err := p.read([]byte(octets+"\x3d\xcc\xcc\xcd"+"\x00\x00\x00\x00\x00\x80\x35\x40"+"\x12\x34\x56"+"ab\x00cd"+"\x01"+"\x7f\xc0\x00\x00"+"\x99\xa9\x9a"), noon)
		if err != nil || !reflect.DeepEqual(e.Kwargs["v"], c.want) || (len(flaws) > 0) != (c.want == nil) {
			t.Errorf("%+v: %v, %v, %v; want %v", c.f, e.Kwargs["v"], flaws, err, c.want)
		}
	}
}

// Each format reads the lines of a telegram. Those that it does not know are left out.
func TestNested(t *testing.T) {
	block := &Telegram{Begin: []byte("<<"), End: []byte(">>")}
	for _, c := range []struct {
		c    Config
		text string
		want fields
	}{
		{Config{Format: KeyValue}, "<<heading\r\nT=21.5\r\nH=40\r\n>>", fields{"T": 21.5, "H": int64(40)}},
		{Config{Format: KeyValue, Listed: true, Fields: []Field{{Name: "T", As: "t"}}}, "<<T=21.5\nH=40>>", fields{"t": 21.5}},
		{Config{Format: Pattern, Patterns: []string{`^T (?P<t>\S+)`, `^H (?P<h>\S+)`}}, "<<T 21.5\nH 40\nX 1>>", fields{"t": 21.5, "h": int64(40)}},
		{Config{Format: CSV, Columns: []string{"a", "b"}}, "<<1,2>>", fields{"a": int64(1), "b": int64(2)}},
		{Config{Format: Fixed, Columns: []string{"a", "b"}, Widths: []int{2, 2}}, "<< 1 2>>", fields{"a": int64(1), "b": int64(2)}},
		{Config{Telegram: &Telegram{Begin: []byte("{"), End: []byte("\n}")}}, "{\n \"a\": 1,\n \"b\": {\"c\": 2}\n}", fields{"a": int64(1), "b": map[string]any{"c": int64(2)}}},
		{Config{Format: OBIS}, "<<\\2M\r\n1-0:1.8.0*255(000671.578*kWh)\r\n0-0:96.14.0(0002)\r\n0-1:24.3.0(090212160000)(00)(m3)\r\n(00001.001)\r\nF.F()\r\n0.2.0(1)C.1(2)\r\n>>", fields{
			"1-0:1.8.0": 671.578, "0-0:96.14.0": "0002", "0-1:24.3.0": "00001.001", "0-1:24.3.0#1": "090212160000", "0-1:24.3.0#2": "00", "0-1:24.3.0#3": "m3", "0.2.0": int64(1), "C.1": int64(2),
			"units": fields{"1-0:1.8.0": "kWh"}}},
		{Config{Format: OBIS, Listed: true, Fields: []Field{{Name: "1.8.0", As: "energy"}}}, "<<1.8.0(000671.578*kWh)2.8.0(1*kWh)>>", fields{"energy": 671.578, "units": fields{"energy": "kWh"}}},
		{Config{Format: OBIS, Time: "0-0:1.0.0", Listed: true, Fields: []Field{{Name: "1.8.0", Unit: "MWh"}}}, "<<0-0:1.0.0(170702192002S)\n1.8.0(1*kWh)>>", fields{"1.8.0": int64(1), "time": "2017-07-02T17:20:02.000Z", "units": fields{"1.8.0": "MWh"}}},
	} {
		if c.c.Telegram == nil {
			c.c.Telegram = block
		}
		if c.c.Time == "" {
			c.c.Time = TimeNone
		}
		e, flaws, err := parser(t, c.c).read([]byte(c.text), noon)
		if err != nil || len(flaws) > 0 || !reflect.DeepEqual(e.Kwargs, c.want) {
			t.Errorf("%q: %v, %v, %v; want %v", c.text, e.Kwargs, flaws, err, c.want)
		}
	}
	for _, text := range []string{"<<>>", "<<\n\n>>", "<<heading>>", "<"} {
		if e, err := parser(t, Config{Format: KeyValue, Telegram: block}).Parse([]byte(text), noon); err == nil {
			t.Errorf("%q: %v", text, e)
		}
	}
}

// slow is a device that waits before each of its chunks.
type slow struct {
	chunks []string
	pause  time.Duration
}

func (s *slow) Read(b []byte) (int, error) {
	time.Sleep(s.pause)
	if len(s.chunks) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.chunks[0])
	s.chunks = s.chunks[1:]
	return n, nil
}

// A telegram that ends by silence is published then, not with the next one. Counters show wrong checks.
func TestTelegramSensor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := parser(t, Config{Format: Bytes, Fields: []Field{{Name: "v", Binary: Uint16, At: 1}}, Telegram: &Telegram{Silence: 20 * time.Millisecond, Check: Check{Name: "sum8"}}})
		s := NewSensor(p, nil)
		var got []any
		began := time.Now()
		s.Run(&slow{[]string{"\x01\x00\x07\x08", "\x01\x00\x08\x08", "\x01\x00\x09\x0a", ""}, time.Second}, func(e reading.Event) {
			got = append(got, e.Kwargs["v"], time.Since(began))
		})
		if want := []any{int64(7), time.Second + 20*time.Millisecond, int64(9), 3*time.Second + 20*time.Millisecond}; !reflect.DeepEqual(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		if st := s.State(); st.Good != 2 || st.Bad != 1 || st.Check != 1 || st.BadLine != "01 00 08 08" || st.BadReason != "wrong check: sum8 is 08, want 09" {
			t.Errorf("%+v", st)
		}
	})
}

// FuzzTelegrams splits any bytes, in any chunks, into telegrams of all kinds.
func FuzzTelegrams(f *testing.F) {
	f.Add([]byte("\x02AB\x03\x00\x02\x02"), uint8(2))
	f.Add([]byte("/X\r\n1.8.0(1*kWh)\r\n(2)!BB3D"), uint8(50))
	f.Add([]byte(smlOf("EMH")+smlOf("\x1b\x1b\x1b\x1b\x1a")), uint8(3))
	f.Add([]byte("\x02\nPTEC HP..  \r\nEAST\t005463922\t.\r\x03"), uint8(9))
	f.Add([]byte("BM\x00\x05\x01\x00\x48BMBM"), uint8(1))
	var all []*Parser
	for _, c := range []Config{
		{Format: OBIS, Telegram: &Telegram{Begin: []byte("/"), End: []byte("!"), Trailer: 4, Max: 64, Check: Check{Name: "crc16-arc", Hex: true}}},
		{Format: OBIS},
		{Format: KeyValue, Telegram: &Telegram{Begin: []byte{2}, End: []byte{3}, Trailer: 1, Check: Check{Name: "xor8", Skip: 1, SkipEnd: 1}}},
		{Format: KeyValue, Telegram: &Telegram{End: []byte("\n\n"), Max: 9}},
		{Format: CSV, Columns: []string{"a"}, Telegram: &Telegram{Silence: 2 * time.Millisecond, Check: Check{Name: "sum8"}}, Latin1: true},
		{Telegram: &Telegram{Begin: []byte("{"), End: []byte("}"), Max: 200}},
		{Format: Bytes, Fields: []Field{{Name: "a", Binary: Float64, At: 3}, {Name: "b", Binary: BCD, Length: 2}, {Name: "c", Binary: Characters, At: 1, Length: 3}},
			Telegram: &Telegram{Begin: []byte("BM"), LengthType: Int16, LengthAt: 2, LengthAdd: 2, Max: 32}},
		{Format: Bytes, Fields: []Field{{Name: "a", Binary: Int24, At: 3, Little: true}}, Telegram: &Telegram{Begin: []byte("BM"), Length: 8, End: []byte("M"), Check: Check{Name: "crc16-x25", Little: true}}},
		{Format: SML},
		{Format: KeyValue, Assign: " \t", Separator: ";", Telegram: &Telegram{Begin: []byte{2}, End: []byte{3}, LineCheck: "tic"}},
		{Format: Bytes, Fields: []Field{{Name: "a", Binary: Uint8}}, Telegram: &Telegram{Length: 2, Silence: 3 * time.Millisecond}},
	} {
		c.Topic = "com.x"
		p, err := New(c)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, p)
	}
	f.Fuzz(func(t *testing.T, octets []byte, step uint8) {
		for i, p := range all {
			p.Parse(octets, noon)
			if p.telegram == nil {
				continue
			}
			taken, now := 0, noon
			f := newFramer(p.telegram, now, func(b []byte) { taken += len(b); p.Parse(b, now) }, func([]byte, error) {})
			for rest := octets; len(rest) > 0; now = now.Add(time.Millisecond) {
				n := min(len(rest), 1+int(step))
				f.push(rest[:n], now)
				rest = rest[n:]
				if len(f.buf) > p.telegram.max() {
					t.Fatalf("%d bytes held", len(f.buf))
				}
			}
			f.paused()
			if taken > len(octets) {
				t.Errorf("parser %d: %d bytes in telegrams, of %d", i, taken, len(octets))
			}
		}
	})
}

// Of a value that occurs twice, the first is used, and the others are flaws. A text that only resembles a data set is none, and
// of the values of a data set a bounded number is kept.
func TestFlaws(t *testing.T) {
	block := &Telegram{Begin: []byte("<<"), End: []byte(">>")}
	many := "<<9.9(" + strings.Repeat("1)(", maxValues+5) + "1)>>"
	for _, c := range []struct {
		c     Config
		text  string
		want  fields
		flaws []string
	}{
		{Config{Format: KeyValue}, "<<T=1\nT=2\nH=3\n>>", fields{"T": int64(1), "H": int64(3)}, []string{"T: occurs twice"}},
		{Config{Format: KeyValue}, "<<T=1,T=2,H=3\n>>", fields{"T": int64(1), "H": int64(3)}, []string{"T: occurs twice"}},
		{Config{Format: OBIS}, "<<1.8.0(1)\n1.8.0(2)(3)\n2.8.0(4)>>", fields{"1.8.0": int64(1), "2.8.0": int64(4)}, []string{"1.8.0: occurs twice"}},
		{Config{Format: OBIS}, "<<1.8.0(1)2.8(x(3)\n180(4)\n1.8.0x(5)\n" + strings.Repeat("1", 24) + ".8(6)\n3.8(7>>", fields{"1.8.0": int64(1), "2.8": "x(3"}, nil},
		{Config{Format: OBIS}, "<<(1)\n1.8.0(2)\nnothing\n(3)>>", fields{"1.8.0": int64(2)}, nil},
	} {
		c.c.Telegram, c.c.Time = block, TimeNone
		e, flaws, err := parser(t, c.c).read([]byte(c.text), noon)
		if err != nil || !slices.Equal(flaws, c.flaws) || !reflect.DeepEqual(e.Kwargs, c.want) {
			t.Errorf("%q: %v, %q, %v; want %v, %q", c.text, e.Kwargs, flaws, err, c.want, c.flaws)
		}
	}
	e, err := parser(t, Config{Format: OBIS, Telegram: block, Time: TimeNone}).Parse([]byte(many), noon)
	if err != nil || len(e.Kwargs) != maxValues {
		t.Errorf("%d values are kept, %v", len(e.Kwargs), err)
	}
}
