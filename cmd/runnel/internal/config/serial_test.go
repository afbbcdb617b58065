package config

import (
	"fmt"
	"strings"
	"testing"

	"runnel/transport/serial/modbus"
)

// A line whose role may not publish its topic gets a warning.
func TestSensorRights(t *testing.T) {
	const base = "version = 1\n[[realm]]\nname = \"realm1\"\n[[realm.role]]\nname = \"sensor\"\n[[realm.role.permission]]\nuri = \"com.example.\"\nmatch = \"prefix\"\nallow = [\"publish\"]\n" +
		"[[serial]]\nname = \"a\"\ndevice = \"/dev/null\"\nrole = \"sensor\"\nmode = \"lines\"\nformat = \"json\"\n"
	for _, c := range []struct {
		keys string
		want []string
	}{
		{"topic = \"com.example.a\"", nil},
		{"topic = \"org.{x}\"", nil}, // depends on the device's data
		{"topic = \"org.a\"\nwrite = \"com.example.w\"", []string{
			`16: serial.topic: the role "sensor" may not publish org.a`, `17: serial.write: the role "sensor" may not register com.example.w`}},
	} {
		config, err := Parse("FILE", base+c.keys)
		if err != nil {
			t.Fatal(err)
		}
		if len(config.Warnings) != len(c.want) {
			t.Fatalf("%s: %v", c.keys, config.Warnings)
		}
		for i, want := range c.want {
			if got := config.Warnings[i].Error(); !strings.Contains(got, want) {
				t.Errorf("%s, want %s", got, want)
			}
		}
	}
}

// The keys of the text formats reach the parser, and those of another format are refused.
func TestLineFormats(t *testing.T) {
	const base = "version = 1\n[[realm]]\nname = \"realm1\"\nanonymous = \"a\"\n[[realm.role]]\nname = \"a\"\n[[realm.role.permission]]\nuri = \"\"\nmatch = \"prefix\"\nallow = [\"publish\"]\n" +
		"[[serial]]\nname = \"a\"\ndevice = \"/dev/null\"\nmode = \"lines\"\ntopic = \"com.example.a\"\n"
	for _, c := range []struct{ keys, want string }{
		{"format = \"keyvalue\"\nseparator = \";\"\nassign = \"=\"\ndecimal = \"comma\"\nexpect_every = \"1m\"", ""},
		{"format = \"fixed\"\ncolumns = [\"a\", \"b\"]\nwidths = [3, 4]\n[[serial.field]]\nname = \"a\"\ntype = \"hex\"", ""},
		{"format = \"regexp\"\npatterns = ['^(?P<a>.)', '^(?P<b>.)']", ""},
		{"format = \"nmea\"\nchecksum = \"optional\"\ntime = \"arrival\"", ""},
		{"format = \"nmea\"\nchecksum = \"none\"", `serial.checksum: "none" is not known; use "required" or "optional"`},
		{"format = \"csv\"\ncolumns = [\"a\"]\nwidths = [3]", `serial.widths: only for format = "fixed"; remove it`},
		{"format = \"csv\"\ncolumns = [\"a\"]\ndecimal = \"comma\"", "separator is the decimal comma"},
		{"format = \"json\"\nassign = \"=\"", `serial.assign: only for format = "keyvalue"; remove it`},
		{"format = \"json\"\ndecimal = \"point\"", `serial.decimal: only for format = "csv", "regexp", "keyvalue" or "fixed"; remove it`},
		{"format = \"json\"\nexpect_every = \"x\"", `serial.expect_every: "x" is not a duration`},
	} {
		_, err := Parse("FILE", base+c.keys)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.keys, err, c.want)
		}
	}
}

// The keys of telegrams reach the parser. Each invalid key is reported at its line.
func TestTelegramKeys(t *testing.T) {
	const base = "version = 1\n[[realm]]\nname = \"realm1\"\nanonymous = \"a\"\n[[realm.role]]\nname = \"a\"\n[[realm.role.permission]]\nuri = \"\"\nmatch = \"prefix\"\nallow = [\"publish\"]\n" +
		"[[serial]]\nname = \"a\"\ndevice = \"/dev/null\"\nmode = \"lines\"\ntopic = \"com.example.a\"\n"
	const field = "\n[[serial.field]]\nname = \"v\"\n"
	for _, c := range []struct{ keys, want string }{
		{"format = \"obis\"\nunlisted = \"drop\"\ntelegram = { begin = \"/\", end = \"!\", trailer = 4, check = \"crc16-arc\", check_as = \"hex\" }", ""},
		{"format = \"keyvalue\"\n[serial.telegram]\nbegin = \"\\u0002\"\nend = \"\\u0003\"\nsilence = \"1s\"\nmax = \"1KiB\"\ntrailer = 1\ncheck = \"xor8\"\ncheck_skip = 1\ncheck_skip_end = 1", ""},
		{"format = \"binary\"\ntelegram = { begin = \"hex:42 4D\", length_type = \"uint16\", length_at = 2, length_add = 4, order = \"little\" }" + field + "at = 4\ntype = \"int24\"\norder = \"little\"\nbit = 23", ""},
		{"format = \"obis\"\ntelegram = { begin = \"hex:4\", end = \"!\" }", `FILE:17: serial.telegram.begin: "hex:4" is not hexadecimal; write two digits for each byte`},
		{"format = \"obis\"\ntelegram = { begin = \"/\" }", `FILE:17: serial.telegram: its end is missing`},
		{"format = \"obis\"\ntelegram = { begin = \"/\", ends = \"!\" }", `FILE:17: serial.telegram.ends: unknown key; did you mean "end"?`},
		{"format = \"obis\"\ntelegram = { begin = \"/\", end = \"!\", check = \"crc16\" }", `FILE:17: serial.telegram.check: "crc16" is not known; use "crc16-arc"`},
		{"format = \"obis\"\ntelegram = { begin = \"/\", end = \"!\", check_as = \"hex\" }", `FILE:17: serial.telegram.check_as: only with check; remove it`},
		{"format = \"nmea\"\ntelegram = { begin = \"/\", end = \"!\" }", `telegram: nmea has telegrams of its own`},
		{"format = \"json\"\nmax_line = 100\ntelegram = { begin = \"/\", end = \"!\" }", `max_line is for lines`},
		{"format = \"binary\"" + field + "type = \"uint8\"", `telegram is missing`},
		{"format = \"binary\"\ntelegram = { begin = \"/\", length = 9 }" + field + "type = \"number\"", `FILE:20: serial.field.type: "number" is not known; use "uint8"`},
		{"format = \"binary\"\ntelegram = { begin = \"/\", length = 9 }" + field + "type = \"uint16\"\nat = 8", `field "v": ends at byte 10, beyond the telegram's end`},
		{"format = \"json\"\nask = [{ send = \"S\\r\\n\", every = \"5s\", at_open = true }, { send = \"hex:ff 01\", at_open = true, timeout = \"0s\" }]", ""},
		{"format = \"json\"\nask = []", ""},
		{"format = \"json\"\npublish = \"change\"\nrefresh = \"10m\"\nevery = \"1m\"\naggregate = \"mean\"\ntopic_unsafe = \"replace\"" + field + "deadband = 0.5", ""},
		{"format = \"json\"\naggregate = \"mean\"", `aggregate: set every`},
		{"format = \"json\"\nrefresh = \"1m\"", `refresh is for publish = "change"`},
		{"format = \"json\"\nevery = \"1m\"\naggregate = \"median\"", `FILE:18: serial.aggregate: "median" is not known; use "last", "mean", "min" or "max"`},
		{"format = \"json\"\npublish = \"never\"", `FILE:17: serial.publish: "never" is not known; use "always" or "change"`},
		{"format = \"json\"" + field + "deadband = 0.5", `FILE:19: serial.field.deadband: a positive number, and only with publish = "change" of the line`},
		{"format = \"json\"\nflow = \"xonxoff\"", ""},
		{"format = \"json\"\nflow = \"rtscts\"\ndtr = \"on\"", ""},
		{"format = \"json\"\nflow = \"rtscts\"\nrts = \"on\"", `flow = "rtscts" uses RTS; leave rts out`},
		{"format = \"json\"\nflow = \"hardware\"", `FILE:17: serial.flow: "hardware" is not known; use "none", "rtscts" or "xonxoff"`},
		{"format = \"binary\"\nflow = \"xonxoff\"\ntelegram = { begin = \"/\", length = 9 }" + field + "type = \"uint8\"", `FILE:17: serial.flow: "xonxoff" is for devices that print text`},
		{"format = \"json\"\nask = [{ send = \"S\" }]", `FILE:17: serial.ask.every: missing; write every = "10s", at_open = true, or both`},
		{"format = \"json\"\nask = [{ every = \"1s\" }]", `FILE:17: serial.ask.send: missing`},
		{"format = \"json\"\nask = [{ send = \"S\", every = \"1ms\" }]", `ask: every and timeout: want at least 10ms`},
		{"format = \"json\"\nask = [{ send = \"S\", ever = \"1s\" }]", `FILE:17: serial.ask.ever: unknown key; did you mean "every"?`},
		{"format = \"csv\"\ncolumns = [\"v\"]" + field + "at = 8", `FILE:20: serial.field.at: only for format = "binary"; remove it`},
		{"format = \"keyvalue\"\ntelegram = { end = \"x\", line_check = \"tic\" }", ""},
		{"format = \"keyvalue\"\ntime = \"clock\"\ntime_zone = \"+01:00\"", ""},
		{"format = \"keyvalue\"\ntime_zone = \"+01:00\"", `FILE:11: serial: time_zone "+01:00": only if time names a field of the device; remove it`},
		{"format = \"keyvalue\"\ntime = \"clock\"\ntime_zone = \"Mars/Base\"", `FILE:11: serial: time_zone "Mars/Base": not known to this system`},
		{"format = \"keyvalue\"\ntelegram = { end = \"x\", line_check = \"sum\" }", `FILE:17: serial.telegram.line_check: "sum" is not known; use "tic"`},
		{"format = \"obis\"\ntelegram = { end = \"x\", line_check = \"tic\" }", `FILE:17: serial.telegram.line_check: format = "obis" reads the telegram as a whole; remove it`},
		{"format = \"csv\"\ncolumns = [\"v\"]\nunlisted = \"drop\"", `FILE:18: serial.unlisted: only for format = "json", "nmea", "keyvalue", "obis" or "sml"; remove it`},
	} {
		_, err := Parse("FILE", base+c.keys)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.keys, err, c.want)
		}
	}
}

// Addresses as manuals print them, orders, bits and the slaves beyond the specification.
func TestRegisters(t *testing.T) {
	const base = "version = 1\n[[realm]]\nname = \"realm1\"\nanonymous = \"a\"\n[[realm.role]]\nname = \"a\"\n[[realm.role.permission]]\nuri = \"\"\nmatch = \"prefix\"\nallow = [\"publish\", \"register\"]\n" +
		"[[serial]]\nname = \"a\"\ndevice = \"/dev/null\"\nmode = \"modbus\"\ntopic = \"com.example.a\"\n[[serial.modbus]]\nname = \"x\"\n"
	for _, c := range []struct{ keys, want string }{
		{"slave = 1\naddress = \"40001\"", "holding 0"},
		{"slave = 254\naddress = \"30009\"\ntype = \"float64\"\norder = \"badc\"", "input 8"},
		{"slave = 1\naddress = \"465536\"", "holding 65535"},
		{"slave = 1\naddress = \"00017\"", "coil 16"},
		{"slave = 1\naddress = \"10001\"\ntable = \"discrete\"", "discrete 0"},
		{"slave = 1\naddress = 5\ntable = \"input\"\nbit = 15", "input 5"},
		{"slave = 0\naddress = 5\ntable = \"holding\"\npublish = \"never\"\nwrite = \"com.example.w\"\nwrite_many = true", "holding 5"},
		{"slave = 1\naddress = \"40001\"\ntable = \"input\"", `error the address belongs to the table "holding"`},
		{"slave = 1\naddress = \"20001\"", `error "20001" is not an address`},
		{"slave = 1\naddress = \"40000\"", `error "40000" is not an address`},
		{"slave = 1\naddress = \"465537\"", `error "465537" is not an address`},
		{"slave = 1\naddress = -1\ntable = \"input\"", "error -1 is out of range"},
		{"slave = 1\naddress = 5\ntable = \"input\"\nbit = 16", "error must be 0 to 15"},
		{"slave = 1\naddress = 5\ntable = \"input\"\ntype = \"int32\"\nwords = \"low\"\norder = \"cdab\"", "error order is set as well"},
		{"slave = 0\naddress = 5\ntable = \"holding\"", "error slave 0 addresses all slaves"},
		{"slave = 255\naddress = 5\ntable = \"holding\"", "error 255 is out of range"},
		{"TCP slave = 255\naddress = 5\ntable = \"holding\"", "holding 5"},
		{"TCP slave = 0\naddress = 5\ntable = \"holding\"", "holding 5"},
		{"RTU slave = 0\naddress = 5\ntable = \"holding\"", "error slave 0 addresses all slaves"},
		{"SRV slave = 0\naddress = 5\ntable = \"holding\"", "error slave 0 addresses all slaves"}, // RTU, not Modbus TCP
		{"SRV slave = 1\naddress = 5\ntable = \"holding\"", "holding 5"},
		{"BAD slave = 1\naddress = 5\ntable = \"holding\"", `error device "tcp://10.0.0.7": want tcp://HOST:PORT`},
		{"TTY slave = 1\naddress = 5\ntable = \"holding\"", `error "tcp" needs device = "tcp://HOST:PORT"`},
	} {
		text := base + c.keys
		for mark, device := range map[string]string{
			"TCP ": "device = \"tcp://10.0.0.7:502\"", "RTU ": "device = \"tcp://10.0.0.7:502\"\nframing = \"rtu\"",
			"BAD ": "device = \"tcp://10.0.0.7\"", "SRV ": "device = \"rfc2217://10.0.0.7:2217\"\nflow = \"rtscts\"", "TTY ": "device = \"/dev/null\"\nframing = \"tcp\"",
		} {
			if keys, marked := strings.CutPrefix(c.keys, mark); marked {
				text = strings.Replace(base, "device = \"/dev/null\"", device, 1) + keys
			}
		}
		config, err := Parse("FILE", text)
		if want, fails := strings.CutPrefix(c.want, "error "); fails {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v; want %q", c.keys, err, want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.keys, err)
			continue
		}
		p := config.Serials[0].ModbusConfig().Points[0]
		if got := fmt.Sprint(modbus.TableNames[p.Table], " ", p.Address); got != c.want {
			t.Errorf("%s: %s, want %s", c.keys, got, c.want)
		}
	}
}
