package modbus

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Type is what the registers of a value mean. Coils and discrete inputs have none: they are true or false.
type Type uint8

const (
	Uint16 Type = iota
	Int16
	Uint32
	Int32
	Float32
	Uint64
	Int64
	Float64
	Text // two characters a register, padded with NULs or blanks
)

// TypeNames are the types' names in a configuration.
var TypeNames = []string{"uint16", "int16", "uint32", "int32", "float32", "uint64", "int64", "float64", "text"}

// words is how many registers a value takes.
func (t Type) words() int {
	return [...]int{Uint16: 1, Int16: 1, Uint32: 2, Int32: 2, Float32: 2, Uint64: 4, Int64: 4, Float64: 4, Text: 1}[t]
}

// Order says in which order the octets of a value come. A is the highest; values of other lengths follow suit.
type Order uint8

const (
	ABCD Order = iota // as the specification has it
	CDAB              // the register with the lowest octets comes first
	BADC              // the octets of each register are swapped
	DCBA              // both: the lowest octet comes first
)

// OrderNames are the orders' names in a configuration.
var OrderNames = []string{"abcd", "cdab", "badc", "dcba"}

// arrange turns octets from an order into ABCD, or back.
func (o Order) arrange(octets []byte) []byte {
	sorted := make([]byte, len(octets))
	for i := range octets {
		from := i
		if o == CDAB || o == DCBA {
			from = len(octets) - 2 - i + 2*(i%2)
		}
		if o == BADC || o == DCBA {
			from ^= 1
		}
		sorted[i] = octets[from]
	}
	return sorted
}

// decode reads the values of an answer's data: a bool, text or a number each. A number is an int64 or uint64 if it is
// whole and not scaled, else a float64.
func (p *Point) decode(data []byte) ([]any, error) {
	if len(data) != p.octets() {
		return nil, fmt.Errorf("an answer with %d octets, want %d", len(data), p.octets())
	}
	values := make([]any, p.values())
	for i := range values {
		switch {
		case p.Table.bits():
			values[i] = data[i/8]>>(i%8)&1 != 0
		case p.Type == Text:
			values[i] = p.text(data)
		default:
			size := 2 * p.Type.words()
			values[i] = p.number(p.Order.arrange(data[i*size : (i+1)*size]))
		}
	}
	return values, nil
}

// text reads characters; what can't be shown is left out.
func (p *Point) text(data []byte) string {
	text := make([]byte, 0, len(data))
	for i := 0; i < len(data); i += 2 {
		pair := data[i : i+2]
		if p.Order == BADC || p.Order == DCBA {
			pair = []byte{pair[1], pair[0]}
		}
		text = append(text, pair...)
	}
	before, _, _ := strings.Cut(string(text), "\x00")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, before))
}

// number reads the octets of one value.
func (p *Point) number(data []byte) any {
	n := p.Type.number(data)
	if p.Bit > 0 {
		return n.(int64)>>(p.Bit-1)&1 != 0
	}
	wide, isFloat := n.(float64)
	if p.Scale.None() && !isFloat {
		return n
	}
	if !isFloat {
		wide, _ = float(n)
	}
	if scaled := p.Scale.Apply(wide); p.Scale.None() && !math.IsNaN(wide) && !math.IsInf(wide, 0) {
		return wide
	} else if !math.IsNaN(scaled) && !math.IsInf(scaled, 0) {
		return scaled
	}
	return nil // the usual way to say that there is none; JSON has no such numbers
}

func (t Type) number(data []byte) any {
	switch t {
	case Uint16:
		return int64(binary.BigEndian.Uint16(data))
	case Int16:
		return int64(int16(binary.BigEndian.Uint16(data)))
	case Uint32:
		return int64(binary.BigEndian.Uint32(data))
	case Int32:
		return int64(int32(binary.BigEndian.Uint32(data)))
	case Float32:
		return shortest(math.Float32frombits(binary.BigEndian.Uint32(data)))
	case Float64:
		return math.Float64frombits(binary.BigEndian.Uint64(data))
	}
	u := binary.BigEndian.Uint64(data)
	if t == Int64 || u <= math.MaxInt64 {
		return int64(u)
	}
	return u
}

// shortest makes 21.5 of a float32 that was meant to be 21.5, and 0.1 of 0.1: the float64 with the fewest digits that
// the float32 is nearest to.
func shortest(f float32) float64 {
	wide := float64(f)
	if math.IsNaN(wide) || math.IsInf(wide, 0) || wide == 0 {
		return wide
	}
	digits := 8 - int(math.Ceil(math.Log10(math.Abs(wide))))
	if digits < 0 || digits > 30 {
		return wide
	}
	for d := max(0, digits-7); d <= digits; d++ {
		power := math.Pow10(d)
		if rounded := math.Round(wide*power) / power; float32(rounded) == f {
			return rounded
		}
	}
	return wide
}

// write makes the request that sets the point. value is one value, or a list if there are several.
func (p *Point) write(value any) ([]byte, error) {
	values, isList := value.([]any)
	if !isList {
		values = []any{value}
	}
	if len(values) != p.values() {
		return nil, fmt.Errorf("%w: %d values, want %d", ErrValue, len(values), p.values())
	}
	if p.Bit > 0 || !p.Table.bits() && p.size() > maxWritten || p.Table.bits() && p.size() > maxWrittenBits {
		return nil, fmt.Errorf("%w: a bit of a register can't be written, nor more than %d registers or %d bits", ErrValue, maxWritten, maxWrittenBits)
	}
	if p.Table == Coil {
		return p.writeBits(values)
	}
	if p.Table != Holding {
		return nil, fmt.Errorf("%w: this table can't be written", ErrValue)
	}
	var data []byte
	for _, v := range values {
		word, err := p.encode(v)
		if err != nil {
			return nil, err
		}
		data = append(data, word...)
	}
	if len(data) == 2 && !p.Many {
		return request(p.Slave, writeRegister, p.Address, binary.BigEndian.Uint16(data)), nil
	}
	return requestMany(p.Slave, writeMany, p.Address, uint16(len(data)/2), data), nil
}

func (p *Point) writeBits(values []any) ([]byte, error) {
	data := make([]byte, (len(values)+7)/8)
	for i, v := range values {
		set, ok := v.(bool)
		if !ok {
			return nil, fmt.Errorf("%w: want true or false", ErrValue)
		}
		if set {
			data[i/8] |= 1 << (i % 8)
		}
	}
	if len(values) == 1 {
		return request(p.Slave, writeCoil, p.Address, uint16(data[0])*0xFF00), nil
	}
	return requestMany(p.Slave, writeCoils, p.Address, uint16(len(values)), data), nil
}

// encode makes registers of one value.
func (p *Point) encode(v any) ([]byte, error) {
	if p.Type == Text {
		return p.encodeText(v)
	}
	bits, err := p.bits(v)
	if err != nil {
		return nil, err
	}
	octets := binary.BigEndian.AppendUint64(nil, bits)
	return p.Order.arrange(octets[8-2*p.Type.words():]), nil
}

func (p *Point) encodeText(v any) ([]byte, error) {
	text, ok := v.(string)
	if !ok || len(text) > 2*p.count() {
		return nil, fmt.Errorf("%w: want text of at most %d octets", ErrValue, 2*p.count())
	}
	data := make([]byte, 2*p.count())
	copy(data, text)
	if p.Order == BADC || p.Order == DCBA {
		for i := 0; i < len(data); i += 2 {
			data[i], data[i+1] = data[i+1], data[i]
		}
	}
	return data, nil
}

// bits are the value's, the lowest ones of 64.
func (p *Point) bits(v any) (uint64, error) {
	outOfRange := fmt.Errorf("%w: out of the range of %s", ErrValue, TypeNames[p.Type])
	n, ok := float(v)
	if !ok {
		return 0, fmt.Errorf("%w: want a number", ErrValue)
	}
	if p.Scale.None() { // exact, as a float64 is not
		switch i := v.(type) {
		case int64:
			if p.Type == Int64 || p.Type == Uint64 && i >= 0 {
				return uint64(i), nil
			}
		case uint64:
			if p.Type == Uint64 {
				return i, nil
			}
		}
	}
	if !p.Scale.None() {
		n = p.Scale.Invert(n)
	}
	switch p.Type {
	case Float64:
		return math.Float64bits(n), nil
	case Float32:
		if math.Abs(n) > math.MaxFloat32 {
			return 0, outOfRange
		}
		return uint64(math.Float32bits(float32(n))), nil
	}
	n = math.Round(n)
	if low, high := limits(p.Type); n < low || n > high {
		return 0, outOfRange
	}
	if p.Type == Uint64 {
		return uint64(n), nil
	}
	return uint64(int64(n)), nil
}

func limits(t Type) (low, high float64) {
	switch t {
	case Uint16:
		return 0, math.MaxUint16
	case Int16:
		return math.MinInt16, math.MaxInt16
	case Uint32:
		return 0, math.MaxUint32
	case Uint64:
		return 0, math.Nextafter(math.MaxUint64, 0)
	case Int64:
		return math.MinInt64, math.Nextafter(math.MaxInt64, 0)
	}
	return math.MinInt32, math.MaxInt32
}

func float(v any) (n float64, ok bool) {
	switch v := v.(type) {
	case int64:
		n = float64(v)
	case uint64:
		n = float64(v)
	case float64:
		n = v
	default:
		return 0, false
	}
	return n, !math.IsNaN(n) && !math.IsInf(n, 0)
}
