package lines

import (
	"io"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"runnel/test/kit"
)

// With only a profile, a device that sends telegrams becomes a publisher. A telegram with a wrong checksum is dropped and
// counted.
func TestTelegrams(t *testing.T) {
	dir := t.TempDir()
	dust, meter := filepath.Join(dir, "dust"), filepath.Join(dir, "meter")
	sds011, p1 := plug(t, dust), plug(t, meter)
	r := start(t, line("dust", dust, "profile = \"sds011\"\ntime = \"none\"\ntopic = \"com.example.dust\"")+
		line("meter", meter, "format = \"obis\"\ntime = \"none\"\ntopic = \"com.example.meter.{0-0:96.1.1}\"\n"+
			"telegram = { begin = \"/\", end = \"!\", trailer = 4, check = \"crc16-arc\", check_as = \"hex\" }\n"))
	events := r.hear(t)
	r.opened(t, "dust", 1)
	r.opened(t, "meter", 1)
	const frame = "\xaa\xc0\xd4\x04\x3a\x0a\xa1\x60\x1d\xab"
	say(t, sds011, frame[3:]+strings.Replace(frame, "\x1d", "\x1e", 1)+frame)
	e := next(t, events)
	want := map[string]any{"pm2_5": 123.6, "pm10": 261.8, "sensor": int64(0xa160), "units": map[string]any{"pm2_5": "µg/m³", "pm10": "µg/m³"}}
	if e.topic != "com.example.dust" || !reflect.DeepEqual(e.kwargs, want) {
		t.Errorf("%v, want %v", e, want)
	}
	if s := r.state(t, "dust"); s.Lines.Good != 1 || s.Lines.Bad != 1 || s.Lines.CheckErrors != 1 || !strings.Contains(s.Lines.BadReason, "sum8 is 1e, want 1d") {
		t.Errorf("%+v", s.Lines)
	}
	stdout, _ := run(t, 0, "status", "--url", r.url)
	if !strings.Contains(stdout, "1 telegram with a wrong check") {
		t.Error(stdout)
	}
	say(t, p1, "!0000\r\n/ISk5\\2M\r\n\r\n0-0:96.1.1(K7)\r\n1-0:1.8.1(000671.578*kWh)\r\n!0000\r\n")
	say(t, p1, "/ISk5\\2M\r\n\r\n0-0:96.1.1(K7)\r\n1-0:1.8.1(000671.578*kWh)\r\n!3B11\r\n")
	if e := next(t, events); e.topic != "com.example.meter.K7" || e.kwargs["1-0:1.8.1"] != 671.578 {
		t.Errorf("%v", e)
	}
}

// The router polls a device that only answers requests, with text or bytes. A device that does not answer raises an alarm
// until it does.
func TestAsk(t *testing.T) {
	link := filepath.Join(t.TempDir(), "tty")
	device := plug(t, link)
	r := start(t, line("scale", link, "format = \"csv\"\ncolumns = [\"n\"]\ntopic = \"com.example.scale\"\nwrite = \"com.example.write\"\n"+
		"ask = [{ send = \"hex:ff 0a\", at_open = true, timeout = \"0s\" }, { send = \"S\\r\\n\", every = \"20ms\", timeout = \"20ms\" }]"))
	events := r.hear(t)
	read := func(want string) {
		t.Helper()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(device, got); err != nil || string(got) != want {
			t.Fatalf("%q, %v, want %q", got, err, want)
		}
	}
	read("\xff\nS\r\nS\r\nS\r\n")
	kit.Eventually(t, "an alarm that it does not answer", func() bool {
		s := r.state(t, "scale")
		return len(s.Alarms) == 1 && strings.Contains(s.Alarms[0], "not answered") && s.Lines.Unanswered > 1
	})
	answering := make(chan struct{})
	go func() {
		defer close(answering)
		buf := make([]byte, 1)
		for {
			if _, err := device.Read(buf); err != nil {
				return
			}
			if buf[0] == '\n' {
				device.Write([]byte("7\r\n"))
			}
		}
	}()
	if e := next(t, events); e.kwargs["n"] != int64(7) {
		t.Errorf("%v", e)
	}
	kit.Eventually(t, "no alarm", func() bool { return len(r.state(t, "scale").Alarms) == 0 })
	device.Close()
	<-answering
}

// Readings of the same time become one event, which is published only if it has changed. A value that is invalid in a topic
// is escaped.
func TestPublishing(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	mean, change := plug(t, one), plug(t, two)
	r := start(t, line("one", one, "format = \"keyvalue\"\ntopic = \"com.example.{room}\"\ntopic_unsafe = \"replace\"\ntime = \"none\"\nevery = \"500ms\"\naggregate = \"max\"")+
		line("two", two, "format = \"keyvalue\"\ntopic = \"com.example.two\"\ntime = \"none\"\npublish = \"change\"\n[[serial.field]]\nname = \"T\"\ndeadband = 0.5\n"))
	events := r.hear(t)
	r.opened(t, "one", 1)
	r.opened(t, "two", 1)
	say(t, change, "\nT=20\nT=20\nT=20.4\nT=20.5\nT=20.1\nT=20\n")
	for _, want := range []any{int64(20), 20.5, int64(20)} {
		if e := next(t, events); e.topic != "com.example.two" || e.kwargs["T"] != want {
			t.Errorf("%v, want %v", e, want)
		}
	}
	say(t, mean, "\nroom=\"Hall 3/4\",T=7\n")
	if e := next(t, events); e.topic != "com.example.Hall_3_4" || e.kwargs["T"] != int64(7) || e.kwargs["room"] != "Hall 3/4" {
		t.Errorf("%v", e)
	}
}
