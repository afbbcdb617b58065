package lines

import (
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
)

// Text is a code if it consists of many digits, and a name if it begins with a letter.
func TestCodesAndNames(t *testing.T) {
	for text, want := range map[string]struct{ code, name bool }{
		"12345678": {code: true}, "1234567": {}, "1234.5678": {}, "1234567a": {}, "": {},
		"t": {name: true}, "Temp_1 a-b.c/d": {name: true}, "1t": {}, "_t": {}, "größe": {name: true}, "t:": {},
	} {
		if code, name := IsCode(text), IsName(text); code != want.code || name != want.name {
			t.Errorf("%q is a code: %v, a name: %v", text, code, name)
		}
	}
}

// A line of pairs has only names with values and units. At least half of the values are numbers.
func TestPairs(t *testing.T) {
	for line, want := range map[string]bool{
		"t=21.5":               true,
		"t=21.5 h=40 %":        true,
		"t=-1;h=x":             true,
		"t=21.5 C;state=on":    true,
		"t=+.5":                true,
		"state=on;mode=auto":   false,
		"state=on;a=b;t=1":     false,
		"error=none":           false,
		"21.5":                 false,
		"t=21.5;welcome":       false,
		"2t=21.5":              false,
		"connected to gateway": false,
		"":                     false,
	} {
		if got := Pairs(line); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}

// Text ends at the first NUL, and has no control characters.
func TestCharacters(t *testing.T) {
	for octets, want := range map[string]any{"ab c": "ab c", "ab\x00\x01": "ab", " ab ": "ab", "\xb0C": "°C", "": "", "a\x1fb": nil, "\n": nil} {
		got, err := characters([]byte(octets))
		if got != want || (err != nil) != (want == nil) {
			t.Errorf("%q: %v, %v", octets, got, err)
		}
	}
}

// The value of a check has the configured form: bytes in either order, or hexadecimal digits, the highest first.
func TestCheckValues(t *testing.T) {
	const covered = "123456789" // of the catalogue's check values
	for _, c := range []struct {
		check Check
		value string
	}{
		{Check{Name: "crc16-modbus"}, "\x4b\x37"}, {Check{Name: "crc16-modbus", Little: true}, "\x37\x4b"},
		{Check{Name: "crc16-modbus", Hex: true}, "4B37"}, {Check{Name: "crc16-modbus", Hex: true}, "4b37"},
		{Check{Name: "crc16-xmodem"}, "\x31\xc3"}, {Check{Name: "xor8"}, "\x31"}, {Check{Name: "xor8", Little: true}, "\x31"}, {Check{Name: "xor8", Hex: true}, "31"},
	} {
		if err := c.check.verify([]byte(covered + c.value)); err != nil {
			t.Errorf("%+v: %v", c.check, err)
		}
		wrong := []byte(covered + c.value)
		wrong[0] ^= 2
		if err := c.check.verify(wrong); !errors.Is(err, errCheck) {
			t.Errorf("%+v: another telegram passes: %v", c.check, err)
		}
	}
	if err := (Check{Name: "xor8", Hex: true}).verify([]byte(covered + "3x")); !errors.Is(err, errCheck) || errors.Is(err, hex.ErrLength) {
		t.Errorf("no digits: %v", err)
	}
}

// The content of a telegram is the data between its begin and its end, without the check.
func TestContent(t *testing.T) {
	for _, c := range []struct {
		telegram Telegram
		text     string
	}{
		{Telegram{Begin: []byte("$"), End: []byte("*"), Trailer: 2, Check: Check{Name: "xor8", Hex: true}}, "$abc*60"},
		{Telegram{Begin: []byte("$"), End: []byte("\r"), Check: Check{Name: "xor8"}}, "$abc\x60\r"},
		{Telegram{Begin: []byte("$"), Check: Check{Name: "xor8"}}, "$abc\x60"},
		{Telegram{Begin: []byte("$"), End: []byte("\r")}, "$abc\r"},
		{Telegram{Begin: []byte("$")}, "$abc"},
	} {
		if got := string(c.telegram.content([]byte(c.text))); got != "abc" {
			t.Errorf("%+v: %q", c.telegram, got)
		}
	}
}

// The values of a data set have its code. If there are several, the earlier ones have numbers.
func TestDataSets(t *testing.T) {
	for _, c := range []struct {
		values []string
		want   string
	}{
		{[]string{"1.5*kWh"}, "map[1-0:1.8.0:1.5] map[1-0:1.8.0:kWh]"},
		{[]string{"text"}, "map[1-0:1.8.0:text] map[]"},
		{[]string{"210101", "1.5*kWh"}, "map[1-0:1.8.0:1.5 1-0:1.8.0#1:210101] map[1-0:1.8.0:kWh]"},
		{[]string{"", "1.5*kWh"}, "map[1-0:1.8.0:1.5] map[1-0:1.8.0:kWh]"},
		{[]string{"1.5*kWh", "text"}, "map[1-0:1.8.0:text 1-0:1.8.0#1:1.5] map[]"},
	} {
		r := &record{fields: map[string]any{}, units: map[string]string{}}
		for i, v := range c.values {
			r.add("1-0:1.8.0", i+1, v)
		}
		if got := fmt.Sprint(r.fields, " ", r.units); got != c.want {
			t.Errorf("%q: %s, want %s", c.values, got, c.want)
		}
	}
}
