package lines

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// armour is the payload of an AIS message: six bits per character, highest first (IEC 61162-1, ITU-R M.1371).
type armour []bool

func unarmour(payload string, fill int) (bits armour, err error) {
	for i := range len(payload) {
		c := payload[i]
		switch {
		case '0' <= c && c <= 'W':
			c -= '0'
		case '`' <= c && c <= 'w':
			c -= '`' - 40
		default:
			return nil, fmt.Errorf("%q is not a payload character", string(c))
		}
		for bit := 5; bit >= 0; bit-- {
			bits = append(bits, c>>bit&1 != 0)
		}
	}
	if fill < 0 || fill > 5 || fill > len(bits) {
		return nil, errors.New("fill bits are out of range")
	}
	return bits[:len(bits)-fill], nil
}

// number reads bits as a number. ok is false if the message is too short.
func (a armour) number(from, length int) (n int64, ok bool) {
	if from+length > len(a) {
		return 0, false
	}
	for _, bit := range a[from : from+length] {
		n <<= 1
		if bit {
			n |= 1
		}
	}
	return n, true
}

func (a armour) signed(from, length int) (int64, bool) {
	n, ok := a.number(from, length)
	if n >= 1<<(length-1) {
		n -= 1 << length
	}
	return n, ok
}

// text reads six-bit characters; "@" and blanks at the end are padding.
func (a armour) text(from, characters int) string {
	var b strings.Builder
	for i := range characters {
		n, ok := a.number(from+6*i, 6)
		if !ok || n == 0 {
			break
		}
		if n < 32 {
			n += 64
		}
		b.WriteByte(byte(n))
	}
	return strings.TrimRight(b.String(), " ")
}

// aisLayout gives the bit offsets of the fields in a position report. Values that mean "not available" are left out.
type aisLayout struct{ speed, lon, lat, course, heading, status int }

var aisLayouts = map[int64]aisLayout{
	1: {50, 61, 89, 116, 128, 38}, 2: {50, 61, 89, 116, 128, 38}, 3: {50, 61, 89, 116, 128, 38},
	4: {0, 79, 107, 0, 0, 0}, 11: {0, 79, 107, 0, 0, 0},
	18: {46, 57, 85, 112, 124, 0}, 19: {46, 57, 85, 112, 124, 0},
	9: {50, 61, 89, 116, 0, 0}, 21: {0, 164, 192, 0, 0, 0},
}

// ais reads the values of a VDM or VDO sentence. Of a message split over several sentences the first has the type and the
// identity; aisMessages reads the whole message.
func ais(values []string, r *record) {
	if len(values) < 6 {
		r.noteFlaw("payload", errors.New("missing"))
		return
	}
	for i, name := range []string{"fragments", "fragment", "message_id"} {
		if n, err := strconv.ParseInt(values[i], 10, 64); err == nil {
			r.fields[name] = n
		}
	}
	if values[3] != "" {
		r.fields["channel"] = values[3]
	}
	r.fields["payload"] = values[4]
	fill, _ := strconv.Atoi(values[5])
	bits, err := unarmour(values[4], fill)
	if err != nil {
		r.noteFlaw("payload", err)
		return
	}
	if n, _ := r.fields["fragment"].(int64); n <= 1 {
		bits.read(r.fields)
	}
}

func (a armour) read(fields map[string]any) {
	kind, _ := a.number(0, 6)
	mmsi, ok := a.number(8, 30)
	if !ok {
		return
	}
	fields["type"], fields["mmsi"] = kind, mmsi
	if at, known := aisLayouts[kind]; known {
		a.position(at, fields)
	}
	switch kind {
	case 5:
		a.name(fields, 112, 20)
		a.voyage(fields)
	case 19:
		a.name(fields, 143, 20)
		a.positive(fields, "ship_type", 263, 8)
	case 21:
		a.name(fields, 43, 20)
	case 24:
		switch part, ok := a.number(38, 2); {
		case ok && part == 0:
			a.name(fields, 40, 20)
		case ok && part == 1:
			a.positive(fields, "ship_type", 40, 8)
			a.words(fields, "callsign", 90, 7)
		}
	}
}

func (a armour) name(fields map[string]any, from, characters int) {
	a.words(fields, "name", from, characters)
}

// words stores text that is not empty.
func (a armour) words(fields map[string]any, name string, from, characters int) {
	if text := a.text(from, characters); text != "" {
		fields[name] = text
	}
}

func (a armour) position(at aisLayout, fields map[string]any) {
	lon, _ := a.signed(at.lon, 28)
	lat, ok := a.signed(at.lat, 27)
	if ok && lon >= -180*600000 && lon <= 180*600000 && lat >= -90*600000 && lat <= 90*600000 {
		fields["lon"], fields["lat"] = math.Round(float64(lon)/600000*1e7)/1e7, math.Round(float64(lat)/600000*1e7)/1e7
	}
	tenth := func(name string, from, length int, none int64) {
		if n, ok := a.number(from, length); from > 0 && ok && n < none {
			fields[name] = float64(n) / 10
		}
	}
	if kind := fields["type"]; kind == int64(9) { // aircraft report whole knots
		if n, ok := a.number(at.speed, 10); ok && n < 1022 {
			fields["speed_knots"] = float64(n)
		}
	} else {
		tenth("speed_knots", at.speed, 10, 1022)
	}
	tenth("course", at.course, 12, 3600)
	if n, ok := a.number(at.heading, 9); at.heading > 0 && ok && n < 360 {
		fields["heading"] = n
	}
	if n, ok := a.number(at.status, 4); at.status > 0 && ok && n < 15 {
		fields["status"] = n
	}
}
