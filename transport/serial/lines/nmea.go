package lines

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"runnel/transport/serial/reading"
)

// nmea is lines of NMEA 0183: $GPGGA,...*47, or with "!" in front those that carry AIS.
type nmea struct {
	wanted map[string]bool // sentences to be published; none: all
}

func (n nmea) parse(line string) (r record, err error) {
	address, values, err := sentence(line)
	if err != nil {
		return r, err
	}
	talker, name := split(address)
	if len(n.wanted) > 0 && !n.wanted[name] {
		return r, errIgnored
	}
	r.fields = map[string]any{"talker": talker, "sentence": name}
	r.topic = map[string]string{"talker": strings.ToLower(talker), "sentence": strings.ToLower(name)}
	specs, known := sentences()[name]
	if !known || talker == "P" {
		r.fields["values"] = generic(values)
		return r, nil
	}
	for _, s := range specs {
		if s.at >= len(values) {
			break
		}
		if err := s.read(values[s.at:], r.fields); err != nil {
			return r, fmt.Errorf("%s: %s: %w", name, s.name, err)
		}
	}
	complete(r.fields)
	return r, nil
}

// sentence takes a line apart and verifies its checksum.
func sentence(line string) (address string, values []string, err error) {
	if line == "" || line[0] != '$' && line[0] != '!' {
		return "", nil, errors.New("no NMEA sentence: it does not begin with $")
	}
	body, sum, found := strings.Cut(line[1:], "*")
	if !found {
		return "", nil, errors.New("no checksum")
	}
	want, err := strconv.ParseUint(sum, 16, 8)
	if err != nil || len(sum) != 2 {
		return "", nil, fmt.Errorf("%.10q is no checksum", sum)
	}
	if got := Checksum(body); got != byte(want) {
		return "", nil, fmt.Errorf("the checksum is %02X, and says %02X", got, want)
	}
	values = strings.Split(body, ",")
	if len(values[0]) < 4 {
		return "", nil, fmt.Errorf("%q is no sentence's address", values[0])
	}
	return values[0], values[1:], nil
}

// Sentence reports whether a line is a sentence of NMEA 0183, with a checksum that is right.
func Sentence(line string) bool {
	_, _, err := sentence(line)
	return err == nil
}

// Checksum is what NMEA 0183 puts behind the "*": the octets between it and the "$", XORed.
func Checksum(body string) (sum byte) {
	for i := range len(body) {
		sum ^= body[i]
	}
	return sum
}

// split tells who talks, in two letters, from what is said. Makers' own sentences begin with P.
func split(address string) (talker, name string) {
	if address[0] == 'P' {
		return "P", address[1:]
	}
	return address[:2], address[2:]
}

func generic(values []string) []any {
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = guess(v)
	}
	return list
}

// read reads one field from the values that begin with its own. An empty value says nothing.
func (s spec) read(values []string, fields map[string]any) (err error) {
	var v any
	switch {
	case s.kind == kindSatellites:
		v = identifiers(values)
	case s.kind == kindInView:
		v = inView(values)
	case s.kind == kindTransducers:
		v = transducers(values)
	case values[0] == "":
		return nil
	case s.kind == kindText:
		v = values[0]
	case s.kind == kindNumber:
		v, err = numeric(values[0])
	case s.kind == kindClock:
		v, err = clock(values[0])
	case s.kind == kindDate:
		v, err = date(values[0])
	default:
		v, err = signed(s.kind, values)
	}
	if err == nil && v != nil {
		fields[s.name] = v
	}
	return err
}

func numeric(text string) (any, error) {
	if n, ok := number(text); ok {
		return n, nil
	}
	return nil, fmt.Errorf("%.20q is no number", text)
}

// signed reads a number and the letter behind it, which says in which direction it counts.
func signed(kind byte, values []string) (any, error) {
	n, err := strconv.ParseFloat(values[0], 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return nil, fmt.Errorf("%.20q is no number", values[0])
	}
	if kind == kindPosition {
		degrees := math.Trunc(n / 100) // dddmm.mmmm
		n = degrees + (n-100*degrees)/60
		n = math.Round(n*1e8) / 1e8
	}
	if n < 0 || n > 180 || len(values) < 2 {
		return nil, fmt.Errorf("%.20q is out of range", values[0])
	}
	switch values[1] {
	case "N", "E":
		return n, nil
	case "S", "W":
		return -n, nil
	}
	return nil, fmt.Errorf("%.20q is none of N, S, E, W", values[1])
}

// clock reads hhmmss.ss.
func clock(text string) (any, error) {
	if len(text) < 6 || strings.Trim(text, "0123456789.") != "" {
		return nil, fmt.Errorf("%.20q is no time", text)
	}
	t := text[:2] + ":" + text[2:4] + ":" + text[4:]
	if _, err := time.Parse("15:04:05", t); err != nil { // takes a fraction, too
		return nil, fmt.Errorf("%.20q is no time", text)
	}
	return t, nil
}

// date reads ddmmyy. Devices with two digits of a year are younger than GPS.
func date(text string) (any, error) {
	t, err := time.Parse("020106", text)
	if err != nil {
		return nil, fmt.Errorf("%.20q is no date", text)
	}
	return t.Format(time.DateOnly), nil
}

// complete adds the time where a sentence has both parts of it.
func complete(fields map[string]any) {
	day, _ := fields["date"].(string)
	if day == "" {
		year, _ := fields["year"].(int64)
		month, _ := fields["month"].(int64)
		number, _ := fields["day"].(int64)
		day = fmt.Sprintf("%04d-%02d-%02d", year, month, number)
	}
	clock, _ := fields["utc"].(string)
	if t, err := time.Parse(time.DateTime, day+" "+clock); err == nil {
		fields["time"] = reading.Stamp(t)
	}
}

// identifiers reads the twelve satellites of GSA.
func identifiers(values []string) any {
	list := []any{}
	for _, v := range values[:min(12, len(values))] {
		if n, ok := number(v); ok {
			list = append(list, n)
		}
	}
	return list
}

// inView reads the satellites of GSV, four values each. A single one at the end is the signal's, since NMEA 4.11.
func inView(values []string) any {
	return groups(values, "id", "elevation", "azimuth", "snr")
}

func transducers(values []string) any { return groups(values, "type", "value", "unit", "name") }

func groups(values []string, names ...string) any {
	list := []any{}
	for ; len(values) >= len(names); values = values[len(names):] {
		group := map[string]any{}
		for i, name := range names {
			if values[i] != "" {
				group[name] = guess(values[i])
			}
		}
		if len(group) > 0 {
			list = append(list, group)
		}
	}
	return list
}
