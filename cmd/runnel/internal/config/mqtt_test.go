package config

import (
	"errors"
	"strings"
	"testing"
)

const broker = realm1 + "[[uplink]]\nname = \"a\"\nurl = [\"mqtt://broker\"]\n"

// A fault in the names or the form of messages is reported at its key.
func TestMessageProblems(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"[[uplink.export]]\ntopic = \"a.b\"\nmqtt_topic = \"x/+\"\n", `uplink.export.mqtt_topic: it cannot contain "+" or "#"`},
		{"[[uplink.export]]\ntopic = \"a.b\"\nmqtt_topic = \"x/{device}\"\n", `uplink.export.mqtt_topic: {device} is not known; use {node}, {uri}`},
		{"[[uplink.export]]\ntopic = \"a.b\"\nmqtt_topic = \"\"\n", `uplink.export.mqtt_topic: a topic cannot be empty`},
		{"[[uplink.export]]\nprocedure = \"a.b\"\nmqtt_topic = \"x\"\n", `uplink.export.mqtt_topic: the topics of calls follow`},
		{"[[uplink.export]]\nprocedure = \"a.b\"\nformat = \"cbor\"\n", `uplink.export.format: calls have the format of the uplink`},
		{"[[uplink.export]]\ntopic = \"a.b\"\nmqtt_topic = \"x\"\nlocal_prefix = \"a.\"\nremote_prefix = \"c.\"\n", `uplink.export.mqtt_topic: mqtt_topic names the whole topic`},
		{"[[uplink.import]]\ntopic = \"a.\"\nmatch = \"prefix\"\nmqtt_topic = \"x\"\n", `uplink.import.mqtt_topic: it does not determine the URI; write {2...}`},
		{"[[uplink.import]]\ntopic = \"a\"\nformat = \"xml\"\n", `uplink.import.format: "xml" is not known`},
		{"[[uplink.export]]\ntopic = \"a\"\ntime_key = \"ts\"\n", `uplink.export.time_key: only for messages with format = "flat"`},
		{"[[uplink.export]]\ntopic = \"a\"\nformat = \"flat\"\ntime_format = \"unix\"\n", `uplink.export.time_key: missing`},
		{"[[uplink.export]]\ntopic = \"a\"\nformat = \"flat\"\ntime_key = \"t\"\ntime_format = \"iso\"\n", `uplink.export.time_format: "iso" is not known`},
		{"[[uplink.export]]\ntopic = \"a\"\nformat = \"flat\"\ntime_key = \"t\"\nvalues_key = \"t\"\n", `uplink.export.values_key: time_key and values_key are the same`},
		{"alpn = [\"mqtt\"]\n[[uplink.export]]\ntopic = \"a\"\n", `uplink.alpn: only mqtts:// uses it`},
		{"alpn = [\"\"]\n[[uplink.export]]\ntopic = \"a\"\n", `uplink.alpn: "" is not a protocol`},
	} {
		_, _, err := load(t, broker+c.text)
		var problems Problems
		if !errors.As(err, &problems) || !strings.Contains(problems[0].Error(), c.want) {
			t.Errorf("%s: got %v; want %s", c.text, err, c.want)
		}
	}
	_, _, err := load(t, realm1+"[[uplink]]\nname = \"a\"\nurl = [\"tcp://a:1\"]\nalpn = [\"x\"]\n[[uplink.export]]\ntopic = \"a\"\nmqtt_topic = \"x\"\n")
	if err == nil || !strings.Contains(err.Error(), "an uplink to a router has no alpn") || !strings.Contains(err.Error(), "an uplink to a router has no mqtt_topic") {
		t.Error(err)
	}
}

func TestParseBroker(t *testing.T) {
	for text, want := range map[string]Broker{
		"mqtt://b":                 {Address: "b:1883"},
		"mqtt://[::1]":             {Address: "[::1]:1883"},
		"MQTTS://b":                {Address: "b:8883", Secure: true},
		"mqtts://b:443":            {Address: "b:443", Secure: true},
		"mqtt+ws://b":              {Address: "b:80", Web: "ws://b/mqtt"},
		"mqtt+ws://b:9001/":        {Address: "b:9001", Web: "ws://b:9001/"},
		"mqtt+wss://b/x?token=abc": {Address: "b:443", Secure: true, Web: "wss://b/x?token=abc"},
	} {
		if got := ParseBroker(text); got != want {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

// The node's id and all keys of a rule are accepted together.
func TestMessageKeys(t *testing.T) {
	c, _, err := load(t, broker+"[[uplink.export]]\ntopic = \"a.\"\nmatch = \"prefix\"\nmqtt_topic = \"/{node}/{2...}\"\nformat = \"flat\"\ntime_key = \"ts\"\ntime_format = \"unix_ms\"\nvalues_key = \"values\"\n[node]\nid = \"gw-7\"\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Uplinks[0].Exports[0].MQTTTopic; got != "/gw-7/{2...}" {
		t.Error(got)
	}
}
