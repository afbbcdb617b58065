package detect

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"runnel/transport/serial"
	"runnel/transport/serial/hdlc"
	"runnel/transport/serial/lines"
)

func nmea(body string) string { return fmt.Sprintf("$%s*%02X\r\n", body, lines.Checksum(body)) }

var (
	sabm  = string(hdlc.Append(nil, hdlc.Frame{Address: 1, Control: 0x3f}))
	polls = "\x01\x03\x00\x00\x00\x0a\xc5\xcd" + "\x11\x03\x00\x6b\x00\x03\x76\x87"
)

func TestIdentify(t *testing.T) {
	static := make([]byte, 4096)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range static {
		static[i] = byte(random.Uint32())
	}
	for _, c := range []struct {
		name, octets string
		kind         Kind
		sure         bool
		pieces       int
	}{
		{"nothing", "", Silence, false, 0},
		{"noise", string(static), Unreadable, false, 0},
		{"the link", "boot\r\n" + sabm, Link, true, 1},
		{"rawsocket", "boot\n\x7f\xf3\x00\x00", RawSocket, true, 1},
		{"nmea", "68,M*1\r\n" + nmea("GPRMC,1") + "$GP", NMEA, true, 1},
		{"one poll", polls[:8], Unreadable, false, 0},
		{"polls", "\x00" + polls, Modbus, false, 2},
		{"more polls", polls + polls, Modbus, true, 4},
		{"polls and one more", polls + polls[:8], Modbus, true, 3},
		{"polls in noise", string(static[:100]) + polls, Unreadable, false, 0},
		{"polls in half of it", strings.Repeat("\xff", len(polls)) + polls, Modbus, false, 2},
		{"polls in less than half of it", strings.Repeat("\xff", len(polls)+1) + polls, Unreadable, false, 0},
		{"json", "1}\n{\"t\": 1}\n{\"t\": 2}\n", JSON, false, 2},
		{"json in every second line", "{\n{\"t\": 1}\nok\n{\"t\": 2}\nok\n", JSON, true, 4},
		{"json in fewer lines", "{\n{\"t\": 1}\nok\nok\n", Text, true, 3},
		{"braces", "\n{one\n{two\n{three\n", Text, false, 2},
		{"numbers", "1\n2\n3\n4\n", CSV, true, 3},
		{"two lines of csv", "0,0\n1,2\n3,4\n", CSV, false, 2},
		{"one line of csv", "0,0\n1,2\n", Text, false, 1},
		{"csv", "5,40\n21.5,41\n21.6,41\n21.7,41\n", CSV, true, 3},
		{"text", "ello\nwelcome, friend\nto here\n", Text, false, 2},
		{"one line", "hello\n", Text, false, 1},
		{"the shortest line", "abc\n", Text, false, 1},
		{"too short a line", "ab\n", Unreadable, false, 0},
		{"one invalid byte in 32", strings.Repeat("abcdefg\n", 4)[:30] + "\xff\n", Text, true, 3},
		{"one invalid byte in 31", strings.Repeat("abcdefg\n", 4)[:29] + "\xff\n", Unreadable, false, 0},
		{"the replacement character", "\ufffd\ufffd\ufffd\n", Text, false, 1},
		{"half a line", "hello world", Unreadable, false, 0},
		{"text with colours", "\x1b[32mI (31) boot: chip\x1b[0m\r\n\x1b[32mI (32) boot: more\x1b[0m\r\n", Text, false, 1},
	} {
		if g := Identify([]byte(c.octets), nil); g.Kind != c.kind || g.Sure != c.sure || g.Pieces != c.pieces || g.Octets != len(c.octets) {
			t.Errorf("%s: %+v", c.name, g)
		}
	}
}

// noise is unreadable at any setting.
const noise = "\xff\x80\x00\xf8"

// fake is a device that makes sense at one setting only.
type fake struct {
	says []byte
	said bool
}

func (f *fake) Read(b []byte) (int, error) {
	if f.said || len(f.says) == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	f.said = true
	return copy(b, f.says), nil
}

func (f *fake) SetDeadline(time.Time) error { return nil }
func (f *fake) Close() error                { return nil }

func TestProbe(t *testing.T) {
	for _, c := range []struct {
		name  string
		right serial.Config // where it makes sense
		says  string
		want  Kind
		tries int
	}{
		{"at once", serial.Config{Baud: 115200}, sabm, Link, 1},
		{"at 9600", serial.Config{Baud: 9600}, "\n1,2\n3,4\n5,6\n7,8\n", CSV, 2},
		{"with parity", serial.Config{Baud: 19200, Parity: serial.Even}, polls + polls, Modbus, len(Bauds) - 1 + 9},
		{"with seven bits", serial.Config{Baud: 115200, Parity: serial.Even, DataBits: 7}, nmea("HEHDT,1,T") + nmea("HEHDT,1,T"), NMEA, len(Bauds) - 1 + 2},
		{"never, so the first is best", serial.Config{Baud: 115200}, noise, Unreadable, 3 * (len(Bauds) - 1)},
		{"doubtful", serial.Config{Baud: 38400}, "hello\nworld\n", Text, len(Bauds) - 1},
	} {
		tries := 0
		open := func(_ context.Context, s serial.Config) (Port, error) {
			if s.Baud == 460800 {
				return nil, fmt.Errorf("%w to it", serial.ErrSetting)
			}
			tries++
			says := noise
			if s == c.right {
				says = c.says
			}
			return &fake{says: []byte(says)}, nil
		}
		told := 0
		p := &Prober{Each: time.Second, Open: open, Report: func(serial.Config, Guess) { told++ }}
		best, g, err := p.Probe(t.Context(), serial.Config{})
		if err != nil || g.Kind != c.want || tries != c.tries || told != tries || best != c.right {
			t.Errorf("%s: %+v, %+v, %d tries, %v", c.name, best, g, tries, err)
		}
	}
	held := errors.New("held")
	open := func(context.Context, serial.Config) (Port, error) { return nil, held }
	if _, _, err := (&Prober{Open: open}).Probe(t.Context(), serial.Config{}); err != held {
		t.Error(err)
	}
}

// stream is a port that receives chunks in turn, the last one for ever.
type stream struct {
	fake
	chunks []string
	read   int // bytes
	fails  error
}

func (s *stream) Read(b []byte) (int, error) {
	if len(s.chunks) == 0 {
		return 0, s.fails
	}
	n := copy(b, s.chunks[0])
	if s.read += n; len(s.chunks) > 1 || s.fails != nil {
		s.chunks = s.chunks[1:]
	}
	return n, nil
}

// TestListen: a try ends once the input is clear, after 16 KiB of unclear input, and with the port.
func TestListen(t *testing.T) {
	unplugged := errors.New("unplugged")
	half := strings.Repeat(noise, 512)
	for _, c := range []struct {
		name   string
		chunks []string
		fails  error
		want   Kind
		read   int // bytes
	}{
		{"clear at once", []string{sabm}, nil, Link, len(sabm)},
		{"clear in the end", []string{sabm[:2], sabm[2:]}, nil, Link, len(sabm)},
		{"never clear", []string{half}, nil, Unreadable, 16 << 10},
		{"unplugged", []string{"hello\n"}, unplugged, Text, 6},
	} {
		s := &stream{chunks: c.chunks, fails: c.fails}
		p := &Prober{Open: func(context.Context, serial.Config) (Port, error) { return s, nil }}
		g, err := p.listen(t.Context(), serial.Config{})
		if g.Kind != c.want || s.read != c.read || err != c.fails {
			t.Errorf("%s: %v after %d bytes, %v", c.name, g.Kind, s.read, err)
		}
	}
}

func decode(way string, chunks ...string) (told []string) {
	d := NewDecoder(way, nil, func(line string) { told = append(told, line) })
	now := time.Now()
	for _, chunk := range chunks {
		d.Feed([]byte(chunk), now)
		d.Idle(now)
		now = now.Add(3 * time.Second)
	}
	return told
}

func TestDecode(t *testing.T) {
	broken := []byte(sabm)
	broken[3] ^= 1
	for _, c := range []struct {
		way    string
		chunks []string
		want   []string
	}{
		{"hdlc", []string{sabm[:3], sabm[3:], string(broken)}, []string{"01 SABM P", "a broken frame"}},
		{"text", []string{"he", "llo\r\n\x1b[2Jx\n"}, []string{"hello", " [2Jx"}},
		{"text", []string{strings.Repeat("a", maxText) + "b\n" + strings.Repeat("c", maxText) + "\n"}, []string{strings.Repeat("a", maxText), "b", strings.Repeat("c", maxText)}},
		{"modbus", []string{polls[:8], "xyz" + polls[8:]}, []string{"slave 1 function 3: read 10 from 0",
			"78 79 7a                                         xyz", "slave 17 function 3: read 3 from 107"}},
		{"hex", []string{"hello, this is more"}, []string{"68 65 6c 6c 6f 2c 20 74 68 69 73 20 69 73 20 6d  hello, this is m", "6f 72 65                                         ore"}},
		{"hex", []string{" ~\x7f\x1f"}, []string{"20 7e 7f 1f                                       ~.."}},
		{"auto", []string{sabm}, []string{"this looks like the link (framing hdlc); decoding it as hdlc", "01 SABM P"}},
		{"auto", []string{"a", "b\ncde\n"}, []string{"this looks like text; decoding it as text", "ab", "cde"}},
		{"auto", []string{"\x80", "\x81"}, []string{"this looks like unreadable bytes; decoding it as hex", "80 81                                            .."}},
	} {
		if got := decode(c.way, c.chunks...); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s %q:\n%s\nwant\n%s", c.way, c.chunks, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// TestUndecided: unless the input is clear, auto decides once it has 2 KiB or has listened for two seconds, not earlier. Lines of
// text may be those of a longer message.
func TestUndecided(t *testing.T) {
	for _, c := range []struct {
		name, octets string
		after        time.Duration
		want         bool
	}{
		{"little", strings.Repeat("\xff", 2047), 2*time.Second - 1, false},
		{"much", strings.Repeat("\xff", 2048), 0, true},
		{"long", "\xff", 2 * time.Second, true},
		{"text", strings.Repeat("a text\n", 9), 2*time.Second - 1, false},
		{"two polls", polls, 2*time.Second - 1, false},
		{"three polls", polls + polls[:8], 0, true},
	} {
		told := 0
		d := NewDecoder("auto", nil, func(string) { told++ })
		now := time.Now()
		d.Feed([]byte(c.octets), now)
		d.Idle(now.Add(c.after))
		if (told > 0) != c.want {
			t.Errorf("%s, %v: %d lines", c.name, c.after, told)
		}
	}
}

// TestNoPause: bytes that arrive without a pause are shown 512 at a time.
func TestNoPause(t *testing.T) {
	told := 0
	d := NewDecoder("hex", nil, func(string) { told++ })
	d.Feed(make([]byte, 511), time.Now())
	if told != 0 {
		t.Errorf("%d lines of 511 bytes, without a pause", told)
	}
	d.Feed(make([]byte, 1), time.Now())
	if told != 512/16 {
		t.Errorf("%d lines of 512 bytes", told)
	}
}

func FuzzIdentify(f *testing.F) {
	for _, s := range []string{sabm, polls, nmea("GPRMC,1"), "\x7f\xf3\x00\x00", "{\"t\": 1}\n"} {
		f.Add([]byte(s))
	}
	known := devices(f)
	f.Fuzz(func(t *testing.T, octets []byte) {
		if g := Identify(octets, known); (g.Kind == Silence) != (len(octets) == 0) {
			t.Errorf("%q: %+v", octets, g)
		}
		for _, way := range Formats {
			decode(way, string(octets), string(octets))
		}
		for _, d := range known {
			NewDecoder(d.Profile, known, func(string) {}).Feed(octets, noon)
		}
	})
}
