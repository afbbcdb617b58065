package sparkplug

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// A device's metrics are known from the configuration of its serial line, or learnt from its events. Their current values go into
// its birth message.

// device is a Sparkplug device.
type device struct {
	name    string
	line    string // serial line; "": none
	slave   int64  // of a Modbus line; 0: any
	heard   bool   // it has published something while this process runs
	down    bool   // its serial line has failed
	born    bool   // in this session at the broker; then it has all metrics that are not new
	grown   bool   // it has metrics, units or types that the last birth did not show
	metrics []*known
	byName  map[string]*known
	writes  writes
}

// known is a metric of a device.
type known struct {
	name  string
	kind  DataType
	unit  string
	write string // procedure that sets it; "": none
	value scalar // the newest one; null if there was none or if it is too long to keep
	at    uint64 // time of value, in ms
	sent  uint64 // time of the newest value that this session has sent as the current one
}

// sample is a value in an event.
type sample struct {
	name, unit string
	value      any
}

// Bounds of the memory of the metrics.
const (
	maxDevices    = 512
	maxMetrics    = 4096
	maxMetricName = 256
	maxKeptText   = 1 << 10
)

var (
	errManyDevices = fmt.Errorf("more than %d devices or %d metrics; name fewer by device", maxDevices, maxMetrics)
	errMetricName  = fmt.Errorf("a name is empty or longer than %d bytes", maxMetricName)
)

// add adds a metric, or returns the one of this name.
func (n *Node) add(d *device, name string, kind DataType) (*known, error) {
	if k := d.byName[name]; k != nil {
		return k, nil
	}
	switch {
	case name == "" || len(name) > maxMetricName:
		return nil, errMetricName
	case n.metrics == maxMetrics:
		return nil, errManyDevices
	}
	n.metrics++
	k := &known{name: name, kind: kind}
	d.metrics, d.byName[name], d.grown = append(d.metrics, k), k, true
	return k, nil
}

// device returns the device of a name.
func (n *Node) device(name string) (*device, error) {
	if d := n.devices[name]; d != nil {
		return d, nil
	}
	if len(n.order) == maxDevices {
		return nil, errManyDevices
	}
	d := &device{name: name, byName: map[string]*known{}}
	n.devices[name] = d
	n.order = append(n.order, d)
	return d, nil
}

// learn records the values of an event. current means that they are newer than all earlier values, and have not waited.
func (n *Node) learn(name string, list []sample, at uint64, current bool) (*device, error) {
	d, err := n.device(name)
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		kind := typeOf(s.value)
		if kind == 0 && d.byName[s.name] == nil {
			continue // null, and no type is known
		}
		k, err := n.add(d, s.name, kind)
		if err != nil {
			return nil, err
		}
		if k.kind == 0 && kind != 0 {
			k.kind, d.grown = kind, true
		}
		if k.unit == "" && s.unit != "" {
			k.unit, d.grown = s.unit, true
		}
		if wider := widened(k.kind, s.value); wider != k.kind {
			k.value = converted(k.kind, wider, k.value)
			k.kind, d.grown = wider, true
		}
		if current && at >= k.at {
			k.at, k.value = at, scalarOf(k.kind, s.value)
			if len(k.value.text) > maxKeptText {
				k.value = scalar{}
			}
		}
	}
	if current {
		d.heard, d.down = true, false
	}
	return d, nil
}

// Argument is an argument of an event: a keyword argument, or the single positional one.
type Argument struct {
	Key   string
	Value any
}

// samples returns the values in arguments, and their time in ms. The members of a map have paths as names. samples
// omits the arguments "time" and "units", which serial lines add to describe the others.
func samples(arguments []Argument, at time.Time) (list []sample, ms uint64) {
	ms = uint64(max(at.UnixMilli(), 0))
	units, _ := argument(arguments, "units").(map[string]any)
	for _, a := range arguments {
		if text, ok := a.Value.(string); ok && a.Key == "time" && isTime(text) {
			t, _ := time.Parse(time.RFC3339, text) // checked
			ms = uint64(max(t.UnixMilli(), 0))
			continue
		}
		if a.Key != "units" || units == nil {
			unit, _ := units[a.Key].(string)
			list = appendSamples(list, a.Key, unit, a.Value)
		}
	}
	return list, ms
}

func argument(list []Argument, key string) any {
	for i := range list {
		if list[i].Key == key {
			return list[i].Value
		}
	}
	return nil
}

func appendSamples(list []sample, name, unit string, v any) []sample {
	inner, isMap := v.(map[string]any)
	if !isMap {
		return append(list, sample{name, unit, v})
	}
	for _, key := range slices.Sorted(maps.Keys(inner)) {
		list = appendSamples(list, name+"/"+key, "", inner[key])
	}
	return list
}

func isTime(text string) bool {
	_, err := time.Parse(time.RFC3339, text)
	return err == nil
}

// typeOf returns the type that a metric gets from its first value; 0 for null.
func typeOf(v any) DataType {
	switch v := v.(type) {
	case nil:
		return 0
	case bool:
		return Boolean
	case int64:
		return Int64
	case uint64:
		return UInt64
	case float64:
		return Double
	case []byte:
		return Bytes
	case string:
		if isTime(v) {
			return DateTime
		}
	}
	return String
}

// widened returns the type that a metric needs for a further value. Only the types of integers and times change. Other
// values that do not fit become null.
func widened(kind DataType, v any) DataType {
	if scalarOf(kind, v).set {
		return kind
	}
	switch v := v.(type) {
	case float64, int64, uint64:
		if kind >= Int8 && kind <= UInt64 {
			return Double
		}
	case string:
		if kind == DateTime && v != "" {
			return String
		}
	}
	return kind
}

// converted returns a value as one of a wider type.
func converted(from, to DataType, v scalar) scalar {
	switch {
	case !v.set || from == to:
		return v
	case to == Double && (from == UInt64 || from <= UInt32 && from >= UInt8):
		return scalarOf(to, float64(v.bits))
	case to == Double:
		return scalarOf(to, float64(int64(v.bits)))
	}
	return scalarOf(to, time.UnixMilli(int64(v.bits)).UTC().Format(time.RFC3339Nano))
}

// scalarOf converts a value to a type; the result is null if it does not fit.
func scalarOf(kind DataType, v any) scalar {
	switch kind {
	case Boolean:
		if b, ok := v.(bool); ok {
			return scalar{set: true, bits: bit(b)}
		}
	case Float, Double:
		if f, ok := number(v); ok {
			return scalar{set: true, bits: math.Float64bits(f)}
		}
	case Bytes:
		if b, ok := v.([]byte); ok {
			return scalar{set: true, text: string(b)}
		}
	case DateTime:
		if text, ok := v.(string); ok {
			t, err := time.Parse(time.RFC3339, text)
			return scalar{set: err == nil && t.UnixMilli() >= 0, bits: uint64(max(t.UnixMilli(), 0))}
		}
	case String:
		return textOf(v)
	default:
		return integer(kind, v)
	}
	return scalar{}
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func number(v any) (f float64, ok bool) {
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

// ranges of the integers of 8 to 32 bits, by type.
var (
	lowest  = [...]int64{Int8: math.MinInt8, Int16: math.MinInt16, Int32: math.MinInt32, UInt32: 0}
	highest = [...]int64{Int8: math.MaxInt8, Int16: math.MaxInt16, Int32: math.MaxInt32, UInt8: math.MaxUint8, UInt16: math.MaxUint16, UInt32: math.MaxUint32}
)

func integer(kind DataType, v any) scalar {
	var n int64
	switch v := v.(type) {
	case int64:
		n = v
	case uint64:
		if v > math.MaxInt64 {
			return scalar{set: kind == UInt64, bits: v}
		}
		n = int64(v)
	case float64:
		if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
			return scalar{}
		}
		n = int64(v)
	default:
		return scalar{}
	}
	switch {
	case kind > UInt64, kind == UInt64 && n < 0, kind != Int64 && kind != UInt64 && (n < lowest[kind] || n > highest[kind]):
		return scalar{}
	}
	return scalar{set: true, bits: uint64(n)}
}

// textOf returns a value as text: a list as JSON.
func textOf(v any) scalar {
	if text, ok := v.(string); ok {
		return scalar{set: true, text: text}
	}
	if v == nil {
		return scalar{}
	}
	raw, err := codec.AppendValue(nil, wamp.JSON, v)
	return scalar{set: err == nil, text: strings.ToValidUTF8(string(raw), "?")}
}
