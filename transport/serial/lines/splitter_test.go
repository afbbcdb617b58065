package lines

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"runnel/transport/serial/reading"
)

func TestSplitter(t *testing.T) {
	long, partial := 0, 0
	s := newSplitter(8, noon, func() { long++ }, func([]byte) { partial++ })
	var got []string
	for _, chunk := range []string{"half\r", "\none\r\ntw", "o\rth\x00ree\n\n\r\n", "much too long", " still\n12345678\nx"} {
		s.push([]byte(chunk), noon, func(line []byte) { got = append(got, string(line)) })
	}
	if want := []string{"one", "two", "three", "12345678"}; !reflect.DeepEqual(got, want) || long != 1 || partial != 1 {
		t.Errorf("%q, %d too long, %d partial; want %q", got, long, partial, want)
	}
}

// A line that begins after silence is whole, even the first one.
func TestFirstLine(t *testing.T) {
	for _, c := range []struct {
		name    string
		chunks  []string // with "" for silence
		want    []string
		partial int
	}{
		{"silent before", []string{"", "4006381333931\n"}, []string{"4006381333931"}, 0},
		{"in pieces", []string{"", "40063", "81333931\r", "\n"}, []string{"4006381333931"}, 0},
		{"flowing", []string{"381333931\n", "1\n"}, []string{"1"}, 1},
		{"flowing, between lines", []string{"\n1\n"}, []string{"1"}, 0},
		{"flowing, then silent", []string{"381", "", "1\n"}, []string{"1"}, 1},
		{"too long, then silent", []string{"", "123456789", "", "1\n"}, []string{"1"}, 0},
		{"silent within", []string{"", "12", "", "34\n"}, []string{"1234"}, 0},
	} {
		partial := 0
		s := newSplitter(8, noon, func() {}, func([]byte) { partial++ })
		if strings.HasPrefix(c.name, "sil") || c.name == "in pieces" {
			s = newSplitter(16, noon, func() {}, func([]byte) { partial++ })
		}
		var got []string
		now := noon
		for _, chunk := range c.chunks {
			if now = now.Add(time.Millisecond); chunk == "" {
				now = now.Add(silence)
			}
			s.push([]byte(chunk), now, func(line []byte) { got = append(got, string(line)) })
		}
		if !reflect.DeepEqual(got, c.want) || partial != c.partial {
			t.Errorf("%s: %q, %d partial; want %q, %d", c.name, got, partial, c.want, c.partial)
		}
	}
}

// A first line that can't be incomplete is used, even if it may have begun before the port was opened.
func TestFirstLineProvesItself(t *testing.T) {
	rmc := sum("GPRMC,115958,A,4807.038,N,01131.000,E,0.0,0.0,221126,,")
	for _, c := range []struct {
		format  Format
		line    string
		partial uint64
	}{
		{JSON, `{"t": {"u": 1}}`, 0}, {JSON, `"u": 1}}`, 1}, {JSON, `{"u": 1}}`, 1}, {JSON, `1`, 1}, {JSON, ` [1]`, 0},
		{NMEA, rmc, 0}, {NMEA, rmc[1:], 1}, {NMEA, "xx" + rmc, 1}, {CSV, "1,2", 1},
	} {
		s := NewSensor(parser(t, Config{Format: c.format, Columns: []string{"a", "b"}}), nil)
		s.Run(&chunks{c.line + "\r\n"}, func(reading.Event) {})
		if state := s.State(); state.Partial != c.partial || state.Good != 1-c.partial || state.Bad != 0 {
			t.Errorf("%s: %+v", c.line, state)
		}
	}
}
