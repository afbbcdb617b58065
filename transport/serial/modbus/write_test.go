package modbus

import (
	"context"
	"errors"
	"io"
	"reflect"
	"testing"
	"testing/synctest"
	"time"
)

// TestOtherWritesAnswer checks that only its own answer completes a write.
func TestOtherWritesAnswer(t *testing.T) {
	for value, p := range map[any]Point{int64(1): {Slave: 1, Address: 7, WriteOnly: true}, true: {Slave: 1, Table: Coil, Address: 7, WriteOnly: true}} {
		synctest.Test(t, func(t *testing.T) {
			b := newFakeBus()
			b.set(1, func(request []byte) []byte {
				request[3]++
				return seal(request[:6])
			})
			m, _ := master(t, b, Config{Points: []Point{p}})
			synctest.Wait()
			if err := m.Write(t.Context(), 0, value); err != ErrSilent {
				t.Errorf("the answer to another write of a %s: %v", TableNames[p.Table], err)
			}
		})
	}
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
			time.Sleep(time.Second) // the written value is read back
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

// TestWriteGoesFirst: a write does not wait until no poll is due, on a bus that is too slow for its polls.
func TestWriteGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, r := newFakeBus(), newRegisters(1)
		b.set(1, func(request []byte) []byte {
			answer := r.answer(request)
			time.AfterFunc(100*time.Millisecond, func() { b.say(answer) })
			return nil
		})
		m, _ := master(t, b, Config{Points: []Point{{Slave: 1, Every: 10 * time.Millisecond, Topic: topic(t, "com.x")}}})
		time.Sleep(10 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := m.Write(ctx, 0, int64(42)); err != nil {
			t.Error(err)
		}
	})
}

// TestProbe: before the first write a read shows whether the bus has echoes, unless a poll has done so. Modbus TCP has none.
func TestProbe(t *testing.T) {
	for _, c := range []struct {
		name   string
		points []Point
		want   int // requests for a write
	}{
		{"nothing is read", nil, 2},
		{"holding", []Point{{Table: Holding}}, 1},
		{"input", []Point{{Table: Input}}, 1},
		{"coil", []Point{{Table: Coil}}, 1},
		{"discrete", []Point{{Table: Discrete}}, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			b, r := newFakeBus(), newRegisters(1)
			b.set(1, func(request []byte) []byte {
				if request[1] == writeRegister {
					return r.answer(request)
				}
				n := answerLength(request)
				return seal(append([]byte{1, request[1], byte(n)}, make([]byte, n)...))
			})
			config := Config{Points: []Point{{Slave: 1, Address: 7, WriteOnly: true}}}
			for _, p := range c.points {
				p.Slave, p.Every, p.Topic = 1, time.Hour, topic(t, "com.x")
				config.Points = append(config.Points, p)
			}
			m, _ := master(t, b, config)
			time.Sleep(10 * time.Second)
			for i := range 2 {
				before := b.count(1)
				if err := m.Write(t.Context(), 0, int64(42)); err != nil {
					t.Errorf("%s: %v", c.name, err)
				}
				want := c.want
				if i > 0 {
					want = 1
				}
				if n := b.count(1) - before; n != want {
					t.Errorf("%s: %d requests for write %d, want %d", c.name, n, i+1, want)
				}
			}
		})
	}
}

// answerLength returns the octets of data in the answer to a read.
func answerLength(request []byte) int {
	n := int(request[5])
	if request[1] == readCoils || request[1] == readDiscrete {
		return (n + 7) / 8
	}
	return 2 * n
}
