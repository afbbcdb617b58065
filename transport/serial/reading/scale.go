package reading

import (
	"math"
	"strconv"
)

// Scale converts a device's number to the wanted unit: number*Factor + Offset. The zero Scale changes nothing.
type Scale struct{ Factor, Offset float64 }

// None reports whether s changes nothing.
func (s Scale) None() bool { return (s.Factor == 0 || s.Factor == 1) && s.Offset == 0 }

func (s Scale) factor() float64 {
	if s.Factor == 0 {
		return 1
	}
	return s.Factor
}

// Apply scales n and rounds to 12 significant digits, so that 3 * 0.1 is 0.3.
func (s Scale) Apply(n float64) float64 { return round(n*s.factor() + s.Offset) }

// Invert returns the number that Apply turns into n.
func (s Scale) Invert(n float64) float64 { return round((n - s.Offset) / s.factor()) }

// round rounds to 12 significant digits. Infinities and NaN are unchanged.
func round(n float64) float64 {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(n, 'g', 12, 64), 64) // cannot fail on the output of FormatFloat
	return rounded
}

// Float returns a device's number as a float64. ok is false if v is no number.
func Float(v any) (n float64, ok bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case uint64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// Shortest returns the float64 with the fewest digits that converts to f, so that 21.5 stays 21.5 and 0.1 becomes 0.1.
func Shortest(f float32) float64 {
	wide := float64(f)
	if math.IsNaN(wide) || math.IsInf(wide, 0) || wide == 0 {
		return wide
	}
	digits := 8 - int(math.Ceil(math.Log10(math.Abs(wide)))) // negative for long integers, which are exact
	for d := max(0, digits-7); d <= digits; d++ {
		power := math.Pow10(d)
		if rounded := math.Round(wide*power) / power; float32(rounded) == f {
			return rounded
		}
	}
	return wide
}
