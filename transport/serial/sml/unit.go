package sml

import (
	"encoding/hex"
	"math"
	"strings"
)

// units holds the units of meters, by their numbers in DLMS (IEC 62056-6-2).
var units = map[uint64]string{
	1: "a", 2: "mo", 3: "wk", 4: "d", 5: "h", 6: "min", 7: "s", 8: "°", 9: "°C", 11: "m", 12: "m/s", 13: "m³", 14: "m³", 15: "m³/h", 16: "m³/h", 17: "m³/d", 18: "m³/d",
	19: "l", 20: "kg", 21: "N", 22: "Nm", 23: "Pa", 24: "bar", 25: "J", 26: "J/h", 27: "W", 28: "VA", 29: "var", 30: "Wh", 31: "VAh", 32: "varh", 33: "A", 34: "C",
	35: "V", 36: "V/m", 37: "F", 38: "Ω", 40: "Wb", 41: "T", 42: "A/m", 43: "H", 44: "Hz", 45: "1/Wh", 46: "1/varh", 47: "1/VAh", 48: "V²h", 49: "A²h", 50: "kg/s",
	51: "S", 52: "K", 53: "1/V²h", 54: "1/A²h", 55: "1/m³", 56: "%", 57: "Ah", 60: "Wh/m³", 61: "J/m³", 65: "kWh/m³",
}

// unit returns the unit of an entry; "" if there is none.
func (e element) unit() string {
	number, ok := e.bits()
	if !ok {
		return ""
	}
	return units[number]
}

// scaled returns a value as a bool, a number or text. A number is multiplied by ten to the power of the scaler. ok is
// false for lists and missing values, which have no meaning of their own.
func (e element) scaled(scaler element) (v any, ok bool) {
	switch e.kind {
	case boolean:
		return len(e.data) == 1 && e.data[0] != 0, len(e.data) == 1
	case octets:
		return identity(e.data), len(e.data) > 0
	case list:
		return nil, false
	}
	u, ok := e.bits()
	if !ok {
		return nil, false
	}
	power := 0
	if n, has := scaler.bits(); has && scaler.kind == signed {
		power = int(int8(n))
	}
	return e.number(u, power), true
}

// number returns an integer times ten to a power. Whole numbers stay whole if nothing is lost.
func (e element) number(u uint64, power int) any {
	var n float64
	switch i := int64(u); {
	case power == 0 && e.kind == unsigned && i < 0:
		return u
	case power == 0:
		return i
	case e.kind == unsigned:
		n = float64(u)
	default:
		n = float64(i)
	}
	if power < 0 {
		return n / math.Pow10(-power) // rounded once, as 10^-1 is not exact
	}
	return n * math.Pow10(power)
}

// text returns an octet string as text if it can be printed, otherwise in hexadecimal digits.
func text(b []byte) string {
	if strings.IndexFunc(string(b), func(r rune) bool { return r < ' ' || r > '~' }) < 0 {
		return string(b)
	}
	return hex.EncodeToString(b)
}
