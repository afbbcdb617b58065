package lines

import (
	"errors"
	"strings"
	"testing"
	"time"

	"runnel/transport/serial/reading"
)

// TestNoiseLimits: the baud rate is suspected after enough bytes over enough time without a readable line.
func TestNoiseLimits(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes int
		over  time.Duration
		want  bool
	}{
		{"enough", suspectBytes, suspectAfter, true},
		{"too few", suspectBytes - 1, suspectAfter, false},
		{"too soon", suspectBytes, suspectAfter - 1, false},
	} {
		s := NewSensor(parser(t, Config{}), nil)
		s.received(1, noon)
		s.received(c.bytes-1, noon.Add(c.over))
		if got := s.State().BaudSuspect; got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		s.countBad([]byte("\xff\xfe"), errUTF8, noon) // not readable, so it is accepted
		if got := s.State().BaudSuspect; got != c.want {
			t.Errorf("%s, and a line that is not text: %v", c.name, got)
		}
		s.countIgnored()
		if s.State().BaudSuspect {
			t.Errorf("%s: suspect after a sentence that was read", c.name)
		}
	}
}

// TestCounters checks how each line is counted, and when it is logged.
func TestCounters(t *testing.T) {
	var logged []uint64
	s := NewSensor(parser(t, Config{}), func(s State) { logged = append(logged, s.Bad) })
	for range 9 {
		s.countBad([]byte("x"), errors.New("no"), noon)
	}
	s.countLong()
	if st := s.State(); st.Bad != 10 || st.BadInARow != 10 || st.Long != 1 || st.NotUTF8 != 0 || st.BadReason != "longer than max_line" {
		t.Errorf("%+v", st)
	}
	if len(logged) != 4 || logged[3] != 8 {
		t.Errorf("logged at %v", logged)
	}
	s.countIgnored()
	if st := s.State(); st.BadInARow != 0 || st.Ignored != 1 || !st.LastGood.IsZero() {
		t.Errorf("%+v", st)
	}
	s.countBad([]byte("x"), errUTF8, noon)
	s.countGood([]string{"a: bad", "b: worse"}, noon.Add(1))
	if st := s.State(); st.NotUTF8 != 1 || st.BadInARow != 0 || st.Good != 1 || st.BadFields != 2 || st.BadField != "b: worse" || !st.LastGood.Equal(noon.Add(1)) || !st.LastBad.Equal(noon) {
		t.Errorf("%+v", st)
	}
}

// TestExcerptLimit: an excerpt is cut only if the line is longer.
func TestExcerptLimit(t *testing.T) {
	whole := strings.Repeat("é", maxExcerpt)
	if got := Excerpt([]byte(whole)); got != whole {
		t.Errorf("%q", got)
	}
	if got := Excerpt([]byte(strings.Repeat("x", maxExcerpt+1))); got != strings.Repeat("x", maxExcerpt)+"..." {
		t.Errorf("%q", got)
	}
}

// TestFirstLineAfterSilence: a pause as long as silence begins a line, a shorter one does not.
func TestFirstLineAfterSilence(t *testing.T) {
	for pause, want := range map[time.Duration]int{silence: 1, silence - 1: 0} {
		var got, partial []string
		s := newSplitter(8, noon, func() {}, func(line []byte) { partial = append(partial, string(line)) })
		s.push([]byte("hello\n"), noon.Add(pause), func(line []byte) { got = append(got, string(line)) })
		if len(got) != want || len(partial) != 1-want {
			t.Errorf("after %v: %q, partial %q", pause, got, partial)
		}
	}
}

// TestTimes: the times that a device may send, at the ends of the accepted range.
func TestTimes(t *testing.T) {
	for value, want := range map[any]string{
		raw("2026-11-22T12:00:00+01:00"): "2026-11-22T11:00:00.000Z",
		raw(" 1000000000 "):              "2001-09-09T01:46:40.000Z",
		"1764000000.5":                   "2025-11-24T16:00:00.500Z",
		int64(1764000000500):             "2025-11-24T16:00:00.500Z",
		float64(1e11):                    "5138-11-16T09:46:40.000Z",
		"978307200":                      "2001-01-01T00:00:00.000Z",
		"978307199":                      "",
		"-1":                             "",
		"1e15":                           "",
		"NaN":                            "",
		"0x3B9ACA00":                     "",
		true:                             "",
	} {
		got, err := moment(value, nil)
		if (err == nil) != (want != "") || err == nil && reading.Timestamp(got) != want {
			t.Errorf("%v: %v, %v; want %q", value, got, err, want)
		}
	}
}

// TestPositions: angles and positions at the ends of their ranges.
func TestPositions(t *testing.T) {
	for _, c := range []struct {
		body, field string
		want        any
	}{
		{"GPGLL,9000.000,N,18000.000,W,120000,A,A", "lat", 90.0},
		{"GPGLL,9000.000,N,18000.000,W,120000,A,A", "lon", -180.0},
		{"GPGLL,9000.001,N,18000.000,W,120000,A,A", "lat", nil},
		{"GPGLL,4807.000,N,18000.001,E,120000,A,A", "lat", nil}, // not without its longitude
		{"GPGLL,4860.000,N,01131.000,E,120000,A,A", "lat", nil},
		{"GPGLL,4807.000,X,01131.000,E,120000,A,A", "lat", nil},
		{"GPGLL,4807.000,S,00000.000,E,120000,A,A", "lon", 0.0},
		{"HEHDT,360,T", "heading", int64(360)},
		{"HEHDT,0,T", "heading", int64(0)},
		{"HEHDT,360.5,T", "heading", nil},
		{"HEHDT,-1,T", "heading", nil},
		{"GPZDA,235960,01,01,2026,00,00", "utc", "23:59:60"},
		{"GPZDA,235961,01,01,2026,00,00", "utc", nil},
		{"GPZDA,236059,01,01,2026,00,00", "utc", nil},
		{"GPZDA,240000,01,01,2026,00,00", "utc", nil},
	} {
		e, _ := parser(t, Config{Format: NMEA}).Parse([]byte(sum(c.body)), noon)
		if got := e.Kwargs[c.field]; got != c.want {
			t.Errorf("%s: %s is %v, want %v", c.body, c.field, got, c.want)
		}
	}
}

// TestDepth: JSON as deep as allowed is published, deeper JSON is not.
func TestDepth(t *testing.T) {
	for depth, want := range map[int]bool{maxDepth - 1: true, maxDepth: false} {
		line := strings.Repeat("[", depth) + "1" + strings.Repeat("]", depth)
		if _, err := parser(t, Config{}).Parse([]byte(line), noon); (err == nil) != want {
			t.Errorf("%d levels: %v", depth, err)
		}
	}
	for values, want := range map[int]bool{maxRepaired: true, maxRepaired + 1: false} {
		line := `{"a":1` + strings.Repeat(`,"b":nan`, values) + "}"
		if _, err := parser(t, Config{}).Parse([]byte(line), noon); (err == nil) != want {
			t.Errorf("%d unusable values: %v", values, err)
		}
	}
}

// TestConfigLimits: lengths and widths at their last valid value, and one beyond.
func TestConfigLimits(t *testing.T) {
	fixed := func(width int) Config {
		return Config{Format: Fixed, Columns: []string{"a"}, Widths: []int{width}, Topic: "com.example.x"}
	}
	for _, c := range []struct {
		config Config
		valid  bool
	}{
		{Config{MaxLine: MinLine, Topic: "a"}, true},
		{Config{MaxLine: MinLine - 1, Topic: "a"}, false},
		{Config{MaxLine: MaxLine, Topic: "a"}, true},
		{Config{MaxLine: MaxLine + 1, Topic: "a"}, false},
		{fixed(1), true}, {fixed(0), false}, {fixed(MaxLine), true}, {fixed(MaxLine + 1), false},
		{Config{Format: CSV, Columns: []string{"a"}, Separator: ";", Topic: "a"}, true},
		{Config{Format: CSV, Columns: []string{"a"}, Separator: ";;", Topic: "a"}, false},
		{Config{Format: CSV, Columns: []string{"a"}, Separator: "\"", Topic: "a"}, false},
		{Config{Format: CSV, Columns: []string{"_", "_", "", ""}, Topic: "a"}, true},
		{Config{Format: SML + 1, Topic: "a"}, false},
	} {
		if _, err := New(c.config); (err == nil) != c.valid {
			t.Errorf("%+v: %v", c.config, err)
		}
	}
}
