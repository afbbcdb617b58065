package modbus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"runnel/transport/serial/reading"
)

// Table is one of the four tables that a slave has.
type Table uint8

const (
	Holding  Table = iota // registers that can be read and written
	Input                 // registers that can be read
	Coil                  // bits that can be read and written
	Discrete              // bits that can be read
)

// TableNames are the tables' names in a configuration.
var TableNames = []string{"holding", "input", "coil", "discrete"}

func (t Table) bits() bool { return t == Coil || t == Discrete }

func (t Table) read() byte { return [...]byte{readHolding, readInput, readCoils, readDiscrete}[t] }

// Type is what the registers of a value mean. Coils and discrete inputs have none: they are true or false.
type Type uint8

const (
	Uint16 Type = iota
	Int16
	Uint32
	Int32
	Float32
)

// TypeNames are the types' names in a configuration.
var TypeNames = []string{"uint16", "int16", "uint32", "int32", "float32"}

// words is how many registers a value takes.
func (t Type) words() int {
	if t >= Uint32 {
		return 2
	}
	return 1
}

// maxSlave is the last slave's number.
const maxSlave = 247

// Limits of one request.
const (
	maxRegisters = 123 // that can be written; two more can be read
	maxBits      = 1968
)

// Point is a value on the bus, or some of the same kind in a row.
type Point struct {
	Name      string // in events
	Slave     byte   // 1 to 247
	Table     Table
	Address   uint16 // from 0
	Count     int    // how many values; 0: 1
	Type      Type
	LowFirst  bool // of 32 bits, the register with the low ones comes first
	Scale     reading.Scale
	Unit      string
	Topic     reading.Template // may use {name} and {slave}
	Every     time.Duration    // from one look to the next
	Always    bool             // each look is published; else changes are
	Deadband  float64          // what is less is no change
	Refresh   time.Duration    // after which a value is published that has not changed; 0: never
	WriteOnly bool             // never looked at
}

func (p *Point) count() int { return max(p.Count, 1) }

// size is how many registers or bits the point takes.
func (p *Point) size() int {
	if p.Table.bits() {
		return p.count()
	}
	return p.count() * p.Type.words()
}

// octets is how many octets of an answer the point takes.
func (p *Point) octets() int {
	if p.Table.bits() {
		return (p.size() + 7) / 8
	}
	return 2 * p.size()
}

func (p *Point) validate() error {
	limit := maxRegisters
	if p.Table.bits() {
		limit = maxBits
	}
	switch {
	case p.Slave < 1 || p.Slave > maxSlave:
		return fmt.Errorf("slave %d: want 1 to %d", p.Slave, maxSlave)
	case p.Table > Discrete || p.Type > Float32:
		return errors.New("table or type: out of range")
	case p.Count < 0 || p.Count > limit || p.size() > limit:
		return fmt.Errorf("count %d: at most %d registers or %d bits go into one request", p.Count, maxRegisters, maxBits)
	case int(p.Address)+p.size() > 1<<16:
		return fmt.Errorf("address %d: the last one is %d", p.Address, 1<<16-1)
	case p.Table.bits() && (!p.Scale.None() || p.Deadband != 0 || p.Type != Uint16):
		return errors.New("bits have no type, no scale and no deadband")
	case !p.WriteOnly && p.Every < 10*time.Millisecond:
		return fmt.Errorf("every %v: want at least 10ms", p.Every)
	case p.Deadband < 0 || p.Refresh < 0:
		return errors.New("deadband or refresh: out of range")
	case math.IsNaN(p.Scale.Factor) || math.IsInf(p.Scale.Factor, 0) || math.IsNaN(p.Scale.Offset) || math.IsInf(p.Scale.Offset, 0):
		return errors.New("scale or offset: no number")
	}
	for _, name := range p.Topic.Names() {
		if name != "name" && name != "slave" {
			return fmt.Errorf("topic: there is no {%s}; there are {name} and {slave}", name)
		}
	}
	return nil
}

// request asks for the point's values.
func (p *Point) request() []byte {
	return request(p.Slave, p.Table.read(), p.Address, uint16(p.size()))
}

// decode reads the values of an answer's data: a bool or a float64 each, or an int64 if nothing is scaled.
func (p *Point) decode(data []byte) ([]any, error) {
	if len(data) != p.octets() {
		return nil, fmt.Errorf("an answer with %d octets, want %d", len(data), p.octets())
	}
	values := make([]any, p.count())
	for i := range values {
		if p.Table.bits() {
			values[i] = data[i/8]>>(i%8)&1 != 0
			continue
		}
		n, whole := p.number(data[2*i*p.Type.words():])
		scaled := p.Scale.Apply(n)
		switch {
		case whole && p.Scale.None():
			values[i] = int64(n)
		case math.IsNaN(scaled) || math.IsInf(scaled, 0):
			values[i] = nil // the usual way to say that there is none; JSON has no such numbers
		default:
			values[i] = scaled
		}
	}
	return values, nil
}

func (p *Point) number(data []byte) (n float64, whole bool) {
	if p.Type == Uint16 {
		return float64(binary.BigEndian.Uint16(data)), true
	}
	if p.Type == Int16 {
		return float64(int16(binary.BigEndian.Uint16(data))), true
	}
	long := uint32(binary.BigEndian.Uint16(data))<<16 | uint32(binary.BigEndian.Uint16(data[2:]))
	if p.LowFirst {
		long = long<<16 | long>>16
	}
	switch p.Type {
	case Uint32:
		return float64(long), true
	case Int32:
		return float64(int32(long)), true
	}
	return shortest(math.Float32frombits(long)), false
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

// ErrValue is a value that can't be written to a point.
var ErrValue = errors.New("not a value for this point")

// write makes the request that sets the point. value is one value, or a list if there are several.
func (p *Point) write(value any) ([]byte, error) {
	values, isList := value.([]any)
	if !isList {
		values = []any{value}
	}
	if len(values) != p.count() {
		return nil, fmt.Errorf("%w: %d values, want %d", ErrValue, len(values), p.count())
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
	if len(data) == 2 {
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
	n, ok := float(v)
	if !ok {
		return nil, fmt.Errorf("%w: want a number", ErrValue)
	}
	n = p.Scale.Invert(n)
	if p.Type == Float32 {
		if math.Abs(n) > math.MaxFloat32 {
			return nil, fmt.Errorf("%w: out of the range of %s", ErrValue, TypeNames[p.Type])
		}
		return p.long(math.Float32bits(float32(n))), nil
	}
	n = math.Round(n)
	low, high := limits(p.Type)
	if n < low || n > high {
		return nil, fmt.Errorf("%w: out of the range of %s", ErrValue, TypeNames[p.Type])
	}
	if p.Type.words() == 1 {
		return binary.BigEndian.AppendUint16(nil, uint16(int64(n))), nil
	}
	return p.long(uint32(int64(n))), nil
}

func (p *Point) long(n uint32) []byte {
	if p.LowFirst {
		n = n<<16 | n>>16
	}
	return binary.BigEndian.AppendUint32(nil, n)
}

func limits(t Type) (low, high float64) {
	switch t {
	case Uint16:
		return 0, math.MaxUint16
	case Int16:
		return math.MinInt16, math.MaxInt16
	case Uint32:
		return 0, math.MaxUint32
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
