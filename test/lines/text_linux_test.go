package lines

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport/serial/lines"
	"runnel/transport/serial/pty"
)

// line returns the common part of a line's configuration.
func line(name, device, more string) string {
	return fmt.Sprintf("[[serial]]\nname = %q\ndevice = %q\nrole = \"sensor\"\nmode = \"lines\"\n%s\n", name, device, more)
}

func nmea(body string) string { return fmt.Sprintf("$%s*%02X\r\n", body, lines.Checksum(body)) }

// With only a configuration, a device that prints becomes a publisher.
func TestFormats(t *testing.T) {
	dir := t.TempDir()
	link := func(name string) string { return filepath.Join(dir, name) }
	devices := map[string]*pty.Device{}
	for _, name := range []string{"json", "csv", "gps", "pattern"} {
		devices[name] = plug(t, link(name))
	}
	r := start(t,
		line("json", link("json"), "format = \"json\"\ntopic = \"com.example.{station}.weather\"\ntime = \"none\"")+
			line("csv", link("csv"), "format = \"csv\"\ncolumns = [\"temperature\", \"_\", \"humidity\"]\ntopic = \"com.example.csv\"\ntime = \"none\"\n"+
				"[[serial.field]]\nname = \"temperature\"\nscale = 0.1\nunit = \"C\"")+
			line("gps", link("gps"), "format = \"nmea\"\nsentences = [\"RMC\", \"MWV\"]\ntopic = \"com.example.gps.{sentence}\"")+
			line("pattern", link("pattern"), "format = \"regexp\"\npattern = 'T=(?P<t>\\S+) H=(?P<h>\\S+)'\ntopic = \"com.example.pattern\""))
	events := r.hear(t)
	for name, device := range devices {
		r.opened(t, name, 1)
		say(t, device, "\n") // the first line may be half of one
	}
	for _, c := range []struct {
		device, text, topic string
		want                map[string]any
	}{
		{"json", `{"station": "roof", "t": 21.5, "in": {"n": 1}}` + "\n", "roof.weather", map[string]any{"station": "roof", "t": 21.5, "in": map[string]any{"n": int64(1)}}},
		{"csv", "215,x,40\r", "csv", map[string]any{"temperature": 21.5, "humidity": int64(40), "units": map[string]any{"temperature": "C"}}},
		{"gps", nmea("HEHDT,1,T") + nmea("GPRMC,120000,A,4807.038,N,01131.000,E,022.4,084.4,221126,999.9,E,A"), "gps.rmc", map[string]any{
			"talker": "GP", "sentence": "RMC", "utc": "12:00:00", "status": "A", "lat": 48.1173, "lon": 11.51666667, "speed_knots": 22.4, "course": 84.4,
			"date": "2026-11-22", "mode": "A", "time": "2026-11-22T12:00:00.000Z"}},
		{"pattern", "> T=21.5 H=40\r\n", "pattern", map[string]any{"t": 21.5, "h": int64(40)}},
	} {
		say(t, devices[c.device], c.text)
		got := next(t, events)
		if c.device == "pattern" {
			if at, _ := got.kwargs["time"].(string); len(at) != len("2026-11-22T12:00:00.000Z") {
				t.Errorf("time of arrival %q", at)
			}
			delete(got.kwargs, "time")
		}
		if got.topic != "com.example."+c.topic || !reflect.DeepEqual(got.kwargs, c.want) {
			t.Errorf("%s: %v\nwant %v", c.device, got, c.want)
		}
	}
	if s := r.state(t, "gps"); s.Lines.Ignored != 1 || s.Lines.Good != 1 || s.Lines.Bad != 0 || s.Lines.BadFields != 1 || !strings.HasPrefix(s.Lines.BadField, "variation: ") {
		t.Errorf("%+v", s)
	}
}

// Bad lines are counted and shown, and have no other effect.
func TestBadLines(t *testing.T) {
	link := filepath.Join(t.TempDir(), "tty")
	device := plug(t, link)
	r := start(t, line("weather", link, "format = \"json\"\nmax_line = 64\ntopic = \"com.example.{id}\""))
	events := r.hear(t)
	r.opened(t, "weather", 1)
	say(t, device, "\nhello\n{\"id\": \"\xff\"}\n"+strings.Repeat("x", 100)+"\n{\"id\": \"a.b\"}\n\n{\"id\": 7}\n")
	if e := next(t, events); e.topic != "com.example.7" {
		t.Errorf("%v", e)
	}
	s := r.state(t, "weather")
	if s.Lines.Good != 1 || s.Lines.Bad != 4 || s.Lines.Long != 1 || s.Lines.NotUTF8 != 1 || s.Lines.BadLine != `{"id": "a.b"}` || !strings.Contains(s.Lines.BadReason, "is not a component") {
		t.Errorf("%+v", s.Lines)
	}
	stdout, _ := run(t, 0, "status", "--url", r.url)
	if !strings.Contains(stdout, "1 good line, 4 bad") || !strings.Contains(stdout, "is not a component") {
		t.Error(stdout)
	}
}

// The status shows a line that may not publish, and the log reports it once.
func TestNotPermitted(t *testing.T) {
	link := filepath.Join(t.TempDir(), "tty")
	device := plug(t, link)
	r := start(t, line("weather", link, "format = \"json\"\ntopic = \"org.example.weather\"\nwrite = \"org.example.write\""))
	r.opened(t, "weather", 1)
	say(t, device, "\n{}\n{}\n{}\n")
	kit.Eventually(t, "three refusals", func() bool { return r.state(t, "weather").Sensor.Refused == 3 })
	if s := r.state(t, "weather").Sensor; s.Published != 0 || s.Refusal != "org.example.weather: wamp.error.not_authorized" {
		t.Errorf("%+v", s)
	}
	for _, want := range []string{"serial line may not publish", "may not offer its procedure"} {
		_, err := r.Logs(want)
		kit.Must(t, err)
	}
	if n := strings.Count(r.Stderr.Text(), "serial line may not publish"); n != 1 {
		t.Errorf("said %d times", n)
	}
	stdout, _ := run(t, 0, "status", "--url", r.url)
	if !strings.Contains(stdout, "may not publish org.example.weather") || !strings.Contains(stdout, "may not offer org.example.write") {
		t.Error(stdout)
	}
}

func TestWriteToDevice(t *testing.T) {
	link := filepath.Join(t.TempDir(), "tty")
	r := start(t, line("weather", link, "format = \"json\"\ntopic = \"com.example.weather\"\nwrite = \"com.example.write\"\nnewline = \"\\r\\n\""))
	write := func(args ...any) error {
		_, err := r.Call(t.Context(), "com.example.write", client.CallOptions{}, client.Args(args...))
		return err
	}
	kit.Eventually(t, "an answer that there is no device", func() bool { return errors.Is(write("x"), wamp.Unavailable) })
	device := plug(t, link)
	r.opened(t, "weather", 1)
	kit.Must(t, write("interval 5"))
	kit.Must(t, write([]byte{1, 2, 3}))
	got := make([]byte, len("interval 5\r\n\x01\x02\x03"))
	if _, err := io.ReadFull(device, got); err != nil || string(got) != "interval 5\r\n\x01\x02\x03" {
		t.Errorf("%q, %v", got, err)
	}
	for _, args := range [][]any{{}, {1}, {"a\nb"}, {strings.Repeat("x", 5000)}} {
		if err := write(args...); !errors.Is(err, wamp.InvalidArgument) {
			t.Errorf("%.20q: %v", args, err)
		}
	}
}

// The line reopens by itself, under whatever name the device returns.
func TestReplug(t *testing.T) {
	link := filepath.Join(t.TempDir(), "tty")
	r := start(t, line("weather", link, "format = \"csv\"\ncolumns = [\"n\"]\ntopic = \"com.example.weather\""))
	events := r.hear(t)
	for n := range 3 {
		device := plug(t, link)
		r.opened(t, "weather", n+1)
		say(t, device, fmt.Sprintf("\n%d\n1", n))
		if e := next(t, events); e.kwargs["n"] != int64(n) {
			t.Errorf("%v, want %d", e, n)
		}
		kit.Must(t, device.Close())
		kit.Eventually(t, "the line is lost", func() bool { return r.state(t, "weather").State == "waiting" })
	}
}

// A late subscriber gets the last value.
func TestRetained(t *testing.T) {
	link := filepath.Join(t.TempDir(), "tty")
	device := plug(t, link)
	r := start(t, line("weather", link, "format = \"csv\"\ncolumns = [\"n\"]\nretain = true\ntopic = \"com.example.weather\""))
	r.opened(t, "weather", 1)
	say(t, device, "\n1\n2\n")
	kit.Eventually(t, "published", func() bool { return r.state(t, "weather").Sensor.Published == 2 })
	events := make(chan event, 10)
	_, err := r.Subscribe(t.Context(), "com.example.weather", client.SubscribeOptions{GetRetained: true}, func(e *client.Event) { kit.Send(t, events, event{e.Topic(), e.Kwargs()}) })
	kit.Must(t, err)
	if e := next(t, events); e.kwargs["n"] != int64(2) {
		t.Errorf("%v", e)
	}
}

// A changed configuration takes effect without a restart, and an unchanged line stays open.
func TestReload(t *testing.T) {
	dir := t.TempDir()
	one, two := plug(t, filepath.Join(dir, "one")), plug(t, filepath.Join(dir, "two"))
	config := line("one", filepath.Join(dir, "one"), "format = \"json\"\ntopic = \"com.example.one\"") +
		line("two", filepath.Join(dir, "two"), "format = \"json\"\ntopic = \"com.example.two\"")
	r := start(t, config)
	events := r.hear(t)
	r.opened(t, "one", 1)
	r.opened(t, "two", 1)
	r.write(t, strings.Replace(config, "com.example.two", "com.example.other", 1))
	stdout, _ := run(t, 0, "reload", "--url", r.url)
	if !strings.Contains(stdout, "serial line two started") || strings.Contains(stdout, "one") {
		t.Error(stdout)
	}
	r.opened(t, "two", 1)
	for _, c := range []struct {
		device *pty.Device
		topic  string
	}{{one, "com.example.one"}, {two, "com.example.other"}} {
		say(t, c.device, "\n{}\n")
		if e := next(t, events); e.topic != c.topic {
			t.Errorf("%v, want %s", e, c.topic)
		}
	}
	if s := r.state(t, "one"); s.Opens != 1 {
		t.Errorf("%+v", s)
	}
}

// The router publishes the states of lines, and the faults that need an operator.
func TestStateEvents(t *testing.T) {
	link := filepath.Join(t.TempDir(), "tty")
	r := start(t, line("Weather 1", link, "format = \"json\"\ntopic = \"org.example.weather\""))
	states := make(chan map[string]any, 100)
	_, err := r.Subscribe(t.Context(), "runnel.serial.on_state.weather_1", client.SubscribeOptions{GetRetained: true}, func(e *client.Event) {
		if args := e.Args(); len(args) == 1 {
			kit.Send(t, states, args[0].(map[string]any))
		}
	})
	kit.Must(t, err)
	until := func(what string, ok func(map[string]any) bool) {
		t.Helper()
		for {
			select {
			case s := <-states:
				if ok(s) {
					return
				}
			case <-time.After(kit.Patience):
				t.Fatalf("not told: %s", what)
			}
		}
	}
	until("waiting", func(s map[string]any) bool { return s["state"] == "waiting" })
	device := plug(t, link)
	until("serving", func(s map[string]any) bool { return s["state"] == "serving" })
	say(t, device, "\n{}\n")
	until("not permitted", func(s map[string]any) bool {
		alarms, _ := s["alarms"].([]any)
		return len(alarms) == 1 && alarms[0] == "may not publish org.example.weather: wamp.error.not_authorized"
	})
	kit.Must(t, device.Close())
	until("lost", func(s map[string]any) bool { return s["state"] == "waiting" })
}

// A line of text that begins after silence is complete, so the first code of a scanner is not lost. A line that has begun
// before the port is opened is counted and not published.
func TestFirstLine(t *testing.T) {
	link := filepath.Join(t.TempDir(), "tty")
	device := plug(t, link)
	r := start(t, line("reader", link, "format = \"regexp\"\npattern = '^(?P<code>.+)$'\ntopic = \"com.example.code\""))
	events := r.hear(t)
	r.opened(t, "reader", 1)
	// The test cannot see when the router begins to read. The first code may be incomplete; the next one may not.
	say(t, device, "038527")
	time.Sleep(100 * time.Millisecond) // silence, not waiting: a reader is not faster
	say(t, device, "\n")
	time.Sleep(100 * time.Millisecond)
	say(t, device, "4006381333931\r\n")
	for {
		e := next(t, events)
		if e.kwargs["code"] == int64(4006381333931) {
			break
		}
		if e.kwargs["code"] != "038527" {
			t.Fatalf("%v", e)
		}
	}
}

// A device that falls silent, or prints unreadable lines, raises an alarm until it sends a good reading again.
func TestAlarms(t *testing.T) {
	link := filepath.Join(t.TempDir(), "tty")
	device := plug(t, link)
	r := start(t, line("weather", link, "format = \"json\"\nexpect_every = \"300ms\"\ntopic = \"com.example.weather\""))
	r.opened(t, "weather", 1)
	alarmed := func(what string) func() bool {
		return func() bool {
			return slices.ContainsFunc(r.state(t, "weather").Alarms, func(a string) bool { return strings.Contains(a, what) })
		}
	}
	kit.Eventually(t, "an alarm that it is silent", alarmed("no good reading for more than 300ms"))
	if s := r.state(t, "weather"); !s.Sensor.Silent || s.Sensor.LastGood != "" {
		t.Errorf("%+v", s.Sensor)
	}
	say(t, device, "\n"+strings.Repeat("ERR 17\n", 6))
	kit.Eventually(t, "an alarm that its lines are bad", alarmed("the last 5 lines or more cannot be read"))
	stdout, _ := run(t, 0, "status", "--url", r.url)
	if !strings.Contains(stdout, "no good reading for more than") || !strings.Contains(stdout, "last good reading: never") {
		t.Error(stdout)
	}
	kit.Eventually(t, "no alarm", func() bool {
		say(t, device, "{\"t\": 1}\n")
		s := r.state(t, "weather")
		return len(s.Alarms) == 0 && s.Sensor.LastGood != "" && s.Lines.BadInARow == 0
	})
	kit.Eventually(t, "an alarm again", alarmed("no good reading for more than 300ms"))
	for _, said := range []string{"serial device sends no valid reading", "serial device sends only unreadable lines", "serial device sends valid readings again"} {
		kit.Eventually(t, "the log says "+said, func() bool { return strings.Contains(r.Stderr.Text(), said) })
	}
}
