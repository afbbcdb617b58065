package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"runnel/test/devices"
)

// The keys of a table take precedence over its profile.
func TestProfileOverridden(t *testing.T) {
	s := profiled(t, "sdm120", "com.example.{slave}.{name}", "baud = 9600\nparity = \"even\"\nslave = [3, 4]\nevery = \"1s\"\n")
	if s.Baud != 9600 || s.Parity != "even" || time.Duration(s.Every) != time.Second || len(s.Modbus) != 20 || s.Modbus[0].Slave != 3 || s.Modbus[19].Slave != 4 {
		t.Errorf("%+v", s)
	}
	s = profiled(t, "sdm120", "com.example.{name}", "[[serial.modbus]]\nname = \"v\"\ntable = \"input\"\naddress = 0\ntype = \"float32\"\n[[serial.modbus]]\nname = \"w\"\nslave = 9\ntable = \"input\"\naddress = 12\n")
	if len(s.Modbus) != 2 || s.Modbus[0].Slave != 1 || s.Modbus[1].Slave != 9 {
		t.Errorf("%+v", s.Modbus)
	}
	s = profiled(t, "mysensors", "com.example.x", "columns = [\"a\", \"b\"]\n")
	if len(s.Columns) != 2 || s.Separator != ";" {
		t.Errorf("%+v", s)
	}
	s = profiled(t, "ezo-ph", "com.example.x", "format = \"json\"\n")
	if s.Format != "json" || s.Pattern != "" || len(s.Fields) != 0 || s.Baud != 9600 {
		t.Errorf("%+v", s)
	}
	s = profiled(t, "sdm120", "com.example.x", "mode = \"lines\"\nformat = \"json\"\n")
	if s.Mode != "lines" || len(s.Modbus) != 0 || s.Baud != 2400 {
		t.Errorf("%+v", s)
	}
}

// Problems name the profile, or the names that may be meant.
func TestProfileProblems(t *testing.T) {
	for keys, want := range map[string]string{
		`profile = "sdm12"`:                               `did you mean "sdm120"`,
		`profile = "SDM-120"`:                             `did you mean "sdm`,
		`profile = "../../etc/passwd"`:                    `unknown profile`,
		`profile = "zzzz"`:                                `"runnel serial profiles" lists all`,
		`profile = 7`:                                     `write a string`,
		"profile = \"sdm120\"\nslave = 300":               `serial.slave: 300 is out of range`,
		"profile = \"sdm120\"\nframing = \"tcp\"":         `"tcp" needs device`,
		"profile = \"sdm120\"\ncolumns = [\"a\"]":         `columns: only for mode = "lines"`,
		"profile = \"mysensors\"\nseparator = \"::\"":     `with profile = "mysensors"`,
		"profile = \"sdm120\"\nbaudd = 2400":              `did you mean "baud"`,
		"profile = \"sdm120\"\nslave = [2, 1, 2]":         `serial.slave: a slave occurs twice`,
		"profile = \"sdm120\"\nmodbus = []":               `serial.modbus: missing`,
		"profile = \"sdm120\"\ntopic = \"com.{nothing}\"": `nothing`,
	} {
		if !strings.Contains(keys, "topic") {
			keys += "\ntopic = \"com.example.{name}\""
		}
		_, err := Parse("runnel.toml", profileBase+"[[serial]]\nname = \"x\"\ndevice = \"/dev/ttyUSB0\"\n"+keys+"\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", keys, err, want)
		}
		if err != nil && strings.Contains(want, "profile") && strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("%s: further problems follow from the first: %v", keys, err)
		}
	}
}

// The user's profiles are in the directory of the configuration.
func TestOwnProfiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	main := filepath.Join(dir, "runnel.toml")
	write("runnel.toml", profileBase)
	write("conf.d/x.toml", "[[serial]]\nname = \"x\"\ndevice = \"/dev/ttyUSB0\"\nprofile = \"station\"\ntopic = \"com.example.x\"\n")
	const station = "description = \"my station\"\n[[serial]]\nmode = \"lines\"\nbaud = 1200\nformat = \"csv\"\ncolumns = [\"a\", \"b\"]\n"
	for _, c := range []struct{ text, want string }{
		{station, ""},
		{station + "colour = 1\n", "station.toml:7: serial.colour: unknown key"},
		{station + "parity = \"odder\"\n", "station.toml:7: serial.parity"},
		{station + "profile = \"sdm120\"\n", "station.toml:7: serial.profile: a profile cannot name another one"},
		{station + "[[serial]]\n", "exactly one [[serial]]"},
		{"serial = 1\n", "exactly one [[serial]]"},
		{"x = " + strings.Repeat("[", 100_000), "nested too deeply"},
		{"[[serial\n", "station.toml:1: not valid TOML"},
		{strings.Replace(station, "csv", "json", 1), "station.toml:6: serial.columns: only for format"},
	} {
		write("profiles.d/station.toml", c.text)
		loaded, err := Load(main, nil)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v, want %q", err, c.want)
		}
		if c.want == "" && (loaded.Serials[0].Baud != 1200 || loaded.sources[filepath.Join(dir, "profiles.d", "station.toml")] == "") {
			t.Errorf("%+v", loaded.Serials[0])
		}
	}
	// The last configuration that worked includes the profiles as they were then.
	write("profiles.d/station.toml", station)
	worked, err := Load(main, nil)
	if err != nil {
		t.Fatal(err)
	}
	write("profiles.d/station.toml", "[[serial\n")
	if again, err := LoadDraft(main, worked.sources, nil); err != nil || !Equal(again.Serials[0], worked.Serials[0]) {
		t.Errorf("%v", err)
	}
	write("profiles.d/station.toml", station)
	write("profiles.d/sdm120.toml", strings.Replace(station, "my station", "my meter", 1))
	write("profiles.d/broken.toml", station+"colour = 1\n")
	list, err := Profiles(main)
	found := 0
	for _, p := range list {
		if p.Name == "station" && p.Description == "my station" || p.Name == "sdm120" && p.Description == "my meter" {
			found++
		}
	}
	const two = "[[serial]]\nname = \"%s\"\ndevice = \"/dev/ttyUSB%s\"\nprofile = \"broken\"\ntopic = \"com.example.x\"\n"
	write("conf.d/x.toml", fmt.Sprintf(two+two, "1", "1", "2", "2"))
	if _, err := Load(main, nil); err == nil || strings.Count(err.Error(), "colour") != 1 {
		t.Errorf("a fault of a profile that two lines have: %v", err)
	}
	if found != 2 || err == nil || !strings.Contains(err.Error(), "broken.toml:7: serial.colour") {
		t.Errorf("%d found, %v", found, err)
	}
}

// docs/serial.md lists the profiles that there are, and shows one of the user's.
func TestProfilesAreDocumented(t *testing.T) {
	b, err := os.ReadFile("../../../../docs/serial.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(b), "## Device profiles\n")
	section, _, _ = strings.Cut(section, "\n## ")
	list, err := Profiles("/nowhere/runnel.toml")
	if err != nil {
		t.Fatal(err)
	}
	var rows strings.Builder
	for _, p := range list {
		tested := "registers"
		if d, ok := devices.Talkers[p.Name]; ok {
			tested = "transcript"
			if d.Ask != "" {
				tested = "answer"
			}
		}
		fmt.Fprintf(&rows, "| `%s` | %s | %s | %s |\n", p.Name, p.Mode(), p.Description, tested)
	}
	if !strings.Contains(section, "|---|---|---|---|\n"+rows.String()+"\n") {
		t.Errorf("docs/serial.md: want this list of profiles:\n%s", rows.String())
	}
	dir := t.TempDir()
	_, example, _ := strings.Cut(section, "```toml\n")
	example, _, _ = strings.Cut(example, "```")
	if err := os.Mkdir(filepath.Join(dir, "profiles.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "profiles.d", "station.toml"), []byte(example), 0o644); err != nil {
		t.Fatal(err)
	}
	if p, err := FindProfile(filepath.Join(dir, "runnel.toml"), "station"); err != nil || len(p.Serials[0].Columns) != 3 {
		t.Errorf("%+v, %v", p, err)
	}
}
