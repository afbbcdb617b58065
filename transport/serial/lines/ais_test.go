package lines

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// aisMessage is a message of the given number of bits, all 0.
type aisMessage []byte

// with sets bits to a number, highest first.
func (m aisMessage) with(from, length int, n int64) aisMessage {
	for i := range length {
		m[from+i] = byte(n >> (length - 1 - i) & 1)
	}
	return m
}

// named sets bits to text in six-bit characters.
func (m aisMessage) named(from int, text string) aisMessage {
	for i := range len(text) {
		m.with(from+6*i, 6, int64(text[i]&63))
	}
	return m
}

// sentence returns the line with the message.
func (m aisMessage) sentence() string {
	var payload strings.Builder
	fill := (6 - len(m)%6) % 6
	bits := append(m, make([]byte, fill)...)
	for ; len(bits) > 0; bits = bits[6:] {
		c := byte(0)
		for _, bit := range bits[:6] {
			c = c<<1 | bit
		}
		if c += '0'; c > 'W' {
			c += '`' - 'X'
		}
		payload.WriteByte(c)
	}
	body := fmt.Sprintf("AIVDM,1,1,,A,%s,%d", payload.String(), fill)
	return fmt.Sprintf("!%s*%02X", body, Checksum(body))
}

// ship is a message of a kind from ship 211234567.
func ship(kind int64, bits int) aisMessage {
	return make(aisMessage, bits).with(0, 6, kind).with(8, 30, 211234567)
}

// Each type of message has its values at its own place. Values that mean "not available" are left out.
func TestAIS(t *testing.T) {
	const degree = 600000
	for _, c := range []struct {
		name    string
		message aisMessage
		want    fields // besides type and mmsi
	}{
		{
			"a ship", ship(1, 168).with(38, 4, 5).with(50, 10, 123).with(61, 28, -10.5*degree).with(89, 27, 50.25*degree).with(116, 12, 901).with(128, 9, 90),
			fields{"status": int64(5), "speed_knots": 12.3, "lon": -10.5, "lat": 50.25, "course": 90.1, "heading": int64(90)},
		},
		{
			"a ship, the last values", ship(3, 168).with(38, 4, 14).with(50, 10, 1021).with(61, 28, 180*degree).with(89, 27, 90*degree).with(116, 12, 3599).with(128, 9, 359),
			fields{"status": int64(14), "speed_knots": 102.1, "lon": 180.0, "lat": 90.0, "course": 359.9, "heading": int64(359)},
		},
		{
			"a ship, the first values", ship(2, 168).with(61, 28, -180*degree).with(89, 27, -90*degree),
			fields{"status": int64(0), "speed_knots": 0.0, "lon": -180.0, "lat": -90.0, "course": 0.0, "heading": int64(0)},
		},
		{
			"a ship, beyond the last values", ship(1, 168).with(38, 4, 15).with(50, 10, 1022).with(61, 28, 180*degree+1).with(116, 12, 3600).with(128, 9, 360), nil,
		},
		{"a ship, a longitude too low", ship(1, 168).with(38, 4, 15).with(50, 10, 1023).with(61, 28, -180*degree-1).with(116, 12, 3600).with(128, 9, 511), nil},
		{"a ship, a latitude too high", ship(1, 168).with(38, 4, 15).with(50, 10, 1023).with(89, 27, 90*degree+1).with(116, 12, 3600).with(128, 9, 511), nil},
		{"a ship, a latitude too low", ship(1, 168).with(38, 4, 15).with(50, 10, 1023).with(89, 27, -90*degree-1).with(116, 12, 3600).with(128, 9, 511), nil},
		{"a ship, cut in the latitude", ship(1, 115).with(38, 4, 15).with(50, 10, 1023), nil},
		{"a ship, cut after the position", ship(1, 116).with(38, 4, 15).with(50, 10, 1023), fields{"lon": 0.0, "lat": 0.0}},
		{"a base station", ship(4, 168).with(79, 28, 7*degree).with(107, 27, 51*degree), fields{"lon": 7.0, "lat": 51.0}},
		{"an aircraft", ship(9, 168).with(50, 10, 123).with(61, 28, degree).with(116, 12, 10), fields{"speed_knots": 123.0, "lon": 1.0, "lat": 0.0, "course": 1.0}},
		{"an aircraft, the highest speed", ship(9, 168).with(50, 10, 1021).with(116, 12, 3600), fields{"speed_knots": 1021.0, "lon": 0.0, "lat": 0.0}},
		{"an aircraft without speed", ship(9, 168).with(50, 10, 1022).with(116, 12, 3600), fields{"lon": 0.0, "lat": 0.0}},
		{"class B", ship(18, 168).with(46, 10, 50).with(57, 28, degree).with(85, 27, degree).with(112, 12, 20).with(124, 9, 3), fields{
			"speed_knots": 5.0, "lon": 1.0, "lat": 1.0, "course": 2.0, "heading": int64(3)}},
		{"class B with a name", ship(19, 312).with(46, 10, 1023).with(112, 12, 3600).with(124, 9, 511).named(143, "ALICE"), fields{"lon": 0.0, "lat": 0.0, "name": "ALICE"}},
		{"a buoy", ship(21, 272).named(43, "BUOY 7-B  ").with(164, 28, degree), fields{"lon": 1.0, "lat": 0.0, "name": "BUOY 7-B"}},
		{"voyage data", ship(5, 424).named(112, "THE NAME OF 20 CHARS").with(232, 8, 70), fields{"name": "THE NAME OF 20 CHARS", "ship_type": int64(70)}},
		{"voyage data without a name", ship(5, 424), nil},
		{"voyage data with a blank name", ship(5, 424).named(112, "    "), nil},
		{"voyage data, cut in the name", ship(5, 112+6*3).named(112, "BOB"), fields{"name": "BOB"}},
		{"static data, part A", ship(24, 160).named(40, "CAROL"), fields{"name": "CAROL"}},
		{"static data, part B", ship(24, 168).with(38, 2, 1).with(40, 8, 36).named(90, "DB1234"), fields{"ship_type": int64(36), "callsign": "DB1234"}},
		{"static data, cut", ship(24, 39), nil},
		{"an unknown type", ship(63, 168), nil},
	} {
		line := c.message.sentence()
		e, err := parser(t, Config{Format: NMEA, Time: "none"}).Parse([]byte(line), noon)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		kind, mmsi := e.Kwargs["type"], e.Kwargs["mmsi"]
		for _, other := range []string{"talker", "sentence", "fragments", "fragment", "channel", "payload", "type", "mmsi"} {
			delete(e.Kwargs, other)
		}
		want := c.want
		if want == nil {
			want = fields{}
		}
		if mmsi != int64(211234567) || kind == nil || !reflect.DeepEqual(e.Kwargs, want) {
			t.Errorf("%s: type %v, mmsi %v, %v; want %v", c.name, kind, mmsi, e.Kwargs, want)
		}
	}
}

// A payload consists of certain characters, and has at most five fill bits. Only the first of several sentences of a message is
// read.
func TestAISPayloads(t *testing.T) {
	for _, c := range []struct {
		values string
		flaw   string
		read   bool
	}{
		{"1,1,,A,10000000000000000000000,0", "", true},
		{"1,1,,A,1W`w000000000000000000,0", "", true},
		{"2,1,3,A,1000000,0", "", true},
		{"2,2,3,A,1000000,0", "", false},
		{"1,1,,A,10000/0,0", `"/" is not a payload character`, false},
		{"1,1,,A,10000X0,0", `"X" is not a payload character`, false},
		{"1,1,,A,10000_0,0", `"_" is not a payload character`, false},
		{"1,1,,A,10000x0,0", `"x" is not a payload character`, false},
		{"1,1,,A,100000,0", "", false}, // too short for the identity
		{"1,1,,A,10000000,5", "", true},
		{"1,1,,A,10000000,6", "fill bits are out of range", false},
		{"1,1,,A,10000000,-1", "fill bits are out of range", false},
		{"1,1,,A,,0", "", false},
		{"1,1,,A,,1", "fill bits are out of range", false},
		{"1,1,,A,0,5", "", false},
		{"1,1,,A,1000000", "missing", false},
	} {
		body := "AIVDM," + c.values
		e, flaws, err := parser(t, Config{Format: NMEA, Time: "none"}).read([]byte(fmt.Sprintf("!%s*%02X", body, Checksum(body))), noon)
		if c.flaw != "" && (len(flaws) != 1 || !strings.Contains(flaws[0], c.flaw)) && (err == nil || !strings.Contains(err.Error(), c.flaw)) || c.flaw == "" && len(flaws) > 0 {
			t.Errorf("%s: %q, %v; want %q", c.values, flaws, err, c.flaw)
		}
		if _, read := e.Kwargs["mmsi"]; read != c.read {
			t.Errorf("%s: %v", c.values, e.Kwargs)
		}
	}
}
