package codec

import (
	"testing"

	"runnel/edge/wamp"
	"runnel/test/kit"
)

func wantNoAllocs(t *testing.T, what string, s wamp.Serializer, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(100, f); n != 0 {
		t.Errorf("%s in %v: %v allocations", what, s, n)
	}
}

// From PUBLISH to its EVENTs nothing is allocated. This includes options, and other serializers as long as no string
// has escapes and no JSON number a fraction.
func TestAllocs(t *testing.T) {
	if kit.Race {
		t.Skip("the race detector allocates")
	}
	for _, s := range wamp.Serializers {
		data := publish(t, s)
		withOptions := in(t, s, `[16,1,{"acknowledge":true,"exclude":[1,2],"x":"\n"},"com.topic",[1,{"a":true}],{"b":"c"}]`)
		ev := event(t, s)
		var m Message
		wantNoAllocs(t, "Parse", s, func() { check1(t, Parse(s, data, &m)) })
		wantNoAllocs(t, "Parse with options", s, func() { check1(t, Parse(s, withOptions, &m)) })
		wantNoAllocs(t, "TypeOf", s, func() { TypeOf(s, data) })
		buf := make([]byte, 0, 4096)
		for _, to := range wamp.Serializers {
			wantNoAllocs(t, "Append from "+s.String(), to, func() {
				_, err := Append(buf, to, ev)
				check1(t, err)
			})
		}
		wantNoAllocs(t, "Fields", s, func() { walk(t, m.Dict) })
		var b Builder
		fields := make([]byte, 0, 256)
		wantNoAllocs(t, "Builder", s, func() {
			b.Reset(s, fields)
			b.Bool("retained", true)
			b.Uint("publisher", 5512315355)
			b.Text("topic", m.Text)
			m2 := Message{Type: wamp.Event, ID: 1, Publication: 2, Dict: b.Dict()}
			_, err := Append(buf, s, &m2)
			check1(t, err)
		})
	}
}

func check1(t *testing.T, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

// walk reads the dict of TestAllocs as a broker does.
func walk(t *testing.T, d Dict) {
	n := 0
	for f := d.Fields(); f.Next(); n++ {
		switch string(f.Key()) {
		case "acknowledge":
			if b, ok := f.Value().Bool(); !ok || !b {
				t.Error("acknowledge is not true")
			}
		case "exclude":
			list, _ := f.Value().Items()
			sum := uint64(0)
			for list.Next() {
				id, _ := list.Value().Uint()
				sum += id
			}
			if sum != 3 {
				t.Errorf("exclude adds up to %d", sum)
			}
		}
	}
	if n != 3 {
		t.Errorf("%d fields", n)
	}
}
