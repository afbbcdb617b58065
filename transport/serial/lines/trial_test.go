package lines

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"runnel/transport/serial/reading"
)

// A trial counts the whole lines and telegrams that fit, and weighs how unlikely it is that they fit by chance.
func TestTry(t *testing.T) {
	stx := Telegram{Begin: []byte("<"), End: []byte(">"), Trailer: 1, Check: Check{Name: "xor8", Skip: 1}}
	one := []Field{{Name: "t", Binary: Uint8, At: 1}}
	for name, c := range map[string]struct {
		config Config
		octets string
		want   Trial
	}{
		"names of a device": {Config{Format: KeyValue, Fields: []Field{{Name: "t"}, {Name: "h"}, {Name: "p"}}}, "=5\nt=1,h=2,x=3\r\nt=4\n \nt=", Trial{Good: 2, Octets: 14, Sample: "t=4", Bits: 2 * nameBits}},
		"a bad line":        {Config{Format: JSON, Fields: []Field{{Name: "t"}}}, "{\"t\":1}\nx\n{\"t\":2}\n", Trial{Good: 2, Bad: 1, Octets: 14, Sample: `{"t":2}`, Bits: nameBits}},
		"a partial line":    {Config{Format: JSON, Fields: []Field{{Name: "t"}}}, "1}\n", Trial{}},
		"nothing":           {Config{Format: JSON}, "", Trial{}},
		"CSV has no names":  {Config{Format: CSV, Columns: []string{"t"}, Fields: []Field{{Name: "t"}}}, "1\n2\n", Trial{Good: 2, Octets: 2, Sample: "2"}},
		"AIS":               {Config{Format: NMEA, Sentences: []string{"VDM", "VDO"}}, "x\n", Trial{Bits: 2 * nameBits}},
		"other sentences":   {Config{Format: NMEA, Sentences: []string{"VDM", "RMC"}}, "x\n", Trial{}},
		"all sentences":     {Config{Format: NMEA}, "x\n", Trial{}},
		"ignored sentences": {Config{Format: NMEA, Sentences: []string{"VDM"}}, "x\n" + sum("GPZZZ,1") + "\n", Trial{Ignored: 1}},
		"a pattern":         {Config{Format: Pattern, Pattern: `^ab(?P<t>\d)$`}, "ab1\n", Trial{Good: 1, Octets: 3, Sample: "ab1", Bits: 16}},
		"the weakest pattern": {Config{Format: Pattern, Pattern: `^abcd(?P<t>\d)$`, Patterns: []string{`^a(?P<t>\d)$`, `^abc(?P<t>\d)$`}}, "a1\n",
			Trial{Good: 1, Octets: 2, Sample: "a1", Bits: 9}},
		"a check":    {Config{Format: Bytes, Fields: one, Telegram: &stx}, "x<7>\x09<8>\x00<9>\x07", Trial{Good: 2, Octets: 8, Sample: "3c 39 3e 07", Bits: checkBits}},
		"a telegram": {Config{Format: JSON, Fields: []Field{{Name: "t"}}, Telegram: &Telegram{End: []byte("}")}}, "1}{\"t\":1}{\"t\"}", Trial{Good: 1, Bad: 1, Octets: 7, Sample: `{"t":1}`, Bits: nameBits}},
		"telegram, paused": {Config{Format: JSON, Fields: []Field{{Name: "t"}}, Telegram: &Telegram{Begin: []byte("{"), Silence: time.Second}}, "{\"t\":1}",
			Trial{Good: 1, Octets: 7, Sample: `{"t":1}`, Bits: nameBits}},
		"no check": {Config{Format: Bytes, Fields: one, Telegram: &Telegram{Begin: []byte("<"), End: []byte(">")}}, "<7>", Trial{Good: 1, Octets: 3, Sample: "3c 37 3e"}},
	} {
		if got := parser(t, c.config).Try([]byte(c.octets)); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// Enough evidence, and enough good lines for a bad one, make a configuration fit. A check proves it, unless the telegram is the
// only one and small.
func TestFits(t *testing.T) {
	for _, c := range []struct {
		trial        Trial
		received     int
		fits, proven bool
	}{
		{Trial{Good: 1, Bits: minBits}, 9, true, false}, {Trial{Good: 1, Bits: minBits - 1}, 9, false, false}, {Trial{Bits: minBits}, 9, false, false},
		{Trial{Good: goodPerBad, Bad: 1, Bits: minBits}, 9, true, false}, {Trial{Good: goodPerBad - 1, Bad: 1, Bits: minBits}, 9, false, false},
		{Trial{Good: 1, Bits: checkBits - 1, Octets: 9}, 9, true, false}, {Trial{Good: 1, Bits: checkBits, Octets: 9}, 9, false, true},
		{Trial{Good: 1, Bits: checkBits, Octets: 2}, 8, false, true}, {Trial{Good: 1, Bits: checkBits, Octets: 2}, 9, false, false},
		{Trial{Good: 2, Bits: checkBits, Octets: 2}, 9, false, true}, {Trial{Bits: checkBits, Octets: 9}, 9, false, false},
	} {
		if fits, proven := c.trial.Fits(), c.trial.Proven(c.received); fits != c.fits || proven != c.proven {
			t.Errorf("%+v of %d octets fits: %v, is proven: %v", c.trial, c.received, fits, proven)
		}
	}
}

// Complete leaves out the last line until its end has arrived, and empty lines.
func TestComplete(t *testing.T) {
	for octets, want := range map[string]string{
		"": "", "a": "", "a\n": "a", "a\nb": "a", "a\r\nb\r": "a b", "\n\na\n\n": "a", "a\x00b\n\x00": "ab", "\n": "", "a\rb\nc": "a b",
	} {
		var got []string
		for _, line := range Complete([]byte(octets)) {
			got = append(got, string(line))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q", octets, got)
		}
	}
}

// A monitor passes on each event, and the excerpt of each line or telegram that cannot be read.
func TestMonitor(t *testing.T) {
	telegram := &Telegram{Begin: []byte("{"), End: []byte("}")}
	for name, c := range map[string]struct {
		config Config
		chunks []string
		want   []string
	}{
		"lines":            {Config{Format: JSON}, []string{"{\"t\":1}\nx", "y\n{\"t\":2}\n{"}, []string{"map[t:1] 1", "bad xy", "map[t:2] 2"}},
		"ignored lines":    {Config{Format: NMEA, Sentences: []string{"HDT"}}, []string{sum("GPZZZ,1") + "\n" + sum("GPHDT,7.5,T") + "\n"}, []string{"map[heading:7.5] 1"}},
		"telegrams":        {Config{Format: JSON, Telegram: telegram}, []string{"{\"t\":1}{x}", "{\"t\":2}"}, []string{"map[t:1] 1", "bad {x}", "map[t:2] 2"}},
		"invalid telegram": {Config{Format: JSON, Telegram: &Telegram{Begin: []byte("{"), End: []byte("}"), Max: 4}}, []string{"{\"t\":1}"}, []string{"bad {\"t\""}},
	} {
		c.config.Time = TimeArrival
		var got []string
		push := parser(t, c.config).Monitor(func(e reading.Event) {
			at, _ := time.Parse(time.RFC3339, e.Kwargs["time"].(string))
			delete(e.Kwargs, "time")
			for _, name := range []string{"sentence", "talker"} {
				delete(e.Kwargs, name)
			}
			got = append(got, fmt.Sprint(e.Kwargs, " ", at.Sub(noon).Seconds()))
		}, func(excerpt string, err error) {
			if err == nil {
				t.Errorf("%s: %q without a reason", name, excerpt)
			}
			got = append(got, "bad "+excerpt)
		})
		for i, chunk := range c.chunks {
			push([]byte(chunk), noon.Add(time.Duration(i+1)*time.Second))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Each part of an expression counts as much as it determines at least.
func TestPatternBits(t *testing.T) {
	for text, want := range map[string]int{
		"a": 6, "abc": 19, ".*": 0, "[0-9]": 3, "[0-9]{4}": 12, "[0-9]{2,}": 6, "[0-9]+": 3, "[0-9]*": 0, "(a)": 6, "(?P<x>ab)": 13, "a?": 0,
		"abc|d": 5, "abc|def": 18, "[ab]|.": 0, "(": 0, "^a$": 6, "[^x]": 0, "[ab]": 5,
	} {
		if got := patternBits(text); got != want {
			t.Errorf("%s: %d bits, want %d", text, got, want)
		}
	}
}

// Text is a number in the notation of its device.
func TestIsNumber(t *testing.T) {
	for text, want := range map[string][2]bool{"1.5": {true, false}, "1,5": {false, true}, "-7": {true, true}, "x": {}, "": {}} {
		if got := [2]bool{IsNumber(text, false), IsNumber(text, true)}; got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
