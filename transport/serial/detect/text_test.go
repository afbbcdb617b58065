package detect

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"runnel/transport/serial/lines"
	"runnel/transport/serial/modbus"
)

// Tables with any separator are found with their heading and decimal sign; text with some commas is no table.
func TestTables(t *testing.T) {
	values := func(separator string, comma bool, columns ...string) Table { return Table{separator, columns, comma} }
	for _, c := range []struct {
		name, octets string
		kind         Kind
		table        Table
	}{
		{"semicolons", "1;2\n21.5;40\n21.6;41\n", CSV, values(";", false, "value1", "value2")},
		{"decimal commas", "1;2\n21,5;40\n21,6;41\n", CSV, values(";", true, "value1", "value2")},
		{"commas and points", "1;2\n21,5;40.5\n21,6;41\n", CSV, values(";", false, "value1", "value2")},
		{"tabs", "1\t2\tx\n21.5\t40\tok\n21.6\t\tok\n", CSV, values("\t", false, "value1", "value2", "value3")},
		{"a heading", "time,temp,hum\n1,2,3\n2,3,4\n", CSV, values(",", false, "time", "temp", "hum")},
		{"a heading later", "1;2\ntemp;air hum\n1;2\n", CSV, values(";", false, "temp", "air hum")},
		{"a heading with a name twice", "a;a\n1;2\n1;2\n", CSV, values(";", false, "value1", "value2")},
		{"blanks", "1 2\n21.5  40\n21.6 41\n", CSV, values(" ", false, "value1", "value2")},
		{"words", "one two\ntwo 3\nthree four\n", Text, Table{}},
		{"single numbers", "1\n21.5\n21.6\n", CSV, values(";", false, "value")},
		{"codes", "4006381333931\n4006381333932\n4006381333933\n", Text, Table{}},
		{"names and values", "T=1\nT=21.5,H=40\nT=21.6,H=41\n", KeyValue, Table{}},
		{"names and units", "T: 21.5 C, H: 40 %\nT: 21.5 C, H: 40 %\n", KeyValue, Table{}},
		{"messages", "I (31) boot: chip\nW (40) wifi: lost\nI (41) x: y\n", Text, Table{}},
		{"times", "12:30:45 started\n12:30:46 stopped\n12:30:46 stopped\n", Text, Table{}},
		{"arrays", "[1, 2]\n[21.5, 40]\n[21.6, 41]\n", JSON, Table{}},
		{"nothing but separators", ";;\n;;\n;;\n;;\n", Text, Table{}},
	} {
		if g := Identify([]byte(c.octets), nil); g.Kind != c.kind || !reflect.DeepEqual(g.Table, c.table) {
			t.Errorf("%s: %v, %+v", c.name, g, g.Table)
		}
	}
}

// The values that a master reads are found, each once. An answer with three bytes is no request.
func TestRequests(t *testing.T) {
	g := Identify([]byte(polls+polls), nil)
	want := []modbus.Request{{Slave: 1, Address: 0, Count: 10}, {Slave: 17, Address: 107, Count: 3}}
	if g.Kind != Modbus || !reflect.DeepEqual(g.Requests, want) {
		t.Errorf("%v: %+v", g, g.Requests)
	}
	if r, ok := modbus.ParseRequest([]byte("\x01\x01\x03\x01\x02\x03\x00\x00")); ok {
		t.Errorf("%+v", r)
	}
}

// noon is a time at which bytes arrive.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func device(t testing.TB, profile string, c lines.Config) Device {
	t.Helper()
	c.Topic = "com.example"
	p, err := lines.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return Device{profile, p}
}

// devices are some that are known.
func devices(t testing.TB) Devices {
	return Devices{
		device(t, "dust", lines.Config{Format: lines.Bytes, Fields: []lines.Field{{Name: "pm", At: 2, Binary: lines.Uint16}},
			Telegram: &lines.Telegram{Begin: []byte{0xaa, 0xc0}, Length: 6, End: []byte{0xab}, Check: lines.Check{Name: "sum8", Skip: 2}}}),
		device(t, "meter", lines.Config{Format: lines.OBIS, Telegram: &lines.Telegram{Begin: []byte("/"), End: []byte("!")}, Fields: []lines.Field{{Name: "1-0:1.8.0"}, {Name: "1-0:2.8.0"}}}),
		device(t, "range", lines.Config{Format: lines.Pattern, Pattern: `^R(?P<mm>[0-9]{4})$`}),
		device(t, "anything", lines.Config{Format: lines.Pattern, Pattern: `^(?P<text>.+)$`}),
		device(t, "ais", lines.Config{Format: lines.NMEA, Sentences: []string{"VDM"}}),
		device(t, "receiver", lines.Config{Format: lines.NMEA, Sentences: []string{"RMC"}}),
		device(t, "by silence", lines.Config{Format: lines.CSV, Columns: []string{"a"}, Telegram: &lines.Telegram{Silence: lines.MinSilence}}),
	}
}

// A known device is recognized by a check, by the names of its values or by a pattern that others hardly fit.
func TestKnown(t *testing.T) {
	const dust, meter = "\xaa\xc0\x01\x02\x03\xab", "/X\r\n1-0:1.8.0(5*kWh)\r\n1-0:2.8.0(6*kWh)\r\n!\r\n"
	known := devices(t)
	for _, c := range []struct{ name, octets, want string }{
		{"a check", "\x02\x03\xab" + dust + dust + dust[:3], "messages of a known device: profile dust"},
		{"one among noise", noise + noise + noise + noise + noise + noise + dust, "unreadable bytes"},
		{"names", meter, "messages of a known device: profile meter"},
		{"half of a telegram", meter[:30], "text"},
		{"other names", "/X\r\n1-0:1.9.0(5*kWh)\r\n1-0:2.9.0(6*kWh)\r\n!\r\n", "text"},
		{"a pattern", "00\rR0300\rR4999\r", "messages of a known device: profile range"},
		{"a pattern for some", "R0300\rR4999\rerror\rR0300\r", "text"},
		{"sentences", nmea("AIVDM,1") + nmea("AIVDM,2"), "messages of a known device: profile ais"},
		{"sentences of many", nmea("GPRMC,1") + nmea("GPRMC,2"), "NMEA 0183"},
		{"any text", "one\ntwo\nthree\n", "text"},
	} {
		if g := Identify([]byte(c.octets), known); g.String() != c.want {
			t.Errorf("%s: %v, want %s", c.name, g, c.want)
		}
	}
	var told []string
	d := NewDecoder("auto", known, func(line string) { told = append(told, line) })
	d.Feed([]byte(dust+dust), noon)
	d.Feed([]byte("\xaa\xc0\x01\x02\x04\xab"), noon)
	want := []string{"this looks like messages of a known device: profile dust; decoding it as dust", "pm=258", "pm=258", "wrong check: sum8 is 04, want 03: aa c0 01 02 04 ab"}
	if !reflect.DeepEqual(told, want) {
		t.Errorf("%q", told)
	}
	told = nil
	d = NewDecoder("meter", known, func(line string) { told = append(told, line) })
	d.Feed([]byte(strings.ReplaceAll(meter, "(5*kWh)", "(12345678.9*kWh)")), noon)
	if want := []string{"1-0:1.8.0=12345678.9 1-0:2.8.0=6"}; !reflect.DeepEqual(told, want) {
		t.Errorf("large numbers: %q, want %q", told, want)
	}
}

// A check or three messages make the guess certain. If two devices fit equally well, the first one is chosen.
func TestSureDevice(t *testing.T) {
	const dust, distance = "\xaa\xc0\x01\x02\x03\xab", "R0300\r"
	known := devices(t)
	for _, d := range known {
		known = append(known, Device{"another " + d.Profile, d.Parser})
	}
	for _, c := range []struct {
		octets, profile string
		sure            bool
	}{
		{dust, "dust", true},
		{strings.Repeat(distance, 2), "range", false},
		{strings.Repeat(distance, 3), "range", true},
	} {
		if g := Identify([]byte(c.octets), known); g.Profile != c.profile || g.Sure != c.sure {
			t.Errorf("%q: %v, sure: %v; want profile %s, sure: %v", c.octets, g, g.Sure, c.profile, c.sure)
		}
	}
}
