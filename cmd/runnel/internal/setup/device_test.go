package setup

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"runnel/test/kit"
	"runnel/transport/serial/detect"
	"runnel/transport/serial/modbus"
	"runnel/transport/serial/reading"
)

func TestParseSlaves(t *testing.T) {
	for text, want := range map[string][]byte{
		"1": {1}, "254": {254}, "3-5": {3, 4, 5}, "5-5": {5}, "9, 1-3,2": {1, 2, 3, 9}, "253-254": {253, 254},
	} {
		if got, err := ParseSlaves(text); !slices.Equal(got, want) || err != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "0-3", "255", "250-255", "5-4", "a", "1-a", "a-1", "1-", "-1", "1,,2", "1-2-3"} {
		if got, err := ParseSlaves(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// A value that is out of range for its unit excludes a profile. Zeros are less likely than numbers.
func TestScore(t *testing.T) {
	for _, c := range []struct {
		unit  string
		value any
		want  int
	}{
		{"V", 230.0, 2}, {"V", -1500.0, 2}, {"V", 1500.0, 2}, {"V", 1500.1, -1}, {"V", -1500.1, -1}, {"Hz", -0.1, -1}, {"", 1e30, 2}, {"", 0.0, -1}, {"V", 0.0, -1},
		{"", "text", 1}, {"", 1e-7, -1}, {"", -1e-7, -1}, {"", 1e-6, 2}, {"", -1e-6, 2}, {"V", int64(7), 2},
	} {
		if got := score([]modbus.Point{{Unit: c.unit}}, [][]any{{c.value}}); got != c.want {
			t.Errorf("%v %s: %d, want %d", c.value, c.unit, got, c.want)
		}
	}
	points := []modbus.Point{{Unit: "V"}, {Unit: "A"}, {}}
	if got := score(points, [][]any{{230.0, 231.0}, {0.0}, {"on"}}); got != 4 {
		t.Error(got)
	}
	if got := score(points, [][]any{{230.0, 1e6}, {1.0}, {"on"}}); got != -1 {
		t.Errorf("a value that cannot be: %d", got)
	}
	if _, isNumber := reading.Float("on"); isNumber {
		t.Error("a text is a number")
	}
}

// bus is a Modbus bus on which the answers of slaves are computed. It needs no time.
type bus struct {
	answer func(slave byte, address, count int) []uint16 // nil: none
	broken error
	queue  []byte
}

func crc(frame []byte) uint16 {
	sum := uint16(0xffff)
	for _, b := range frame {
		sum ^= uint16(b)
		for range 8 {
			if sum&1 != 0 {
				sum = sum>>1 ^ 0xa001
			} else {
				sum >>= 1
			}
		}
	}
	return sum
}

func (b *bus) Write(request []byte) (int, error) {
	values := b.answer(request[0], int(request[2])<<8|int(request[3]), int(request[4])<<8|int(request[5]))
	if values != nil {
		frame := []byte{request[0], request[1], byte(2 * len(values))}
		for _, v := range values {
			frame = append(frame, byte(v>>8), byte(v))
		}
		sum := crc(frame)
		b.queue = append(b.queue, append(frame, byte(sum), byte(sum>>8))...)
	}
	return len(request), b.broken
}

func (b *bus) Read(to []byte) (int, error) {
	if len(b.queue) == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(to, b.queue)
	b.queue = b.queue[n:]
	return n, nil
}

func (b *bus) SetDeadline(time.Time) error { return nil }

// meter has 10 registers with a value each.
func meter(value uint16) func(address, count int) []uint16 {
	return func(address, count int) []uint16 {
		if address+count > 10 {
			return nil
		}
		return slices.Repeat([]uint16{value}, count)
	}
}

func scanned(t *testing.T, ctx context.Context, b *bus, known []BusDevice, slaves ...byte) (table, notes string, err error) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "notes"))
	kit.Must(t, err)
	defer f.Close()
	var out bytes.Buffer
	err = Scan(ctx, &modbus.Search{Port: b, Baud: 115200, Timeout: time.Millisecond}, slaves, known, "/dev/ttyX", &out, f)
	text, _ := os.ReadFile(f.Name())
	return out.String(), string(text), err
}

// Slaves that answer are listed with the profiles whose registers they have, the most likely first.
func TestScan(t *testing.T) {
	point := func(unit string, address int) modbus.Point {
		return modbus.Point{Name: "p", Unit: unit, Address: uint16(address), Count: 1, Table: modbus.Holding}
	}
	known := []BusDevice{
		{"volts", []modbus.Point{point("V", 0), point("V", 1)}},
		{"amperes", []modbus.Point{point("A", 0), point("A", 1)}},
		{"large", []modbus.Point{point("V", 0), point("V", 40)}},
		{"percent", []modbus.Point{point("%", 0)}},
		{"small", []modbus.Point{point("V", 0)}},
	}
	b := &bus{answer: func(slave byte, address, count int) []uint16 {
		switch slave {
		case 3:
			return meter(230)(address, count)
		case 9:
			return meter(6000)(address, count)
		}
		return nil
	}}
	table, notes, err := scanned(t, t.Context(), b, known, 1, 3, 9)
	if err != nil || table != "SLAVE  PROFILES THAT FIT\n3      amperes, volts\n9      -\n" {
		t.Errorf("%s%v", table, err)
	}
	if notes != "add one, for example, by: runnel serial add /dev/ttyX --profile amperes --slave 3\n" {
		t.Errorf("%q", notes)
	}
	if table, notes, err := scanned(t, t.Context(), b, known, 1, 2); err == nil || !strings.Contains(err.Error(), "no slave answers") || table != "" || notes != "" {
		t.Errorf("%q, %q, %v", table, notes, err)
	}
	unplugged := errors.New("unplugged")
	if _, _, err := scanned(t, t.Context(), &bus{answer: b.answer, broken: unplugged}, known, 3); !errors.Is(err, unplugged) || !strings.HasPrefix(err.Error(), "scan /dev/ttyX: ") {
		t.Error(err)
	}
	// An interrupted scan lists the devices found so far, and does not ask.
	ended, end := context.WithCancel(t.Context())
	asked := 0
	b = &bus{answer: func(slave byte, _, count int) []uint16 {
		asked++
		end()
		return slices.Repeat([]uint16{1}, count)
	}}
	if table, _, err := scanned(t, ended, b, known, 3, 4, 5); err != nil || table != "SLAVE  PROFILES THAT FIT\n3      -\n" || asked != 1 {
		t.Errorf("%d requests: %s%v", asked, table, err)
	}
}

// A profile fits that is nearly as likely as the best one.
func TestLikelyProfiles(t *testing.T) {
	volts := func(n int) (points []modbus.Point) {
		for address := range n {
			points = append(points, modbus.Point{Unit: "V", Address: uint16(address), Count: 1, Table: modbus.Holding})
		}
		return points
	}
	b := &bus{answer: func(_ byte, address, count int) []uint16 { return meter(230)(address, count) }}
	s := &modbus.Search{Port: b, Baud: 115200, Timeout: time.Millisecond}
	names, err := FittingProfiles(s, []BusDevice{{"four", volts(4)}, {"three", volts(3)}, {"five", volts(5)}}, 3)
	if err != nil || !slices.Equal(names, []string{"five", "four"}) {
		t.Errorf("%q, %v", names, err)
	}
}

// Each kind of profile is known by its own command.
func TestKnownProfiles(t *testing.T) {
	bus, devices := BusDevices(""), KnownDevices("")
	if len(bus) == 0 || len(devices) == 0 {
		t.Fatalf("%d, %d", len(bus), len(devices))
	}
	for _, d := range bus {
		if len(d.Points) == 0 || slices.ContainsFunc(d.Points, func(p modbus.Point) bool { return p.WriteOnly }) || devices.Parser(d.Profile) != nil {
			t.Errorf("%+v", d)
		}
	}
	for _, d := range devices {
		if d.Parser == nil {
			t.Errorf("%s has no parser", d.Profile)
		}
	}
	near := devices[0].Profile
	for name, want := range map[string]string{near[:len(near)-1] + "~": "did you mean ", "qqqqqqqqqqqq": "use "} {
		if got := NoDecoder(name, devices); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// pieces is a port that sends pieces and then fails with the error. A nil piece is a pause.
type pieces struct {
	list [][]byte
	last error
}

func (p *pieces) Read(to []byte) (int, error) {
	if len(p.list) == 0 {
		return 0, p.last
	}
	piece := p.list[0]
	p.list = p.list[1:]
	if piece == nil {
		return 0, os.ErrDeadlineExceeded
	}
	return copy(to, piece), nil
}

func (p *pieces) SetDeadline(time.Time) error { return nil }
func (p *pieces) Close() error                { return nil }

// brokenPort has no deadlines.
type brokenPort struct{ pieces }

func (brokenPort) SetDeadline(time.Time) error { return io.ErrClosedPipe }

// Sniff prints lines with the time, until the port fails, the output fails, or ctx is done.
func TestSniff(t *testing.T) {
	var out bytes.Buffer
	err := Sniff(t.Context(), &pieces{[][]byte{[]byte("hello\nwor"), nil, []byte("ld\n")}, io.EOF}, "text", nil, &out)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if err != io.EOF || len(lines) < 2 || !strings.HasSuffix(lines[0], "  hello") || len(lines[0]) != len("15:04:05.000  hello") {
		t.Errorf("%q, %v", lines, err)
	}
	port := &pieces{[][]byte{[]byte("a\n"), []byte("b\n")}, io.EOF}
	if err := Sniff(t.Context(), port, "text", nil, failing{}); !errors.Is(err, errors.ErrUnsupported) || len(port.list) != 1 {
		t.Errorf("an output that fails: %v, %d pieces are left", err, len(port.list))
	}
	if err := Sniff(t.Context(), &brokenPort{}, "text", nil, &out); err != io.ErrClosedPipe {
		t.Error(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	out.Reset()
	if err := Sniff(ended, &pieces{[][]byte{[]byte("a\n")}, io.EOF}, "text", nil, &out); err != nil || out.Len() > 0 {
		t.Errorf("%s, %v", &out, err)
	}
	var _ detect.Port = port
}

// failing is a writer that fails.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.ErrUnsupported }
