package config

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"runnel/cmd/runnel/internal/config/profiles"
	"runnel/transport/serial/lines"
	"runnel/transport/serial/modbus"
	"runnel/transport/serial/reading"
)

// dice makes choices of a fuzzed input. After its end every choice is the first.
type dice struct{ rest []byte }

func (d *dice) roll(n int) int {
	if len(d.rest) == 0 || n < 2 {
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return int(b) % n
}

func (d *dice) of(list ...string) string { return list[d.roll(len(list))] }

// key writes a key in a sixth of all cases: most combinations of many keys are refused.
func (d *dice) key(b *strings.Builder, name string, values ...string) {
	if d.roll(6) == 1 {
		fmt.Fprintf(b, "%s = %s\n", name, d.of(values...))
	}
}

var (
	smallNumbers = []string{"0", "1", "2", "3", "4", "7", "8", "16", "-1", "255", "1000", "70000", "9223372036854775807"}
	factors      = []string{"0.1", "-1.0", "1e300", "1e-300", "0.0", "nan", "inf", "3"}
	times        = []string{`"1ms"`, `"20ms"`, `"1s"`, `"1h"`, `"0s"`, `"-1s"`, `"2000h"`}
	fieldNames   = []string{`"a"`, `"b"`, `"1-0:1.8.0"`, `"t"`, `"sentence"`, `""`, `"energy_import"`, `"mmsi"`, `"payload"`, `"x.y"`}
	columns      = []string{`["a"]`, `["a", "b"]`, `["a", "_", "t"]`, `[]`, `["a", "a"]`, `["", "b", "t", "x"]`}
	widths       = []string{"[1]", "[3, 5]", "[2, 1, 9]", "[4, 4, 4, 4]", "[0, 1]", "[-1, 4]", "[70000, 1]", "[9223372036854775807, 1]"}
	patterns     = []string{`'(?P<a>\S+) (?P<t>.*)'`, `'(?P<a>x)|(?P<b>y)'`, `'()'`, `'(?P<a>(?P<b>.)*)'`, `'('`}
	bytesOf      = []string{`"hex:02"`, `"hex:03"`, `"BM"`, `"!"`, `"/"`, `"\n\n"`, `"hex:"`, `""`, `"hex:1b1b1b1b"`, `"{"`, `"}"`}
)

// formatsOf lists the formats that have a key.
var formatsOf = map[string]string{
	"separator": "csv keyvalue", "assign": "keyvalue", "patterns": "regexp", "sentences": "nmea", "checksum": "nmea",
	"decimal": "csv regexp keyvalue fixed", "unlisted": "json nmea keyvalue obis sml",
}

// lineOf returns the table of a serial line that prints text or telegrams.
func lineOf(d *dice) string {
	var b strings.Builder
	b.WriteString("[[serial]]\nname = \"x\"\ndevice = \"/dev/ttyUSB0\"\n")
	format := d.of(lines.FormatNames...)
	if d.roll(4) == 1 {
		format = ""
		fmt.Fprintf(&b, "profile = %q\n", d.of(profiles.Names()...))
	} else {
		fmt.Fprintf(&b, "mode = \"lines\"\nformat = %q\n", format)
	}
	needs := func(name string, values ...string) {
		fmt.Fprintf(&b, "%s = %s\n", name, d.of(values...))
	}
	switch format { // keys that the format requires
	case "csv":
		needs("columns", columns...)
	case "fixed":
		needs("columns", columns...)
		needs("widths", widths...)
	case "regexp":
		needs("pattern", patterns...)
	}
	fmt.Fprintf(&b, "topic = %s\n", d.of(`"com.x"`, `"com.x"`, `"com.{a}"`, `"com.{t}.{b}"`, `"com.{sentence}.{talker}"`, `"{a}.x"`))
	of := func(key string, values ...string) { // only with the formats that have it
		if slices.Contains(strings.Fields(formatsOf[key]), format) {
			d.key(&b, key, values...)
		}
	}
	of("separator", `","`, `";"`, `"\t"`, `" "`, `"é"`, `", "`, `""`, `"|;"`)
	of("assign", `"="`, `":="`, `" "`, `""`, `"é"`)
	of("patterns", `['T=(?P<t>\d+)', '(?P<a>.*)']`, `['(?P<b>.)?']`)
	of("sentences", `["RMC"]`, `["VDM", "GGA"]`, `[]`, `["X"]`)
	of("checksum", `"optional"`, `"required"`)
	of("decimal", `"comma"`, `"point"`)
	d.key(&b, "encoding", `"latin1"`, `"utf-8"`)
	d.key(&b, "max_line", "16", "64", `"64KiB"`, "15", "1000000000")
	d.key(&b, "time", `"none"`, `"arrival"`, `"receiver"`, `"t"`, `"a"`)
	d.key(&b, "time_zone", `"Europe/Paris"`, `"UTC"`, `"Nowhere"`)
	of("unlisted", `"drop"`, `"keep"`)
	d.key(&b, "publish", `"change"`, `"always"`)
	d.key(&b, "every", times...)
	d.key(&b, "refresh", times...)
	d.key(&b, "aggregate", `"mean"`, `"min"`, `"max"`, `"last"`)
	d.key(&b, "topic_unsafe", `"replace"`, `"drop"`)
	d.key(&b, "newline", `"\r"`, `""`, `"\r\n"`)
	d.key(&b, "ask", `[{ send = "S\r\n", every = "1s" }]`, `[{ send = "hex:ff 01", at_open = true, timeout = "5ms" }]`)
	if format == "binary" || format == "sml" || d.roll(3) == 1 {
		b.WriteString("[serial.telegram]\n")
		b.WriteString(d.of("end = \"\\n\"\n", "silence = \"20ms\"\n", "length = 8\n", "length_type = \"uint8\"\n", "begin = \"BM\"\nlength = 9\n", "begin = \"hex:02\"\nend = \"hex:03\"\ntrailer = 1\n", ""))
		d.key(&b, "begin", bytesOf...)
		d.key(&b, "trailer", smallNumbers...)
		d.key(&b, "length_type", `"uint8"`, `"uint16"`, `"uint24"`, `"uint32"`)
		d.key(&b, "length_at", smallNumbers...)
		d.key(&b, "length_add", smallNumbers...)
		d.key(&b, "order", `"little"`, `"big"`)
		d.key(&b, "max", "8", "64", `"64KiB"`, "0", "1000000000")
		d.key(&b, "check", quotedAll(lines.CheckNames())...)
		d.key(&b, "check_as", `"hex"`, `"binary"`)
		d.key(&b, "check_skip", smallNumbers...)
		d.key(&b, "check_skip_end", smallNumbers...)
		d.key(&b, "line_check", quotedAll(lines.LineCheckNames)...)
	}
	for range d.roll(4) {
		fmt.Fprintf(&b, "[[serial.field]]\nname = %s\n", d.of(fieldNames...))
		d.key(&b, "as", fieldNames...)
		if format == "binary" {
			needs("type", quotedAll(lines.BinaryNames[1:])...)
			d.key(&b, "at", smallNumbers...)
			d.key(&b, "length", smallNumbers...)
			d.key(&b, "order", `"little"`, `"big"`)
			d.key(&b, "bit", "0", "7", "15", "31", "63", "64", "-1")
		} else {
			d.key(&b, "type", quotedAll(lines.KindNames[1:])...)
		}
		d.key(&b, "scale", factors...)
		d.key(&b, "offset", factors...)
		d.key(&b, "unit", `"V"`, `"kWh"`)
		d.key(&b, "deadband", "0.5", "-1.0", "nan", "inf")
	}
	return b.String()
}

// busOf returns the table of a Modbus line.
func busOf(d *dice) string {
	var b strings.Builder
	b.WriteString("[[serial]]\nname = \"x\"\nmode = \"modbus\"\n")
	fmt.Fprintf(&b, "device = %s\n", d.of(`"/dev/ttyUSB0"`, `"tcp://127.0.0.1:502"`))
	fmt.Fprintf(&b, "topic = %s\n", d.of(`"com.{name}"`, `"com.x"`, `"com.{slave}.{name}"`))
	d.key(&b, "framing", `"rtu"`, `"tcp"`)
	d.key(&b, "slave", "1", "[1, 2, 3]", "0", "248", "255", "[]")
	d.key(&b, "timeout", times...)
	d.key(&b, "gap", times...)
	d.key(&b, "every", times...)
	for i := range 1 + d.roll(6) {
		fmt.Fprintf(&b, "[[serial.modbus]]\nname = \"n%d\"\naddress = %s\n", i, d.of("0", "1", "2", "5", "8", "9", "20", "65535", "65534"))
		fmt.Fprintf(&b, "table = %s\nslave = %s\n", d.of(`"holding"`, `"input"`, `"coil"`, `"discrete"`), d.of("1", "2", "17", "1", "254"))
		d.key(&b, "type", quotedAll(modbus.TypeNames)...)
		d.key(&b, "count", "1", "2", "125", "126", "2000", "0", "-1")
		d.key(&b, "words", `"low"`, `"high"`)
		d.key(&b, "order", quotedAll(modbus.OrderNames)...)
		d.key(&b, "bit", "0", "15", "16", "-1")
		d.key(&b, "scale", factors...)
		d.key(&b, "offset", factors...)
		d.key(&b, "every", times...)
		d.key(&b, "publish", `"always"`, `"change"`, `"never"`)
		d.key(&b, "deadband", "0.5", "-1.0", "nan")
		d.key(&b, "refresh", times...)
		if d.roll(4) == 1 {
			fmt.Fprintf(&b, "write = \"com.write.n%d\"\n", i)
		}
		d.key(&b, "write_many", "true")
	}
	return b.String()
}

func quotedAll(names []string) (list []string) {
	for _, n := range names {
		list = append(list, strconv.Quote(n))
	}
	return list
}

// linePort is the port of a fuzzed device. It returns the remaining data, step bytes at a time, and then the end.
type linePort struct {
	rest []byte
	step int
}

func (p *linePort) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	time.Sleep(time.Millisecond)
	n := copy(b, p.rest[:min(len(p.rest), p.step)])
	p.rest = p.rest[n:]
	return n, nil
}

// busPort answers each request with bytes of the input: as they are, or as the values of a valid answer. It ends with the input.
type busPort struct {
	dice
	tcp     bool
	answers chan []byte
	ended   chan struct{}
	end     func() // closes ended
	left    []byte // owned by Read
}

func (p *busPort) Read(b []byte) (int, error) {
	for len(p.left) == 0 {
		select {
		case p.left = <-p.answers:
		case <-p.ended:
			return 0, io.EOF
		}
	}
	n := copy(b, p.left)
	p.left = p.left[n:]
	return n, nil
}

func (p *busPort) Close() error {
	p.end()
	return nil
}

func (p *busPort) Write(request []byte) (int, error) {
	if len(p.rest) == 0 {
		p.end()
		return 0, io.ErrClosedPipe
	}
	switch how := p.roll(4); how {
	case 0: // silence
	case 1:
		p.answers <- p.take(p.roll(32))
	default:
		head := 0
		if p.tcp {
			head = 6
		}
		if len(request) < head+6 {
			break
		}
		pdu := request[head:]
		answer := append([]byte{}, pdu[:2]...)
		switch size := int(binary.BigEndian.Uint16(pdu[4:])); pdu[1] {
		case 1, 2:
			answer = append(append(answer, byte((size+7)/8)), p.filled((size+7)/8)...)
		case 3, 4:
			answer = append(append(answer, byte(2*size)), p.filled(2*size)...)
		default:
			answer = append(answer, pdu[2:6]...)
		}
		if how == 3 && p.roll(4) == 0 {
			answer = []byte{pdu[0], pdu[1] | 0x80, byte(p.roll(12))}
		}
		if p.tcp {
			answer = append(append(append([]byte{}, request[:4]...), byte(len(answer)>>8), byte(len(answer))), answer...)
		} else {
			answer = modbusCRC(answer)
		}
		p.answers <- answer
	}
	return len(request), nil
}

func (p *busPort) take(n int) []byte {
	n = min(n, len(p.rest))
	b := p.rest[:n]
	p.rest = p.rest[n:]
	return b
}

func (p *busPort) filled(n int) []byte { return append(p.take(n), make([]byte, n)...)[:n:n] }

// modbusCRC appends the check of an RTU frame.
func modbusCRC(frame []byte) []byte {
	crc := uint16(0xffff)
	for _, b := range frame {
		crc ^= uint16(b)
		for range 8 {
			if low := crc & 1; low == 1 {
				crc = crc>>1 ^ 0xa001
			} else {
				crc >>= 1
			}
		}
	}
	return binary.LittleEndian.AppendUint16(append([]byte{}, frame...), crc)
}

// FuzzLine reads the first input as a configuration. If that is valid, the device sends the second input. The code must
// not panic, hang or hold more memory than its bounds.
func FuzzLine(f *testing.F) {
	for i := range 12 {
		config := make([]byte, 90)
		for j := range config {
			config[j] = byte(j*i*7 + i + j/3)
		}
		f.Add(false, config, []byte("T=1 H=2\n{\"a\": 1}\nBM\x00\x05\x01\x00\x48\n1,2,3\n"), uint8(7*i))
		f.Add(true, config, []byte("\x02\x00\x10\x02\x00\x11\x01\x03abc\x03\x00\x02\x02\x02\x02"), uint8(0))
	}
	f.Add(false, []byte{0, 6, 0}, []byte("/X\r\n\r\n1-0:1.8.0(1.5*kWh)\r\n!\r\n"), uint8(2))
	f.Add(false, []byte{0, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0}, []byte("!AIVDM,1,1,,A,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C\r\n$GPGGA,,,*7A\r\n"), uint8(50))
	runs := 0
	f.Fuzz(func(t *testing.T, bus bool, config, input []byte, step uint8) {
		d := &dice{config}
		text := lineOf
		if bus {
			text = busOf
		}
		c, err := Parse("fuzz.toml", profileBase+text(d))
		if err != nil {
			return
		}
		if len(input) > 4<<10 {
			input = input[:4<<10]
		}
		stuck := time.AfterFunc(time.Minute, func() { panic("the line does not end") }) // by real time, outside the bubble
		defer stuck.Stop()
		synctest.Test(t, func(t *testing.T) {
			if s := &c.Serials[0]; s.Mode == "modbus" {
				askBus(t, s, input)
			} else {
				hearLine(t, s, input, 1+int(step))
			}
		})
		if runs++; runs%512 == 0 {
			modestHeap(t)
		}
	})
}

func hearLine(t *testing.T, s *Serial, input []byte, step int) {
	p, err := lines.New(s.LinesConfig())
	if err != nil {
		t.Fatal("a checked configuration: ", err)
	}
	sensor := lines.NewSensor(p, nil)
	sensor.Send = func(context.Context, []byte) error { return nil }
	events := 0
	sensor.Run(&linePort{input, step}, func(e reading.Event) {
		if events++; e.Topic == "" || events > len(input) {
			t.Errorf("event %d of %d bytes: %+v", events, len(input), e)
		}
	})
}

func askBus(t *testing.T, s *Serial, input []byte) {
	c := s.ModbusConfig()
	m, err := modbus.New(c)
	if err != nil {
		t.Fatal("a checked configuration: ", err)
	}
	port := &busPort{dice: dice{input}, tcp: c.TCP, answers: make(chan []byte, 64), ended: make(chan struct{})}
	port.end = sync.OnceFunc(func() { close(port.ended) })
	defer time.AfterFunc(10*time.Minute, port.end).Stop() // there may be nothing to read
	rw := io.ReadWriteCloser(port)
	if c.TCP {
		rw = modbus.TCP(rw)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if len(input) > 0 {
		go m.Write(ctx, int(input[0])%len(c.Points), float64(input[0]))
	}
	m.Run(rw, func(e reading.Event) {
		if e.Topic == "" {
			t.Errorf("%+v", e)
		}
	})
	m.State()
}

// modestHeap limits the memory in use between two inputs. The fuzzer itself uses 100 MiB.
func modestHeap(t *testing.T) {
	var m runtime.MemStats
	runtime.GC()
	if runtime.ReadMemStats(&m); m.HeapAlloc > 200<<20 {
		t.Fatalf("%d MiB are in use", m.HeapAlloc>>20)
	}
}
