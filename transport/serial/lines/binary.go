package lines

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"runnel/transport/serial/reading"
)

// Binary is the type of a value in a binary telegram.
type Binary uint8

const (
	Uint8 Binary = iota + 1
	Int8
	Uint16
	Int16
	Uint24
	Int24
	Uint32
	Int32
	Uint64
	Int64
	Float32
	Float64
	BCD        // an integer in binary coded decimals of Field.Length bytes
	Characters // Field.Length characters
)

// BinaryNames lists the names of the types in a configuration, indexed by Binary.
var BinaryNames = []string{"", "uint8", "int8", "uint16", "int16", "uint24", "int24", "uint32", "int32", "uint64", "int64", "float32", "float64", "bcd", "text"}

// sizes are the lengths of the types in bytes; 0 if a field has a length of its own.
var sizes = [...]int{0, 1, 1, 2, 2, 3, 3, 4, 4, 8, 8, 4, 8, 0, 0}

func (b Binary) size() int { return sizes[b] }

// unsigned reads an integer of size bytes.
func unsigned(octets []byte, little bool) (u uint64) {
	for i := range octets {
		at := i
		if little {
			at = len(octets) - 1 - i
		}
		u = u<<8 | uint64(octets[at])
	}
	return u
}

// integer reads an integer type of at most 63 bits from the beginning of octets.
func (b Binary) integer(octets []byte, little bool) int64 {
	u := unsigned(octets[:b.size()], little)
	if b == Int8 || b == Int16 || b == Int24 || b == Int32 || b == Int64 {
		shift := 64 - 8*b.size()
		return int64(u<<shift) >> shift
	}
	return int64(u)
}

// width returns the number of bytes of the field's value in a binary telegram.
func (f Field) width() int {
	if n := f.Binary.size(); n > 0 {
		return n
	}
	return f.Length
}

// binaryTelegram parses telegrams with values at fixed positions.
type binaryTelegram struct{ fields []Field }

// maxBCD is the length of the longest number in binary coded decimals: 18 digits fit into 64 bits.
const maxBCD = 9

func (c Config) binary() (parsing, []string, error) {
	if c.Telegram == nil {
		return nil, nil, errors.New("telegram is missing; a binary format needs its beginning and end")
	}
	if len(c.Fields) == 0 {
		return nil, nil, errors.New("field is missing; describe the values by [[serial.field]]")
	}
	var names []string
	for _, f := range c.Fields {
		switch {
		case slices.Contains(names, f.Name):
			return nil, nil, fmt.Errorf("field %q occurs twice", f.Name)
		case f.Binary == 0:
			return nil, nil, fmt.Errorf("field %q: type is missing; use one of %s", f.Name, strings.Join(BinaryNames[1:], ", "))
		case f.Binary.size() == 0 && (f.Length < 1 || f.Length > MaxTelegram || f.Binary == BCD && f.Length > maxBCD):
			return nil, nil, fmt.Errorf("field %q: length %d: want 1 or more bytes, and at most %d of bcd", f.Name, f.Length, maxBCD)
		case f.Binary.size() > 0 && f.Length != 0:
			return nil, nil, fmt.Errorf("field %q: length is only for the types bcd and text", f.Name)
		case f.Bit > 8*f.width() || f.Bit > 0 && (f.Binary == Characters || f.Binary == BCD || f.Binary == Float32 || f.Binary == Float64):
			return nil, nil, fmt.Errorf("field %q: bit %d: the type has no such bit", f.Name, f.Bit-1)
		case f.At+f.width() > c.Telegram.max() || c.Telegram.Length > 0 && f.At+f.width() > c.Telegram.Length:
			return nil, nil, fmt.Errorf("field %q: ends at byte %d, beyond the telegram's end", f.Name, f.At+f.width())
		}
		names = append(names, f.Name)
	}
	return untimed(binaryTelegram{slices.Clone(c.Fields)}.parse), names, nil
}

func (t binaryTelegram) parse(telegram string) (r record, err error) {
	r.fields = make(map[string]any, len(t.fields)+2)
	for _, f := range t.fields {
		if f.At+f.width() > len(telegram) {
			r.noteFlaw(f.Name, errors.New("beyond the telegram's end"))
			continue
		}
		v, err := f.decode([]byte(telegram[f.At : f.At+f.width()]))
		if err != nil {
			r.noteFlaw(f.Name, err)
			continue
		}
		r.fields[f.Name] = v
	}
	return r, nil
}

// decode reads the field's value.
func (f Field) decode(octets []byte) (any, error) {
	if f.Bit > 0 {
		return unsigned(octets, f.Little)>>(f.Bit-1)&1 != 0, nil
	}
	switch f.Binary {
	case Uint64:
		return whole64(unsigned(octets, f.Little)), nil
	case Float32:
		return finite(reading.Shortest(math.Float32frombits(uint32(unsigned(octets, f.Little)))))
	case Float64:
		return finite(math.Float64frombits(unsigned(octets, f.Little)))
	case BCD:
		return bcd(octets, f.Little)
	case Characters:
		return characters(octets)
	}
	return f.Binary.integer(octets, f.Little), nil
}

// finite returns n, or an error if it is not a number.
func finite(n float64) (any, error) {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return nil, errors.New("not a number")
	}
	return n, nil
}

func bcd(octets []byte, little bool) (any, error) {
	n := int64(0)
	for i := range octets {
		b := octets[i]
		if little {
			b = octets[len(octets)-1-i]
		}
		if b>>4 > 9 || b&15 > 9 {
			return nil, fmt.Errorf("% x is not in binary coded decimals", octets)
		}
		n = 100*n + int64(b>>4)*10 + int64(b&15)
	}
	return n, nil
}

// characters reads text, which ends at the first NUL. Each byte is a character of ISO 8859-1.
func characters(octets []byte) (any, error) {
	var b strings.Builder
	for _, c := range octets {
		if c == 0 {
			break
		}
		if c < ' ' {
			return nil, fmt.Errorf("%.40q is not text", octets)
		}
		b.WriteRune(rune(c))
	}
	return strings.TrimSpace(b.String()), nil
}
