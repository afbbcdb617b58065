// Package sparkplug is a host application of Sparkplug B 3.0 for tests. It has its own decoder of payloads, and checks
// the rules for Edge Nodes.
package sparkplug

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Payload is a message of an Edge Node or a host.
type Payload struct {
	Timestamp uint64
	Seq       int // -1: it has none
	Metrics   []Metric
}

// Metric is a metric of a message. Value is nil for null.
type Metric struct {
	Name       string
	Timestamp  uint64
	Type       int // 0: the message does not say
	Historical bool
	Null       bool
	Unit       string
	Field      int // number of the value's field; 0: none
	Value      any // uint64, float32, float64, bool, string or []byte
}

// Integer returns the value of a metric with a signed or unsigned integer type.
func (m *Metric) Integer(kind int) int64 {
	n, _ := m.Value.(uint64)
	if kind >= 1 && kind <= 3 {
		return int64(int32(uint32(n)))
	}
	return int64(n)
}

// Decode reads a payload.
func Decode(b []byte) (p Payload, err error) {
	p.Seq = -1
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%x is no payload: %v", b, r)
		}
	}()
	for _, f := range fields(b) {
		switch f.number {
		case 1:
			p.Timestamp = f.n
		case 2:
			p.Metrics = append(p.Metrics, decodeMetric(f.data))
		case 3:
			p.Seq = int(f.n)
		default:
			panic(fmt.Sprint("field ", f.number))
		}
	}
	return p, nil
}

func decodeMetric(b []byte) (m Metric) {
	for _, f := range fields(b) {
		switch f.number {
		case 1:
			m.Name = string(f.data)
		case 3:
			m.Timestamp = f.n
		case 4:
			m.Type = int(f.n)
		case 5:
			m.Historical = f.n != 0
		case 7:
			m.Null = f.n != 0
		case 9:
			m.Unit = decodeUnit(f.data)
		case 10, 11:
			m.Field, m.Value = f.number, f.n
		case 12:
			m.Field, m.Value = f.number, math.Float32frombits(uint32(f.n))
		case 13:
			m.Field, m.Value = f.number, math.Float64frombits(f.n)
		case 14:
			m.Field, m.Value = f.number, f.n != 0
		case 15:
			m.Field, m.Value = f.number, string(f.data)
		case 16:
			m.Field, m.Value = f.number, f.data
		default:
			panic(fmt.Sprint("metric with field ", f.number))
		}
	}
	return m
}

func decodeUnit(b []byte) string {
	var keys, values []string
	for _, f := range fields(b) {
		if f.number == 1 {
			keys = append(keys, string(f.data))
			continue
		}
		kind := uint64(0)
		for _, v := range fields(f.data) {
			if v.number == 1 {
				kind = v.n
			} else if v.number == 8 && kind == 12 {
				values = append(values, string(v.data))
			}
		}
	}
	if len(keys) != len(values) {
		panic("keys without values")
	}
	for i, k := range keys {
		if k == "engUnit" {
			return values[i]
		}
	}
	return ""
}

type field struct {
	number int
	n      uint64
	data   []byte
}

func fields(b []byte) (list []field) {
	for len(b) > 0 {
		tag, size := binary.Uvarint(b)
		if size <= 0 {
			panic("cut off")
		}
		b = b[size:]
		f := field{number: int(tag >> 3)}
		switch tag & 7 {
		case 0:
			if f.n, size = binary.Uvarint(b); size <= 0 {
				panic("cut off")
			}
			b = b[size:]
		case 1:
			f.n, b = binary.LittleEndian.Uint64(b), b[8:]
		case 5:
			f.n, b = uint64(binary.LittleEndian.Uint32(b)), b[4:]
		case 2:
			length, head := binary.Uvarint(b)
			f.data, b = b[head:head+int(length)], b[head+int(length):]
		default:
			panic("a group")
		}
		list = append(list, f)
	}
	return list
}

// Command returns a payload that writes a metric. field is the number of the value's field.
func Command(name string, kind, field int, value any) []byte {
	m := append([]byte{0x0a, byte(len(name))}, name...)
	m = append(m, 4<<3, byte(kind))
	switch v := value.(type) {
	case bool:
		n := byte(0)
		if v {
			n = 1
		}
		m = append(m, byte(field<<3), n)
	case int:
		m = binary.AppendUvarint(append(m, byte(field<<3)), uint64(v))
	case float32:
		m = binary.LittleEndian.AppendUint32(append(m, byte(field<<3|5)), math.Float32bits(v))
	case float64:
		m = binary.LittleEndian.AppendUint64(append(m, byte(field<<3|1)), math.Float64bits(v))
	case string:
		m = append(append(m, byte(field<<3|2), byte(len(v))), v...)
	}
	return append(append([]byte{8, 1, 0x12}, binary.AppendUvarint(nil, uint64(len(m)))...), m...)
}

// Rebirth is the payload by which a host asks for all births.
func Rebirth() []byte { return Command("Node Control/Rebirth", 11, 14, true) }
