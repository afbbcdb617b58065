package mqtt

import (
	"strings"
	"testing"

	"runnel/edge/wamp"
	"runnel/uplink"
	"runnel/transport/mqtt/naming"
)

func ruleOf(topic string, match wamp.Match, mqttTopic string) *Rule {
	return &Rule{Rule: uplink.Rule{Topic: topic, Match: match}, MQTTTopic: mqttTopic}
}

// A template makes topics of URIs, and in an import URIs of topics.
func TestTemplates(t *testing.T) {
	for _, c := range []struct {
		topic     string
		match     wamp.Match
		mqttTopic string
		filter    string // of the import
		uri, at   string // one event
	}{
		{"com.example.weather", wamp.Exact, "v1/devices/me/telemetry", "v1/devices/me/telemetry", "com.example.weather", "v1/devices/me/telemetry"},
		{"com.example.weather", wamp.Exact, "/a b/c.d/", "/a b/c.d/", "com.example.weather", "/a b/c.d/"},
		{"com.example.weather", wamp.Exact, "$aws/things/gw/shadow/update", "$aws/things/gw/shadow/update", "com.example.weather", "$aws/things/gw/shadow/update"},
		{"com.example.weather", wamp.Exact, "x/{3}/{1}", "x/weather/com", "com.example.weather", "x/weather/com"},
		{"com.example.weather", wamp.Exact, "x/{2...}", "x/example/weather", "com.example.weather", "x/example/weather"},
		{"com.example.weather", wamp.Exact, "{{x}}", "{x}", "com.example.weather", "{x}"},
		{"com.example.", wamp.Prefix, "site/{3...}", "site/#", "com.example.a.b", "site/a/b"},
		{"com.example.", wamp.Prefix, "/{3...}", "/#", "com.example.Living%20Room.%", "/Living Room/"},
		{"com.example.", wamp.Prefix, "{1...}", "#", "com.example.a", "com/example/a"},
		{"com.example.", wamp.Prefix, "{3}/{4}/{5...}", "+/+/#", "com.example.a.b.c.d", "a/b/c/d"},
		{"com.example.", wamp.Prefix, "s-{3}", "+", "com.example.7", "s-7"},
		{"com.example.", wamp.Prefix, "s-{3}-x/{4}/set", "+/+/set", "com.example.1%2E5.b", "s-1.5-x/b/set"},
		{"com.example.", wamp.Prefix, "runnel/{uri}", "runnel/+", "com.example.a.b", "runnel/com.example.a.b"},
		{"com.exam", wamp.Prefix, "{2...}", "#", "com.example.a", "example/a"},
		{"", wamp.Prefix, "all/{1...}", "all/#", "a.b", "all/a/b"},
		{"com..temperature", wamp.Wildcard, "{3}/{2}", "temperature/+", "com.roof.temperature", "temperature/roof"},
		{"com..", wamp.Wildcard, "{2}/{3}/{2}", "+/+/+", "com.a.b", "a/b/a"},
	} {
		r := ruleOf(c.topic, c.match, c.mqttTopic)
		made, err := r.template()
		if err != nil {
			t.Errorf("%s: %v", c.mqttTopic, err)
			continue
		}
		if at, err := made.Topic(c.uri); at != c.at || err != nil {
			t.Errorf("%s of %s: %q, %v", c.mqttTopic, c.uri, at, err)
		}
		v, err := r.inverse()
		if err != nil {
			t.Errorf("%s: %v", c.mqttTopic, err)
			continue
		}
		if v.Filter() != c.filter || !naming.Matches(v.Filter(), c.at) {
			t.Errorf("%s: filter %q", c.mqttTopic, v.Filter())
		}
		if uri, ok := v.URI(c.at); uri != c.uri || !ok {
			t.Errorf("%s from %s: %q, %v", c.mqttTopic, c.at, uri, ok)
		}
	}
}

// A topic that the template does not make has no URI.
func TestTopicsOfNoTemplate(t *testing.T) {
	for _, c := range []struct {
		topic     string
		match     wamp.Match
		mqttTopic string
		at        string
	}{
		{"com.example.", wamp.Prefix, "site/{3...}", "site"},
		{"com.example.", wamp.Prefix, "site/{3...}", "other/a"},
		{"com.example.", wamp.Prefix, "s-{3}", "a-7"},
		{"com.example.", wamp.Prefix, "s-{3}", "s-7/x"},
		{"com.example.", wamp.Prefix, "ab{3}ba", "aba"},
		{"com.example.", wamp.Prefix, "{1...}", "com/other/a"},
		{"com.example.", wamp.Prefix, "runnel/{uri}", "runnel/com.other.a"},
		{"com.example.", wamp.Prefix, "runnel/{uri}", "runnel/com.example.a b"},
		{"com.exam", wamp.Prefix, "{2...}", "other/a"},
		{"com..", wamp.Wildcard, "{2}/{3}/{2}", "a/b/c"},
		{"com.example.weather", wamp.Exact, "x", "x/y"},
		{"com.example.", wamp.Prefix, "{3}", "$SYS"},
	} {
		v, err := ruleOf(c.topic, c.match, c.mqttTopic).inverse()
		if err != nil {
			t.Errorf("%s: %v", c.mqttTopic, err)
		} else if uri, ok := v.URI(c.at); ok {
			t.Errorf("%s from %s: %q", c.mqttTopic, c.at, uri)
		}
	}
}

func TestTemplateErrors(t *testing.T) {
	for _, c := range []struct {
		topic     string
		match     wamp.Match
		mqttTopic string
		exports   string // "": it can be exported
		imports   string
	}{
		{"a.b", wamp.Exact, "x/+", "can't stand in it", "can't stand in it"},
		{"a.b", wamp.Exact, "x/#", "can't stand in it", "can't stand in it"},
		{"a.b", wamp.Exact, "x\n", "can't stand in it", "can't stand in it"},
		{"a.b", wamp.Exact, "x/{", "not closed", "not closed"},
		{"a.b", wamp.Exact, "x/}", "not closed", "not closed"},
		{"a.b", wamp.Exact, "x/{name}", "{name} is not known", "{name} is not known"},
		{"a.b", wamp.Exact, "x/{0}", "is not known", "is not known"},
		{"a.b", wamp.Exact, "x/{+1}", "is not known", "is not known"},
		{"a.b", wamp.Exact, "x/{}", "is not known", "is not known"},
		{"a.b", wamp.Exact, "x/{3}", "no component 3", "no component 3"},
		{"a..b", wamp.Wildcard, "x/{4}", "no component 4", "no component 4"},
		{"a.", wamp.Prefix, "x{2...}", "whole level", "whole level"},
		{"a.", wamp.Prefix, "{2...}/x", "", "last one"},
		{"a.", wamp.Prefix, "{2}-{3}", "", "one field only"},
		{"a.", wamp.Prefix, "x", "", "write {2...}"},
		{"a.", wamp.Prefix, "x/{3}", "", "write {2...}"},
		{"a.", wamp.Prefix, "x/{2}/{4...}", "", "write {3...}"},
		{"a..b.", wamp.Wildcard, "x/{2}", "", "component 4"},
		{"a.b", wamp.Exact, "$share/g/x", "$share", "$share"},
		{"a.", wamp.Prefix, strings.Repeat("x", naming.MaxTopic+1), "too long", "too long"},
	} {
		r := ruleOf(c.topic, c.match, c.mqttTopic)
		for what, got := range map[string]struct {
			err  error
			want string
		}{"export": {r.CheckExport(JSON), c.exports}, "import": {r.CheckImport(), c.imports}} {
			if (got.err == nil) != (got.want == "") || got.err != nil && (!strings.Contains(got.err.Error(), got.want) || !strings.HasPrefix(got.err.Error(), "mqtt_topic: ")) {
				t.Errorf("%s of %s: %v, want %q", what, c.mqttTopic, got.err, got.want)
			}
		}
	}
}

// An event that the template can't name is an error, never another topic.
func TestURIsWithoutTemplateTopic(t *testing.T) {
	for _, c := range []struct{ mqttTopic, uri, want string }{
		{"x/{4}", "com.example.a", "needs component 4"},
		{"x/{3}", "com.example.a/b", "can't stand in it"},
		{"x/{3}", "com.example.+", "can't stand in it"},
		{"x/{3}", "com.example.a%2Fb", "not a level"},
		{"x/{uri}", "com.example.a/b", "can't stand in it"},
		{"{3...}", "com.example.$SYS", "broker's own"},
		{"x/{3}", "com.example." + strings.Repeat("x", naming.MaxTopic), "too long"},
	} {
		made, err := ruleOf("com.example.", wamp.Prefix, c.mqttTopic).template()
		if err != nil {
			t.Fatal(err)
		}
		if at, err := made.Topic(c.uri); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s of %s: %q, %v", c.mqttTopic, c.uri, at, err)
		}
	}
}

// Whatever comes: a URI that is found in a topic makes this topic again, and no template panics.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"site/{3...}", "s-{3}-x/{4}/set", "{uri}", "/a b/{3}/", "{{{3}}}"} {
		f.Add(s, "com.example.", byte(wamp.Prefix), "site/a/b")
	}
	f.Add("{2}/{4}", "com..x.", byte(wamp.Wildcard), "a/b")
	f.Fuzz(func(t *testing.T, text, pattern string, match byte, topic string) {
		r := ruleOf(pattern, wamp.Match(match%3), text)
		if text == "" || r.CheckImport() != nil || naming.Check(topic, "+#") != nil || topic == "" {
			return
		}
		v, err := r.inverse()
		if err != nil {
			t.Fatal(err)
		}
		uri, ok := v.URI(topic)
		if !ok {
			return
		}
		if !naming.Matches(v.Filter(), topic) {
			t.Errorf("%q is not a message of %q", topic, v.Filter())
		}
		made, err := r.template()
		if err != nil {
			t.Fatal(err)
		}
		if at, err := made.Topic(uri); err == nil && at != topic {
			t.Errorf("%q became %q, and that %q", topic, uri, at)
		}
	})
}
