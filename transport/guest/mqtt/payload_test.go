package mqtt

import (
	"testing"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Payloads of devices pass byte for byte, and are these arguments.
var payloads = []struct{ message, json, text string }{
	{``, ``, ``},
	{`{"Time":"2026-11-29T10:00:00","ENERGY":{"Power":1.50,"Voltage":230},"TempUnit":"C"}`, `[{"Time":"2026-11-29T10:00:00","ENERGY":{"Power":1.50,"Voltage":230},"TempUnit":"C"}]`, ``}, // Tasmota
	{"{ \"ison\" : false,\n \"power\":0.00}\n", "[{ \"ison\" : false,\n \"power\":0.00}\n]", ``},                                                                                         // Shelly
	{`21.50`, `[21.50]`, ``}, // ESPHome
	{`{"battery":100,"linkquality":120,"temperature":21.3,"update":{"state":null}}`, `[{"battery":100,"linkquality":120,"temperature":21.3,"update":{"state":null}}]`, ``}, // Zigbee2MQTT
	{`ON`, `["\u0000T04="]`, `["ON"]`},
	{`Online`, `["\u0000T25saW5l"]`, `["Online"]`},
	{`"quoted"`, `["quoted"]`, `["\"quoted\""]`},
	{`"\u0000AA=="`, `["\u0000Ilx1MDAwMEFBPT0i"]`, ``},
	{`true`, `[true]`, ``},
	{`1,2`, `["\u0000MSwy"]`, `["1,2"]`},
	{` `, `["\u0000IA=="]`, `[" "]`},
	{"\x00\xff", `["\u0000AP8="]`, `["\u0000AP8="]`},
	{`{"args":[1, 2],"kwargs":{"a":1}}`, `[1, 2],{"a":1}`, ``},
	{`{"args":[1,2]}`, `[1,2]`, ``},
	{`{"args":1}`, `[{"args":1}]`, ``},
	{`[1, 2]`, `[[1, 2]]`, ``},
}

func TestPayloads(t *testing.T) {
	t.Parallel()
	for _, c := range payloads {
		for _, d := range []*Door{{}, {Text: true}} {
			want := c.json
			if d.Text && c.text != "" {
				want = c.text
			}
			p := d.payload([]byte(c.message))
			if d.Text && c.message == `"\u0000AA=="` {
				want = string(p.Raw) // only its way back matters
			}
			if string(p.Raw) != want {
				t.Errorf("%q is %s, not %s", c.message, p.Raw, want)
			}
			if got := string(d.message(p)); got != c.message {
				t.Errorf("%q comes back as %q", c.message, got)
			}
		}
	}
	// Events of WAMP programs.
	for args, want := range map[string]string{`["ON"]`: `"ON"`, `[[]]`: `[]`, `[]`: ``, `[{"args":[1]}]`: `{"args":[{"args":[1]}]}`, `["\u0000?"]`: `"\u0000?"`} {
		if got := (&Door{}).message(codec.Payload{Serializer: wamp.JSON, Items: 1, Raw: []byte(args)}); string(got) != want {
			t.Errorf("%s is %s, not %s", args, got, want)
		}
	}
	if got := (&Door{Text: true}).message(codec.Payload{Serializer: wamp.JSON, Items: 1, Raw: []byte(`["O\nN"]`)}); string(got) != "O\nN" {
		t.Errorf("%q", got)
	}
}
