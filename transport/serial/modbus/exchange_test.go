package modbus

import (
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

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

// TestLateAnswer checks that a late answer is not taken for the answer to the next request, which is for another
// register.
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

// TestLongAnswer checks that a slow line has time for the longest answer.
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

// TestWrongLength checks that an answer of unexpected length is reported as such, for every request.
func TestWrongLength(t *testing.T) {
	for table := Holding; table <= Discrete; table++ {
		synctest.Test(t, func(t *testing.T) {
			b := newFakeBus()
			b.set(1, func(request []byte) []byte { return seal([]byte{1, request[1], 4, 0, 1, 0, 2}) })
			m, events := master(t, b, Config{Points: []Point{{Slave: 1, Table: table, Every: time.Second, Topic: topic(t, "com.x")}}})
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if s := m.State().Slaves[0]; s.Err != errLength || s.Broken == 0 || s.Timeouts != 0 || len(events) != 0 {
				t.Errorf("%s: %+v", TableNames[table], s)
			}
		})
	}
}

// TestRepeatedAtOnce: a request whose answer is broken is repeated before its timeout is over.
func TestRepeatedAtOnce(t *testing.T) {
	for name, broken := range map[string][]byte{
		"a wrong CRC":    {1, readHolding, 2, 0, 5, 0, 0},
		"a wrong length": seal([]byte{1, readHolding, 4, 0, 5, 0, 5}),
	} {
		synctest.Test(t, func(t *testing.T) {
			b, r := newFakeBus(), newRegisters(5)
			var times []time.Time
			b.set(1, func(request []byte) []byte {
				if times = append(times, time.Now()); len(times) == 1 {
					return broken
				}
				return r.answer(request)
			})
			config := Config{Timeout: 10 * time.Second, Points: []Point{{Slave: 1, Every: time.Hour, Topic: topic(t, "com.x")}}}
			_, events := master(t, b, config)
			time.Sleep(config.Timeout + time.Minute)
			synctest.Wait()
			if len(times) < 2 || times[1].Sub(times[0]) > config.Timeout+time.Second || len(events) != 1 {
				t.Errorf("%s: %d requests, %d events", name, len(times), len(events))
			}
		})
	}
}

// TestStraysAreCounted: unexpected frames are counted, and remembered while they may be repeated.
func TestStraysAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, r := newFakeBus(), newRegisters(5)
		twice := true
		b.set(1, func(request []byte) []byte {
			answer := r.answer(request)
			if twice {
				time.AfterFunc(100*time.Millisecond, func() { b.say(answer) })
			}
			return answer
		})
		m, events := master(t, b, Config{Points: []Point{{Slave: 1, Every: time.Second, Topic: topic(t, "com.x")}}})
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if s := m.State().Slaves[0]; s.Unexpected == 0 || !s.UnexpectedLately {
			t.Errorf("%+v", s)
		}
		b.mu.Lock()
		twice = false
		b.mu.Unlock()
		time.Sleep(2 * strayFor)
		synctest.Wait()
		if s := m.State().Slaves[0]; s.UnexpectedLately || len(events) != 1 {
			t.Errorf("%d events, %+v", len(events), s)
		}
	})
}

// TestNeverSilent checks that a device that never stops sending does not block the master forever.
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

// An echo may arrive in pieces, and then looks like a broken answer.
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
