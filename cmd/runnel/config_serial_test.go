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
