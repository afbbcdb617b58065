package sparkplug

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	host "runnel/test/sparkplug"
)

// Only commands for the node, and the state of its host, are for the Edge Node. A retained command is dropped.
func TestTake(t *testing.T) {
	for _, c := range []struct {
		topic, host string
		message     []byte
		retained    bool
		taken       bool
		events      string
		dropped     string
	}{
		{topic: "spBv1.0/plant/DCMD/gw/pump", message: host.Command("on", 11, 14, true), taken: true, events: "pump on true"},
		{topic: "spBv1.0/plant/NCMD/gw", message: host.Command("reboot", 11, 14, false), taken: true, events: " reboot false"},
		{topic: "spBv1.0/plant/DCMD/gw/pump", message: host.Command("on", 11, 14, true), retained: true, taken: true, dropped: "a retained command"},
		{topic: "spBv1.0/plant/NCMD/gw", message: []byte{0xff}, taken: true, dropped: errProtobuf.Error()},
		{topic: "spBv1.0/plant/NCMD/other", message: host.Command("reboot", 11, 14, false)},
		{topic: "spBv1.0/plant/DCMD/other/pump", message: host.Command("on", 11, 14, true)},
		{topic: "com.example.a", message: []byte("1")},
		{topic: "spBv1.0/STATE/scada", message: []byte("1")},
		{topic: "spBv1.0/STATE/", message: []byte("1")},
		{topic: "spBv1.0/STATE/other", host: "scada", message: []byte("1")},
		{topic: "spBv1.0/STATE/scada", host: "scada", message: []byte(`{"online":false,"timestamp":1}`), taken: true},
	} {
		var d *desk
		d = newDesk(t, func(o *Options) {
			o.Host = c.host
			o.Publish = func(_ context.Context, device, metric string, value any) error {
				d.events = append(d.events, fmt.Sprint(device, " ", metric, " ", value))
				return nil
			}
		})
		d.connect()
		if taken := d.Take(d.conn, c.topic, c.message, c.retained); taken != c.taken {
			t.Errorf("%s: taken %v", c.topic, taken)
		}
		if got := strings.Join(d.events, ", "); got != c.events {
			t.Errorf("%s: events %q, want %q", c.topic, got, c.events)
		}
		if got := strings.Join(d.dropped, ", "); c.dropped == "" && got != "" || !strings.HasSuffix(got, c.dropped) {
			t.Errorf("%s: dropped %q, want %q", c.topic, got, c.dropped)
		}
	}
}

// The filters cover the topics of Take.
func TestFilters(t *testing.T) {
	for host, want := range map[string][]string{
		"":      {"spBv1.0/plant/NCMD/gw", "spBv1.0/plant/DCMD/gw/+"},
		"scada": {"spBv1.0/plant/NCMD/gw", "spBv1.0/plant/DCMD/gw/+", "spBv1.0/STATE/scada"},
	} {
		d := newDesk(t, func(o *Options) { o.Host = host })
		if got := d.Filters(); !slices.Equal(got, want) {
			t.Errorf("%q: %q", host, got)
		}
	}
}

// A command for a metric that nothing writes is dropped, and only "true" asks for a rebirth.
func TestUnwritable(t *testing.T) {
	d := newDesk(t, nil).connect()
	d.Take(d.conn, "spBv1.0/plant/DCMD/gw/pump", host.Command("on", 11, 14, true), false)
	if len(d.dropped) != 1 || !strings.Contains(d.dropped[0], errNoMetric.Error()) {
		t.Errorf("%q", d.dropped)
	}
	d.sent("NBIRTH")
	d.Take(d.conn, "spBv1.0/plant/NCMD/gw", host.Command(rebirthMetric, 11, 14, false), false)
	d.sent()
	d.Take(d.conn, "spBv1.0/plant/NCMD/gw", host.Rebirth(), false)
	if d.sent("NBIRTH"); len(d.dropped) != 1 {
		t.Errorf("%q", d.dropped)
	}
	d.Take(d.conn, "spBv1.0/plant/DCMD/gw/pump", host.Rebirth(), false) // a device has no such metric
	if d.sent(); len(d.dropped) != 2 {
		t.Errorf("%q", d.dropped)
	}
}

// The calls for a device are made one after the other. Their number is bounded, and they end with the connection.
func TestWrites(t *testing.T) {
	d := newDesk(t, nil).connect()
	if err := d.Configure("pump", &Device{}, &Metric{Name: "limit", Type: Int32, Write: "com.set"}, true); err != nil {
		t.Fatal(err)
	}
	write := func(n int) {
		d.Take(d.conn, "spBv1.0/plant/DCMD/gw/pump", host.Command("limit", int(Int32), metricInt, n), false)
	}
	work := func(want int) {
		t.Helper()
		if len(d.work) != want {
			t.Fatalf("%d goroutines make the calls of a device, want %d", len(d.work), want)
		}
		for _, f := range d.work {
			f()
		}
		d.work = nil
	}
	for i := range maxWrites {
		write(i)
	}
	if len(d.dropped) > 0 {
		t.Errorf("dropped %q", d.dropped)
	}
	if write(100); len(d.dropped) != 1 || !strings.Contains(d.dropped[0], errManyWrites.Error()) {
		t.Errorf("one more: dropped %q", d.dropped)
	}
	work(1)
	for i, call := range d.calls {
		if call != fmt.Sprint("com.set ", i) {
			t.Errorf("call %d is %s", i, call)
		}
	}
	if len(d.calls) != maxWrites {
		t.Errorf("%d calls", len(d.calls))
	}
	write(7)
	d.conn.end()
	if work(1); len(d.calls) != maxWrites {
		t.Errorf("called after the end: %q", d.calls[maxWrites:])
	}
	d.connect()
	write(8)
	if work(1); !slices.Equal(d.calls[maxWrites:], []string{"com.set 8"}) {
		t.Errorf("called in the next connection: %q", d.calls[maxWrites:])
	}
}

// A call that fails is reported, and the calls after it are made.
func TestFailedWrite(t *testing.T) {
	var made []string
	d := newDesk(t, func(o *Options) {
		o.Call = func(_ context.Context, procedure string, value any) error {
			made = append(made, fmt.Sprint(procedure, " ", value))
			if len(made) == 1 {
				return errors.New("the valve is stuck")
			}
			return nil
		}
	}).connect()
	if err := d.Configure("pump", &Device{}, &Metric{Name: "limit", Type: Int32, Write: "com.set"}, true); err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		d.Take(d.conn, "spBv1.0/plant/DCMD/gw/pump", host.Command("limit", int(Int32), metricInt, 1+n), false)
	}
	for _, f := range d.work {
		f()
	}
	if !slices.Equal(made, []string{"com.set 1", "com.set 2"}) || !slices.Equal(d.dropped, []string{"com.set: the valve is stuck"}) {
		t.Errorf("made %q, dropped %q", made, d.dropped)
	}
}

// The births wait for the primary host application. The node leaves a broker that the host has left, at once if it is born there.
func TestHostState(t *testing.T) {
	online := func(yes bool, at int) string { return fmt.Sprintf(`{"online":%v,"timestamp":%d}`, yes, at) }
	for _, c := range []struct {
		name   string
		states []string
		born   bool
		left   []error
		logged int
	}{
		{name: "not told"},
		{name: "online", states: []string{online(true, 5)}, born: true},
		{name: "online, told twice", states: []string{online(true, 5), online(true, 5)}, born: true},
		{name: "offline", states: []string{online(false, 5)}, left: []error{nil}},
		{name: "online, then offline", states: []string{online(true, 5), online(false, 5)}, born: true, left: []error{ErrHostOffline}},
		{name: "online, then offline earlier", states: []string{online(true, 5), online(false, 4)}, born: true},
		{name: "offline, then online earlier", states: []string{online(false, 5), online(true, 4)}, left: []error{nil}},
		{name: "three states", states: []string{online(true, 5), online(true, 3), online(false, 4)}, born: true},
		{name: "no JSON", states: []string{"ONLINE"}, logged: 1},
		{name: "no time", states: []string{`{"online":true}`}, logged: 1},
		{name: "a time only", states: []string{`{"timestamp":5}`}, logged: 1},
		{name: "a long text", states: []string{strings.Repeat("x", 100)}, logged: 1},
	} {
		d := newDesk(t, func(o *Options) { o.Host = "scada" }).connect()
		for _, s := range c.states {
			d.Take(d.conn, "spBv1.0/STATE/scada", []byte(s), false)
		}
		if (d.conn.born == 1) != c.born || !slices.Equal(d.conn.left, c.left) {
			t.Errorf("%s: %d births, left %v", c.name, d.conn.born, d.conn.left)
		}
		if text := d.log.String(); strings.Count(text, "\n") != c.logged || strings.Contains(text, strings.Repeat("x", 81)) {
			t.Errorf("%s: log %s", c.name, text)
		}
	}
	d := newDesk(t, func(o *Options) { o.Host = "scada" }).connect()
	d.Take(d.conn, "spBv1.0/STATE/scada", []byte(online(true, 5)), false)
	d.Ended()
	d.connect()
	if d.Take(d.conn, "spBv1.0/STATE/scada", []byte(online(true, 1)), false); d.conn.born != 1 {
		t.Error("the next connection knows the time of the state in the one before")
	}
}

// The type of a command determines how its value is read. A null and a value of an unknown form are not values.
func TestCommandValues(t *testing.T) {
	null := appendNumber(appendBytes(nil, metricName, "x"), metricIsNull, 1)
	for _, c := range []struct {
		message []byte
		want    any
	}{
		{host.Command("x", int(Int8), metricInt, 0xfffffffe), int64(-2)},
		{host.Command("x", int(Int32), metricInt, 0xfffffffe), int64(-2)},
		{host.Command("x", int(UInt8), metricInt, 0xfffffffe), int64(0xfffffffe)},
		{host.Command("x", 0, metricInt, 0xfffffffe), int64(0xfffffffe)},
		{host.Command("x", int(UInt64), metricLong, -1), uint64(1<<64 - 1)},
		{host.Command("x", int(UInt64), metricLong, 5), int64(5)},
		{host.Command("x", int(Int64), metricLong, -1), int64(-1)},
		{host.Command("x", int(Float), metricFloat, float32(1.5)), 1.5},
		{host.Command("x", int(Double), metricDouble, 2.5), 2.5},
		{host.Command("x", int(Boolean), metricBoolean, true), true},
		{host.Command("x", int(Boolean), metricBoolean, false), false},
		{host.Command("x", int(String), metricString, "text"), "text"},
		{payload(1, noSeq, []metric{{name: "x", kind: String, birth: true}}), nil},
		{append(appendBytes(nil, 5, "a body"), host.Command("x", int(Int8), metricInt, 7)...), int64(7)},
		{appendBytes(nil, payloadMetrics, string(appendNumber(null, metricInt, 7))), nil}, // null overrides the value
		{appendBytes(nil, payloadMetrics, string(appendNumber(appendNumber(appendBytes(nil, metricName, "x"), metricIsNull, 0), metricInt, 7))), int64(7)},
	} {
		list, err := readCommands(c.message)
		if err != nil || len(list) != 1 || list[0].name != "x" || list[0].value() != c.want {
			t.Errorf("%x: %+v, %v; want %v", c.message, list, err, c.want)
		}
	}
	list, err := readCommands(appendBytes(nil, payloadMetrics, string(appendBytes(appendBytes(nil, metricName, "x"), metricBytes, "ab"))))
	if b, ok := list[0].value().([]byte); err != nil || !ok || string(b) != "ab" {
		t.Errorf("bytes: %v, %v", list, err)
	}
}

// A message that is cut off, or is no payload, has no commands.
func TestMalformedCommands(t *testing.T) {
	good := payload(1, 7, []metric{{name: "x", at: 1, kind: Float, birth: true, unit: "V", value: scalar{set: true}}})
	if list, err := readCommands(good); err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	ends := map[int]bool{0: true, 2: true, len(good) - 2: true, len(good): true} // of its fields
	for n := range good {
		if _, err := readCommands(good[:n]); (err == nil) != ends[n] {
			t.Errorf("%d bytes of %x: %v", n, good, err)
		}
	}
	for name, message := range map[string][]byte{
		"field 0":           {0, 1},
		"field 2^29":        append(appendKey(nil, 1<<32, 1), 1),
		"a group":           {3<<3 | 3},
		"a name of no text": appendBytes(nil, payloadMetrics, string(appendBytes(nil, metricName, "\xff"))),
		"a metric cut off":  appendBytes(nil, payloadMetrics, "\x0a\x05ab"),
	} {
		if _, err := readCommands(message); err != errProtobuf {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n, many := range map[int]bool{maxCommands: false, maxCommands + 1: true} {
		list, err := readCommands(payload(1, noSeq, make([]metric, n)))
		if (err != nil) != many || len(list) != maxCommands {
			t.Errorf("%d metrics: %d commands, %v", n, len(list), err)
		}
	}
}
