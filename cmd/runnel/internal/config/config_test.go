package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"runnel/cmd/runnel/internal/config/position"
	"runnel/cmd/runnel/internal/config/values"
)

// realm1 is the beginning of most test files. It has seven lines.
const realm1 = `version = 1
[[realm]]
name = "realm1"
anonymous = "guest"
[[realm.role]]
name = "guest"

`

// load reads text as a configuration file of its own.
func load(t *testing.T, text string) (*Config, string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "runnel.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file, nil)
	return c, file, err
}

func TestProblems(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string // "line: key: the text's beginning", all of them in order
	}{
		{"syntax", "version = 1\n[[realm]]\nname = \n", []string{"3: realm.name: not valid TOML"}},
		{"nested", "x = [1,\n" + strings.Repeat("{a=", 1e5), []string{"2: nested deeper than 32 levels"}},
		{"no realm", "version = 1\n", []string{"0: realm: there is no realm"}},
		{"version", "version = 2\n[[realm]]\nname = \"a\"\n", []string{"1: version: version 2 is not known"}},
		{"unknown top key", realm1 + "[[listn]]\n", []string{`8: listn: unknown key; did you mean "listen"?`}},
		{"unknown key", realm1 + "[[serial]]\nname = \"a\"\nframing = \"none\"\n\n bauds = 1\ndevice = \"/dev/null\"",
			[]string{`12: serial.bauds: unknown key; did you mean "baud"?`}},
		{"unknown inline key", realm1 + "[[serial]]\nname = \"a\"\nframing = \"none\"\nusb = { vid = \"2341\", pid = \"0043\", seriel = \"1\" }",
			[]string{`11: serial.usb.seriel: unknown key; did you mean "serial"?`}},
		{"unknown key without a near one", realm1 + "[node]\nzzzzzzzzzz = 1\n", []string{`9: node.zzzzzzzzzz: unknown key; known here: data, id`}},
		{"wrong types", realm1 + "[node]\nid = 5\n[limits]\nmax_message = true\nmax_sessions = \"9\"\noutbox = 1.5\n[log]\nlevel = 1979-05-27\n",
			[]string{`9: node.id: 5 is an integer; write a string`, `11: limits.max_message: true is a boolean; write a string`,
				`12: limits.max_sessions: "9" is a string; write an integer`, `13: limits.outbox: 1.5 is a float`,
				`15: log.level: this is a date or a time; write a string`}},
		{"table for list", realm1 + "[listen]\nurl = \"unix:///a\"\n", []string{`8: listen: this is a table; write [[listen]]`}},
		{"sizes and durations", realm1 + "[limits]\nmax_message = \"64 parsecs\"\nhello_timeout = \"10\"\noutbox = \"99999999999GiB\"\nmax_sessions = -1\n[[listen]]\nurl = \"tcp://:1\"\nping_interval = \"-1s\"\n",
			[]string{`9: limits.max_message: "64 parsecs" is not a size`, `10: limits.hello_timeout: "10" is not a duration`,
				`11: limits.outbox: "99999999999GiB" is not a size`, `12: limits.max_sessions: -1 is out of range`,
				`15: listen.ping_interval: "-1s" is not a duration`}},
		{"log level", realm1 + "[log]\nlevel = \"loud\"\n", []string{`9: log.level: "loud" is not a log level; use "debug", "info", "warn" or "error"`}},
		{"realm without name", "[[realm]]\n", []string{`1: realm.name: missing`}},
		{"realm twice", realm1 + "[[realm]]\nname = \"realm1\"\n", []string{`9: realm.name: realm "realm1" is already defined at FILE:2`}},
		{"realm's name is no URI", "[[realm]]\nname = \"a b\"\n", []string{`2: realm.name: "a b" is not a WAMP URI`}},
		{"unknown role", "[[realm]]\nname = \"a\"\nanonymous = \"gest\"\n[[realm.role]]\nname = \"guest\"\n",
			[]string{`3: realm.anonymous: realm "a" has no role "gest"; did you mean "guest"?`}},
		{"no roles", "[[realm]]\nname = \"a\"\nanonymous = \"guest\"\n", []string{`3: realm.anonymous: realm "a" has no role "guest"; add`}},
		{"role twice", realm1 + "[[realm.role]]\nname = \"guest\"\n", []string{`9: realm.role.name: role "guest" is already defined at FILE:5`}},
		{"permission", realm1 + "[[realm.role.permission]]\nmatch = \"regex\"\nallow = [\"publich\", \"call\"]\n[[realm.role.permission]]\nuri = \"a..b\"\n",
			[]string{`8: realm.role.permission.uri: missing`, `9: realm.role.permission.match: "regex" is not a matching policy`,
				`10: realm.role.permission.allow: "publich" is not known; use`, `11: realm.role.permission.allow: missing`,
				`12: realm.role.permission.uri: "a..b" is not a WAMP URI`}},
		{"permission twice", realm1 + strings.Repeat("[[realm.role.permission]]\nuri = \"a\"\nallow = []\n", 2),
			[]string{`12: realm.role.permission.uri: permission for exact "a" is already defined at FILE:8`}},
		{"principals", realm1 + "[[realm.principal]]\nauthid = \"a\"\nrole = \"gest\"\nticket = \"file:none\"\n" +
			"[[realm.principal]]\nauthid = \"a\"\nrole = \"guest\"\nwampcra = { secret = \"env:RUNNEL_NOT_SET\" }\nscram = { kdf = \"md5\", sault = \"a\" }\nauthorized_keys = [\"zz\"]\n" +
			"[[realm.principal]]\nauthid = \"b\"\nrole = \"guest\"\n[[realm.principal]]\nauthid = \"c\"\nrole = \"guest\"\nscram = { salt = \"AAAA\" }\n[[realm.principal]]\nuid = \"root\"\n",
			[]string{`10: realm.principal.role: realm "realm1" has no role "gest"`, `11: realm.principal.ticket: open DIR/none`,
				`13: realm.principal.authid: principal "a" is already defined`, `15: realm.principal.wampcra.secret: the environment variable RUNNEL_NOT_SET is not set`,
				`16: realm.principal.scram.sault: unknown key; did you mean "salt"?`, `16: realm.principal.scram.kdf: "md5" is not known`,
				`17: realm.principal.authorized_keys: `, `18: realm.principal: `, `21: realm.principal: scram: stored_key is missing`,
				`25: realm.principal.authid: missing`, `25: realm.principal.role: missing`, `26: realm.principal.uid: "root" is a string; write an integer`}},
		{"procedures that decide", realm1 + "[[realm.role]]\nname = \"x\"\nauthorizer = \"a b\"\n[realm.authenticator]\ntickt = \"a\"\nwampcra = 5\nticket = \"a b\"\n",
			[]string{`10: realm.role.authorizer: "a b" is not a WAMP URI`, `12: realm.authenticator.tickt: "tickt" is not known`,
				`13: realm.authenticator.wampcra: this is an integer`, `14: realm.authenticator.ticket: this is not`}},
		{"procedures that can't decide", realm1 + "[realm.authenticator]\nanonymous = \"a.b\"\n",
			[]string{`2: realm: authenticator for anonymous: anonymous sessions have the role "guest" already`}},
		{"the router's own procedure", "[[realm]]\nname = \"a\"\n[realm.authenticator]\nticket = \"wamp.session.get\"\n",
			[]string{`1: realm: authenticator for ticket: "wamp.session.get" is not a procedure that can be registered`}},
		{"history twice", realm1 + strings.Repeat("[[realm.history]]\nuri = \"a\"\n", 2), []string{`2: realm: history of "a": two rules for the same URI`}},
		{"principals' keys", realm1 + "[[realm.principal]]\nauthid = \"a\"\nrole = \"guest\"\nwampcra = { salt = \"x\", secret = \"y\" }\n" +
			"[[realm.principal]]\nauthid = \"b\"\nrole = \"guest\"\nscram = { secret = \"x\", kdf = \"pbkdf2\", memory = 5 }\n" +
			"[[realm.principal]]\nauthid = \"c\"\nrole = \"guest\"\nscram = { secret = \"x\", salt = \"AAAA\" }\n",
			[]string{`8: realm.principal: principal "a": wampcra: with a salt, the secret must be the derived key`, `12: realm.principal: scram: pbkdf2 does not use memory`,
				`16: realm.principal: scram: secret and keys are both set`}},
		{"a file that is no key", realm1 + "[[uplink]]\nname = \"a\"\nurl = \"tcp://127.0.0.1:1\"\nauthid = \"a\"\nkey = \"runnel.toml\"\n[[uplink.export]]\ntopic = \"a\"\n" +
			"[[listen]]\nurl = \"tls://127.0.0.1:1\"\ncertificate = \"runnel.toml\"\nkey = \"runnel.toml\"\n",
			[]string{`12: uplink.key: read key FILE: the key is neither`, `17: listen.certificate: read certificate FILE: `}},
		{"history", realm1 + "[[realm.history]]\nmax_size = \"x\"\n", []string{`8: realm.history.uri: missing`, `9: realm.history.max_size: "x" is not a size`}},
		{"listener URLs", realm1 + "[[listen]]\n[[listen]]\nurl = \"udp://:1\"\n[[listen]]\nurl = \"tcp://127.0.0.1\"\n[[listen]]\nurl = \"tcp://127.0.0.1:1/x\"\n[[listen]]\nurl = \"%zz\"\n",
			[]string{`8: listen.url: missing; write`, `10: listen.url: "udp://:1": unknown scheme; use "tcp", "tls", "unix", "ws", "wss", "mqtt", "mqtts" or "systemd"`,
				`12: listen.url: "tcp://127.0.0.1" has no port`, `14: listen.url: a tcp listener has no path`, `16: listen.url: "%zz" is not a URL`}},
		{"secret without quotes", realm1 + "[[realm.principal]]\nauthid = \"joe\"\nrole = \"guest\"\nticket = 777123\n",
			[]string{`8: realm.principal: principal "joe": no authentication method`, `11: realm.principal.ticket: this is not a string; write one in quotes`}},
		{"listener with a password", realm1 + "[[listen]]\nurl = \"tcp://joe:secret@127.0.0.1:1\"\n",
			[]string{`9: listen.url: "tcp://...@127.0.0.1:1" contains a name or a password`}},
		{"listener twice", realm1 + strings.Repeat("[[listen]]\nurl = \"tcp://127.0.0.1:1\"\n", 2),
			[]string{`11: listen.url: listener "tcp://127.0.0.1:1" is already defined at FILE:8`}},
		{"keys of another scheme", realm1 + "[[listen]]\nurl = \"tcp://127.0.0.1:1\"\nmode = \"0660\"\nkey = \"a\"\n",
			[]string{`10: listen.mode: only for unix:// listeners`, `11: listen.key: only for tls:// and wss:// and mqtts:// listeners`}},
		{"socket mode", realm1 + "[[listen]]\nurl = \"unix://a\"\nmode = \"rw\"\n", []string{`10: listen.mode: "rw" is not a file mode`}},
		{"TLS without certificate", realm1 + "[[listen]]\nurl = \"tls://127.0.0.1:1\"\nkey = \"none.pem\"\n",
			[]string{`8: listen.certificate: missing`, `10: listen.key: open DIR/none.pem: no such file`}},
		{"listener's role", realm1 + "[[listen]]\nurl = \"unix://a\"\nauthid = \"a\"\n[[listen]]\nurl = \"unix://b\"\nrole = \"b\"\nrealm = \"c\"\n[[listen]]\nurl = \"unix://c\"\nrole = \"b\"\n",
			[]string{`8: listen.role: missing; an authid needs a role`, `14: listen.realm: there is no realm "c"`, `17: listen.role: realm "realm1" has no role "b"`}},
		{"the router's roles", "[[realm]]\nname = \"a\"\n[[realm.role]]\nname = \"runnel.uplink\"\n", []string{`4: realm.role.name: "runnel.uplink" is one of the router's own roles`}},
		{"baud", realm1 + "[[serial]]\nname = \"a\"\ndevice = \"/dev/null\"\nframing = \"none\"\nbaud = 99000000\n", []string{`8: serial: baud 99000000: out of range`}},
		{"framing", realm1 + "[[serial]]\nname = \"a\"\ndevice = \"/dev/null\"\nframing = \"slip\"\n",
			[]string{`11: serial.framing: "slip" is not known; use "hdlc" or "none"`}},
		{"lines", realm1 + "[[serial]]\nname = \"a\"\ndevice = \"/dev/null\"\nmode = \"lines\"\nformat = \"xml\"\ncolumns = [\"a\"]\nframing = \"none\"\nnewline = \"x\"\nwrite = \"a b\"\n[[serial.field]]\ntype = \"int\"\nscale = \"x\"\n",
			[]string{`8: serial.topic: missing`, `12: serial.format: "xml" is not known; use "json", "csv", "nmea", "regexp", "keyvalue", "fixed", "obis", "binary" or "sml"`, `13: serial.columns: only for format = "csv"`,
				`14: serial.framing: only for mode = "wamp" and "modbus"`, `15: serial.newline: "x" is not a line ending`, `16: serial.write: "a b" is not a WAMP URI`,
				`17: serial.field.name: missing`, `18: serial.field.type: "int" is not known`, `19: serial.field.scale: "x" is a string; write a number`}},
		{"lines that don't fit", realm1 + "[[serial]]\nname = \"a\"\ndevice = \"/dev/null\"\nmode = \"lines\"\nformat = \"csv\"\ncolumns = [\"a\"]\ntopic = \"com.{b}\"\n",
			[]string{`8: serial: topic: there is no field {b}; there are a`}},
		{"link", realm1 + "[[serial]]\nname = \"a\"\ndevice = \"/dev/null\"\nframe = 16\n[[serial]]\nname = \"b\"\ndevice = \"/dev/zero\"\nframing = \"none\"\nwindow = 1\n",
			[]string{`8: serial: frames of 16 octets: want 32 to 1024`, `16: serial.window: only for framing = "hdlc"`}},
		{"rs485", realm1 + "[[serial]]\nname = \"a\"\ndevice = \"/dev/null\"\nrs485 = { delay_before = \"1s\" }\n", []string{`8: serial: RS-485 delay 1s: want whole milliseconds, at most 100ms`}},
		{"modbus", realm1 + "[[serial]]\nname = \"a\"\ndevice = \"/dev/null\"\nmode = \"modbus\"\nframing = \"none\"\n", []string{`8: serial.modbus: missing`, `12: serial.framing: "none" is not known; use "rtu" or "tcp"`}},
		{"modbus registers", realm1 + "[[serial]]\nname = \"a\"\ndevice = \"/dev/null\"\nmode = \"modbus\"\n[[serial.modbus]]\nname = \"t\"\nslave = 300\ntable = \"input\"\naddress = 70000\ntype = \"int8\"\nwrite = \"a.b\"\n" +
			"[[serial.modbus]]\nname = \"u\"\ntable = \"x\"\nwords = \"big\"\npublish = \"never\"\n",
			[]string{`12: serial.modbus.topic: missing`, `14: serial.modbus.slave: 300 is out of range`, `16: serial.modbus.address: 70000 is out of range`, `17: serial.modbus.type: "int8" is not known`,
				`18: serial.modbus.write: only holding registers and coils`,
				`19: serial.modbus.slave: missing`, `19: serial.modbus.address: missing`, `21: serial.modbus.table: "x" is not known`, `22: serial.modbus.words: "big" is not known`,
				`23: serial.modbus.publish: the value is neither published nor written`}},
		{"modbus values", realm1 + "[[serial]]\nname = \"a\"\ndevice = \"/dev/null\"\nmode = \"modbus\"\ntopic = \"com.{unit}\"\n[[serial.modbus]]\nname = \"t\"\nslave = 1\ntable = \"input\"\naddress = 0\n",
			[]string{`8: serial: t: topic: unknown placeholder {unit}`}},
		{"serial", realm1 + "[[serial]]\nmode = \"x\"\ntopic = \"a\"\nrole = \"gues\"\ndtr = \"up\"\n",
			[]string{`8: serial.name: missing`, `8: serial.device: missing`, `9: serial.mode: "x" is not known`,
				`10: serial.topic: only for mode = "lines" and "modbus"`, `11: serial.role: realm "realm1" has no role "gues"`, `12: serial.dtr: "up" is not known`}},
		{"serial twice", realm1 + strings.Repeat("[[serial]]\nname = \"a\"\ndevice = \"/dev/null\"\nframing = \"none\"\n", 2),
			[]string{`13: serial.name: serial line "a" is already defined at FILE:8`, `14: serial.device: serial line for "/dev/null" is already defined at FILE:8`}},
		{"serial by usb", realm1 + "[[serial]]\nname = \"a\"\ndevice = \"/dev/null\"\nframing = \"none\"\nusb = { vid = \"1\", pid = \"00zz\" }\n",
			[]string{`12: serial.usb: device is set as well`, `12: serial.usb.vid: "1" is not a USB id`, `12: serial.usb.pid: "00zz" is not a USB id`}},
		{"serial without a role", "[[realm]]\nname = \"a\"\n[[serial]]\nname = \"a\"\ndevice = \"/dev/null\"\nframing = \"none\"\n",
			[]string{`3: serial.role: missing, and realm "a" has no anonymous role`}},
		{"which realm", "[[realm]]\nname = \"a\"\n[[realm]]\nname = \"b\"\n[[uplink]]\nname = \"c\"\nurl = \"tcp://127.0.0.1:1\"\n[[uplink.export]]\ntopic = \"a\"\n[[serial]]\nname = \"s\"\ndevice = \"/dev/null\"\nframing = \"none\"\nrealm = \"d\"\n",
			[]string{`5: uplink.realm: missing`, `14: serial.realm: there is no realm "d"; use "a" or "b"`}},
		{"uplink", realm1 + "[[uplink]]\nserializer = \"xml\"\n[[uplink.export]]\n[[uplink.export]]\ntopic = \"a b\"\n[[uplink.export]]\ntopic = \"a\"\nprocedure = \"a\"\n",
			[]string{`8: uplink.name: missing`, `8: uplink.url: missing`, `9: uplink.serializer: "xml" is not known`, `10: uplink.export.topic: missing`,
				`12: uplink.export.topic: "a b" is not`, `15: uplink.export.procedure: topic is set as well`}},
		{"uplink bounds", realm1 + "[[uplink]]\nname = \"a\"\nurl = [\"tcp://127.0.0.1:1\"]\nmax_hops = 17\npin = \"abc\"\nping_timeout = \"0s\"\nfail_back = \"0s\"\n[[uplink.export]]\ntopic = \"a\"\ninterest = \"no\"\n",
			[]string{`11: uplink.max_hops: must be 1 to 16`, `12: uplink.pin: pin "abc" is not a SHA-256 in hexadecimal`, `13: uplink.ping_timeout: must be greater than zero`,
				`14: uplink.fail_back: must be greater than zero`, `17: uplink.export.interest: `}},
		{"idle uplink", realm1 + "[[uplink]]\nname = \"a\"\nurl = [\"tcp://127.0.0.1:1\"]\n", []string{`8: uplink: nothing crosses this link`}},
		{"spool", realm1 + "[[uplink]]\nname = \"a\"\nurl = [\"tcp://127.0.0.1:1\"]\n[[uplink.export]]\ntopic = \"\"\nmatch = \"prefix\"\nstore = \"disk\"\n[[uplink.export]]\ntopic = \"b\"\nstore = \"durable\"\n[[uplink.import]]\ntopic = \"b\"\nstore = \"memory\"\n",
			[]string{`20: uplink.import.store: an import can only be "durable"; remove it`}},
		{"durable imports", realm1 + "[[uplink]]\nname = \"a\"\nurl = [\"tcp://127.0.0.1:1\"]\n[[uplink.import]]\ntopic = \"b\"\nstore = \"durable\"\nmax_age = \"1h\"\n[[uplink.import]]\ntopic = \"c\"\nmax_age = \"1h\"\n[[uplink]]\nname = \"m\"\nurl = [\"mqtt://127.0.0.1:1\"]\n[[uplink.import]]\ntopic = \"b\"\nstore = \"durable\"\n",
			[]string{`17: uplink.import.max_age: only for imports with store = "durable"`, `23: uplink.import.store: a broker keeps events for its clients by itself`}},
		{"store", realm1 + "[[uplink]]\nname = \"a\"\nurl = [\"tcp://127.0.0.1:1\"]\ndrop = \"some\"\nmax_size = \"lots\"\n[[uplink.export]]\nprocedure = \"b\"\nstore = \"durable\"\n[[uplink.export]]\ntopic = \"b\"\nstore = \"tape\"\n",
			[]string{`11: uplink.drop: "some" is not known; use`, `12: uplink.max_size: "lots" is not a size`, `15: uplink.export.store: only topics can be stored`, `18: uplink.export.store: "tape" is not known`}},
		{"mqtt", realm1 + "[[uplink]]\nname = \"a\"\nurl = [\"mqtt://u:p@broker\", \"mqtts://broker/x\", \"tcp://a\", \"mqtt://\"]\nqos = 3\nformat = \"xml\"\nauthid = \"me\"\npassword = \"x\"\nstate_topic = \"a/#\"\nkey = \"/dev/null\"\n",
			[]string{`8: uplink: nothing crosses this link`, `8: uplink.username: missing`, `8: uplink.certificate: missing`,
				`10: uplink.url: "mqtt://...@broker" contains a name or a password`, `10: uplink.url: "mqtts://broker/x" has more than a host and a port`,
				`10: uplink.url: "tcp://a": unknown scheme; use "mqtt", "mqtts", "mqtt+ws" or "mqtt+wss"`, `10: uplink.url: "mqtt://" names no broker`,
				`11: uplink.qos: 3 is not known`, `12: uplink.format: "xml" is not known`, `13: uplink.authid: an uplink to an MQTT broker has no authid`,
				`15: uplink.state_topic: "a/#" is not a valid topic for the link's state`}},
		{"mqtt rules", realm1 + "[[uplink]]\nname = \"a\"\nurl = [\"mqtt://broker\"]\nformat = \"raw\"\n[[uplink.export]]\ntopic = \"a/b\"\n[[uplink.export]]\nprocedure = \"a\"\n[[uplink.export]]\ntopic = \"a b\"\n[[uplink.import]]\ntopic = \"com.exam\"\nmatch = \"prefix\"\n[[uplink.import]]\nprocedure = \"a\"\n",
			[]string{`13: uplink.export.topic: "a/b" is not an MQTT topic: it cannot contain '/'`, `15: uplink.export.procedure: calls need the format json or cbor`,
				`17: uplink.export.topic: "a b" is not a WAMP URI`, `19: uplink.import.topic: "com.exam" is not an MQTT topic: MQTT cannot match the beginning of a level`,
				`22: uplink.import.procedure: procedures of an MQTT broker cannot be imported`}},
		{"mqtt versions", realm1 + "[[uplink]]\nname = \"a\"\nurl = [\"mqtt://broker\"]\nprotocol = \"3.1\"\nsession_expiry = \"0s\"\n[[uplink.export]]\ntopic = \"b\"\n",
			[]string{`11: uplink.protocol: "3.1" is not known; use "5" or "3.1.1"`, `12: uplink.session_expiry: must be at least a second`}},
		{"mqtt keys of a router", realm1 + "[[uplink]]\nname = \"a\"\nurl = [\"tcp://a:1\"]\nqos = 1\n[[uplink.export]]\ntopic = \"b\"\nretain = true\n",
			[]string{`11: uplink.qos: an uplink to a router has no qos`, `14: uplink.export.retain: an uplink to a router has no retain`}},
		{"uplink URL", realm1 + "[[uplink]]\nname = \"a\"\nurl = [\"tcp://\", 5]\n[[uplink.export]]\ntopic = \"b\"\n",
			[]string{`10: uplink.url: this is a list; write a list of strings`, `10: uplink.url: "tcp://" names no router`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, file, err := load(t, c.text)
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v", err)
			}
			for i, p := range problems {
				got := strings.NewReplacer(file, "FILE", filepath.Dir(file), "DIR").Replace(p.Error())
				if i >= len(c.want) {
					t.Errorf("one problem too many: %s", got)
				} else if want := "FILE:" + strings.TrimPrefix(c.want[i], "0: "); !strings.HasPrefix(got, want) && !strings.HasPrefix(strings.Replace(got, "FILE: ", "FILE:", 1), want) {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			}
			for _, want := range c.want[min(len(problems), len(c.want)):] {
				t.Errorf("missing: %s", want)
			}
		})
	}
}

// Every key of the documented file, as far as this version serves it.
const full = `
version = 1

[node]
id = "gw-001"
data = "data"

[log]
level = "debug"

[limits]
max_message = "64kB"

[[realm]]
name = "realm1"
anonymous = "guest"
strict = true

  [[realm.role]]
  name = "guest"

    [[realm.role.permission]]
    uri = "com.example."
    match = "prefix"
    allow = ["publish", "subscribe", "call", "register"]
    disclose = true
    trust = 2

  [[realm.history]]
  uri = "com.example."
  match = "prefix"
  events = 10
  max_size = "1MiB"
  max_age = "1h"

  [realm.authenticator]
  ticket = "com.example.authenticate"

  [[realm.role]]
  name = "sensor"

  [[realm.principal]]
  authid = "pump-7"
  role = "sensor"
  ticket = "env:PATH"
  wampcra = { secret = "a" }
  scram = { secret = "a", kdf = "pbkdf2" }
  authorized_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJlnEgTcJUiT3kHiYGcCbAAw2uQJ6bFZyv5eZJbLV6hA pump"]
  uid = 1001
  gid = 20

[[listen]]
url = "tcp://127.0.0.1:8080"
origins = ["app.example.com"]
compress = true
max_connections = 5
max_message = "1MiB"
ping_interval = "10s"

[[listen]]
url = "unix://runnel.sock"
mode = "0660"

[[serial]]
name = "greenhouse"
device = "tty0"
baud = 115200
framing = "none"
authid = "greenhouse-mcu"
role = "sensor"

[[serial]]
name = "usb"
usb = { vid = "2341", pid = "0043" }
framing = "none"
settle = "2s"

[[uplink]]
name = "central"
url = ["tls://central.example.com:8443", "ws://central.example.com/ws"]

  [[uplink.export]]
  topic = "com.example."
  match = "prefix"
  store = "memory"

  [[uplink.import]]
  procedure = "com.example.command."
  match = "prefix"
`

func TestFullConfig(t *testing.T) {
	c, file, err := load(t, full)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(file)
	for _, check := range []struct {
		what string
		ok   bool
	}{
		{"node", c.Node.ID == "gw-001" && c.Node.Data == Path(dir+"/data")},
		{"limit", c.Limits.MaxMessage == 64000 && c.Listens[0].MaxMessage == 1<<20},
		{"role", c.Realms[0].Strict && c.Realms[0].Anonymous == "guest" && len(c.Realms[0].Roles) == 2},
		{"permission", c.Realms[0].Roles[0].Permissions[0].Disclose && len(c.Realms[0].Roles[0].Permissions[0].Allow) == 4},
		{"listener", c.Listens[0].PingInterval == Duration(10*time.Second) && c.Listens[0].Origins[0] == "app.example.com" && c.Listens[0].Compress},
		{"socket", c.Listens[1].URL == "unix://"+dir+"/runnel.sock" && c.Listens[1].Mode == 0o660},
		{"serial", c.Serials[0].Device == Path(dir+"/tty0") && c.Serials[0].Realm == "realm1" && c.Serials[0].Baud == 115200},
		{"usb", c.Serials[1].USB.VID == "2341" && c.Serials[1].Settle == Duration(2*time.Second)},
		{"uplink", c.Uplinks[0].RemoteRealm == "realm1" && len(c.Uplinks[0].URL) == 2 && *c.Uplinks[0].Exports[0].Topic == "com.example."},
	} {
		if !check.ok {
			t.Errorf("%s: %+v", check.what, c)
		}
	}
}

func TestBuiltInDefault(t *testing.T) {
	c, err := Parse(builtIn, Default)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range c.Listens {
		if !strings.HasPrefix(l.URL, "tcp://127.0.0.1:") && l.URL != "unix://" {
			t.Errorf("%s listens beyond this machine", l.URL)
		}
	}
}

func TestDropIns(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"runnel.toml":      realm1 + "[node]\nid = \"a\"\n",
		"conf.d/10.toml":   "[node]\nid = \"b\"\n[[listen]]\nurl = \"unix://b.sock\"\n",
		"conf.d/20.toml":   "[[realm]]\nname = \"two\"\n",
		"conf.d/not.toml~": "not read",
	} {
		os.Mkdir(filepath.Join(dir, "conf.d"), 0o755)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(filepath.Join(dir, "runnel.toml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Node.ID != "b" || len(c.Realms) != 2 || c.Listens[0].URL != "unix://"+dir+"/conf.d/b.sock" {
		t.Errorf("%+v", c)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "64": 64, "64B": 64, "1kB": 1000, "1 KiB": 1024, "64MB": 64e6, "64MiB": 64 << 20, "2gib": 2 << 30} {
		var z Size
		if err := z.Parse(text); err != nil || int64(z) != want {
			t.Errorf("%q: %d, %v", text, z, err)
		}
	}
	for _, text := range []string{"", "MB", "1.5MB", "-1", "1TB", "9223372036854775807kB"} {
		var z Size
		if err := z.Parse(text); err == nil {
			t.Errorf("%q is %d", text, z)
		}
	}
}

func TestSecret(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "s"), []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("RUNNEL_TEST_SECRET", "from the environment")
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	for text, want := range map[string]string{
		"plain": "plain", "file:s": "from a file", "file:" + dir + "/s": "from a file", "env:RUNNEL_TEST_SECRET": "from the environment",
		"cred:s": "from a file", "with:colon": "with:colon",
	} {
		if got, err := values.NewSecret(dir, text).Value(); got != want || err != nil {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"file:none", "env:RUNNEL_NOT_SET", "cred:none", "cred:../../etc/passwd"} {
		if got, err := values.NewSecret(dir, text).Value(); err == nil {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// FuzzConfig: no file makes the reader panic or name a line that isn't there.
func FuzzConfig(f *testing.F) {
	f.Add(full)
	f.Add(Default)
	f.Add("a.b.\"c.d\" = [ { x = '''\n''' }, # c\n 1 ]\n[[a.b.e]]\n[x.\"y\\\"]\"]\n")
	f.Add("[[realm]]\nname = \"\"\"\"a\"\"\"\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		position.Locate("fuzz.toml", text)
		_, err := Parse("fuzz.toml", text)
		var problems Problems
		errors.As(err, &problems)
		for _, p := range problems {
			if lines := strings.Count(text, "\n") + 1; p.Line > lines {
				t.Errorf("line %d of %d: %v", p.Line, lines, p)
			}
		}
	})
}
