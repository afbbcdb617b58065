package node

import (
	"fmt"
	"strings"
	"testing"

	"runnel/cmd/runnel/internal/config"
	"runnel/uplink/mqtt"
)

// The values of lines in the uplink's realm are announced, as far as their topics are known beforehand.
func TestDiscoveredValues(t *testing.T) {
	register := func(name string, address string) string {
		return fmt.Sprintf("[[serial.modbus]]\nname = %q\ntable = \"input\"\naddress = %s\nunit = \"V\"\n", name, address)
	}
	line := func(name, keys string) string {
		return fmt.Sprintf("[[serial]]\nname = %q\ndevice = \"/dev/tty%s\"\nrole = \"sensor\"\n%s\n", name, name, keys)
	}
	c, err := config.Parse("x", "version = 1\n[node]\nid = \"gw\"\n[[realm]]\nname = \"realm1\"\n[[realm.role]]\nname = \"sensor\"\n"+
		line("S1", "mode = \"lines\"\nformat = \"json\"\ntopic = \"com.weather\"\nexpect_every = \"1m\"\n[[serial.field]]\nname = \"t\"\nas = \"temperature\"\nunit = \"C\"")+
		line("S2", "mode = \"lines\"\nformat = \"json\"\ntopic = \"com.{id}\"\n[[serial.field]]\nname = \"t\"")+
		line("S3", "mode = \"modbus\"\nslave = [1, 2]\ntopic = \"com.{slave}\"\n"+register("a", "1")+register("b", "2"))+
		line("S4", "mode = \"modbus\"\nslave = 1\ntopic = \"com.m.{name}\"\n"+register("a", "1")+register("several", "2")+"count = 2\n")+
		line("S5", "framing = \"none\""))
	if err != nil {
		t.Fatal(err)
	}
	d := discovery(c, config.Uplink{Realm: "realm1", Discovery: "homeassistant"})
	got := map[string][]mqtt.Value{}
	for _, device := range d.Devices {
		got[device.Line] = device.Values
	}
	want := map[string][]mqtt.Value{
		"S1": {{Name: "temperature", Unit: "C", URI: "com.weather", Key: "temperature"}},
		"S2": nil,
		"S3": {
			{Name: "a 1", Unit: "V", URI: "com.1", Key: "value", Only: "a"}, {Name: "b 1", Unit: "V", URI: "com.1", Key: "value", Only: "b"},
			{Name: "a 2", Unit: "V", URI: "com.2", Key: "value", Only: "a"}, {Name: "b 2", Unit: "V", URI: "com.2", Key: "value", Only: "b"},
		},
		"S4": {{Name: "a", Unit: "V", URI: "com.m.a", Key: "value"}},
		"S5": nil,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || d.Devices[0].Expire != 60 || d.Node != "gw" {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if d := discovery(c, config.Uplink{Realm: "realm1"}); d.Devices != nil {
		t.Errorf("%v", d)
	}
}

// The profiles of smart meters name the units, which the telegrams of these meters carry: without them a sensor has no class.
func TestDiscoveredMeters(t *testing.T) {
	for profile, unit := range map[string]string{"sml": "Wh", "dsmr-v2": "kWh", "dsmr-v5": "kWh", "linky-historic": "Wh", "linky-standard": "Wh"} {
		c, err := config.Parse("x", fmt.Sprintf("version = 1\n[[realm]]\nname = \"realm1\"\n[[realm.role]]\nname = \"sensor\"\n"+
			"[[serial]]\nname = \"meter\"\ndevice = \"/dev/ttyUSB0\"\nrole = \"sensor\"\nprofile = %q\ntopic = \"com.meter\"\n", profile))
		if err != nil {
			t.Fatal(err)
		}
		energies := 0
		for _, v := range discovery(c, config.Uplink{Realm: "realm1", Discovery: "homeassistant"}).Devices[0].Values {
			if strings.HasPrefix(v.Name, "energy_") {
				energies++
				if v.Unit != unit {
					t.Errorf("%s: %s has the unit %q, want %q", profile, v.Name, v.Unit, unit)
				}
			}
		}
		if energies == 0 {
			t.Errorf("%s announces no energy", profile)
		}
	}
}
