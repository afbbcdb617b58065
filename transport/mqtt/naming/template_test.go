package naming

import (
	"strings"
	"testing"

	"runnel/edge/wamp"
)

// ruleOf returns the template of a rule and, if it can be imported, its inverse.
func ruleOf(topic string, match wamp.Match, mqttTopic string) (made Template, v *Inverse, exported, imported error) {
	made, err := Parse(mqttTopic)
	if err == nil {
		made, err = made.Resolve(topic, match)
	}
	if err != nil {
		return made, nil, err, err
	}
	v, err = NewInverse(wamp.Pattern{URI: topic, Match: match}, made)
	return made, v, nil, err
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
		{"com.example.weather", wamp.Exact, "{{{3}}}-{{", "{weather}-{", "com.example.weather", "{weather}-{"},
		{"com.example.weather", wamp.Exact, "{uri}", "com.example.weather", "com.example.weather", "com.example.weather"},
		{"com.example.", wamp.Prefix, "{uri}/of/{uri}", "+/of/+", "com.example.a", "com.example.a/of/com.example.a"},
		{"com.example.", wamp.Prefix, "x{3}/{2}/{4...}", "+/example/#", "com.example.a.b", "xa/example/b"},
		{"com..", wamp.Wildcard, "s/{2...}", "s/#", "com.a.b", "s/a/b"},
		{".a", wamp.Wildcard, "x/{1}", "x/+", "b.a", "x/b"},
		{"com..temperature", wamp.Wildcard, "{3}/{2}", "temperature/+", "com.roof.temperature", "temperature/roof"},
		{"com..", wamp.Wildcard, "{2}/{3}/{2}", "+/+/+", "com.a.b", "a/b/a"},
	} {
		made, v, err, imported := ruleOf(c.topic, c.match, c.mqttTopic)
		if err != nil || imported != nil {
			t.Errorf("%s: %v, %v", c.mqttTopic, err, imported)
			continue
		}
		if at, err := made.Topic(c.uri); at != c.at || err != nil {
			t.Errorf("%s of %s: %q, %v", c.mqttTopic, c.uri, at, err)
		}
		if v.Filter() != c.filter || !Matches(v.Filter(), c.at) {
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
		{"com.example.", wamp.Prefix, "{uri}/of/{uri}", "com.example.a/of/com.example.b"},
		{"com.example.", wamp.Prefix, "{uri}", "com.example.a/b"},
		{"com.example.", wamp.Prefix, "{3}/{4...}", "a"},
		{"com..", wamp.Wildcard, "s/{2...}", "s/a"},
		{"com..", wamp.Wildcard, "s/{2...}", "s/a/b/c"},
	} {
		_, v, _, err := ruleOf(c.topic, c.match, c.mqttTopic)
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
		{"a.b", wamp.Exact, "x/+", "cannot contain", "cannot contain"},
		{"a.b", wamp.Exact, "x/#", "cannot contain", "cannot contain"},
		{"a.b", wamp.Exact, "x\n", "cannot contain", "cannot contain"},
		{"a.b", wamp.Exact, "x/{", "not closed", "not closed"},
		{"a.b", wamp.Exact, "x/}", "not closed", "not closed"},
		{"a.b", wamp.Exact, "x/{name}", "{name} is not known", "{name} is not known"},
		{"a.b", wamp.Exact, "x/{0}", "is not known", "is not known"},
		{"a.b", wamp.Exact, "x/{+1}", "is not known", "is not known"},
		{"a.b", wamp.Exact, "x/{1025}", "is not known", "is not known"},
		{"a.b", wamp.Exact, "x/{1x}", "is not known", "is not known"},
		{"a.b", wamp.Exact, "x/a{1", "not closed", "not closed"},
		{"a.b", wamp.Exact, "x/}}}", "not closed", "not closed"},
		{"a.b", wamp.Exact, "", "empty topic", "empty topic"},
		{"a.+", wamp.Exact, "{2}", "cannot contain", "cannot contain"},
		{"a.b/c", wamp.Exact, "x/{uri}", "cannot contain", "cannot contain"},
		{"a.", wamp.Prefix, "x/{2...}y", "whole level", "whole level"},
		{"a.", wamp.Prefix, "{2...}{3}", "whole level", "whole level"},
		{"a.", wamp.Prefix, "{3}{2...}", "whole level", "whole level"},
		{"a.", wamp.Prefix, "{2}/{4}", "", "write {3...}"},
		{"a.", wamp.Prefix, "{2}/{3}/{5}", "", "write {4...}"},
		{"a..b.", wamp.Wildcard, "x/{3}", "", "component 2"},
		{"a..b.", wamp.Wildcard, "x/{4...}", "", "component 2"},
		{"a..", wamp.Wildcard, "x/{2}", "", "component 3"},
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
		{"a.", wamp.Prefix, strings.Repeat("x", MaxTopic+1), "too long", "too long"},
	} {
		_, _, exported, imported := ruleOf(c.topic, c.match, c.mqttTopic)
		for what, got := range map[string]struct {
			err  error
			want string
		}{"export": {exported, c.exports}, "import": {imported, c.imports}} {
			if (got.err == nil) != (got.want == "") || got.err != nil && !strings.Contains(got.err.Error(), got.want) {
				t.Errorf("%s of %s: %v, want %q", what, c.mqttTopic, got.err, got.want)
			}
		}
	}
}

// An event that the template can't name is an error, never another topic.
func TestURIsWithoutTemplateTopic(t *testing.T) {
	for _, c := range []struct{ mqttTopic, uri, want string }{
		{"x/{4}", "com.example.a", "needs component 4"},
		{"x/{4...}", "com.example.a", "needs component 4"},
		{"x/{3...}", "com.example.a.b/c", "cannot contain"},
		{"x/{3}", "com.example.a/b", "cannot contain"},
		{"x/{3}", "com.example.+", "cannot contain"},
		{"x/{3}", "com.example.a%2Fb", "not a level"},
		{"x/{uri}", "com.example.a/b", "cannot contain"},
		{"{3...}", "com.example.$SYS", "broker's own"},
		{"x/{3}", "com.example." + strings.Repeat("x", MaxTopic), "too long"},
	} {
		made, _, err, _ := ruleOf("com.example.", wamp.Prefix, c.mqttTopic)
		if err != nil {
			t.Fatal(err)
		}
		if at, err := made.Topic(c.uri); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s of %s: %q, %v", c.mqttTopic, c.uri, at, err)
		}
	}
}

// For any input, a URI that is found in a topic gives this topic again, and no template panics.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"site/{3...}", "s-{3}-x/{4}/set", "{uri}", "/a b/{3}/", "{{{3}}}"} {
		f.Add(s, "com.example.", byte(wamp.Prefix), "site/a/b")
	}
	f.Add("{2}/{4}", "com..x.", byte(wamp.Wildcard), "a/b")
	f.Fuzz(func(t *testing.T, text, pattern string, match byte, topic string) {
		of := wamp.Match(match % 3)
		if text == "" || topic == "" || !wamp.ValidURI(pattern, of, false) || Check(topic, "+#") != nil {
			return
		}
		made, v, _, err := ruleOf(pattern, of, text)
		if err != nil {
			return
		}
		uri, ok := v.URI(topic)
		if !ok {
			return
		}
		if !Matches(v.Filter(), topic) {
			t.Errorf("%q is not a message of %q", topic, v.Filter())
		}
		if at, err := made.Topic(uri); err == nil && at != topic {
			t.Errorf("%q became %q, and that %q", topic, uri, at)
		}
	})
}

// The template with more text before its first field decides about a topic. Only whole components of text make one level.
func TestWeights(t *testing.T) {
	for _, c := range []struct {
		mqttTopic string
		match     wamp.Match
		weight    int
		oneLevel  bool
	}{
		{"{3...}", wamp.Prefix, 0, false}, {"site/{3...}", wamp.Prefix, 5, false}, {"s-{3}", wamp.Prefix, 2, true}, {"s-{3}/x/y", wamp.Prefix, 2, false},
		{"s-{3}-more", wamp.Prefix, 2, true}, {"{2}-{3}", wamp.Prefix, len("example-"), true}, {"a/b", wamp.Exact, MaxTopic, false}, {"{2}", wamp.Exact, MaxTopic, true},
	} {
		uri := "com.example."
		if c.match == wamp.Exact {
			uri = "com.example"
		}
		made, v, _, err := ruleOf(uri, c.match, c.mqttTopic)
		if err != nil || v.Weight() != c.weight || made.OneLevel() != c.oneLevel {
			t.Errorf("%s: weight %d, one level %v, %v", c.mqttTopic, v.Weight(), made.OneLevel(), err)
		}
	}
}
