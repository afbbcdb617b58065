package wamp

import (
	"slices"
	"strings"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink"
	"runnel/uplink/spool"
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
			`export topic com.a: it does not begin with the prefix to replace, "org."`},
		{exports, uplink.Rule{Topic: "com.a", LocalPrefix: "com.a"}, "", "",
			`export topic com.a: it would become "", which is not a valid URI`},
		{exports, uplink.Rule{Topic: "com..x", Match: wamp.Wildcard, LocalPrefix: "com.."}, "", "",
			"export topic com..x (wildcard): a prefix to replace is not valid"},
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

// State names the rule of a rejected subscription, and the URI if it is only a part of the rule.
func TestRefusalNamesTheRule(t *testing.T) {
	prefix := func(uri string) wamp.Pattern { return wamp.Pattern{URI: uri, Match: wamp.Prefix} }
	r, err := newRule(imports, uplink.Rule{Topic: "site7.", Match: wamp.Prefix, LocalPrefix: "com.a.", RemotePrefix: "site7."})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		pattern wamp.Pattern
		want    string
	}{
		{prefix("site7."), "import topic site7. (prefix), at the central router: wamp.error.not_authorized"},
		{prefix("com.a."), "import topic site7. (prefix), at the central router: wamp.error.not_authorized"},
		{wamp.Pattern{URI: "site7.b"}, "import topic site7. (prefix) for site7.b, at the central router: wamp.error.not_authorized"},
	} {
		l, _ := newTestLink(t)
		refused := l.refusal(share{r, offer{Pattern: c.pattern}}, &l.remote)
		if refused(client.NewError(wamp.NotAuthorized.Error())); !slices.Equal(l.State().Refused, []string{c.want}) {
			t.Errorf("%v: %q", c.pattern, l.State().Refused)
		}
		if refused(nil); len(l.State().Refused) > 0 {
			t.Errorf("%v: accepted, but %q", c.pattern, l.State().Refused)
		}
	}
}

// A change is logged once, although the centre repeats it.
func TestKeptReportsChanges(t *testing.T) {
	l, log := newTestLink(t)
	k := &kept{link: l, rule: &rule{Rule: uplink.Rule{Topic: "com.a"}, direction: imports, kind: "topic", uri: "com.a"}, what: "com.a"}
	const worse, better = "the centre keeps no events for the link", "the centre keeps events for the link"
	for i, c := range []struct {
		err           error
		worse, better int // lines so far
	}{
		{err: nil}, {err: errSilent, worse: 1}, {err: errSilent, worse: 1}, {err: wamp.NotAuthorized, worse: 2}, {err: nil, worse: 2, better: 1},
		{err: nil, worse: 2, better: 1},
	} {
		k.report(c.err)
		if text := log.String(); strings.Count(text, worse) != c.worse || strings.Count(text, better) != c.better {
			t.Errorf("after report %d, %v:\n%s", i, c.err, text)
		}
	}
}

// A topic is wanted if it equals an exact subscription, begins with a prefix, or matches a wildcard.
func TestInterestHas(t *testing.T) {
	i := newInterest([]offer{
		{Pattern: wamp.Pattern{URI: "com.a"}}, {Pattern: wamp.Pattern{URI: "com.b", Match: wamp.Prefix}},
		{Pattern: wamp.Pattern{URI: "org.b", Match: wamp.Prefix}}, {Pattern: wamp.Pattern{URI: "net..c", Match: wamp.Wildcard}},
	})
	for topic, want := range map[string]bool{
		"com.a": true, "com.aa": false, "com.b": true, "com.b.c": true, "org.b": true, "com": false, "com.c": false, "net.x.c": true, "net.x": false,
	} {
		if i.has(topic) != want {
			t.Errorf("%s is wanted: %v", topic, !want)
		}
	}
}

// An event crosses if the centre has a subscriber for it, if its rule does not ask for interest, or while the interest
// is unknown.
func TestWanted(t *testing.T) {
	some := newInterest([]offer{{Pattern: wamp.Pattern{URI: "com.a"}}})
	for _, c := range []struct {
		name  string
		rule  uplink.Rule
		known *interest
		topic string
		want  bool
	}{
		{"wanted", uplink.Rule{}, some, "com.a", true},
		{"not wanted", uplink.Rule{}, some, "com.b", false},
		{"on disk, not wanted", uplink.Rule{Store: spool.Disk}, some, "com.b", false},
		{"durable", uplink.Rule{Store: spool.Durable}, some, "com.b", true},
		{"static", uplink.Rule{Static: true}, some, "com.b", true},
		{"unknown", uplink.Rule{}, nil, "com.b", true},
	} {
		l, _ := newTestLink(t)
		l.interest.Store(c.known)
		if got := l.wanted(&rule{Rule: c.rule}, c.topic, &client.Event{}); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
