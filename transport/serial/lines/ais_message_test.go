package lines

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// parts returns the lines with the message, split into n sentences.
func (m aisMessage) parts(n int, id string) (lines []string) {
	payload := strings.Split(m.sentence(), ",")[5]
	fill := (6 - len(m)%6) % 6
	for i := range n {
		from, to := len(payload)*i/n, len(payload)*(i+1)/n
		last := 0
		if i == n-1 {
			last = fill
		}
		body := fmt.Sprintf("AIVDM,%d,%d,%s,A,%s,%d", n, i+1, id, payload[from:to], last)
		lines = append(lines, fmt.Sprintf("!%s*%02X", body, Checksum(body)))
	}
	return lines
}

// The last sentence of a message has the values of all, if the ones before have arrived.
func TestAISMessages(t *testing.T) {
	alice := ship(5, 424).with(40, 30, 9074729).named(70, "DABC").named(112, "ALICE").with(232, 8, 70).with(240, 9, 100).with(249, 9, 20).with(258, 6, 8).with(264, 6, 7).
		with(274, 4, 12).with(278, 5, 24).with(283, 5, 18).with(288, 6, 30).with(294, 8, 65).named(302, "HAMBURG")
	want := fields{"name": "ALICE", "imo": int64(9074729), "callsign": "DABC", "ship_type": int64(70), "length": int64(120), "beam": int64(15), "eta": "12-24T18:30Z", "draught": 6.5, "destination": "HAMBURG"}
	bob := ship(5, 424).named(112, "BOB").named(302, "BREMEN")
	p := parser(t, Config{Format: NMEA, Time: TimeNone})
	read := func(line string, now time.Time) fields {
		e, err := p.Parse([]byte(line), now)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		got := fields{}
		for name := range want {
			if v, has := e.Kwargs[name]; has {
				got[name] = v
			}
		}
		return got
	}
	for _, n := range []int{2, 3, 9} {
		for i, line := range alice.parts(n, "3") {
			if got := read(line, noon); (i == n-1) != reflect.DeepEqual(got, want) {
				t.Errorf("sentence %d of %d: %v", i+1, n, got)
			}
		}
	}
	one, two := alice.parts(2, "1"), bob.parts(2, "2")
	read(one[0], noon)
	read(two[0], noon)
	if got := read(one[1], noon); got["destination"] != "HAMBURG" {
		t.Errorf("interleaved: %v", got)
	}
	if got := read(two[1], noon.Add(aisPatience)); got["destination"] != "BREMEN" || got["name"] != "BOB" {
		t.Errorf("interleaved: %v", got)
	}
	if got := read(two[1], noon); len(got) > 0 {
		t.Errorf("without the first: %v", got)
	}
	read(one[0], noon)
	if got := read(one[1], noon.Add(aisPatience+1)); len(got) > 0 {
		t.Errorf("too late: %v", got)
	}
	three := alice.parts(3, "1")
	read(three[0], noon)
	if got := read(three[2], noon); len(got) > 0 {
		t.Errorf("without the second: %v", got)
	}
	for i := range 3 * maxAISPending { // more than are kept
		read(alice.parts(2, fmt.Sprint(i))[0], noon)
	}
	m := aisMessages{}
	for i := range int64(9) {
		if got := m.add("x", i+1, 9, strings.Repeat("0", 100), noon); got != "" || len(m.pending) > 1 {
			t.Errorf("%d characters of a message that is too long", len(got))
		}
	}
}

// A time of arrival that is missing or invalid is omitted.
func TestAISArrival(t *testing.T) {
	for _, c := range []struct {
		month, day, hour, minute int64
		want                     any
	}{
		{1, 1, 0, 0, "01-01T00:00Z"}, {12, 31, 23, 59, "12-31T23:59Z"},
		{0, 1, 0, 0, nil}, {13, 1, 0, 0, nil}, {1, 0, 0, 0, nil}, {1, 1, 24, 0, nil}, {1, 1, 0, 60, nil},
	} {
		p := parser(t, Config{Format: NMEA, Time: TimeNone})
		m := ship(5, 424).with(274, 4, c.month).with(278, 5, c.day).with(283, 5, c.hour).with(288, 6, c.minute).named(112, "ALICE")
		var got any
		for _, line := range m.parts(2, "1") {
			e, err := p.Parse([]byte(line), noon)
			if err != nil {
				t.Fatal(err)
			}
			got = e.Kwargs["eta"]
		}
		if got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
