package mqtt

import (
	"strings"
	"testing"

	"runnel/edge/wamp"
	"runnel/uplink"
)

// A rule that can't be carried out is rejected with the reason.
func TestRuleErrors(t *testing.T) {
	for _, c := range []struct {
		name    string
		rule    uplink.Rule
		format  Format
		exports string // the error of an export; "": none
		imports string // the error of an import; "": none
	}{
		{name: "a topic", rule: uplink.Rule{Topic: "a.b"}},
		{name: "all topics", rule: uplink.Rule{Match: wamp.Prefix}},
		{name: "a topic, raw", rule: uplink.Rule{Topic: "a.b"}, format: Raw},
		{name: "a wildcard", rule: uplink.Rule{Topic: "a..b", Match: wamp.Wildcard}},
		{name: "a procedure", rule: uplink.Rule{Procedure: "a.b"}, imports: "cannot be imported"},
		{name: "a procedure, cbor", rule: uplink.Rule{Procedure: "a.b"}, format: CBOR, imports: "cannot be imported"},
		{name: "a procedure, raw", rule: uplink.Rule{Procedure: "a.b"}, format: Raw, exports: "json or cbor", imports: "cannot be imported"},
		{name: "both", rule: uplink.Rule{Topic: "a.b", Procedure: "a.b"}, exports: "both a topic and a procedure", imports: "cannot be imported"},
		{name: "neither", exports: "neither a topic nor a procedure", imports: "neither a topic nor a procedure"},
		{name: "no URI", rule: uplink.Rule{Topic: "a..b"}, exports: "not a valid URI", imports: "not a valid URI"},
		{name: "half a level", rule: uplink.Rule{Topic: "a.b", Match: wamp.Prefix}, imports: "end the prefix with a dot"},
		{
			name: "a procedure by half a level", rule: uplink.Rule{Procedure: "a.b", Match: wamp.Prefix},
			exports: "end the prefix with a dot", imports: "cannot be imported",
		},
		{name: "the broker's own", rule: uplink.Rule{Topic: "$SYS.a"}, exports: "broker's own", imports: "broker's own"},
		{name: "a slash", rule: uplink.Rule{Topic: "a/b"}, exports: "cannot contain", imports: "cannot contain"},
		{
			name: "an invalid local prefix", rule: uplink.Rule{Topic: "a.b", LocalPrefix: "a..", RemotePrefix: "a."},
			exports: "is not valid", imports: "is not valid",
		},
		{
			name: "an invalid remote prefix", rule: uplink.Rule{Topic: "a.b", LocalPrefix: "a.", RemotePrefix: "a.."},
			exports: "is not valid", imports: "is not valid",
		},
		{name: "prefixes exchanged", rule: uplink.Rule{Topic: "a.b", LocalPrefix: "a.", RemotePrefix: "a."}},
		{name: "another local prefix", rule: uplink.Rule{Topic: "a.b", LocalPrefix: "c."}, exports: "does not begin with the prefix"},
		{name: "another remote prefix", rule: uplink.Rule{Topic: "a.b", RemotePrefix: "c."}, imports: "does not begin with the prefix"},
		{name: "nothing left here", rule: uplink.Rule{Topic: "a.b", RemotePrefix: "a.b"}, imports: "would become"},
	} {
		r := Rule{Rule: c.rule}
		for what, got := range map[string]struct {
			err  error
			want string
		}{"export": {r.CheckExport(c.format), c.exports}, "import": {r.CheckImport(), c.imports}} {
			if (got.err == nil) != (got.want == "") || got.err != nil && !strings.Contains(got.err.Error(), got.want) {
				t.Errorf("%s of %s: %v, want %q", what, c.name, got.err, got.want)
			}
		}
	}
}

// The requests for procedures of any depth take one filter a depth.
func TestRequestFilters(t *testing.T) {
	for _, c := range []struct {
		procedure string
		match     wamp.Match
		want      []string
	}{
		{"a.b", wamp.Exact, []string{"a/b/request"}},
		{"a..b", wamp.Wildcard, []string{"a/+/b/request"}},
		{"a.", wamp.Prefix, []string{
			"a/+/request", "a/+/+/request", "a/+/+/+/request", "a/+/+/+/+/request", "a/+/+/+/+/+/request", "a/+/+/+/+/+/+/request",
		}},
	} {
		r := Rule{Rule: uplink.Rule{Procedure: c.procedure, Match: c.match}}
		if got, err := r.requests(); strings.Join(got, " ") != strings.Join(c.want, " ") || err != nil {
			t.Errorf("%s: %q, %v", c.procedure, got, err)
		}
	}
}

// An error of a template names its key.
func TestTemplateErrorsNameTheKey(t *testing.T) {
	for _, c := range []struct {
		topic, mqttTopic string
		exported         bool
	}{
		{"a.", "x/{", false}, {"a.", "x{2...}", false}, {"a.", "x", true},
	} {
		r := Rule{Rule: uplink.Rule{Topic: c.topic, Match: wamp.Prefix}, MQTTTopic: c.mqttTopic}
		export, imports := r.CheckExport(JSON), r.CheckImport()
		if (export == nil) != c.exported || export != nil && !strings.HasPrefix(export.Error(), "mqtt_topic: ") || imports == nil || !strings.HasPrefix(imports.Error(), "mqtt_topic: ") {
			t.Errorf("%s: export %v, import %v", c.mqttTopic, export, imports)
		}
	}
}
