package modbus

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"

	"runnel/transport/serial/reading"
)

func TestRequests(t *testing.T) {
	for _, c := range []struct {
		p     Point
		value any // nil: to read
		want  string
	}{
		{Point{Slave: 17, Address: 0x6b, Count: 3}, nil, "11 03 00 6b 00 03"},
		{Point{Slave: 17, Table: Input, Address: 8, Type: Float32}, nil, "11 04 00 08 00 02"},
		{Point{Slave: 17, Table: Coil, Address: 0x13, Count: 37}, nil, "11 01 00 13 00 25"},
		{Point{Slave: 17, Table: Discrete, Address: 0xc4}, nil, "11 02 00 c4 00 01"},
		{Point{Slave: 17, Table: Coil, Address: 0xac}, true, "11 05 00 ac ff 00"},
		{Point{Slave: 17, Table: Coil, Address: 0xac}, false, "11 05 00 ac 00 00"},
		{Point{Slave: 17, Address: 1}, int64(3), "11 06 00 01 00 03"},
		{Point{Slave: 17, Address: 1, Type: Int16}, int64(-2), "11 06 00 01 ff fe"},
		{Point{Slave: 17, Address: 1, Scale: reading.Scale{Factor: 0.1}}, 21.5, "11 06 00 01 00 d7"},
		{Point{Slave: 17, Address: 1, Count: 2}, []any{int64(10), int64(258)}, "11 10 00 01 00 02 04 00 0a 01 02"},
		{Point{Slave: 17, Address: 1, Type: Float32}, 21.5, "11 10 00 01 00 02 04 41 ac 00 00"},
		{Point{Slave: 17, Address: 1, Type: Uint32, Order: CDAB}, int64(0x12345678), "11 10 00 01 00 02 04 56 78 12 34"},
		{Point{Slave: 17, Address: 1, Many: true}, int64(3), "11 10 00 01 00 01 02 00 03"},
		{Point{Slave: 0, Address: 1}, int64(3), "00 06 00 01 00 03"},
		{Point{Slave: 17, Address: 1, Type: Uint64}, uint64(1<<64 - 1), "11 10 00 01 00 04 08 ff ff ff ff ff ff ff ff"},
		{Point{Slave: 17, Address: 1, Type: Int64, Order: DCBA}, int64(-9007199254740993), "11 10 00 01 00 04 08 ff ff ff ff ff ff df ff"},
		{Point{Slave: 17, Address: 1, Type: Text, Count: 2}, "abcd", "11 10 00 01 00 02 04 61 62 63 64"},
		{Point{Slave: 17, Address: 1, Type: Text, Count: 2}, "abc", "11 10 00 01 00 02 04 61 62 63 00"},
		{Point{Slave: 17, Address: 1, Type: Uint64}, 1e19, "11 10 00 01 00 04 08 8a c7 23 04 89 e8 00 00"},
		{Point{Slave: 17, Address: 1, Type: Text, Count: 2, Order: BADC}, "abc", "11 10 00 01 00 02 04 62 61 00 63"},
		{Point{Slave: 17, Address: 1, Type: Text, Count: 2, Order: CDAB}, "abc", "11 10 00 01 00 02 04 61 62 63 00"},
		{Point{Slave: 17, Address: 1, Type: Text, Count: 2, Order: DCBA}, "abc", "11 10 00 01 00 02 04 62 61 00 63"},
		{Point{Slave: 17, Address: 1, Type: Float32, Order: BADC}, 21.5, "11 10 00 01 00 02 04 ac 41 00 00"},
		{Point{Slave: 17, Table: Coil, Address: 0x13, Count: 10}, []any{true, false, true, true, false, false, true, true, true, false}, "11 0f 00 13 00 0a 02 cd 01"},
	} {
		frame, err := ask([]Point{c.p}, []int{0}).request, error(nil)
		if c.value != nil {
			frame, err = c.p.write(c.value)
		}
		if err != nil || !Sealed(frame) || fmt.Sprintf("% x", frame[:len(frame)-2]) != c.want {
			t.Errorf("%+v: % x, %v; want %s", c.p, frame, err, c.want)
		}
	}
	for _, c := range []struct {
		p     Point
		value any
	}{
		{Point{}, "21"}, {Point{}, int64(1 << 16)}, {Point{}, int64(-1)}, {Point{Type: Int16}, int64(1 << 15)}, {Point{}, math.NaN()},
		{Point{Table: Coil}, int64(1)}, {Point{Table: Input}, int64(1)}, {Point{Table: Discrete}, true}, {Point{Count: 2}, int64(1)},
		{Point{Count: 2}, []any{int64(1)}}, {Point{Type: Uint32}, 5e9}, {Point{Type: Float32}, 1e300}, {Point{Bit: 1}, true}, {Point{Count: 124}, make([]any, 124)},
		{Point{Type: Uint64}, int64(-1)}, {Point{Type: Int64}, uint64(1 << 63)}, {Point{Type: Uint64}, 2e19}, {Point{Type: Text}, "abc"}, {Point{Type: Text}, int64(1)},
	} {
		if frame, err := c.p.write(c.value); !errors.Is(err, ErrValue) {
			t.Errorf("%+v = %v: % x, %v", c.p, c.value, frame, err)
		}
	}
}

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		p    Point
		data string
		want []any
	}{
		{Point{}, "\x00\xd7", []any{int64(215)}},
		{Point{Type: Int16}, "\xff\xfe", []any{int64(-2)}},
		{Point{Scale: reading.Scale{Factor: 0.1}}, "\x00\xd7", []any{21.5}},
		{Point{Type: Uint32}, "\xff\xff\xff\xfe", []any{int64(1<<32 - 2)}},
		{Point{Type: Int32, Order: CDAB}, "\xff\xfe\xff\xff", []any{int64(-2)}},
		{Point{Type: Float32}, "\x41\xac\x00\x00", []any{21.5}},
		{Point{Type: Float32}, "\x3d\xcc\xcc\xcd", []any{0.1}},
		{Point{Type: Float32}, "\x7f\xc0\x00\x00", []any{nil}},
		{Point{Type: Float32, Scale: reading.Scale{Factor: 1e300}}, "\x7f\x7f\xff\xff", []any{nil}},
		{Point{Type: Float32}, "\x00\x00\x00\x00", []any{0.0}},
		{Point{Type: Uint64}, "\xff\xff\xff\xff\xff\xff\xff\xfe", []any{uint64(1<<64 - 2)}},
		{Point{Type: Uint64}, "\x7f\xff\xff\xff\xff\xff\xff\xff", []any{int64(math.MaxInt64)}},
		{Point{Type: Uint64}, "\x80\x00\x00\x00\x00\x00\x00\x00", []any{uint64(math.MaxInt64 + 1)}},
		{Point{Type: Uint64, Order: CDAB}, "\x00\x04\x00\x03\x00\x02\x00\x01", []any{int64(0x0001000200030004)}},
		{Point{Type: Int64, Order: DCBA}, "\xfe\xff\xff\xff\xff\xff\xff\xff", []any{int64(-2)}},
		{Point{Type: Float64}, "\x40\x35\x80\x00\x00\x00\x00\x00", []any{21.5}},
		{Point{Type: Float32, Order: BADC}, "\xac\x41\x00\x00", []any{21.5}},
		{Point{Type: Float32, Order: DCBA}, "\x00\x00\xac\x41", []any{21.5}},
		{Point{Order: BADC}, "\xd7\x00", []any{int64(215)}},
		{Point{Order: CDAB}, "\x00\xd7", []any{int64(215)}},
		{Point{Bit: 1}, "\x00\x01", []any{true}},
		{Point{Bit: 16}, "\x7f\xff", []any{false}},
		{Point{Type: Text, Count: 3}, "AB\x1bC \x00", []any{"ABC"}},
		{Point{Type: Text, Count: 2, Order: BADC}, "BADC", []any{"ABCD"}},
		{Point{Type: Text, Count: 2, Order: CDAB}, "ABCD", []any{"ABCD"}},
		{Point{Type: Text, Count: 2, Order: DCBA}, "BADC", []any{"ABCD"}},
		{Point{Count: 2}, "\x00\x01\x00\x02", []any{int64(1), int64(2)}},
		{Point{Table: Coil, Count: 10}, "\xcd\x01", []any{true, false, true, true, false, false, true, true, true, false}},
	} {
		if got, err := c.p.decode([]byte(c.data)); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v: %v, %v; want %v", c.p, got, err, c.want)
		}
	}
	if _, err := (&Point{}).decode([]byte{1}); err == nil {
		t.Error("half a register is taken")
	}
}

// The shortest number is the one whose float32 it was.
func FuzzShortest(f *testing.F) {
	f.Add(math.Float32bits(0.1))
	f.Fuzz(func(t *testing.T, bits uint32) {
		n := math.Float32frombits(bits)
		if got := reading.Shortest(n); float32(got) != n && n == n {
			t.Errorf("%v becomes %v", n, got)
		}
	})
}
