package sparkplug

import (
	"encoding/binary"
	"errors"
	"math"
	"unicode/utf8"
)

// The payload of Sparkplug B (Sparkplug 3.0, 6.4) is a protocol buffers message. This file encodes and decodes the few
// needed fields by hand.

// DataType is the type of a metric (Sparkplug 3.0, 6.4.16). Zero stands for a type that is not known yet.
type DataType uint8

const (
	Int8 DataType = iota + 1
	Int16
	Int32
	Int64
	UInt8
	UInt16
	UInt32
	UInt64
	Float
	Double
	Boolean
	String
	DateTime
	LongText
	uuid
	dataSet
	Bytes
)

// Field numbers.
const (
	payloadTimestamp = 1
	payloadMetrics   = 2
	payloadSeq       = 3

	metricName         = 1
	metricAlias        = 2
	metricTimestamp    = 3
	metricDatatype     = 4
	metricIsHistorical = 5
	metricIsNull       = 7
	metricProperties   = 9
	metricInt          = 10
	metricLong         = 11
	metricFloat        = 12
	metricDouble       = 13
	metricBoolean      = 14
	metricString       = 15
	metricBytes        = 16

	propertyKeys   = 1
	propertyValues = 2
	propertyType   = 1
	propertyString = 8
)

// Wire types of protocol buffers.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// scalar is the value of a metric. Its form depends on the type of the metric. The zero value is null.
type scalar struct {
	set  bool
	bits uint64 // an integer in two's complement, a Double, a Boolean, or a DateTime in ms
	text string // of String and Bytes
}

// metric is a metric in a message.
type metric struct {
	name       string
	at         uint64   // ms since 1970
	kind       DataType // of the value
	birth      bool     // the message says the type and the unit
	historical bool
	unit       string
	value      scalar
}

// noSeq is the number of a message without one.
const noSeq = -1

// payload returns a message.
func payload(at uint64, seq int, metrics []metric) []byte {
	b := appendNumber(nil, payloadTimestamp, at)
	for i := range metrics {
		b = appendBytes(b, payloadMetrics, string(metrics[i].append(nil)))
	}
	if seq != noSeq {
		b = appendNumber(b, payloadSeq, uint64(seq))
	}
	return b
}

func (m *metric) append(b []byte) []byte {
	b = appendBytes(b, metricName, m.name)
	b = appendNumber(b, metricTimestamp, m.at)
	if m.birth {
		b = appendNumber(b, metricDatatype, uint64(m.kind))
	}
	if m.historical {
		b = appendNumber(b, metricIsHistorical, 1)
	}
	if !m.value.set {
		b = appendNumber(b, metricIsNull, 1)
	}
	if m.birth && m.unit != "" { // under the name that SCADA systems use
		unit := appendBytes(appendNumber(nil, propertyType, uint64(String)), propertyString, m.unit)
		b = appendBytes(b, metricProperties, string(appendBytes(appendBytes(nil, propertyKeys, "engUnit"), propertyValues, string(unit))))
	}
	if !m.value.set {
		return b
	}
	n := m.value.bits
	switch m.kind {
	case Int8, Int16, Int32, UInt8, UInt16, UInt32:
		return appendNumber(b, metricInt, uint64(uint32(n)))
	case Float:
		return appendFixed(b, metricFloat, wireFixed32, uint64(math.Float32bits(float32(math.Float64frombits(n)))))
	case Double:
		return appendFixed(b, metricDouble, wireFixed64, n)
	case Boolean:
		return appendNumber(b, metricBoolean, n)
	case Bytes:
		return appendBytes(b, metricBytes, m.value.text)
	case String:
		return appendBytes(b, metricString, m.value.text)
	}
	return appendNumber(b, metricLong, n)
}

// Some functions are not inlined, so that the program stays small.

//go:noinline
func appendKey(b []byte, tag, n uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, tag), n)
}

func appendNumber(b []byte, field, n uint64) []byte { return appendKey(b, field<<3|wireVarint, n) }

//go:noinline
func appendBytes(b []byte, field uint64, text string) []byte {
	return append(appendKey(b, field<<3|wireBytes, uint64(len(text))), text...)
}

// appendFixed appends a number of four or eight bytes.
func appendFixed(b []byte, field, wire, n uint64) []byte {
	b = binary.LittleEndian.AppendUint64(binary.AppendUvarint(b, field<<3|wire), n)
	if wire == wireFixed32 {
		b = b[:len(b)-4]
	}
	return b
}

var errProtobuf = errors.New("the message is not a Sparkplug B payload")

// maxCommands bounds the metrics of a command.
const maxCommands = 256

// command is a metric that a host writes.
type command struct {
	name  string
	kind  uint64 // as the message says; 0: it does not
	field uint64 // number of the value's field; 0: null
	bits  uint64 // of a number
	text  string // of a String
}

// readCommands reads the metrics of a message. It ignores fields and values that no metric of the link has.
func readCommands(message []byte) (list []command, err error) {
	err = eachField(message, func(field, _ uint64, data []byte) error {
		if field != payloadMetrics || data == nil {
			return nil
		}
		if len(list) == maxCommands {
			return errors.New("the message has too many metrics")
		}
		c, err := readCommand(data)
		list = append(list, c)
		return err
	})
	return list, err
}

func readCommand(data []byte) (c command, err error) {
	null := false
	err = eachField(data, func(field, n uint64, data []byte) error {
		switch field {
		case metricName:
			c.name = string(data)
		case metricDatatype:
			c.kind = n
		case metricIsNull:
			null = n != 0
		case metricInt, metricLong, metricFloat, metricDouble, metricBoolean, metricString, metricBytes:
			c.field, c.bits, c.text = field, n, string(data)
		}
		return nil
	})
	if null {
		c.field = 0
	}
	if err == nil && !utf8.ValidString(c.name) {
		err = errProtobuf
	}
	return c, err
}

// value returns the value as a Go value; nil if it has none.
func (c *command) value() any {
	switch c.field {
	case metricInt:
		if DataType(c.kind) <= Int32 && c.kind != 0 {
			return int64(int32(c.bits))
		}
		return int64(uint32(c.bits))
	case metricLong:
		if c.bits > math.MaxInt64 && DataType(c.kind) == UInt64 {
			return c.bits
		}
		return int64(c.bits)
	case metricFloat:
		return float64(math.Float32frombits(uint32(c.bits)))
	case metricDouble:
		return math.Float64frombits(c.bits)
	case metricBoolean:
		return c.bits != 0
	case metricString:
		return c.text
	case metricBytes:
		return []byte(c.text)
	}
	return nil
}

// eachField calls f for each field of a message: with a number, or with bytes that are not nil.
func eachField(b []byte, f func(field, n uint64, data []byte) error) error {
	for len(b) > 0 {
		tag, rest := cutNumber(b)
		if b = rest; b == nil || tag>>3 == 0 || tag>>32 != 0 {
			return errProtobuf
		}
		var n uint64
		var data []byte
		switch wire := tag & 7; wire {
		case wireVarint:
			n, b = cutNumber(b)
		case wireFixed64, wireFixed32:
			size := 8
			if wire == wireFixed32 {
				size = 4
			}
			if len(b) < size {
				return errProtobuf
			}
			for i := range size {
				n |= uint64(b[i]) << (8 * i)
			}
			b = b[size:]
		case wireBytes:
			n, b = cutNumber(b)
			if uint64(len(b)) < n {
				return errProtobuf
			}
			data, b = b[:n:n], b[n:]
		default:
			return errProtobuf // groups
		}
		if b == nil {
			return errProtobuf
		}
		if err := f(tag>>3, n, data); err != nil {
			return err
		}
	}
	return nil
}

// cutNumber cuts a number off; rest is nil if there is none.
//
//go:noinline
func cutNumber(b []byte) (n uint64, rest []byte) {
	n, size := binary.Uvarint(b)
	if size <= 0 {
		return 0, nil
	}
	return n, b[size:]
}
