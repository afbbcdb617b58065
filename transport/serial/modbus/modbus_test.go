package modbus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"runnel/transport/serial/reading"
)

func topic(t testing.TB, text string) reading.Template {
	t.Helper()
	parsed, err := reading.ParseTemplate(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// The vectors of the specifications, and of everybody's manuals.
func TestCRC(t *testing.T) {
	for _, frame := range []string{"\x02\x07\x41\x12", "\x01\x03\x00\x00\x00\x0a\xc5\xcd", "\x11\x03\x00\x6b\x00\x03\x76\x87", "\x01\x06\x00\x01\x00\x03\x98\x0b"} {
		if !Sealed([]byte(frame)) {
			t.Errorf("% x is refused: %04x", frame, CRC([]byte(frame[:len(frame)-2])))
		}
	}
	if Sealed([]byte("\x02\x07\x41\x13")) || Sealed([]byte("\xff\xff")) || Sealed(nil) {
		t.Error("a wrong CRC is taken")
	}
}

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
		{Point{Slave: 17, Address: 1, Type: Text, Count: 2}, "abc", "11 10 00 01 00 02 04 61 62 63 00"},
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
		if got := shortest(n); float32(got) != n && n == n {
			t.Errorf("%v becomes %v", n, got)
		}
	})
}

func TestValidate(t *testing.T) {
	good := Point{Name: "x", Slave: 1, Every: time.Second, Topic: topic(t, "com.{name}")}
	for _, c := range []struct {
		change func(*Point)
		want   string
	}{
		{func(p *Point) {}, ""},
		{func(p *Point) { p.Slave = 0 }, "slave 0"},
		{func(p *Point) { p.Slave, p.WriteOnly = 0, true }, ""},
		{func(p *Point) { p.Slave = 254 }, ""},
		{func(p *Point) { p.Bit = 17 }, "bit: want 0 to 15"},
		{func(p *Point) { p.Bit, p.Type = 1, Int32 }, "bit: want 0 to 15"},
		{func(p *Point) { p.Type, p.Deadband = Text, 1 }, "not for text"},
		{func(p *Point) { p.Slave = 255 }, "slave 255"},
		{func(p *Point) { p.Count = 126 }, "at most 125 registers"},
		{func(p *Point) { p.Count, p.Type = math.MaxInt/2+1, Float32 }, "at most 125 registers"},
		{func(p *Point) { p.Count, p.Type = 63, Float32 }, "at most 125 registers"},
		{func(p *Point) { p.Table, p.Count = Coil, 2001 }, "or 2000 bits"},
		{func(p *Point) { p.Address, p.Type = 0xffff, Uint32 }, "beyond the last address, 65535"},
		{func(p *Point) { p.Table, p.Deadband = Coil, 1 }, "not for bits"},
		{func(p *Point) { p.Every = 0 }, "every 0s"},
		{func(p *Point) { p.Every, p.WriteOnly = 0, true }, ""},
		{func(p *Point) { p.Topic = topic(t, "com.{unit}") }, "unknown placeholder {unit}"},
		{func(p *Point) { p.Table = 9 }, "out of range"},
	} {
		p := good
		c.change(&p)
		err := (Config{Points: []Point{p}}).Validate()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", p, err, c.want)
		}
	}
	for _, c := range []Config{{}, {Points: []Point{good}, Timeout: time.Hour}, {Points: []Point{good}, Gap: time.Hour}, {Points: make([]Point, 5000)}} {
		if c.Validate() == nil {
			t.Errorf("%d points, %v, %v were accepted", len(c.Points), c.Timeout, c.Gap)
		}
	}
}

func TestFrameGap(t *testing.T) {
	for baud, want := range map[int]time.Duration{9600: 4010416 * time.Nanosecond, 19200: 2005208 * time.Nanosecond, 115200: 1750 * time.Microsecond} {
		if got := (Config{Baud: baud}).withDefaults().Gap; got.Round(time.Microsecond) != want.Round(time.Microsecond) {
			t.Errorf("%d baud: %v, want %v", baud, got, want)
		}
	}
}

// bus is the far end of the wires, with simulated slaves.
type fakeBus struct {
	in     chan []byte
	closed chan struct{}
	close  sync.Once

	mu       sync.Mutex
	slaves   map[byte]func(request []byte) []byte
	requests map[byte]int
	last     time.Time // the end of the last frame
	gap      time.Duration
	echo     bool
	split    bool // answers come octet by octet
}

func newFakeBus() *fakeBus {
	return &fakeBus{in: make(chan []byte, 100), closed: make(chan struct{}), slaves: map[byte]func([]byte) []byte{}, requests: map[byte]int{}, gap: time.Hour}
}

func (b *fakeBus) Read(p []byte) (int, error) {
	select {
	case octets := <-b.in:
		return copy(p, octets), nil
	case <-b.closed:
		return 0, io.EOF
	}
}

func (b *fakeBus) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.last.IsZero() {
		b.gap = min(b.gap, time.Since(b.last))
	}
	b.last = time.Now()
	if b.echo {
		b.in <- append([]byte(nil), p...)
	}
	b.requests[p[0]]++
	if answer := b.slaves[p[0]]; answer != nil && Sealed(p) {
		if octets := answer(append([]byte(nil), p...)); octets != nil {
			time.AfterFunc(5*time.Millisecond, func() { b.say(octets) })
		}
	}
	return len(p), nil
}

func (b *fakeBus) say(octets []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = time.Now()
	if !b.split {
		b.in <- octets
		return
	}
	for _, o := range octets {
		b.in <- []byte{o}
	}
}

func (b *fakeBus) Close() error {
	b.close.Do(func() { close(b.closed) })
	return nil
}

func (b *fakeBus) count(slave byte) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.requests[slave]
}

func (b *fakeBus) set(slave byte, answer func([]byte) []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.slaves[slave] = answer
}

// registers is a slave with holding registers.
type registers struct {
	mu    sync.Mutex
	words map[uint16]uint16
}

func newRegisters(words ...uint16) *registers {
	r := &registers{words: map[uint16]uint16{}}
	for i, w := range words {
		r.words[uint16(i)] = w
	}
	return r
}

func (r *registers) set(address, word uint16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.words[address] = word
}

func (r *registers) answer(request []byte) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	address, number := binary.BigEndian.Uint16(request[2:]), binary.BigEndian.Uint16(request[4:])
	switch request[1] {
	case readHolding:
		answer := []byte{request[0], request[1], byte(2 * number)}
		for i := range number {
			word, ok := r.words[address+i]
			if !ok {
				return seal([]byte{request[0], request[1] | failed, 2})
			}
			answer = binary.BigEndian.AppendUint16(answer, word)
		}
		return seal(answer)
	case writeRegister:
		r.words[address] = number
		return request
	}
	return seal([]byte{request[0], request[1] | failed, 1})
}

// master runs one on a bus until the test ends.
func master(t *testing.T, b *fakeBus, c Config) (*Master, chan reading.Event) {
	t.Helper()
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan reading.Event, 1000)
	done := make(chan error, 1)
	go func() { done <- m.Run(b, func(e reading.Event) { events <- e }) }()
	t.Cleanup(func() {
		b.Close()
		if err := <-done; err != io.EOF {
			t.Errorf("Run: %v", err)
		}
	})
	return m, events
}

func values(events chan reading.Event) (list []any) {
	for {
		select {
		case e := <-events:
			list = append(list, e.Kwargs["value"])
		default:
			return list
		}
	}
}

func TestPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, r := newFakeBus(), newRegisters(215, 7)
		b.set(1, r.answer)
		b.split = true
		at := topic(t, "com.example.{slave}.{name}")
		m, events := master(t, b, Config{Baud: 9600, Points: []Point{
			{Name: "temperature", Slave: 1, Scale: reading.Scale{Factor: 0.1}, Unit: "C", Every: time.Second, Deadband: 0.5, Topic: at},
		}})
		time.Sleep(100 * time.Millisecond)
		e := <-events
		if want := map[string]any{"value": 21.5, "name": "temperature", "slave": int64(1), "unit": "C", "time": e.Kwargs["time"]}; e.Topic != "com.example.1.temperature" || !reflect.DeepEqual(e.Kwargs, want) {
			t.Errorf("%+v", e)
		}
		for _, c := range []struct {
			word uint16
			want []any
		}{{215, nil}, {218, nil}, {220, []any{22.0}}, {216, nil}, {215, []any{21.5}}} {
			r.set(0, c.word)
			time.Sleep(time.Second)
			if got := values(events); !reflect.DeepEqual(got, c.want) {
				t.Errorf("%d: %v, want %v", c.word, got, c.want)
			}
		}
		if n := b.count(1); n != 7 { // the first value was seen twice
			t.Errorf("%d requests", n)
		}
		if gap := m.config.Gap; b.gap < gap {
			t.Errorf("%v between frames, want %v", b.gap, gap)
		}
	})
}

func TestAlwaysAndRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBus()
		b.set(1, newRegisters(1, 2).answer)
		at := topic(t, "com.x")
		_, events := master(t, b, Config{Points: []Point{
			{Slave: 1, Address: 0, Every: time.Second, Always: true, Topic: at},
			{Slave: 1, Address: 1, Every: time.Second, Refresh: 4 * time.Second, Topic: at},
			{Slave: 1, Address: 0, Count: 2, Every: 100 * time.Second, Topic: at},
		}})
		time.Sleep(6500 * time.Millisecond)
		counts := map[string]int{}
		for _, v := range values(events) {
			counts[fmt.Sprint(v)]++
		}
		if want := map[string]int{"1": 7, "2": 2, "[1 2]": 1}; !reflect.DeepEqual(counts, want) {
			t.Errorf("%v, want %v", counts, want)
		}
	})
}

// TestSilentSlave holds that one that does not answer is left alone more and more, and does not keep the others waiting.
func TestSilentSlave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBus()
		r, back := newRegisters(0), newRegisters(9)
		b.set(1, r.answer)
		at := topic(t, "com.s{slave}")
		var turns []string
		c := Config{Timeout: 200 * time.Millisecond, Points: []Point{
			{Slave: 2, Every: 250 * time.Millisecond, Topic: at},
			{Slave: 2, Address: 1, Every: 250 * time.Millisecond, Topic: at},
			{Slave: 1, Every: 250 * time.Millisecond, Always: true, Topic: at},
		}}
		c.Turned = func(slave byte, err error) { turns = append(turns, fmt.Sprint(slave, " ", err)) }
		m, events := master(t, b, c)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if n := b.count(2); n < 5 || n > 8 {
			t.Errorf("a silent slave was asked %d times in 30 s", n)
		}
		if n := len(values(events)); n < 110 {
			t.Errorf("the other slave was heard %d times in 30 s, want 4 a second", n)
		}
		s := m.State().Slaves
		if len(s) != 2 || s[0].Silent || s[0].Answers < 110 || !s[1].Silent || s[1].Timeouts < 5 || s[1].Err != ErrSilent {
			t.Errorf("%+v", s)
		}
		b.set(2, func(request []byte) []byte {
			if request[3] == 1 {
				return seal([]byte{2, readHolding | failed, 2})
			}
			return back.answer(request)
		})
		time.Sleep(40 * time.Second)
		synctest.Wait()
		s = m.State().Slaves
		if s[1].Silent || s[1].Answers == 0 || s[1].Exceptions == 0 || s[1].Err != Exception(2) {
			t.Errorf("%+v", s[1])
		}
		if want := []string{"2 no answer", "2 <nil>"}; !reflect.DeepEqual(turns, want) {
			t.Errorf("turns %q", turns)
		}
	})
}

// One answer that gets lost, or broken, is asked for again.
func TestDisturbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, r := newFakeBus(), newRegisters(5)
		countRequest := 0
		b.set(1, func(request []byte) []byte {
			answer := r.answer(request)
			switch countRequest++; countRequest {
			case 3:
				return nil
			case 5:
				answer[3] ^= 0x10
			case 7:
				answer = append([]byte("noise"), answer...)
			case 8:
				return append(seal([]byte{9, readHolding, 2, 0, 1}), answer...) // another slave's
			}
			return answer
		})
		m, events := master(t, b, Config{Points: []Point{{Slave: 1, Every: time.Second, Always: true, Topic: topic(t, "com.x")}}})
		time.Sleep(20 * time.Second)
		synctest.Wait()
		s := m.State().Slaves[0]
		if n := len(values(events)); n < 15 || s.Timeouts != 1 || s.Broken != 1 || s.Answers != uint64(n) || s.Silent {
			t.Errorf("%d events, %+v", n, s)
		}
	})
}

// TestLateAnswer holds that an answer that comes too late is not taken for the one to the next request, which is for
// another register.
func TestLateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, r := newFakeBus(), newRegisters(10)
		r.set(100, 20)
		countRequest := 0
		b.set(1, func(request []byte) []byte {
			wait, answer := 50*time.Millisecond, r.answer(request)
			if countRequest++; countRequest == 1 {
				wait = 520 * time.Millisecond
			}
			time.AfterFunc(wait, func() { b.say(answer) })
			return nil
		})
		at := topic(t, "com.{name}")
		_, events := master(t, b, Config{Points: []Point{
			{Name: "a", Slave: 1, Address: 0, Every: time.Minute, Topic: at},
			{Name: "b", Slave: 1, Address: 100, Every: time.Minute, Topic: at},
		}})
		time.Sleep(10 * time.Second)
		if got := values(events); !reflect.DeepEqual(got, []any{int64(10), int64(20)}) {
			t.Errorf("%v", got)
		}
	})
}

// TestOtherWritesAnswer holds that a write is done only when its own answer says so.
func TestOtherWritesAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBus()
		b.set(1, func(request []byte) []byte {
			request[3]++
			return seal(request[:6])
		})
		m, _ := master(t, b, Config{Points: []Point{{Slave: 1, Address: 7, WriteOnly: true}}})
		synctest.Wait()
		if err := m.Write(t.Context(), 0, int64(1)); err != ErrSilent {
			t.Errorf("the answer to another write: %v", err)
		}
	})
}

// TestLongAnswer holds that a slow line has time for the longest answer.
func TestLongAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, r := newFakeBus(), newRegisters(make([]uint16, maxRegisters)...)
		b.set(1, func(request []byte) []byte {
			answer := r.answer(request)
			time.AfterFunc(400*time.Millisecond+time.Duration(len(answer))*bitsPerOctet*time.Second/1200, func() { b.say(answer) })
			return nil
		})
		m, events := master(t, b, Config{Baud: 1200, Points: []Point{{Slave: 1, Count: maxRegisters, Every: time.Minute, Topic: topic(t, "com.x")}}})
		time.Sleep(10 * time.Second)
		if n, state := len(values(events)), m.State().Slaves[0]; n != 1 || state.Timeouts != 0 {
			t.Errorf("%d events, %+v", n, state)
		}
	})
}

// TestNeverSilent holds that a device that never stops talking does not keep the master for ever.
func TestNeverSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBus()
		m, _ := master(t, b, Config{Baud: 9600, Points: []Point{{Slave: 1, Every: time.Second, Topic: topic(t, "com.x")}}})
		stop := make(chan struct{})
		var talker sync.WaitGroup
		defer talker.Wait()
		defer close(stop)
		talker.Go(func() {
			for {
				select {
				case b.in <- []byte{1, 3, 0, 0, 0}:
				case <-stop:
					return
				}
				time.Sleep(2 * time.Millisecond)
			}
		})
		time.Sleep(10 * time.Second)
		if s := m.State().Slaves[0]; s.Requests < 2 || !s.Silent {
			t.Errorf("%+v", s)
		}
		if err := m.Write(t.Context(), 0, int64(1)); err == nil {
			t.Error("written")
		}
	})
}

// An echo may come in pieces, and looks like a broken answer then.
func TestEchoInPieces(t *testing.T) {
	sent := request(1, readHolding, 0, 1)
	answer := seal([]byte{1, readHolding, 2, 0, 7})
	for n := range sent {
		r := expecting(sent)
		r.push(sent[:n])
		if got := r.next(false); got != nil || len(r.broken) > 0 {
			t.Errorf("%d octets of an echo: % x, broken %v", n, got, r.broken)
		}
		r.push(append(append([]byte(nil), sent[n:]...), answer...))
		if got := r.next(false); string(got) != string(answer) || !r.echoes {
			t.Errorf("after %d octets of an echo: % x, echoes %v", n, got, r.echoes)
		}
	}
}

// expecting returns a receiver that waits for the answer to a request of one register.
func expecting(sent []byte) *receiver {
	l := newTracker(time.Second, []byte{sent[0]}, time.Time{})
	l.sent(query{request: sent, expect: headSize + 1 + 2 + crcSize, points: []int{0}}, 0, time.Time{})
	r := &receiver{tracker: l}
	r.begin(sent)
	return r
}

func TestWrite(t *testing.T) {
	for _, echo := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b, r := newFakeBus(), newRegisters(1)
			b.echo = echo
			b.set(1, r.answer)
			m, events := master(t, b, Config{Points: []Point{
				{Slave: 1, Every: time.Minute, Topic: topic(t, "com.x")},
				{Slave: 1, Address: 7, WriteOnly: true, Type: Uint32},
				{Slave: 3, Address: 7, WriteOnly: true},
			}})
			time.Sleep(time.Second)
			if got := values(events); !reflect.DeepEqual(got, []any{int64(1)}) {
				t.Fatal(got)
			}
			if err := m.Write(t.Context(), 0, int64(42)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second) // what was written is looked at
			if got := values(events); !reflect.DeepEqual(got, []any{int64(42)}) {
				t.Error(got)
			}
			if m.State().Echo != echo {
				t.Errorf("echo %v: %+v", echo, m.State())
			}
			if err := m.Write(t.Context(), 1, int64(42)); err != Exception(1) {
				t.Errorf("a function that the slave has not: %v", err)
			}
			if err := m.Write(t.Context(), 2, int64(42)); err != ErrSilent {
				t.Errorf("a slave that is not there: %v", err)
			}
			if err := m.Write(t.Context(), 0, "x"); !errors.Is(err, ErrValue) {
				t.Errorf("no value: %v", err)
			}
			late, cancel := context.WithCancel(t.Context())
			cancel()
			if err := m.Write(late, 2, int64(1)); err != context.Canceled {
				t.Errorf("canceled: %v", err)
			}
		})
	}
}

func TestWriteWithoutBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := New(Config{Points: []Point{{Slave: 1, WriteOnly: true}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Write(t.Context(), 0, int64(1)); err != ErrAbsent {
			t.Error(err)
		}
		b := newFakeBus()
		done := make(chan error)
		go func() { done <- m.Run(b, nil) }()
		synctest.Wait()
		written := make(chan error, 30)
		for range 30 {
			go func() { written <- m.Write(t.Context(), 0, int64(1)) }()
		}
		time.Sleep(time.Millisecond)
		b.Close()
		if err := <-done; err != io.EOF {
			t.Error(err)
		}
		absent, busy := 0, 0
		for range 30 {
			switch err := <-written; {
			case errors.Is(err, ErrAbsent):
				absent++
			case err == ErrBusy:
				busy++
			default:
				t.Error(err)
			}
		}
		if absent < maxWrites || absent > maxWrites+1 || busy != 30-absent {
			t.Errorf("%d absent, %d busy", absent, busy)
		}
	})
}

// FuzzAnswer holds that whatever arrives, what comes out is a whole frame of the slave that was asked.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("\x01\x03\x02\x00\xd7\xf8\x1a"), true)
	f.Add(seal([]byte{1, 0x83, 2}), false)
	f.Fuzz(func(t *testing.T, octets []byte, echo bool) {
		r := expecting(request(1, readHolding, 0, 1))
		r.echoes = echo
		for len(octets) > 0 {
			n := min(len(octets), 1+int(octets[0])%7)
			r.push(octets[:n])
			octets = octets[n:]
			for answer := r.next(len(octets) == 0); answer != nil; answer = r.next(len(octets) == 0) {
				if !Sealed(answer) || answer[0] != 1 {
					t.Errorf("% x", answer)
				}
			}
		}
		if len(r.buf) > 0 {
			t.Errorf("left behind: % x", r.buf)
		}
	})
}
