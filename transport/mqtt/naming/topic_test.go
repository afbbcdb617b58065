package naming

import (
	"slices"
	"strings"
	"testing"

	"runnel/edge/wamp"
)

func TestTopicsAndURIs(t *testing.T) {
	for _, c := range []struct{ uri, topic string }{
		{"com.example.weather", "com/example/weather"},
		{"a", "a"},
		{"a.$b", "a/$b"},
		{"größe.µm", "größe/µm"},
		{"wamp1.x", "wamp1/x"},
		{"%.a", "/a"},
		{"a.%", "a/"},
		{"%.%", "/"},
		{"a.%.b", "a//b"},
		{"a%2Eb.c", "a.b/c"},
		{"a%20b.%20", "a b/ "},
		{"50%.%25", "50%/%"},
		{"%2520", "%20"},
		{"%%2520%2", "%%20%2"},
		{"%2%2E", "%2."},
		{"%2e", "%2e"},
	} {
		if topic, err := Topic(c.uri); topic != c.topic || err != nil {
			t.Errorf("Topic(%q) = %q, %v", c.uri, topic, err)
		}
		if uri, err := URI(c.topic); uri != c.uri || err != nil {
			t.Errorf("URI(%q) = %q, %v", c.topic, uri, err)
		}
	}
}

func TestURIsWithoutTopic(t *testing.T) {
	for _, uri := range []string{"", "%", "a..b", "a.", ".a", "a/b", "a.+", "a.b+", "$SYS.uptime", "$share.x", "a.%41", "a.%2F", "%24SYS.x", "a.%00", "%25%25", "a.%2B", "a.#", "a. ", "a.\x00", "a.\x01",
		"a.\u0085", "a.\ufdd0", "a.\uffff", "a.\xff", strings.Repeat("a.", 600) + "a"} {
		if topic, err := Topic(uri); err == nil {
			t.Errorf("Topic(%q) = %q", uri, topic)
		}
	}
}

func TestTopicsWithoutURI(t *testing.T) {
	for _, topic := range []string{"", "$SYS/broker/uptime", "$share/a", "a/\tb", "a/#", "a/+", "a/\xff", "a/\ufffe",
		"wamp/session/on_join", "wamp", strings.Repeat("a/", 600) + "a"} {
		if uri, err := URI(topic); err == nil {
			t.Errorf("URI(%q) = %q", topic, uri)
		}
	}
}

// Text may contain all characters but those that a broker may close the connection for, up to its limit.
func TestCharacters(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, " ": true, "\x1f": false, "~": true, "\x7f": false, "\u009f": false, "\u00a0": true, "\ufdcf": true, "\ufdd0": false,
		"\ufdef": false, "\ufdf0": true, "\ufffd": true, "\ufffe": false, "\uffff": false, "\U00010000": true, "\U0001fffd": true,
		"\U0001fffe": false, "\U0010ffff": false, "\xff": false, "a\xe2\x82": false, "a+": false, "+": false, "#a": false, "/": true, "a/b": true,
		strings.Repeat("x", MaxTopic): true, strings.Repeat("x", MaxTopic+1): false,
	} {
		if err := Check(text, "+#"); (err == nil) != want {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	if err := Check("#a+", "+#"); err == nil || err.Error() != "it cannot contain '#'" {
		t.Errorf("the first of two: %v", err)
	}
}

func TestFilters(t *testing.T) {
	for _, c := range []struct {
		pattern string
		match   wamp.Match
		filter  string // "": there is none
	}{
		{"com.example.weather", wamp.Exact, "com/example/weather"},
		{"com..weather", wamp.Exact, ""},
		{"", wamp.Prefix, "#"},
		{"com.example.", wamp.Prefix, "com/example/#"},
		{"com.exam", wamp.Prefix, ""},
		{"$SYS.", wamp.Prefix, ""},
		{"com..temperature", wamp.Wildcard, "com/+/temperature"},
		{".b", wamp.Wildcard, "+/b"},
		{"a.", wamp.Wildcard, "a/+"},
		{"", wamp.Wildcard, "+"},
		{"a..+", wamp.Wildcard, ""},
		{"a/b.", wamp.Prefix, ""},
		{"a%20b.", wamp.Prefix, "a b/#"},
		{"a..%", wamp.Wildcard, "a/+/"},
	} {
		filter, err := Filter(c.pattern, c.match)
		if filter != c.filter || (err == nil) != (c.filter != "") {
			t.Errorf("Filter(%q, %s) = %q, %v; expected %q", c.pattern, c.match, filter, err, c.filter)
		}
	}
}

func TestFilterMatchesTopic(t *testing.T) {
	for _, c := range []struct {
		filter, topic string
		is            bool
	}{
		{"a/b", "a/b", true},
		{"a/b", "a/b/c", false},
		{"a/b/c", "a/b", false},
		{"a/+", "a/b", true},
		{"a/+", "a", false},
		{"a/+", "a/b/c", false},
		{"+/+", "/b", true},
		{"a/#", "a", true},
		{"a/#", "a/b/c", true},
		{"a/#", "ab", false},
		{"#", "a/b", true},
		{"#", "$SYS/x", false},
		{"+/x", "$SYS/x", false},
		{"$SYS/#", "$SYS/x", true},
		{"a/+/c", "a/b/c", true},
		{"a/+/c", "a/b/d", false},
		{"a/b/#", "a", false},
		{"a/b/c/#", "a/b", false},
		{"a/+", "a/#", false},
		{"a/#", "a/#", true},
	} {
		if Matches(c.filter, c.topic) != c.is {
			t.Errorf("matches(%q, %q) = %v", c.filter, c.topic, !c.is)
		}
	}
}

func TestWidestFilters(t *testing.T) {
	for _, c := range []struct{ filters, left string }{
		{"a a", "a"},
		{"a/# a/b a/+ a b", "a/# b"},
		{"a/+ a/b a/b/c", "a/+ a/b/c"},
		{"+/# #", "#"},
		{"a/+/c a/b/+", "a/+/c a/b/+"},
		{"a/+ a/#", "a/#"},
		{"# $aws/a +/b", "# $aws/a"},
	} {
		if left := Widest(strings.Fields(c.filters)); !slices.Equal(left, strings.Fields(c.left)) {
			t.Errorf("Widest(%s) = %v", c.filters, left)
		}
	}
}

// For any input, translating an accepted name and back gives the same name.
func FuzzTopic(f *testing.F) {
	for _, s := range []string{"com/example/weather", "a.b", "$SYS/x", "+", "a//b", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if uri, err := URI(s); err == nil {
			if topic, err := Topic(uri); topic != s || err != nil {
				t.Errorf("%q became %q, and that %q, %v", s, uri, topic, err)
			}
		}
		if topic, err := Topic(s); err == nil && !wamp.Reserved(s) {
			if uri, err := URI(topic); uri != s || err != nil {
				t.Errorf("%q became %q, and that %q, %v", s, topic, uri, err)
			}
		}
	})
}
