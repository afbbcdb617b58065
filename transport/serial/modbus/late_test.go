package modbus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"runnel/transport/serial/reading"
)

// trouble describes the faults of a simulated bus.
type trouble struct {
	name    string
	delay   func(r *rand.Rand) time.Duration
	crowded bool    // answers overtake each other; else a slave answers one request after the other
	drop    float64 // of requests, and of answers
	twice   float64 // answers that arrive a second time, up to 150 ms later
	noise   float64 // frames with a flipped bit or octets around them
	echo    bool
	alive   bool // all values have to arrive
}

// between returns delays from a to b.
func between(a, b time.Duration) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration { return a + time.Duration(r.Int64N(int64(b-a)+1)) }
}

// hostileBus has three slaves. Their registers contain the slave, the address, and a count.
type hostileBus struct {
	trouble
	in     chan []byte
	closed chan struct{}
	close  sync.Once

	mu     sync.Mutex
	random *rand.Rand
	busy   map[byte]time.Time // until when a slave is at work
	count  uint16
}

func (b *hostileBus) Read(p []byte) (int, error) {
	select {
	case octets := <-b.in:
		return copy(p, octets), nil
	case <-b.closed:
		return 0, io.EOF
	}
}

func (b *hostileBus) Close() error {
	b.close.Do(func() { close(b.closed) })
	return nil
}

func (b *hostileBus) chance(p float64) bool { return b.random.Float64() < p }

func (b *hostileBus) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.echo {
		b.say(p)
	}
	if b.chance(b.drop) || !Sealed(p) {
		return len(p), nil
	}
	slave := p[0]
	begin := time.Now()
	if !b.crowded && b.busy[slave].After(begin) {
		begin = b.busy[slave]
	}
	at := begin.Add(b.delay(b.random))
	b.busy[slave] = at
	first, n := binary.BigEndian.Uint16(p[2:]), binary.BigEndian.Uint16(p[4:])
	function := p[1]
	time.AfterFunc(time.Until(at), func() { b.answer(slave, function, first, n) })
	return len(p), nil
}

func (b *hostileBus) answer(slave, function byte, first, n uint16) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count++
	frame := []byte{slave, function, byte(2 * n)}
	for i := range n {
		frame = binary.BigEndian.AppendUint16(frame, uint16(slave)<<12|(first+i)/16<<8|b.count&0xff)
	}
	frame = seal(frame)
	if !b.chance(b.drop) {
		b.say(frame)
	}
	if b.chance(b.twice) {
		time.AfterFunc(time.Duration(b.random.Int64N(int64(150*time.Millisecond))), func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.say(frame)
		})
	}
}

// say sends octets in pieces, sometimes with noise. It is called with mu held.
func (b *hostileBus) say(frame []byte) {
	octets := append([]byte(nil), frame...)
	if b.chance(b.noise) {
		switch b.random.IntN(3) {
		case 0:
			octets[b.random.IntN(len(octets))] ^= 1 << b.random.IntN(8)
		case 1:
			octets = append(b.rubbish(), octets...)
		case 2:
			octets = append(octets, b.rubbish()...)
		}
	}
	for len(octets) > 0 {
		n := 1 + b.random.IntN(len(octets))
		select {
		case b.in <- octets[:n]:
		default: // lost
		}
		octets = octets[n:]
	}
}

func (b *hostileBus) rubbish() []byte {
	octets := make([]byte, 1+b.random.IntN(12))
	for i := range octets {
		octets[i] = byte(b.random.Uint32())
	}
	if b.chance(0.3) {
		octets[0] = byte(1 + b.random.IntN(3)) // may be a slave's
	}
	return octets
}

// TestNoWrongValues checks that no value is ever published under another's name, whatever the bus does, and that values
// do arrive where they can.
func TestNoWrongValues(t *testing.T) {
	for _, c := range []trouble{
		{name: "prompt", delay: between(5*time.Millisecond, 50*time.Millisecond), alive: true},
		{name: "echo", delay: between(5*time.Millisecond, 50*time.Millisecond), echo: true, alive: true},
		{name: "steadily 650 ms", delay: between(650*time.Millisecond, 650*time.Millisecond), alive: true},
		{name: "0.1 to 0.9 s", delay: between(100*time.Millisecond, 900*time.Millisecond), alive: true},
		{name: "0.1 to 0.9 s, crowded", delay: between(100*time.Millisecond, 900*time.Millisecond), crowded: true, alive: true},
		{name: "steadily 2 s", delay: between(2*time.Second, 2*time.Second), alive: true},
		{name: "up to 3 s", delay: between(0, 3*time.Second), crowded: true, alive: true},
		{name: "sometimes 4 s", delay: func(r *rand.Rand) time.Duration {
			if r.IntN(20) == 0 {
				return 4 * time.Second
			}
			return 20 * time.Millisecond
		}, alive: true},
		{name: "lossy", delay: between(5*time.Millisecond, 700*time.Millisecond), drop: 0.1, alive: true},
		{name: "noisy", delay: between(5*time.Millisecond, 100*time.Millisecond), noise: 0.2, echo: true, alive: true},
		{name: "twice", delay: between(5*time.Millisecond, 100*time.Millisecond), twice: 0.1, alive: true},
		{name: "always twice", delay: between(5*time.Millisecond, 100*time.Millisecond), twice: 1},
		{name: "all at once", delay: between(5*time.Millisecond, 900*time.Millisecond), crowded: true, drop: 0.05, twice: 0.05, noise: 0.1, echo: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(4) {
				synctest.Test(t, func(t *testing.T) { survive(t, c, seed) })
			}
		})
	}
}

func survive(t *testing.T, c trouble, seed uint64) {
	b := &hostileBus{trouble: c, in: make(chan []byte, 1000), closed: make(chan struct{}), random: rand.New(rand.NewPCG(seed, 7)), busy: map[byte]time.Time{}}
	config := Config{Baud: 19200}
	for slave := byte(1); slave <= 3; slave++ {
		for address := range uint16(4) {
			config.Points = append(config.Points, Point{
				Name: fmt.Sprint(address), Slave: slave, Address: 16 * address, Every: 300 * time.Millisecond, Always: true, Topic: topic(t, "com.x"),
			})
		}
	}
	m, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	right := map[string]int{}
	done := make(chan error, 1)
	go func() {
		done <- m.Run(b, func(e reading.Event) {
			slave, name, value := e.Kwargs["slave"].(int64), e.Kwargs["name"].(string), e.Kwargs["value"].(int64)
			if value>>12 != slave || fmt.Sprint(value>>8&0xf) != name {
				t.Errorf("seed %d: %#x was published as slave %d, address %s", seed, value, slave, name)
			}
			right[fmt.Sprint(slave, " ", name)]++
		})
	}()
	time.Sleep(3 * time.Minute)
	b.Close()
	<-done
	time.Sleep(time.Minute) // the pending request
	least := 1 << 30
	for _, p := range config.Points {
		least = min(least, right[fmt.Sprint(p.Slave, " ", p.Name)])
	}
	t.Logf("seed %d: each value at least %d times in 3 minutes; %+v", seed, least, m.State().Slaves[0])
	if c.alive && least < 5 {
		t.Errorf("seed %d: a value arrived %d times in 3 minutes", seed, least)
	}
}

// TestLateIsReported: a slave that becomes late is reported once, with a sufficient timeout, and once more when it is prompt
// again. An exception may be late, too.
func TestLateIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, r := newFakeBus(), newRegisters(5)
		delay := 700 * time.Millisecond
		b.set(1, func(request []byte) []byte {
			answer := r.answer(request)
			time.AfterFunc(delay, func() { b.say(answer) })
			return nil
		})
		at := topic(t, "com.{name}")
		var reports []string
		m, events := master(t, b, Config{
			Points: []Point{
				{Name: "a", Slave: 1, Every: time.Second, Always: true, Topic: at},
				{Name: "missing", Slave: 1, Address: 100, Every: time.Second, Always: true, Topic: at},
			},
			Late: func(slave byte, needs, suggested time.Duration) {
				reports = append(reports, fmt.Sprint(slave, needs.Round(100*time.Millisecond), suggested))
			},
		})
		time.Sleep(20 * time.Second)
		synctest.Wait()
		s := m.State().Slaves[0]
		if s.Late == 0 || s.Slowest < delay-10*time.Millisecond || s.Suggest < s.Slowest || s.Exceptions == 0 || !errors.Is(s.Err, Exception(illegalAddress)) || len(events) == 0 {
			t.Errorf("while it is late: %d events, %+v", len(events), s)
		}
		if want := []string{"1 700ms 1.1s"}; !slices.Equal(reports, want) {
			t.Errorf("reported %q, want %q", reports, want)
		}
		b.mu.Lock()
		delay = 10 * time.Millisecond
		b.mu.Unlock()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if s := m.State().Slaves[0]; s.Slowest != 0 || s.Suggest != 0 {
			t.Errorf("when it is prompt again: %+v", s)
		}
		if want := []string{"1 700ms 1.1s", "1 0s 0s"}; !slices.Equal(reports, want) {
			t.Errorf("reported %q, want %q", reports, want)
		}
	})
}

// TestLateAnswerCounts: an answer or an exception that arrives after its timeout still answers its request. The request
// is not repeated.
func TestLateAnswerCounts(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r *registers)
		want   []any
	}{
		"a value":      {func(r *registers) { r.set(0, 6) }, []any{int64(5), int64(6)}},
		"an exception": {func(r *registers) { r.remove(0) }, []any{int64(5)}},
	} {
		synctest.Test(t, func(t *testing.T) {
			b, r := newFakeBus(), newRegisters(5)
			late := false
			b.set(1, func(request []byte) []byte {
				answer := r.answer(request)
				if late {
					time.AfterFunc(700*time.Millisecond, func() { b.say(answer) })
					return nil
				}
				return answer
			})
			m, events := master(t, b, Config{Points: []Point{{Slave: 1, Every: 10 * time.Second, Topic: topic(t, "com.x")}}})
			time.Sleep(15 * time.Second)
			b.mu.Lock()
			late = true
			b.mu.Unlock()
			c.change(r)
			before := b.count(1)
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if n := b.count(1) - before; n != 1 {
				t.Errorf("%s: %d requests", name, n)
			}
			if got := values(events); !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s: published %v, want %v", name, got, c.want)
			}
			if s := m.State().Slaves[0]; s.Late != 1 || (s.Exceptions == 1) != (len(c.want) == 1) {
				t.Errorf("%s: %+v", name, s)
			}
		})
	}
}
