package wamp

import (
	"testing"

	"runnel/edge/wamp"
	"runnel/uplink"
)

func TestRules(t *testing.T) {
	for _, c := range []struct {
		direction  direction
		rule       uplink.Rule
		name       string
		there, err string
	}{
		{exports, uplink.Rule{Topic: "com.a"}, "export topic com.a", "com.a", ""},
		{exports, uplink.Rule{Topic: "com.", Match: wamp.Prefix}, "export topic com. (prefix)", "com.", ""},
		{imports, uplink.Rule{Procedure: "com..a", Match: wamp.Wildcard}, "import procedure com..a (wildcard)", "com..a", ""},
		{exports, uplink.Rule{Topic: "com.a.b", LocalPrefix: "com.a.", RemotePrefix: "site7."}, "export topic com.a.b", "site7.b", ""},
		{imports, uplink.Rule{Topic: "site7.b", LocalPrefix: "com.a.", RemotePrefix: "site7."}, "import topic site7.b", "com.a.b", ""},
		{exports, uplink.Rule{Topic: "", Match: wamp.Prefix, RemotePrefix: "site7."}, "export topic  (prefix)", "site7.", ""},
		{exports, uplink.Rule{Topic: "com..x", Match: wamp.Wildcard, LocalPrefix: "com.", RemotePrefix: "a.b."},
			"export topic com..x (wildcard)", "a.b..x", ""},

		{exports, uplink.Rule{}, "", "", `export topic : "" is not a valid URI`},
		{exports, uplink.Rule{Topic: "com..a"}, "", "", `export topic com..a: "com..a" is not a valid URI`},
		{exports, uplink.Rule{Topic: "a", Procedure: "b"}, "", "", "export procedure b: both a topic and a procedure"},
		{imports, uplink.Rule{Topic: "com.a", LocalPrefix: "x."}, "import topic com.a", "x.com.a", ""},
		{exports, uplink.Rule{Topic: "com.a", LocalPrefix: "org."}, "", "",
			`export topic com.a: it does not begin with the prefix to exchange, "org."`},
		{exports, uplink.Rule{Topic: "com.a", LocalPrefix: "com.a"}, "", "",
			`export topic com.a: it would become "", which is not a valid URI`},
		{exports, uplink.Rule{Topic: "com..x", Match: wamp.Wildcard, LocalPrefix: "com.."}, "", "",
			"export topic com..x (wildcard): a prefix to exchange is not a valid one"},
	} {
		r, err := newRule(c.direction, c.rule)
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%+v: got  %v\nwant %s", c.rule, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", c.rule, err)
			continue
		}
		there := r.rewrite(r.uri)
		if r.String() != c.name || there != c.there || r.reverse(there) != r.uri {
			t.Errorf("%+v: %q becomes %q and %q again", c.rule, r, there, r.reverse(there))
		}
	}
}
