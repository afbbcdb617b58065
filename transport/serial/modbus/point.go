package modbus

import (
	"errors"
	"fmt"
	"math"
	"time"

	"runnel/transport/serial/reading"
)

// Table is one of a slave's four tables.
type Table uint8

const (
	Holding  Table = iota // registers that can be read and written
	Input                 // registers that can be read
	Coil                  // bits that can be read and written
	Discrete              // bits that can be read
)

// TableNames lists the names of the tables in a configuration, indexed by Table.
var TableNames = []string{"holding", "input", "coil", "discrete"}

func (t Table) bits() bool { return t == Coil || t == Discrete }

func (t Table) read() byte { return [...]byte{readHolding, readInput, readCoils, readDiscrete}[t] }

// The highest slave numbers. Those above maxStandard are reserved by the specification, but some devices use them.
const (
	maxSlave    = 254
	maxStandard = 247
)

// Limits of one request.
const (
	maxRegisters = 125
	maxBits      = 2000

	maxWritten     = 123 // registers
	maxWrittenBits = 1968
)

// Point is a value on the bus, or several consecutive values of the same kind.
type Point struct {
	Name      string // the name in events
	Slave     byte   // 1 to 254; 0 addresses all slaves, which can be written and do not answer
	Table     Table
	Address   uint16 // the first is 0
	Count     int    // number of values, for Text of registers; 0 for 1
	Type      Type
	Order     Order
	Bit       int // 1 to 16: the value is this bit of the register, 1 being the lowest; 0 for the whole register
	Scale     reading.Scale
	Unit      string
	Topic     reading.Template // may use {name} and {slave}
	Every     time.Duration    // polling interval
	Always    bool             // publish each value read; otherwise only changes
	Deadband  float64          // smaller differences are not a change
	Refresh   time.Duration    // publish an unchanged value after this time; 0 for never
	WriteOnly bool             // never polled
	Many      bool             // write a single register with the function for several
}

func (p *Point) count() int { return max(p.Count, 1) }

// values returns the number of values of the point.
func (p *Point) values() int {
	if p.Type == Text {
		return 1
	}
	return p.count()
}

// size returns the number of registers or bits that the point takes.
func (p *Point) size() int {
	if p.Table.bits() {
		return p.count()
	}
	return p.count() * p.Type.words()
}

// octets returns the number of octets that the point takes in an answer.
func (p *Point) octets() int {
	if p.Table.bits() {
		return (p.size() + 7) / 8
	}
	return 2 * p.size()
}

func (p *Point) validate(tcp bool) error {
	limit := maxRegisters
	if p.Table.bits() {
		limit = maxBits
	}
	switch {
	case p.Slave > maxSlave && !tcp:
		return fmt.Errorf("slave %d: want 1 to %d", p.Slave, maxSlave)
	case p.Slave == 0 && !p.WriteOnly && !tcp:
		return errors.New("slave 0 addresses all slaves, and none answers; only write to it (publish = \"never\")")
	case p.Table > Discrete || p.Type > Text || p.Order > DCBA:
		return errors.New("table, type or order: out of range")
	case p.Count < 0 || p.Count > limit || p.size() > limit:
		return fmt.Errorf("count %d: at most %d registers or %d bits fit into one request", p.Count, maxRegisters, maxBits)
	case p.Bit < 0 || p.Bit > 16 || p.Bit > 0 && (p.Table.bits() || p.Type != Uint16 || p.count() > 1 || !p.Scale.None() || p.Deadband != 0):
		return errors.New("bit: want 0 to 15 of one uint16 register, without scale and deadband")
	case p.Type == Text && (!p.Scale.None() || p.Deadband != 0):
		return errors.New("scale or deadband: not for text")
	case int(p.Address)+p.size() > 1<<16:
		return fmt.Errorf("address %d: the point ends beyond the last address, %d", p.Address, 1<<16-1)
	case p.Table.bits() && (!p.Scale.None() || p.Deadband != 0 || p.Type != Uint16):
		return errors.New("type, scale or deadband: not for bits")
	case !p.WriteOnly && p.Every < 10*time.Millisecond:
		return fmt.Errorf("every %v: want at least 10ms", p.Every)
	case p.Deadband < 0 || p.Refresh < 0:
		return errors.New("deadband or refresh: out of range")
	case math.IsNaN(p.Scale.Factor) || math.IsInf(p.Scale.Factor, 0) || math.IsNaN(p.Scale.Offset) || math.IsInf(p.Scale.Offset, 0):
		return errors.New("scale or offset: not a number")
	}
	for _, name := range p.Topic.Names() {
		if name != "name" && name != "slave" {
			return fmt.Errorf("topic: unknown placeholder {%s}; use {name} and {slave}", name)
		}
	}
	return nil
}

// ErrValue means that a value cannot be written to a point.
var ErrValue = errors.New("value does not fit the point")
