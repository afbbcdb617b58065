package sparkplug

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	host "runnel/test/sparkplug"
)

// desk is a Node with a host behind its broker.
type desk struct {
	*Node
	t       *testing.T
	host    *host.Host
	conn    *plainConn
	calls   []string // of procedures
	events  []string // of commands
	dropped []string // commands
	work    []func() // that Options.Work was given and that has not run yet
	seen    int      // messages that sent has taken
	log     strings.Builder
}

// plainConn is a connection to the broker.
type plainConn struct {
	host *host.Host
	ctx  context.Context
	end  context.CancelFunc
	born int
	left []error
}

func (c *plainConn) Send(topic string, payload []byte, qos byte) {
	c.host.Take(topic, payload, qos, false)
}
func (c *plainConn) Disconnect(err error)  { c.left = append(c.left, err) }
func (c *plainConn) Open() context.Context { return c.ctx }
func (c *plainConn) Room() error           { return nil }
func (c *plainConn) Born()                 { c.born++ }

func newDesk(t *testing.T, set func(*Options)) *desk {
	d := &desk{t: t, host: &host.Host{Group: "plant", Node: "gw"}}
	o := Options{
		Group: "plant", Node: "gw", Agent: "runnel/1.2.3", Log: slog.New(slog.NewTextHandler(&d.log, nil)),
		Waited: func() uint64 { return 0 },
		Call: func(_ context.Context, p string, v any) error {
			d.calls = append(d.calls, fmt.Sprint(p, " ", v))
			return nil
		},
		Dropped: func(name string, err error) { d.dropped = append(d.dropped, name+": "+err.Error()) },
		Work:    func(f func()) { d.work = append(d.work, f) },
	}
	if set != nil {
		set(&o)
	}
	d.Node = New(o)
	d.TakeRecord()
	t.Cleanup(func() {
		for _, f := range d.host.Faults() {
			t.Error(f)
		}
	})
	return d
}

// connect opens the next connection, with its last will.
func (d *desk) connect() *desk {
	ctx, end := context.WithCancel(d.t.Context())
	d.conn = &plainConn{host: d.host, ctx: ctx, end: end}
	d.Will()
	d.Subscribed(d.conn)
	return d
}

// minute is a time of a value.
func minute(n int) time.Time { return time.Date(2026, 11, 22, 12, n, 0, 0, time.UTC) }

// say stores an event and sends it.
func (d *desk) say(name string, number uint64, at time.Time, arguments ...Argument) {
	d.t.Helper()
	device, err := d.Note("", name, arguments, at)
	if err == nil {
		err = d.Data(d.conn, device, number, name, arguments, at)
	}
	if err != nil {
		d.t.Errorf("%s: %v", name, err)
	}
}

// sent takes the messages since the last call.
func (d *desk) sent(want ...string) {
	d.t.Helper()
	list := d.host.Messages()
	if got := list[d.seen:]; !slices.Equal(got, want) {
		d.t.Errorf("sent %q, want %q", got, want)
	}
	d.seen = len(list)
}

// latest returns the newest value of a metric in the messages of a kind.
func (d *desk) latest(kind, device, name string) host.Sample {
	d.t.Helper()
	list := d.host.Samples(kind, device, name)
	if len(list) == 0 {
		d.t.Fatalf("no %s of %s %s in %q", kind, device, name, d.host.Messages())
	}
	return list[len(list)-1]
}

// A connection has births before data. Each device has one birth, until it has something new.
func TestBirths(t *testing.T) {
	d := newDesk(t, nil).connect()
	d.sent("NBIRTH")
	if v := d.latest("NBIRTH", "", "Properties/Software"); v.Value != "runnel/1.2.3" {
		t.Errorf("%+v", v)
	}
	d.say("meter", 1, minute(1), Argument{"t", int64(1)})
	d.sent("DBIRTH meter", "DDATA meter")
	d.say("meter", 2, minute(2), Argument{"t", int64(2)})
	d.sent("DDATA meter")
	d.say("meter", 3, minute(3), Argument{"t", int64(3)}, Argument{"on", true})
	d.sent("DBIRTH meter", "DDATA meter")
	d.say("meter", 4, minute(4), Argument{"none", nil}) // it is unknown
	d.sent()
	d.begin(d.conn) // is born already
	if d.sent(); d.conn.born != 1 {
		t.Errorf("%d begins of a connection", d.conn.born)
	}
	d.Note("", "lamp", []Argument{{"on", true}}, minute(5))
	d.rebirth()
	d.sent("NBIRTH", "DBIRTH meter", "DBIRTH lamp")
	old := d.conn
	d.Ended()
	d.connect()
	d.sent("NBIRTH", "DBIRTH meter", "DBIRTH lamp")
	if err := d.Data(old, "meter", 5, "meter", nil, minute(6)); err != ErrNotBorn {
		t.Errorf("data of an earlier connection: %v", err)
	}
	if d.Finish(old); d.conn == nil {
		t.Error("the end of an earlier connection ends this one")
	}
	d.sent()
	d.Finish(d.conn)
	d.sent("NDEATH")
	if online, number := d.host.Online(); online || number != 1 {
		t.Errorf("online %v, number %d", online, number)
	}
	d.rebirth()
	d.sent()
}

// A connection that has ended has no births.
func TestLateBirth(t *testing.T) {
	d := newDesk(t, func(o *Options) { o.Host = "scada" }).connect()
	d.conn.end()
	d.begin(d.conn)
	if d.sent(); d.conn.born != 0 {
		t.Error("data may be sent")
	}
}

// A value is historical if it has waited for the connection, or if the host has a newer one. The birth has the newest value.
func TestHistorical(t *testing.T) {
	d := newDesk(t, func(o *Options) { o.Waited = func() uint64 { return 7 } }).connect()
	for _, c := range []struct {
		number     uint64
		at         time.Time
		historical bool
	}{
		{7, minute(1), true}, {8, minute(3), false}, {9, minute(2), true}, {10, minute(3), false}, {10, minute(4), false},
	} {
		d.say("meter", c.number, c.at, Argument{"t", int64(c.number)})
		if v := d.latest("DDATA", "meter", "t"); v.Historical != c.historical || v.Value != int64(c.number) || v.Time != uint64(c.at.UnixMilli()) {
			t.Errorf("event %d: %+v", c.number, v)
		}
	}
	d.say("meter", 11, minute(4), Argument{"t", int64(11)}) // the later one of two at the same time
	d.rebirth()
	if v := d.latest("DBIRTH", "meter", "t"); v.Value != int64(11) || v.Time != uint64(minute(4).UnixMilli()) {
		t.Errorf("born with %+v", v)
	}
	d.say("meter", 12, minute(0), Argument{"t", int64(12)})
	d.rebirth()
	if v := d.latest("DBIRTH", "meter", "t"); v.Value != int64(11) {
		t.Errorf("an older value is the current one: %+v", v)
	}
}

// A long text is sent as data, but not kept for the next birth.
func TestLongText(t *testing.T) {
	d := newDesk(t, nil).connect()
	for size, kept := range map[int]bool{maxKeptText: true, maxKeptText + 1: false} {
		name := fmt.Sprint(size)
		d.say(name, 1, minute(1), Argument{"text", strings.Repeat("x", size)})
		if v := d.latest("DBIRTH", name, "text"); (v.Value != nil) != kept {
			t.Errorf("%d bytes: kept %v", size, v.Value != nil)
		}
		if v, _ := d.latest("DDATA", name, "text").Value.(string); len(v) != size {
			t.Errorf("%d of %d bytes are sent", len(v), size)
		}
	}
}

// The number of a connection follows the one on record. Without a record that can be read it starts at 0.
func TestRecord(t *testing.T) {
	if Record("") != "" || Record("/a") != filepath.FromSlash("/a/sparkplug.bdseq") {
		t.Errorf("%q, %q", Record(""), Record("/a"))
	}
	for text, want := range map[string]int64{"": 0, "7": 8, " 9\n": 10, "255": 0, "256": 0, "x": 0} {
		file := Record(filepath.Join(t.TempDir(), "dir"))
		if text != "" {
			if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		d := newDesk(t, func(o *Options) { o.File = file })
		d.connect()
		if _, number := d.host.Online(); number != want {
			t.Errorf("%q: number %d, want %d", text, number, want)
		}
		if kept, err := os.ReadFile(file); err != nil || string(kept) != fmt.Sprint(want) || d.log.Len() > 0 {
			t.Errorf("%q: record %q, %v; log %s", text, kept, err, &d.log)
		}
	}
	if d := newDesk(t, nil).connect(); d.log.Len() > 0 {
		t.Errorf("without a file: %s", &d.log)
	}
	obstacle := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(obstacle, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if d := newDesk(t, func(o *Options) { o.File = Record(obstacle) }).connect(); !strings.Contains(d.log.String(), "cannot record the number of the connection") {
		t.Errorf("a file in the place of the directory: %s", &d.log)
	}
}

// A device of the configuration has its metrics from the first birth on, if they have events or are writable.
func TestConfigure(t *testing.T) {
	bus := &Device{Name: "bus-1", Line: "bus", Slave: 1}
	long := strings.Repeat("n", maxMetricName)
	for _, c := range []struct {
		name     string
		metric   Metric
		writable bool
		err      error
		device   bool
		known    string // "name unit write" of the metrics
	}{
		{"an event", Metric{Name: "v", Unit: "V", URI: "com.v", Write: "com.set"}, false, nil, true, "v V "},
		{"writable", Metric{Name: "v", Unit: "V", Write: "com.set"}, true, nil, true, "v V com.set"},
		{"neither", Metric{Name: "v"}, false, nil, false, ""},
		{"any name", Metric{URI: "com.v"}, false, nil, true, ""},
		{"the longest name", Metric{Name: long, URI: "com.v"}, false, nil, true, long + "  "},
		{"a longer name", Metric{Name: long + "n", URI: "com.v"}, false, errMetricName, true, ""},
	} {
		n := newDesk(t, nil).Node
		if err := n.Configure("bus-1", bus, &c.metric, c.writable); !errors.Is(err, c.err) {
			t.Errorf("%s: %v", c.name, err)
		}
		d := n.devices["bus-1"]
		if (d != nil) != c.device {
			t.Errorf("%s: device %+v", c.name, d)
			continue
		}
		known := ""
		if d != nil {
			for _, k := range d.metrics {
				known += k.name + " " + k.unit + " " + k.write
			}
			if d.line != "bus" || d.slave != 1 {
				t.Errorf("%s: device %+v", c.name, d)
			}
		}
		if known != c.known {
			t.Errorf("%s: metrics %q, want %q", c.name, known, c.known)
		}
	}
}

// The memory of devices and metrics is bounded.
func TestBounds(t *testing.T) {
	d := newDesk(t, nil).connect()
	n := d.Node
	for i := range maxDevices {
		if _, err := n.Note(fmt.Sprint(i), "", nil, minute(1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.Note("one more", "", nil, minute(1)); err != errManyDevices {
		t.Errorf("one more device: %v", err)
	}
	if err := n.Configure("one more", &Device{}, &Metric{URI: "com.a"}, false); err != errManyDevices {
		t.Errorf("one more device in the configuration: %v", err)
	}
	for i := range maxMetrics {
		if _, err := n.Note("0", "", []Argument{{fmt.Sprint(i), true}}, minute(1)); err != nil {
			t.Fatal(i, err)
		}
	}
	for name, want := range map[string]error{"one more": errManyDevices, "7": nil} {
		if _, err := n.Note("0", "", []Argument{{name, true}}, minute(1)); err != want {
			t.Errorf("metric %s: %v", name, err)
		}
	}
	for name, want := range map[string]error{"": errMetricName, strings.Repeat("n", maxMetricName+1): errMetricName} {
		if _, err := n.Note("0", "", []Argument{{name, true}}, minute(1)); err != want {
			t.Errorf("metric of %d bytes: %v", len(name), err)
		}
		if err := n.Data(d.conn, "0", 1, "", []Argument{{name, true}}, minute(1)); err != want {
			t.Errorf("data of a metric of %d bytes: %v", len(name), err)
		}
	}
}

// An event of a serial line belongs to the device whose slave and metric it names, or else to the line's first device.
func TestReadLines(t *testing.T) {
	slave := func(n int) Device {
		return Device{Name: fmt.Sprint("bus-", n), Slave: n, Metrics: []Metric{
			{Name: "voltage", URI: "com.bus", Key: "value", Only: "voltage"}, {Name: "limit", URI: "com.bus", Key: "value", Only: "limit"}, {URI: "com.raw"},
		}}
	}
	d := newDesk(t, func(o *Options) {
		o.Devices = []Device{slave(1), slave(2), {Name: "all", Metrics: []Metric{{Name: "x", URI: "com.all", Key: "v", Only: "x"}}}}
	})
	for _, c := range []struct {
		named, uri string
		arguments  []Argument
		want       string
	}{
		{"", "com.bus", []Argument{{"name", "voltage"}, {"slave", int64(2)}, {"value", 2.5}, {"unit", "V"}}, "bus-2 [{voltage V 2.5}]"},
		{"", "com.bus", []Argument{{"name", "limit"}, {"slave", int64(1)}, {"value", 3.5}}, "bus-1 [{limit  3.5}]"},
		{"", "com.bus", []Argument{{"name", "limit"}, {"slave", int64(3)}}, "bus-1 [{name  limit} {slave  3}]"},
		{"", "com.bus", []Argument{{"name", "other"}, {"slave", int64(2)}}, "bus-1 [{name  other} {slave  2}]"},
		{"", "com.all", []Argument{{"name", "x"}, {"v", true}}, "all [{x  true}]"},
		{"", "com.raw", []Argument{{"a", int64(1)}}, "bus-1 [{a  1}]"},
		{"", "com.other", []Argument{{"a", int64(1)}}, "com.other [{a  1}]"},
		{"tank", "com.other", []Argument{{"a", int64(1)}}, "tank [{a  1}]"},
	} {
		name, err := d.Note(c.named, c.uri, c.arguments, minute(1))
		_, list, _ := d.read(c.uri, c.arguments, minute(1))
		if got := fmt.Sprint(name, " ", list); err != nil || got != c.want {
			t.Errorf("%s %v: %s, %v; want %s", c.uri, c.arguments, got, err, c.want)
		}
	}
}

// Devices are dead while their line or slave is, and are born again with it.
func TestLineState(t *testing.T) {
	bus := func(phase string, silent ...any) map[string]any {
		var slaves []any
		for i, s := range silent {
			slaves = append(slaves, map[string]any{"slave": int64(i + 1), "silent": s})
		}
		return map[string]any{"name": "bus", "state": phase, "modbus": map[string]any{"slaves": slaves}}
	}
	d := newDesk(t, nil).connect()
	for name, of := range map[string]*Device{"one": {Line: "bus", Slave: 1}, "all": {Line: "bus"}, "other": {Line: "x"}} {
		if err := d.Configure(name, of, &Metric{Name: "v", URI: "com." + name}, false); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"one", "all", "other", "free"} {
		d.say(name, 1, minute(1), Argument{"v", 1.5})
	}
	for _, c := range []struct {
		what  string
		state map[string]any
		dead  string // the devices that are not alive afterwards
	}{
		{"it works", bus("serving", false, false), ""},
		{"one slave is silent", bus("serving", true, false), "one"},
		{"all are", bus("serving", true, true), "all one"},
		{"the other one answers", bus("serving", true, false), "one"},
		{"both do", bus("listening", false, false), ""},
		{"the port is gone", bus("waiting", false, false), "all one"},
		{"still", bus("waiting", false, false), "all one"},
		{"it is back", bus("serving"), ""},
		{"the sensor is silent", map[string]any{"name": "bus", "state": "listening", "sensor": map[string]any{"silent": true}}, "all one"},
		{"the sensor is back", map[string]any{"name": "bus", "state": "listening", "sensor": map[string]any{"silent": false}}, ""},
		{"another line fails", map[string]any{"name": "y", "state": "waiting"}, ""},
		{"a state without a name", map[string]any{"state": "waiting"}, ""},
	} {
		d.LineState(c.state)
		var dead []string
		for _, name := range []string{"all", "free", "one", "other"} {
			if !d.host.Alive(name) {
				dead = append(dead, name)
			}
		}
		if got := strings.Join(dead, " "); got != c.dead {
			t.Errorf("%s: dead are %q, want %q", c.what, got, c.dead)
		}
	}

	d.LineState(bus("waiting"))
	d.sent(d.host.Messages()[d.seen:]...)
	d.rebirth() // without the dead
	messages := d.host.Messages()[d.seen:]
	slices.Sort(messages[1:])
	if !slices.Equal(messages, []string{"NBIRTH", "DBIRTH free", "DBIRTH other"}) {
		t.Errorf("reborn while the line is gone: %q", messages)
	}
	d.say("one", 2, minute(2), Argument{"v", 2.5}) // it is back before its line says so
	if !d.host.Alive("one") || d.host.Alive("all") {
		t.Errorf("%q", d.host.Messages())
	}
}

// A device that fails while values of it wait dies after them.
func TestSettle(t *testing.T) {
	d := newDesk(t, nil).connect()
	if err := d.Configure("one", &Device{Line: "bus"}, &Metric{Name: "v", URI: "com.one"}, false); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Note("one", "com.one", []Argument{{"v", 1.5}}, minute(1)); err != nil {
		t.Fatal(err)
	}
	d.LineState(map[string]any{"name": "bus", "state": "waiting"})
	if err := d.Data(d.conn, "one", 1, "com.one", []Argument{{"v", 1.5}}, minute(1)); err != nil {
		t.Fatal(err)
	}
	d.sent("NBIRTH", "DBIRTH one", "DDATA one")
	d.Settle()
	d.sent("DDEATH one")
	d.Settle()
	d.sent()
}

// Hosts get the total number of dropped events.
func TestGap(t *testing.T) {
	d := newDesk(t, nil)
	early := &plainConn{host: d.host}
	d.Gap(early, 3)
	d.sent()
	d.connect()
	d.Gap(d.conn, 4)
	d.sent("NBIRTH", "NDATA")
	if list := d.host.Samples("", "", "Events Dropped"); len(list) != 2 || list[0].Value != int64(3) || list[1].Value != int64(7) {
		t.Errorf("%+v", list)
	}
}
