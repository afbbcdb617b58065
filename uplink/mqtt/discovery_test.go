package mqtt_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"runnel/edge/wamp"
	"runnel/uplink/mqtt"
)

// The link announces the values that it exports as JSON. It removes values of an earlier link that no longer exist.
func TestDiscovery(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data") // the link makes it
	opts := mqtt.Options{
		QoS: 1, Dir: dir, StateTopic: "gw/state", Agent: "runnel/1",
		Export: []mqtt.Rule{
			topics("com.example."),
			named("com.example.flat", wamp.Exact, "v1/me", &mqtt.Form{Format: mqtt.Flat, ValuesKey: "values"}),
			named("com.example.raw", wamp.Exact, "raw", &mqtt.Form{Format: mqtt.Raw}),
		},
		Discovery: mqtt.Discovery{Prefix: "homeassistant", Node: "gw 1", Devices: []mqtt.Device{{
			Line: "meter", Model: "sdm120", Expire: 60,
			Values: []mqtt.Value{
				{Name: "voltage", Unit: "V", URI: "com.example.meter.voltage", Key: "value"},
				{Name: "energy", Unit: "kWh", URI: "com.example.meter", Key: "value", Only: "energy"},
				{Name: "it's", URI: "com.example.flat", Key: "it's"},
				{Name: "raw", URI: "com.example.raw", Key: "x"},
				{Name: "elsewhere", URI: "com.other", Key: "x"},
			},
		}}},
	}
	site := newSite(t, opts)
	b := site.up(false)
	receive[*packets.PublishPacket](b) // the state
	wants := []map[string]string{
		{"name": "voltage", "state_topic": "com/example/meter/voltage", "value_template": "{{ value_json.kwargs['value'] }}", "unit_of_measurement": "V", "device_class": "voltage", "state_class": "measurement", "availability_topic": "gw/state"},
		{"name": "energy", "state_topic": "com/example/meter", "value_template": "{{ value_json.kwargs['value'] if value_json.kwargs['name'] == 'energy' else this.state }}", "state_class": "total_increasing"},
		{"name": "it's", "state_topic": "v1/me", "value_template": `{{ value_json['values']['it\'s'] }}`},
	}
	var announced []string
	for _, want := range wants {
		p := receive[*packets.PublishPacket](b)
		var got map[string]any
		if err := json.Unmarshal(p.Payload, &got); err != nil || !p.Retain || p.Qos != 1 {
			t.Fatalf("%v: %v", p, err)
		}
		for key, value := range want {
			if got[key] != value {
				t.Errorf("%s: %s is %v, want %s", p.TopicName, key, got[key], value)
			}
		}
		announced = append(announced, p.TopicName)
		b.ack(p.MessageID)
	}
	if !strings.HasPrefix(announced[0], "homeassistant/sensor/gw_1_") || !strings.HasSuffix(announced[0], "_meter/voltage/config") {
		t.Error(announced)
	}
	site.stop()
	<-site.ended

	opts.Discovery.Devices[0].Values = opts.Discovery.Devices[0].Values[:1]
	site = newSite(t, opts)
	b = site.up(false)
	receive[*packets.PublishPacket](b)
	removed := map[string]bool{}
	for range 2 {
		p := receive[*packets.PublishPacket](b)
		if len(p.Payload) != 0 || !p.Retain {
			t.Errorf("%v", p)
		}
		removed[p.TopicName] = true
		b.ack(p.MessageID)
	}
	if !removed[announced[1]] || !removed[announced[2]] {
		t.Errorf("%v are removed, of %v", removed, announced)
	}
	if p := receive[*packets.PublishPacket](b); p.TopicName != announced[0] || len(p.Payload) == 0 {
		t.Errorf("%v", p)
	}
	b.conn.Close()
	b = site.up(false)
	receive[*packets.PublishPacket](b)
	if p := receive[*packets.PublishPacket](b); p.TopicName != announced[0] || len(p.Payload) == 0 { // no value is removed twice
		t.Errorf("%v", p)
	}
}
