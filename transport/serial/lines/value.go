package lines

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// guess takes text for a number if it looks like one.
func guess(text string) any {
	if n, ok := number(text); ok {
		return n
	}
	return text
}

// number reads a decimal number: an int64 if it is one, else a float64.
func number(text string) (any, bool) {
	if text == "" || strings.Trim(text, "0123456789+-.eE") != "" {
		return nil, false // Go knows more numbers, such as 0x1F, 1_000 and Inf
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil
}

// convert makes of a value what the field has to be, and scales it.
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
	}
	return v, nil
}

func (f Field) number(v any) (any, error) {
	if text, ok := v.(string); ok {
		n, isNumber := number(text)
		if !isNumber {
			return nil, fmt.Errorf("%.40q is no number", text)
		}
		v = n
	}
	if f.Scale.None() {
		switch v.(type) {
		case int64, uint64, float64:
			return v, nil
		}
		return nil, fmt.Errorf("%.40q is no number", fmt.Sprint(v))
	}
	n, isNumber := 0.0, true
	switch v := v.(type) {
	case int64:
		n = float64(v)
	case uint64:
		n = float64(v)
	case float64:
		n = v
	default:
		isNumber = false
	}
	if n = f.Scale.Apply(n); !isNumber || math.IsInf(n, 0) {
		return nil, fmt.Errorf("%.40q is no number", fmt.Sprint(v))
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

// moment reads a time: RFC 3339, or seconds or milliseconds since 1970.
func moment(v any) (t time.Time, err error) {
	if text, ok := v.(raw); ok {
		v = strings.TrimSpace(string(text))
	}
	if text, ok := v.(string); ok {
		n, isNumber := number(text)
		if !isNumber {
			t, err = time.Parse(time.RFC3339, text)
			if err != nil {
				return t, fmt.Errorf("%.40q is no time; want RFC 3339, or seconds since 1970", text)
			}
			return t, nil
		}
		v = n
	}
	var seconds float64
	switch n := v.(type) {
	case int64:
		seconds = float64(n)
	case float64:
		seconds = n
	default:
		return t, fmt.Errorf("%.40q is no time", fmt.Sprint(v))
	}
	// 100 billion seconds are the year 5138: what is beyond are milliseconds.
	if seconds > 1e11 {
		seconds /= 1000
	}
	if seconds < 0 || seconds > 1e11 {
		return t, fmt.Errorf("%v is no time since 1970", v)
	}
	return time.UnixMilli(int64(seconds*1000 + 0.5)), nil
}
