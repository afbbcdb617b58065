package lines

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// nmea parses sentences of NMEA 0183: $GPGGA,...*47, and those that begin with "!" and carry AIS.
type nmea struct {
	wanted    map[string]bool // sentences to publish; empty for all
	unchecked bool            // accept sentences without a checksum
	fix       fix
	messages  aisMessages
}

func (n *nmea) parse(line string, now time.Time) (r record, err error) {
	address, values, err := sentence(line, n.unchecked)
	if err != nil {
		return r, err
	}
	talker, name := split(address)
	r.fields = map[string]any{}
	specs, known := sentences()[name]
	known = known && talker != "P"
	if known {
		for _, s := range specs {
			if s.at >= len(values) {
				break
			}
			if err := s.read(values[s.at:], r.fields); err != nil {
				r.noteFlaw(s.name, err)
			}
		}
		whole(&r)
		r.at = n.fix.time(name, r.fields, now)
	}
	if len(n.wanted) > 0 && !n.wanted[name] {
		return r, errIgnored
	}
	if name == "VDM" || name == "VDO" {
		ais(values, &r)
		n.messages.join(address, values, now, &r)
	} else if !known {
		r.fields["values"] = generic(values)
	} else if len(r.flaws) > 0 && len(r.fields) == 0 {
		return r, fmt.Errorf("%s: %s", name, r.flaws[0])
	}
	r.fields["talker"], r.fields["sentence"] = talker, name
	r.topic = map[string]string{"talker": strings.ToLower(talker), "sentence": strings.ToLower(name)}
	return r, nil
}

// whole drops a latitude without a longitude, and the reverse.
func whole(r *record) {
	_, lat := r.fields["lat"]
	_, lon := r.fields["lon"]
	if lat != lon {
		delete(r.fields, "lat")
		delete(r.fields, "lon")
		if len(r.flaws) == 0 {
			r.noteFlaw("lat, lon", errors.New("position is incomplete"))
		}
	}
}

// sentence splits a line into its address and values, and verifies its checksum.
func sentence(line string, unchecked bool) (address string, values []string, err error) {
	line = untag(line)
	if line == "" || line[0] != '$' && line[0] != '!' {
		return "", nil, errors.New("not an NMEA sentence: no $ or ! at its beginning")
	}
	body, sum, found := strings.Cut(line[1:], "*")
	if err := verify(body, sum, found, unchecked); err != nil {
		return "", nil, err
	}
	values = strings.Split(body, ",")
	address, text := values[0], ""
	if i := strings.IndexFunc(address, func(r rune) bool { return !alphanumeric(r) }); i >= 0 {
		address, text = address[:i], address[i:] // free text of the receiver, as in $PSRFTXTBaud rate: 57600*51
	}
	if len(address) < 4 {
		return "", nil, fmt.Errorf("%q is not the address of a sentence", values[0])
	}
	if text != "" {
		values[0] = text
		return address, values, nil
	}
	return address, values[1:], nil
}

func alphanumeric(r rune) bool {
	return '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z'
}

// untag removes a tag block, which is enclosed in backslashes (NMEA 0183 4.0).
func untag(line string) string {
	if strings.HasPrefix(line, "\\") {
		if _, behind, closed := strings.Cut(line[1:], "\\"); closed {
			return behind
		}
	}
	return line
}

func verify(body, sum string, found, unchecked bool) error {
	if !found {
		if unchecked {
			return nil
		}
		return errors.New("checksum is missing; accept such sentences with checksum = \"optional\"")
	}
	want, err := strconv.ParseUint(sum, 16, 8)
	if err != nil || len(sum) != 2 {
		return fmt.Errorf("%.10q is not a checksum", sum)
	}
	if got := Checksum(body); got != byte(want) {
		return fmt.Errorf("checksum %02X, want %02X", got, want)
	}
	return nil
}

// Sentence reports whether a line is a sentence of NMEA 0183 with a valid checksum.
func Sentence(line string) bool {
	_, _, err := sentence(line, false)
	return err == nil
}

// Checksum returns the checksum of a sentence: the XOR of all bytes between "$" and "*".
func Checksum(body string) (sum byte) {
	for i := range len(body) {
		sum ^= body[i]
	}
	return sum
}

// split splits an address into the talker, two letters, and the name of the sentence. Proprietary sentences have the
// talker P.
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

// read reads one field; values begin with the field's own value. An empty value adds no field.
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
		v, err = s.numeric(values[0])
	case s.kind == kindClock:
		v, err = clock(values[0])
	case s.kind == kindDate:
		v, err = date(values[0])
	default:
		v, err = s.signed(values)
	}
	if err == nil && v != nil {
		fields[s.name] = v
	}
	return err
}

func (s spec) numeric(text string) (any, error) {
	if strings.ContainsAny(text, "eE") {
		return nil, fmt.Errorf("%.20q is not a number", text)
	}
	n, err := number(text)
	if err != nil {
		return nil, err
	}
	if isAngle[s.name] {
		if degrees, _ := strconv.ParseFloat(text, 64); degrees < 0 || degrees > 360 {
			return nil, fmt.Errorf("%.20q is out of range", text)
		}
	}
	return n, nil
}

// signed reads a number and the letter after it that gives its direction.
func (s spec) signed(values []string) (any, error) {
	n, err := strconv.ParseFloat(values[0], 64)
	if err != nil || strings.Trim(values[0], "0123456789.") != "" {
		return nil, fmt.Errorf("%.20q is not a number", values[0])
	}
	most, plus, minus := 180.0, "E", "W"
	if s.name == "lat" {
		most, plus, minus = 90, "N", "S"
	}
	if s.kind == kindPosition {
		degrees := math.Trunc(n / 100) // dddmm.mmmm
		minutes := n - 100*degrees
		if n = math.Round((degrees+minutes/60)*1e8) / 1e8; minutes >= 60 {
			n = math.Inf(1)
		}
	}
	if n > most || len(values) < 2 {
		return nil, fmt.Errorf("%.20q is out of range", values[0])
	}
	switch values[1] {
	case plus:
		return n, nil
	case minus:
		return -n, nil
	}
	return nil, fmt.Errorf("%.20q is neither %s nor %s", values[1], plus, minus)
}

// clock reads a time of day, hhmmss.ss.
func clock(text string) (any, error) {
	if len(text) < 6 || strings.Trim(text, "0123456789.") != "" {
		return nil, fmt.Errorf("%.20q is not a time", text)
	}
	t := text[:2] + ":" + text[2:4] + ":" + text[4:]
	within := strings.Replace(t, ":60", ":59", 1)                                               // a leap second
	if _, err := time.Parse("15:04:05", within); err != nil || strings.HasPrefix(t[3:], "60") { // accepts a fraction as well
		return nil, fmt.Errorf("%.20q is not a time", text)
	}
	return t, nil
}

// date reads ddmmyy. Years 69 to 99 become 1969 to 1999.
func date(text string) (any, error) {
	t, err := time.Parse("020106", text)
	if err != nil {
		return nil, fmt.Errorf("%.20q is not a date", text)
	}
	return t.Format(time.DateOnly), nil
}

// identifiers reads the twelve satellite numbers of GSA.
func identifiers(values []string) any {
	list := []any{}
	for _, v := range values[:min(12, len(values))] {
		if n, err := number(v); err == nil {
			list = append(list, n)
		}
	}
	return list
}

// inView reads the satellites of GSV, four values each. A single value at the end is the signal identifier of NMEA 4.11.
func inView(values []string) any {
	return groups(values, "id", "elevation", "azimuth", "snr")
}

func transducers(values []string) any { return groups(values, "type", "value", "unit", "name") }

// texts holds the names of those values in a group that are text.
var texts = map[string]bool{"type": true, "unit": true, "name": true}

func groups(values []string, names ...string) any {
	list := []any{}
	for ; len(values) >= len(names); values = values[len(names):] {
		group := map[string]any{}
		for i, name := range names {
			if texts[name] && values[i] != "" {
				group[name] = values[i]
			} else if n, err := number(values[i]); err == nil {
				group[name] = n
			}
		}
		if len(group) > 0 {
			list = append(list, group)
		}
	}
	return list
}
