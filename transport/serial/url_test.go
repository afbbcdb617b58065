package serial

import (
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"runnel/transport/serial/lapb"
)

func TestParseURL(t *testing.T) {
	for _, c := range []struct {
		url  string
		want Config
		link *lapb.Config
		err  string
	}{
		{url: "serial:///dev/ttyUSB0", want: Config{Device: "/dev/ttyUSB0"}},
		{url: "serial:///dev/ttyS1?baud=9600&data_bits=7&stop_bits=2&parity=even&dtr=off&rts=on&settle=2s&framing=none",
			want: Config{Device: "/dev/ttyS1", Baud: 9600, DataBits: 7, StopBits: 2, Parity: Even, DTR: Off, RTS: On, Settle: 2 * time.Second}},
		{url: "serial:?vid=2341&pid=0043&serial=95&interface=00",
			want: Config{USB: USB{VID: "2341", PID: "0043", Serial: "95", Interface: "00"}}},
		{url: "serial:///dev/ttyS1?framing=hdlc", want: Config{Device: "/dev/ttyS1"}},
		{url: "serial:///dev/ttyS1?framing=hdlc&window=2&frame=64&retries=3&t1=1s&t2=100ms&t3=10s&name=mcu", want: Config{Device: "/dev/ttyS1"},
			link: &lapb.Config{Window: 2, Info: 64, Retries: 3, T1: time.Second, T2: 100 * time.Millisecond, T3: 10 * time.Second, Name: "mcu"}},
		{url: "serial:///dev/ttyS1?framing=hdlc&half_duplex=true", want: Config{Device: "/dev/ttyS1"}, link: &lapb.Config{HalfDuplex: true}},
		{url: "serial:///dev/ttyS1?framing=hdlc&window=8", err: `window of 8 frames: want 1 to 7`},
		{url: "serial:///dev/ttyS1?framing=hdlc&half_duplex=half", err: `invalid syntax`},
		{url: "serial:///dev/ttyS1?framing=hdlc&data_bits=7", err: `7 data bits: framing "hdlc" needs 8`},
		{url: "serial:///dev/ttyS1?window=2", err: `are for framing=hdlc only`},
		{url: "serial:///dev/ttyS1?bauds=1", err: `unknown key "bauds"`},
		{url: "serial:///dev/ttyS1?baud=fast", err: `baud "fast": want a number`},
		{url: "serial:///dev/ttyS1?baud=-1", err: `baud "-1": want a number`},
		{url: "serial:///dev/ttyS1?baud=1&baud=2", err: `baud: given 2 times`},
		{url: "serial:///dev/ttyS1?parity=big", err: `parity "big": want none, odd, even, mark, space`},
		{url: "serial:///dev/ttyS1?dtr=up", err: `signal "up": want keep, on, off`},
		{url: "serial:///dev/ttyS1?framing=slip", err: `framing "slip": want none, hdlc`},
		{url: "serial:///dev/ttyS1?data_bits=9", err: `9 data bits: want 5 to 8`},
		{url: "serial:///dev/ttyS1?settle=soon", err: `invalid duration`},
		{url: "serial:///dev/ttyS1?settle=1h", err: `settle 1h0m0s: want 0 to 1m`},
		{url: "serial://dev/ttyS1", err: `want three slashes, as in serial:///dev/ttyUSB0`},
		{url: "serial:ttyS1", err: `want three slashes`},
		{url: "serial:///dev/ttyS1?vid=2341", err: `device and USB identity exclude each other`},
		{url: "serial:?vid=23", err: `USB id "23": want four hexadecimal digits`},
		{url: "serial:?pid=0043", err: `USB product 0043: vendor is missing`},
		{url: "serial:?vid=2341&interface=x", err: `USB interface "x"`},
		{url: "serial:", err: `device or USB identity is missing`},
		{url: "tcp:///dev/ttyS1", err: `scheme "tcp": want serial`},
		{url: "serial:///dev/ttyS1?%zz", err: `invalid URL escape`},
	} {
		if c.link == nil {
			c.link = &lapb.Config{}
		}
		framing := Bare
		if strings.Contains(c.url, "framing=hdlc") {
			framing = HDLC
		}
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseURL(u)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %s", c.url, err, c.err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, LineConfig{Port: c.want, Framing: framing, Link: *c.link}) {
			t.Errorf("%s: %+v, %v", c.url, got, err)
		}
	}
}
