package main

import (
	"strings"
	"testing"
)

// A sensor that will be refused is worth a warning before it is.
func TestSensorRights(t *testing.T) {
	const base = "version = 1\n[[realm]]\nname = \"realm1\"\n[[realm.role]]\nname = \"sensor\"\n[[realm.role.permission]]\nuri = \"com.example.\"\nmatch = \"prefix\"\nallow = [\"publish\"]\n" +
		"[[serial]]\nname = \"a\"\ndevice = \"/dev/null\"\nrole = \"sensor\"\nmode = \"lines\"\nformat = \"json\"\n"
	for _, c := range []struct {
		keys string
		want []string
	}{
		{"topic = \"com.example.a\"", nil},
		{"topic = \"org.{x}\"", nil}, // nobody knows
		{"topic = \"org.a\"\nwrite = \"com.example.w\"", []string{
			`16: serial.topic: the role "sensor" may not publish org.a`, `17: serial.write: the role "sensor" may not register com.example.w`}},
	} {
		config, err := parseConfig("FILE", base+c.keys)
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
		{"format = \"csv\"\ncolumns = [\"a\"]\ndecimal = \"comma\"", "separator needs to be another character"},
		{"format = \"json\"\nassign = \"=\"", `serial.assign: only for format = "keyvalue"; remove it`},
		{"format = \"json\"\ndecimal = \"point\"", `serial.decimal: only for format = "csv", "regexp", "keyvalue" or "fixed"; remove it`},
		{"format = \"json\"\nexpect_every = \"x\"", `serial.expect_every: "x" is not a duration`},
	} {
		_, err := parseConfig("FILE", base+c.keys)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.keys, err, c.want)
		}
	}
}
