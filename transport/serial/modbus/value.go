package modbus

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"runnel/transport/serial/reading"
)

// Type is the meaning of a value's registers. Coils and discrete inputs have no type: they are booleans.
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
	Text // two characters per register, padded with NULs or blanks
)

// TypeNames lists the names of the types in a configuration, indexed by Type.
var TypeNames = []string{"uint16", "int16", "uint32", "int32", "float32", "uint64", "int64", "float64", "text"}

// words returns the number of registers of a value.
func (t Type) words() int {
	return [...]int{Uint16: 1, Int16: 1, Uint32: 2, Int32: 2, Float32: 2, Uint64: 4, Int64: 4, Float64: 4, Text: 1}[t]
}

// Order is the order of a value's octets. A is the highest octet of four; values of other sizes are ordered alike.
type Order uint8

const (
	ABCD Order = iota // the order of the specification
	CDAB              // the register with the lowest octets first
	BADC              // the octets of each register are swapped
	DCBA              // both: the lowest octet first
)

// OrderNames lists the names of the orders in a configuration, indexed by Order.
var OrderNames = []string{"abcd", "cdab", "badc", "dcba"}

// arrange converts octets from the order to ABCD, or back.
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

// decode returns the values in an answer's data: booleans, text or numbers. An unscaled integer is an int64 or uint64, any
// other number a float64.
func (p *Point) decode(data []byte) ([]any, error) {
	if len(data) != p.octets() {
		return nil, fmt.Errorf("answer has %d bytes: want %d", len(data), p.octets())
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

// text returns the point's characters without those that are not printable.
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

// number decodes one value.
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
	return nil // NaN or infinity, by convention "no value"; JSON cannot express them
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
		return reading.Shortest(math.Float32frombits(binary.BigEndian.Uint32(data)))
	case Float64:
		return math.Float64frombits(binary.BigEndian.Uint64(data))
	}
	u := binary.BigEndian.Uint64(data)
	if t == Int64 || u <= math.MaxInt64 {
		return int64(u)
	}
	return u
}

// write builds the request that sets the point. value is a single value, or a list if the point has several.
func (p *Point) write(value any) ([]byte, error) {
	values, isList := value.([]any)
	if !isList {
		values = []any{value}
	}
	if len(values) != p.values() {
		return nil, fmt.Errorf("%w: %d values, want %d", ErrValue, len(values), p.values())
	}
	limit := maxWritten
	if p.Table.bits() {
		limit = maxWrittenBits
	}
	if p.Bit > 0 || p.size() > limit {
		return nil, fmt.Errorf("%w: bits of a register cannot be written, nor more than %d registers or %d bits", ErrValue, maxWritten, maxWrittenBits)
	}
	if p.Table == Coil {
		return p.writeBits(values)
	}
	if p.Table != Holding {
		return nil, fmt.Errorf("%w: the table is read-only", ErrValue)
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

// encode converts one value to registers.
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
		return nil, fmt.Errorf("%w: want text of at most %d bytes", ErrValue, 2*p.count())
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

// bits returns the value's binary form in the lowest bits.
func (p *Point) bits(v any) (uint64, error) {
	outOfRange := fmt.Errorf("%w: out of range for %s", ErrValue, TypeNames[p.Type])
	n, ok := float(v)
	if !ok {
		return 0, fmt.Errorf("%w: want a number", ErrValue)
	}
	if p.Scale.None() { // exact, which a float64 may not be
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

// float returns a finite number as a float64.
func float(v any) (n float64, ok bool) {
	n, ok = reading.Float(v)
	return n, ok && !math.IsNaN(n) && !math.IsInf(n, 0)
}
