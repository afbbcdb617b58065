package lines

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"runnel/transport/serial/reading"
)

// convert converts a value to the field's kind and scales it.
func (f Field) convert(v any) (any, error) {
	kind := f.Kind
	if kind == Any && !f.Scale.None() {
		kind = Number
	}
	if text, ok := v.(raw); ok && kind != Any {
		v = strings.TrimSpace(string(text))
	}
	switch kind {
	case Number:
		return f.number(v)
	case Text:
		if _, ok := v.(string); ok {
			return v, nil
		}
		return fmt.Sprint(v), nil
	case Boolean:
		return boolean(v)
	case Hex:
		return hexadecimal(fmt.Sprint(v))
	case Bits:
		return bitList(fmt.Sprint(v))
	}
	return v, nil
}

func (f Field) number(v any) (any, error) {
	if text, ok := v.(string); ok {
		n, err := number(point(text, f.comma))
		if err != nil {
			return nil, err
		}
		v = n
	}
	n, ok := reading.Float(v)
	if !ok {
		return nil, fmt.Errorf("%.40q is not a number", fmt.Sprint(v))
	}
	if f.Scale.None() {
		return v, nil
	}
	if n = f.Scale.Apply(n); math.IsInf(n, 0) {
		return nil, fmt.Errorf("%.40q is out of range after scaling", fmt.Sprint(v))
	}
	return n, nil
}

func boolean(v any) (any, error) {
	switch strings.ToLower(fmt.Sprint(v)) {
	case "true", "on", "yes", "1":
		return true, nil
	case "false", "off", "no", "0":
		return false, nil
	}
	return nil, fmt.Errorf("%.40q is neither true nor false", fmt.Sprint(v))
}

// earliestMoment is the earliest time accepted from a device's clock: clocks that were never set start in 1970, 1980 or
// 2000.
var earliestMoment = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

// moment reads a time: RFC 3339, seconds or milliseconds since 1970, the time of a DSMR P1 meter, or, with a zone, a time in it.
func moment(v any, zone *time.Location) (t time.Time, err error) {
	switch text := v.(type) {
	case raw:
		v = strings.TrimSpace(string(text))
	case float64, int64, uint64:
		v = fmt.Sprint(v)
	}
	text, ok := v.(string)
	if !ok {
		return t, fmt.Errorf("%.40q is not a time", fmt.Sprint(v))
	}
	t, known := meterTime(text)
	if !known && zone != nil {
		t, known = localTime(text, zone)
	}
	if !known {
		if t, err = time.Parse(time.RFC3339, text); err != nil {
			if t, err = epoch(text); err != nil {
				return t, err
			}
		}
	}
	if t.Before(earliestMoment) {
		return t, fmt.Errorf("%.40q is too early; the device's clock is not set", text)
	}
	return t, nil
}

// epoch reads seconds or milliseconds since 1970.
func epoch(text string) (time.Time, error) {
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.Trim(text, "0123456789.+-eE") != "" {
		return time.Time{}, fmt.Errorf("%.40q is not a time; want RFC 3339, or seconds since 1970", text)
	}
	// 1e11 seconds is the year 5138: larger numbers are milliseconds.
	if seconds > 1e11 {
		seconds /= 1000
	}
	if seconds < 0 || seconds > 1e11 {
		return time.Time{}, fmt.Errorf("%.40q is not a time since 1970", text)
	}
	return time.UnixMilli(int64(seconds*1000 + 0.5)), nil
}
