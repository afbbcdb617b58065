package modbus

import (
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"runnel/transport/serial/reading"
)

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

// TestSilentSlave checks that a silent slave is polled less and less often, and does not delay the others.
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
		c.SlaveChanged = func(slave byte, err error) { turns = append(turns, fmt.Sprint(slave, " ", err)) }
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
		if s[1].Silent || s[1].Answers == 0 || s[1].Exceptions == 0 || !errors.Is(s[1].Err, Exception(2)) {
			t.Errorf("%+v", s[1])
		}
		if want := []string{"2 no answer", "2 <nil>"}; !reflect.DeepEqual(turns, want) {
			t.Errorf("turns %q", turns)
		}
	})
}

// TestRefused: the beginning and the end of a point's exceptions are reported once, and the slave's error names the point.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, r := newFakeBus(), newRegisters(9)
		var rejects atomic.Bool
		rejects.Store(true)
		b.set(1, func(request []byte) []byte {
			if rejects.Load() && request[3] == 7 {
				return seal([]byte{1, readHolding | failed, illegalAddress})
			}
			return r.answer(request)
		})
		r.set(0, 1)
		r.set(7, 2)
		var turns []string
		m, _ := master(t, b, Config{
			Points: []Point{
				{Name: "power", Slave: 1, Every: time.Second, Topic: topic(t, "com.{name}")},
				{Name: "energy", Slave: 1, Address: 7, Every: time.Second, Topic: topic(t, "com.{name}")},
			},
			Refused: func(p *Point, err error) { turns = append(turns, fmt.Sprint(p.Name, " ", err)) },
		})
		time.Sleep(30 * time.Second)
		synctest.Wait()
		want := "energy: " + Exception(illegalAddress).Error()
		if s := m.State().Slaves[0]; s.Err == nil || s.Err.Error() != want {
			t.Errorf("the slave's error is %v, want %s", s.Err, want)
		}
		rejects.Store(false)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if want := []string{"energy " + Exception(illegalAddress).Error(), "energy <nil>"}; !reflect.DeepEqual(turns, want) {
			t.Errorf("turns %q, want %q", turns, want)
		}
	})
}

// TestRefresh: an unchanged value is published again after its refresh time, a single value is no list.
func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := New(Config{Points: []Point{{Slave: 1, Count: 1, Every: time.Second, Refresh: time.Minute, Topic: topic(t, "com.x")}}})
		if err != nil {
			t.Fatal(err)
		}
		var published []any
		publish := func(e reading.Event) { published = append(published, e.Kwargs["value"]) }
		for i, want := range []int{1, 1, 2, 2} {
			time.Sleep([]time.Duration{0, time.Minute - 1, 1, time.Minute - 1}[i])
			m.publishChanged(0, []any{int64(7)}, publish)
			if len(published) != want || published[0] != int64(7) {
				t.Errorf("published %v, want %d values", published, want)
			}
		}
	})
}

// TestBadTopic: a name that does not fit into the topic is an error of its slave.
func TestBadTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBus()
		b.set(1, newRegisters(1).answer)
		m, events := master(t, b, Config{Points: []Point{{Name: "a b", Slave: 1, Every: time.Second, Topic: topic(t, "com.{name}")}}})
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if s := m.State().Slaves[0]; s.Err == nil || len(events) != 0 {
			t.Errorf("%d events, %+v", len(events), s)
		}
	})
}

// TestRejected: which exceptions reject a request for good.
func TestRejected(t *testing.T) {
	for e := Exception(1); e <= 11; e++ {
		if got := refused(e); got != (e == illegalAddress || e == illegalValue || e == deviceFailure) {
			t.Errorf("%v: %v", e, got)
		}
	}
	if refused(nil) || refused(ErrSilent) {
		t.Error("a missing answer is a rejection")
	}
}
