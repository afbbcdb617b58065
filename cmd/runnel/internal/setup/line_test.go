package setup

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/wamp"
	"runnel/transport/serial"
	"runnel/transport/serial/detect"
)

// The detected format becomes a table that configures the line.
func TestTextOfALine(t *testing.T) {
	device := serial.Config{Device: "/dev/ttyS9", Baud: 9600}
	for _, c := range []struct {
		line Line
		want []string
		not  []string
	}{
		{Line{Port: device, Detected: detect.Guess{Kind: detect.NMEA, Sure: true, Octets: 100, Sample: "$GP\x07"}},
			[]string{"name = \"ttyS9\"", "device = \"/dev/ttyS9\"", "baud = 9600", "format = \"nmea\"", "topic = \"com.example.{sentence}\"", "#   $GP?\n"},
			[]string{"too little data", "parity", "data_bits", "realm", "role", "usb", "slave", "profile"}},
		{Line{Name: "Bus-1", Port: device, Detected: detect.Guess{Kind: detect.JSON}, Topic: "com.a", Realm: "r", Role: "sensor"},
			[]string{"name = \"Bus-1\"", "format = \"json\"", "topic = \"com.a\"", "realm = \"r\"", "role = \"sensor\"", "too little data"}, nil},
		{Line{Name: "Bus-1.x", Port: device, Detected: detect.Guess{Kind: detect.CSV, Table: detect.Table{Separator: ";", Columns: []string{"value1", "value2"}, Comma: true}}}, []string{"separator = \";\"\ndecimal = \"comma\"\ncolumns = [\"value1\", \"value2\"]", "topic = \"com.example.bus_1_x\""}, nil},
		{Line{Port: serial.Config{Device: "/dev/ttyS9", Parity: serial.Even, DataBits: 7}, Detected: detect.Guess{Kind: detect.Modbus}},
			[]string{"mode = \"modbus\"", "parity = \"even\"", "data_bits = 7", "topic = \"com.example.{slave}.{name}\""}, []string{"baud"}},
		{Line{Port: device, USB: serial.USB{VID: "2341", PID: "0043"}, Detected: detect.Guess{Kind: detect.Link}},
			[]string{"usb = { vid = \"2341\", pid = \"0043\" }", "framing = \"hdlc\""}, []string{"device =", "topic"}},
		{Line{Port: device, USB: serial.USB{VID: "2341", PID: "0043", Serial: "7", Interface: "00"}, Detected: detect.Guess{Kind: detect.RawSocket}},
			[]string{"serial = \"7\", interface = \"00\" }", "framing = \"none\""}, []string{"device =", "topic"}},
	} {
		text := c.line.Text()
		for _, word := range c.want {
			if !strings.Contains(text, word) {
				t.Errorf("%q is not in\n%s", word, text)
			}
		}
		for _, word := range c.not {
			if strings.Contains(text, word) {
				t.Errorf("%q is in\n%s", word, text)
			}
		}
	}
	for kind, want := range map[detect.Kind]bool{detect.Link: false, detect.RawSocket: false, detect.NMEA: true, detect.JSON: true, detect.Modbus: true} {
		if l := (&Line{Detected: detect.Guess{Kind: kind}}); l.Lines() != want {
			t.Errorf("%v publishes readings: %v", kind, !want)
		}
	}
}

func TestIdentify(t *testing.T) {
	usb := serial.USB{VID: "2341", PID: "0043", Serial: "7"}
	twin := serial.USB{VID: "0403", PID: "6001"}
	ports := []serial.Info{
		{Device: "/dev/ttyX0", USB: usb}, {Device: "/dev/ttyX1", USB: twin, Names: []string{"/dev/serial/by-id/a", "/dev/serial/by-path/b"}},
		{Device: "/dev/ttyX2", USB: twin}, {Device: "/dev/ttyX3"}, {Device: "/dev/ttyX4", USB: serial.USB{VID: "1"}}, {Device: "/dev/ttyX5", USB: serial.USB{PID: "1"}},
	}
	for device, want := range map[string]struct {
		usb  serial.USB
		path string
	}{
		"/dev/ttyX0": {usb, "/dev/ttyX0"}, "/dev/ttyX1": {serial.USB{}, "/dev/serial/by-path/b"}, "/dev/ttyX2": {serial.USB{}, "/dev/ttyX2"}, "/dev/ttyX3": {serial.USB{}, "/dev/ttyX3"},
		"/dev/ttyX4": {serial.USB{}, "/dev/ttyX4"}, "/dev/ttyX5": {serial.USB{}, "/dev/ttyX5"}, "/dev/ttyX9": {serial.USB{}, "/dev/ttyX9"},
	} {
		if got, path := Identify(device, ports); got != want.usb || path != want.path {
			t.Errorf("%s: %+v, %s", device, got, path)
		}
	}
}

// A line gets the role "sensor" of its realm, and the prefix below which that may publish.
func TestDefaultsOfALine(t *testing.T) {
	permission := func(uri string, match wamp.Match, allow ...string) config.Permission {
		return config.Permission{URI: uri, Match: config.Match(match), Allow: allow}
	}
	c := &config.Config{Realms: []config.Realm{
		{Name: "a", Roles: []config.Role{{Name: "other"}, {Name: "sensor", Permissions: []config.Permission{
			permission("com.x", wamp.Exact, "publish"), permission("", wamp.Prefix, "publish"), permission("com.y.", wamp.Prefix, "call"), permission("com.plant", wamp.Prefix, "call", "publish"),
		}}}},
		{Name: "b", Roles: []config.Role{{Name: "sensor"}, {Name: "all", Permissions: []config.Permission{permission("org.", wamp.Prefix, "publish")}}}},
		{Name: "c"},
	}}
	for _, w := range []struct{ realm, role, gets, prefix string }{
		{"", "", "sensor", "com.plant."}, {"a", "", "sensor", "com.plant."}, {"b", "", "sensor", "com.example."}, {"b", "all", "all", "org."}, {"c", "", "", "com.example."}, {"a", "none", "none", "com.example."},
	} {
		l := &Line{Realm: w.realm, Role: w.role}
		if prefix := l.Defaults(c); prefix != w.prefix || l.Role != w.gets {
			t.Errorf("%+v: role %q, prefix %q", w, l.Role, prefix)
		}
	}
}

// A line is added as a file, once, and only if all files are valid with it.
func TestWriteLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "etc", "runnel.toml")
	if _, _, err := written(t, Init{Answers: Answers{Kind: Standalone, ID: "n"}, File: file}); err != nil {
		t.Fatal(err)
	}
	l := &Line{Name: "bus", Role: "sensor", Topic: "com.example.bus", Port: serial.Config{Device: "/dev/ttyX9"}, Detected: detect.Guess{Kind: detect.JSON, Sample: "{}"}}
	c, at, err := l.Write(file, nil)
	if err != nil || len(c.Serials) != 1 || at != filepath.Join(filepath.Dir(file), "conf.d", "bus.toml") {
		t.Fatalf("%s, %v", at, err)
	}
	if _, _, err := l.Write(file, nil); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("a second time: %v", err)
	}
	bad := *l
	bad.Name, bad.Role = "bad", "no such role"
	if _, _, err := bad.Write(file, nil); err == nil {
		t.Error("an invalid line is written")
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(file), "conf.d", "bad.toml")); err == nil {
		t.Error("the file of an invalid line is left")
	}
	if err := CheckUnused(c, "/dev/ttyX9", nil); err == nil || !strings.Contains(err.Error(), `the line "bus"`) {
		t.Errorf("a port in use: %v", err)
	}
	if err := CheckUnused(c, "/dev/ttyX8", nil); err != nil {
		t.Error(err)
	}
}

func TestPrintPorts(t *testing.T) {
	ports := []serial.Info{
		{Device: "/dev/ttyX0", Driver: "cdc_acm", USB: serial.USB{VID: "2341", PID: "0043", Serial: "7", Interface: "00"}, Manufacturer: "Arduino", Product: "Uno",
			Holders: []serial.Process{{PID: 12, Name: "minicom"}, {PID: 13, Name: "runnel"}}},
		{Device: "/dev/ttyX1"}, {Device: "/dev/ttyX2", USB: serial.USB{VID: "1", PID: "2"}},
	}
	var b bytes.Buffer
	if err := PrintPorts(&b, ports); err != nil || strings.Count(b.String(), "\n") != 4 ||
		!strings.Contains(b.String(), "2341:0043 serial 7 interface 00 (Arduino Uno)") || !strings.Contains(b.String(), "  1:2  ") {
		t.Errorf("%s%v", &b, err)
	}
	b.Reset()
	if err := PrintPortsJSON(&b, ports); err != nil || strings.Count(b.String(), "\n") != 3 || strings.Count(b.String(), `"vid"`) != 2 || !strings.Contains(b.String(), `"holders":[{"pid":12,"name":"minicom"}`) {
		t.Errorf("%s%v", &b, err)
	}
	b.Reset()
	if err := PrintPorts(&b, nil); err != nil || b.String() != "no serial ports\n" {
		t.Error(b.String())
	}
}
