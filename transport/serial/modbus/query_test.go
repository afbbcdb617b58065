package modbus

import (
	"fmt"
	"reflect"
	"testing"
	"testing/synctest"
	"time"
)

func TestGroup(t *testing.T) {
	at := func(address uint16, more func(*Point)) Point {
		p := Point{Slave: 1, Address: address, Every: time.Second}
		if more != nil {
			more(&p)
		}
		return p
	}
	long := func(p *Point) { p.Type = Float32 }
	coil := func(p *Point) { p.Table = Coil }
	for _, c := range []struct {
		name   string
		points []Point
		how    grouping
		want   string
	}{
		{"neighbours", []Point{at(0, long), at(2, long), at(4, nil)}, bridged, "0+5[0 1 2]"},
		{"not in order", []Point{at(4, nil), at(0, long), at(2, long)}, bridged, "0+5[1 2 0]"},
		{"overlapping", []Point{at(0, long), at(1, nil), at(0, nil)}, bridged, "0+2[0 2 1]"},
		{"a small hole", []Point{at(0, nil), at(5, nil)}, bridged, "0+6[0 1]"},
		{"a hole", []Point{at(0, nil), at(6, nil)}, bridged, "0+1[0] 6+1[1]"},
		{"no holes", []Point{at(0, nil), at(1, nil), at(3, nil)}, adjacent, "0+2[0 1] 3+1[2]"},
		{"each by itself", []Point{at(0, nil), at(1, nil)}, single, "0+1[0] 1+1[1]"},
		{"another slave", []Point{at(0, nil), at(1, func(p *Point) { p.Slave = 2 })}, bridged, "0+1[0] 1+1[1]"},
		{"another table", []Point{at(0, nil), at(1, func(p *Point) { p.Table = Input })}, bridged, "0+1[0] 1+1[1]"},
		{"another time", []Point{at(0, nil), at(1, func(p *Point) { p.Every = time.Minute })}, bridged, "0+1[0] 1+1[1]"},
		{"too long", []Point{at(0, func(p *Point) { p.Count = 100 }), at(100, func(p *Point) { p.Count = 25 }), at(125, nil)}, bridged, "0+125[0 1] 125+1[2]"},
		{"at the end", []Point{at(65535, nil), at(65534, nil)}, bridged, "65534+2[1 0]"},
		{"bits", []Point{at(3, coil), at(30, coil), at(64, coil)}, bridged, "3+28[0 1] 64+1[2]"},
	} {
		got := ""
		var all []int
		for i := range c.points {
			all = append(all, i)
		}
		for i, q := range group(c.points, all, c.how) {
			if i > 0 {
				got += " "
			}
			got += fmt.Sprintf("%d+%d%v", q.first, int(q.request[4])<<8|int(q.request[5]), q.points)
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestCut(t *testing.T) {
	all := []Point{{Slave: 1, Table: Coil, Address: 3}, {Slave: 1, Table: Coil, Address: 10, Count: 10}}
	q := ask(all, []int{0, 1})
	for i, want := range []string{"[true]", "[true false true true false false true true true false]"} {
		got, err := all[i].decode(q.cut(&all[i], []byte{0x81, 0xe6, 0x00}))
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%v, %v; want %s", got, err, want)
		}
	}
}

// TestNeighbours checks that 40 values of a slave are one request, and that a slave that refuses a hole, or one of the
// values, still gives the others.
func TestNeighbours(t *testing.T) {
	for _, c := range []struct {
		name       string
		missing    []uint16 // registers that the slave has not
		exceptions uint64   // in the first minute
		requests   uint64
		values     int
	}{
		{"all there", nil, 0, 7, 40},
		{"a hole", []uint16{41}, 1, 1 + 2*7, 40},
		{"a value", []uint16{7}, 2 + 7, 2 + 40 + 6*40, 39},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, r := newFakeBus(), newRegisters()
				for i := range uint16(50) {
					r.set(i, i)
				}
				for _, address := range c.missing {
					delete(r.words, address)
				}
				b.set(1, r.answer)
				config := Config{Points: []Point{}}
				for i := range uint16(40) {
					p := Point{Name: fmt.Sprint(i), Slave: 1, Address: i, Every: 10 * time.Second, Topic: topic(t, "com.{name}")}
					if i == 39 {
						p.Address = 42
					}
					config.Points = append(config.Points, p)
				}
				m, events := master(t, b, config)
				time.Sleep(59 * time.Second)
				synctest.Wait()
				seen := map[string]any{}
				for len(events) > 0 {
					e := <-events
					seen[e.Kwargs["name"].(string)] = e.Kwargs["value"]
				}
				want := map[string]any{}
				for _, p := range config.Points {
					if !(c.name == "a value" && p.Address == 7) {
						want[p.Name] = int64(p.Address)
					}
				}
				if !reflect.DeepEqual(seen, want) || len(seen) != c.values {
					t.Errorf("%v", seen)
				}
				if s := m.State().Slaves[0]; s.Exceptions < min(1, c.exceptions) || s.Exceptions > c.exceptions+2 || s.Requests > c.requests+45 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// TestBroadcast checks that a broadcast is sent, and that no answer is awaited.
func TestBroadcast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBus()
		m, _ := master(t, b, Config{Points: []Point{{Slave: 0, Address: 7, WriteOnly: true}}})
		synctest.Wait()
		if err := m.Write(t.Context(), 0, int64(1)); err != nil || b.count(0) != 1 {
			t.Errorf("%v, sent %d times", err, b.count(0))
		}
	})
}
