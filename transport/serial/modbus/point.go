package modbus

import (
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

// maxSlave is the last slave's number. Those beyond 247 are reserved by the specification, and some devices have them.
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

// Point is a value on the bus, or some of the same kind in a row.
type Point struct {
	Name      string // in events
	Slave     byte   // 1 to 254; 0 is all of them: they can be written, and do not answer
	Table     Table
	Address   uint16 // from 0
	Count     int    // how many values, or of Text how many registers; 0: 1
	Type      Type
	Order     Order
	Bit       int // 1 to 16: the value is this bit of the register, the lowest is 1; 0: the value is the register
	Scale     reading.Scale
	Unit      string
	Topic     reading.Template // may use {name} and {slave}
	Every     time.Duration    // from one look to the next
	Always    bool             // each look is published; else changes are
	Deadband  float64          // what is less is no change
	Refresh   time.Duration    // after which a value is published that has not changed; 0: never
	WriteOnly bool             // never looked at
	Many      bool             // one register is written by the function that writes several
}

func (p *Point) count() int { return max(p.Count, 1) }

// values is how many values the point has.
func (p *Point) values() int {
	if p.Type == Text {
		return 1
	}
	return p.count()
}

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

func (p *Point) validate(tcp bool) error {
	limit := maxRegisters
	if p.Table.bits() {
		limit = maxBits
	}
	switch {
	case p.Slave > maxSlave && !tcp:
		return fmt.Errorf("slave %d: want 1 to %d", p.Slave, maxSlave)
	case p.Slave == 0 && !p.WriteOnly && !tcp:
		return errors.New("slave 0 is all slaves, which do not answer; it can only be written (publish = \"never\")")
	case p.Table > Discrete || p.Type > Text || p.Order > DCBA:
		return errors.New("table, type or order: out of range")
	case p.Count < 0 || p.Count > limit || p.size() > limit:
		return fmt.Errorf("count %d: at most %d registers or %d bits go into one request", p.Count, maxRegisters, maxBits)
	case p.Bit < 0 || p.Bit > 16 || p.Bit > 0 && (p.Table.bits() || p.Type != Uint16 || p.count() > 1 || !p.Scale.None() || p.Deadband != 0):
		return errors.New("a bit is 0 to 15 of one register of the type uint16, without a scale and a deadband")
	case p.Type == Text && (!p.Scale.None() || p.Deadband != 0):
		return errors.New("text has no scale and no deadband")
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

// ErrValue is a value that can't be written to a point.
var ErrValue = errors.New("not a value for this point")
