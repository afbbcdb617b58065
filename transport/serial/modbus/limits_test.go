package modbus

import (
	"math"
	"testing"
	"time"

	"runnel/transport/serial/reading"
)

// TestPointLimits: every limit of a point's settings, at the last valid value and one beyond.
func TestPointLimits(t *testing.T) {
	good := Point{Name: "x", Slave: 1, Every: time.Second, Topic: topic(t, "com.{name}.{slave}")}
	for _, c := range []struct {
		name  string
		tcp   bool
		set   func(*Point)
		valid bool
	}{
		{"slave 254", false, func(p *Point) { p.Slave = 254 }, true},
		{"slave 255", false, func(p *Point) { p.Slave = 255 }, false},
		{"unit 255", true, func(p *Point) { p.Slave = 255 }, true},
		{"unit 0", true, func(p *Point) { p.Slave = 0 }, true},
		{"slave 0, polled", false, func(p *Point) { p.Slave = 0 }, false},
		{"discrete", false, func(p *Point) { p.Table = Discrete }, true},
		{"table", false, func(p *Point) { p.Table = Discrete + 1 }, false},
		{"text", false, func(p *Point) { p.Type = Text }, true},
		{"type", false, func(p *Point) { p.Type = Text + 1 }, false},
		{"order dcba", false, func(p *Point) { p.Order = DCBA }, true},
		{"order", false, func(p *Point) { p.Order = DCBA + 1 }, false},
		{"125 registers", false, func(p *Point) { p.Count = 125 }, true},
		{"126 registers", false, func(p *Point) { p.Count = 126 }, false},
		{"62 numbers of two registers", false, func(p *Point) { p.Count, p.Type = 62, Uint32 }, true},
		{"63 numbers of two registers", false, func(p *Point) { p.Count, p.Type = 63, Uint32 }, false},
		{"2000 bits", false, func(p *Point) { p.Count, p.Table = 2000, Coil }, true},
		{"2001 bits", false, func(p *Point) { p.Count, p.Table = 2001, Coil }, false},
		{"negative count", false, func(p *Point) { p.Count = -1 }, false},
		{"bit 16", false, func(p *Point) { p.Bit = 16 }, true},
		{"bit 17", false, func(p *Point) { p.Bit = 17 }, false},
		{"negative bit", false, func(p *Point) { p.Bit = -1 }, false},
		{"bit of a coil", false, func(p *Point) { p.Bit, p.Table = 1, Coil }, false},
		{"bit of int16", false, func(p *Point) { p.Bit, p.Type = 1, Int16 }, false},
		{"bit of one register", false, func(p *Point) { p.Bit, p.Count = 1, 1 }, true},
		{"bit of two registers", false, func(p *Point) { p.Bit, p.Count = 1, 2 }, false},
		{"bit with scale", false, func(p *Point) { p.Bit, p.Scale.Factor = 1, 2 }, false},
		{"bit with deadband", false, func(p *Point) { p.Bit, p.Deadband = 1, 2 }, false},
		{"text with scale", false, func(p *Point) { p.Type, p.Scale.Offset = Text, 1 }, false},
		{"text with deadband", false, func(p *Point) { p.Type, p.Deadband = Text, 1 }, false},
		{"last address", false, func(p *Point) { p.Address = math.MaxUint16 }, true},
		{"two registers at the end", false, func(p *Point) { p.Address, p.Count = math.MaxUint16-1, 2 }, true},
		{"beyond the end", false, func(p *Point) { p.Address, p.Count = math.MaxUint16, 2 }, false},
		{"coil with scale", false, func(p *Point) { p.Table, p.Scale.Factor = Coil, 2 }, false},
		{"coil with deadband", false, func(p *Point) { p.Table, p.Deadband = Coil, 1 }, false},
		{"coil with type", false, func(p *Point) { p.Table, p.Type = Coil, Int16 }, false},
		{"every 10 ms", false, func(p *Point) { p.Every = 10 * time.Millisecond }, true},
		{"every 9 ms", false, func(p *Point) { p.Every = 9 * time.Millisecond }, false},
		{"deadband", false, func(p *Point) { p.Deadband = 0.5 }, true},
		{"negative deadband", false, func(p *Point) { p.Deadband = -0.5 }, false},
		{"negative refresh", false, func(p *Point) { p.Refresh = -1 }, false},
		{"scale", false, func(p *Point) { p.Scale = reading.Scale{Factor: 0.1, Offset: -40} }, true},
		{"factor NaN", false, func(p *Point) { p.Scale.Factor = math.NaN() }, false},
		{"factor infinite", false, func(p *Point) { p.Scale.Factor = math.Inf(-1) }, false},
		{"offset NaN", false, func(p *Point) { p.Scale.Offset = math.NaN() }, false},
		{"offset infinite", false, func(p *Point) { p.Scale.Offset = math.Inf(1) }, false},
	} {
		p := good
		c.set(&p)
		if err := p.validate(c.tcp); (err == nil) != c.valid {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestWriteLimits: a write has at most as many registers or bits as fit into one request.
func TestWriteLimits(t *testing.T) {
	for _, c := range []struct {
		point Point
		valid bool
	}{
		{Point{Count: maxWritten}, true},
		{Point{Count: maxWritten + 1}, false},
		{Point{Type: Uint32, Count: maxWritten / 2}, true},
		{Point{Type: Uint32, Count: maxWritten/2 + 1}, false},
		{Point{Table: Coil, Count: maxWrittenBits}, true},
		{Point{Table: Coil, Count: maxWrittenBits + 1}, false},
	} {
		values := make([]any, c.point.Count)
		for i := range values {
			values[i] = int64(1)
			if c.point.Table == Coil {
				values[i] = true
			}
		}
		if _, err := c.point.write(values); (err == nil) != c.valid {
			t.Errorf("%d of %s, %s: %v", c.point.Count, TableNames[c.point.Table], TypeNames[c.point.Type], err)
		}
	}
}

// TestConfigLimits: the same of a bus.
func TestConfigLimits(t *testing.T) {
	many := func(n int) (points []Point) {
		for range n {
			points = append(points, Point{Name: "x", Slave: 1, Every: time.Second})
		}
		return points
	}
	for name, c := range map[string]struct {
		config Config
		valid  bool
	}{
		"points":         {Config{Points: many(maxPoints)}, true},
		"too many":       {Config{Points: many(maxPoints + 1)}, false},
		"none":           {Config{}, false},
		"timeout":        {Config{Points: many(1), Timeout: maxTimeout}, true},
		"long timeout":   {Config{Points: many(1), Timeout: maxTimeout + 1}, false},
		"before timeout": {Config{Points: many(1), Timeout: -1}, false},
		"gap":            {Config{Points: many(1), Gap: maxGap}, true},
		"long gap":       {Config{Points: many(1), Gap: maxGap + 1}, false},
		"negative gap":   {Config{Points: many(1), Gap: -1}, false},
	} {
		if err := c.config.Validate(); (err == nil) != c.valid {
			t.Errorf("%s: %v", name, err)
		}
	}
	for baud, want := range map[int]time.Duration{19200: 7 * 11 * time.Second / 19200 / 2, 19201: 1750 * time.Microsecond} {
		if got := (Config{Baud: baud}).withDefaults().Gap; got != want {
			t.Errorf("%d baud: a gap of %v, want %v", baud, got, want)
		}
	}
}

// TestLimitsOfNumbers: each type is written at both ends of its range, and not beyond.
func TestLimitsOfNumbers(t *testing.T) {
	for _, c := range []struct {
		kind      Type
		low, high any
		beyond    []any
	}{
		{Uint16, int64(0), int64(65535), []any{int64(-1), int64(65536)}},
		{Int16, int64(-32768), int64(32767), []any{int64(-32769), int64(32768)}},
		{Uint32, int64(0), int64(math.MaxUint32), []any{int64(-1), int64(math.MaxUint32 + 1)}},
		{Int32, int64(math.MinInt32), int64(math.MaxInt32), []any{int64(math.MinInt32 - 1), int64(math.MaxInt32 + 1)}},
		{Uint64, int64(0), uint64(math.MaxUint64), []any{int64(-1), 1.9e19}},
		{Int64, int64(math.MinInt64), int64(math.MaxInt64), []any{uint64(math.MaxUint64), 9.3e18, -9.3e18}},
		{Float32, -math.MaxFloat32, math.MaxFloat32, []any{2 * math.MaxFloat32, -2 * math.MaxFloat32}},
		{Float64, -math.MaxFloat64, math.MaxFloat64, []any{math.NaN(), math.Inf(1), "1", nil, true}},
	} {
		p := Point{Type: c.kind}
		for _, v := range []any{c.low, c.high} {
			data, err := p.encode(v)
			if err != nil {
				t.Errorf("%s: %v: %v", TypeNames[c.kind], v, err)
				continue
			}
			got, err := p.decode(data)
			want, _ := float(v)
			if n, _ := float(got[0]); err != nil || n != want && c.kind != Float32 || len(data) != 2*c.kind.words() {
				t.Errorf("%s: %v comes back as %v, %v", TypeNames[c.kind], v, got, err)
			}
			if i, isInt := v.(int64); isInt && got[0] != i {
				t.Errorf("%s: %v comes back as %v", TypeNames[c.kind], v, got)
			}
		}
		for _, v := range c.beyond {
			if data, err := p.encode(v); err == nil {
				t.Errorf("%s: %v is written as % x", TypeNames[c.kind], v, data)
			}
		}
	}
}

// TestShortest: a float32 is published with the digits it was meant to have, down to the last that it can hold.
func TestShortest(t *testing.T) {
	for _, want := range []float64{21.5, 0.1, 1.0000001, 9.999999, 16777215, 0.3, 1e8, 1e10, -273.15, 1.5e-20} {
		if got := reading.Shortest(float32(want)); got != want {
			t.Errorf("%v comes out as %v", want, got)
		}
	}
	for _, f := range []float32{0, float32(math.Inf(1)), math.MaxFloat32, 1.5e-23, 1e-30, math.SmallestNonzeroFloat32} {
		if got := reading.Shortest(f); float32(got) != f {
			t.Errorf("%v comes out as %v", f, got)
		}
	}
	if !math.IsNaN(reading.Shortest(float32(math.NaN()))) {
		t.Error("NaN comes out as a number")
	}
}

// TestChanged: a change by the deadband is one, a smaller one is not.
func TestChanged(t *testing.T) {
	for _, c := range []struct {
		before, now any
		deadband    float64
		want        bool
	}{
		{int64(1), int64(1), 0, false},
		{int64(1), int64(2), 0, true},
		{1.0, 1.5, 0.5, true},
		{1.5, 1.0, 0.5, true},
		{1.0, 1.25, 0.5, false},
		{nil, 1.0, 0.5, true},
		{nil, 0.25, 0.5, true},
		{0.25, nil, 0.5, true},
		{1.0, nil, 0.5, true},
		{nil, nil, 0.5, false},
		{"a", "b", 0, true},
		{true, true, 0, false},
	} {
		if got := changed([]any{c.before}, []any{c.now}, c.deadband); got != c.want {
			t.Errorf("%v and %v, deadband %v: %v", c.before, c.now, c.deadband, got)
		}
	}
}
