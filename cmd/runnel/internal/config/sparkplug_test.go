package config

import (
	"strings"
	"testing"

	"runnel/uplink/mqtt"
)

func sparkplugOf(t *testing.T, keys, tables string) (*Config, error) {
	t.Helper()
	return Parse("x", "version = 1\n[node]\nid = \"gw-1\"\n[[realm]]\nname = \"realm1\"\n[[uplink]]\nname = \"b\"\nurl = [\"mqtt://localhost\"]\n"+keys+"\n"+tables)
}

// Exports of an Edge Node are Sparkplug's unless they say otherwise. The node has the id of the gateway.
func TestSparkplugKeys(t *testing.T) {
	export := "[[uplink.export]]\ntopic = \"com.a.\"\nmatch = \"prefix\"\n"
	c, err := sparkplugOf(t, `sparkplug = { group = "plant 1" }`, export+"device = \"{3}\"\n"+export[:len(export)-1]+"\nformat = \"flat\"\n[[uplink.export]]\nprocedure = \"com.p\"\n[[uplink.import]]\ntopic = \"com.c.\"\nmatch = \"prefix\"\nformat = \"sparkplug\"\n")
	if err != nil {
		t.Fatal(err)
	}
	u := &c.Uplinks[0]
	if u.Sparkplug.Node != "gw-1" {
		t.Errorf("%+v", u.Sparkplug)
	}
	for i, want := range []mqtt.Format{mqtt.SparkplugB, mqtt.Flat, mqtt.SparkplugB} {
		if r := u.ExportRule(u.Exports[i]); r.Form == nil || r.Form.Format != want {
			t.Errorf("%d: %+v", i, r.Form)
		}
	}
	for _, bad := range []struct{ keys, tables, want string }{
		{``, export + "format = \"sparkplug\"\n", "write sparkplug = { group"},
		{`sparkplug = {}`, export, "sparkplug.group"},
		{`sparkplug = { group = "a/b" }`, export, "sparkplug.group"},
		{`sparkplug = { group = "a", host = "" }`, export, "sparkplug.host"},
		{"sparkplug = { group = \"a\" }\nqos = 2", export, "uplink.qos"},
		{"sparkplug = { group = \"a\" }\nstate_topic = \"a/b\"", export, "NDEATH"},
		{`sparkplug = { group = "a" }`, export + "mqtt_topic = \"x\"\n", "write device"},
		{`sparkplug = { group = "a" }`, export + "retain = true\n", "no retained data"},
		{`sparkplug = { group = "a" }`, export + "device = \"{3...}\"\n", "no name in Sparkplug"},
		{`sparkplug = { group = "a" }`, export + "device = \"a/{3}\"\n", "no name in Sparkplug"},
		{``, export + "device = \"{3}\"\n", "only for exported topics"},
		{`sparkplug = { group = "a" }`, "[[uplink.import]]\ntopic = \"com.c\"\nformat = \"sparkplug\"\n", "below a prefix"},
	} {
		if _, err := sparkplugOf(t, bad.keys, bad.tables); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s %s: %v; want %q", bad.keys, bad.tables, err, bad.want)
		}
	}
}
