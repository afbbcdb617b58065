package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runnel/cmd/runnel/internal/config/position"
	"runnel/cmd/runnel/internal/config/values"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// table is a configuration file with keys that are set.
const table = "uri = \"\"\nping_interval = \"0s\"\n"

// remarks returns the problems, or if there are none the warnings, of checks of a table, without their places.
func remarks(starting bool, check func(k Keys, at position.Place)) string {
	var problems, warnings position.Problems
	at, _ := position.Locate("f", table)
	check(New(&problems, &warnings, starting), at)
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.Key+": "+p.Text)
	}
	for _, p := range warnings {
		lines = append(lines, "warning: "+p.Key+": "+p.Text)
	}
	return strings.Join(lines, "\n")
}

func TestKeys(t *testing.T) {
	dir := t.TempDir()
	open, private := kit.Write(t, dir, "open", "secret"), kit.Write(t, dir, "private", "secret")
	kit.Must(t, os.Chmod(open, 0o644))
	kit.Must(t, os.Chmod(private, 0o640))
	none := filepath.Join(dir, "none")
	const noFile = ": no such file or directory"
	for _, c := range []struct {
		what  string
		check func(k Keys, at position.Place)
		want  string
	}{
		{"a text", func(k Keys, at position.Place) { k.Required(at, "a", "x") }, ""},
		{"no text", func(k Keys, at position.Place) { k.Required(at, "a", "") }, `a: missing; write a = "..."`},
		{"a choice", func(k Keys, at position.Place) { k.Choice(at, "a", "x", "x", "y"); k.Choice(at, "a", "", "x", "y") }, ""},
		{"no choice", func(k Keys, at position.Place) { k.Choice(at, "a", "z", "x", "y") }, `a: "z" is not known; use "x" or "y"`},

		{"a name once", func(k Keys, at position.Place) {
			names := map[string]position.Place{}
			k.Once(names, at, "a", "line", "x")
			k.Once(names, at, "a", "line", "y")
			k.Once(names, at, "a", "uplink", "x")
			k.Once(names, at, "a", "line", "")
			k.Once(names, at, "a", "line", "")
		}, ""},
		{"a name twice", func(k Keys, at position.Place) {
			names := map[string]position.Place{}
			k.Once(names, at, "a", "line", "x")
			k.Once(names, at, "a", "line", "x")
		}, `a: line "x" is already defined at f:1`},

		{"a URI", func(k Keys, at position.Place) { k.URI(at, "a", "com.x", wamp.Exact) }, ""},
		{"all URIs", func(k Keys, at position.Place) { k.URI(at, "uri", "", wamp.Prefix) }, ""},
		{"a URI that is missing", func(k Keys, at position.Place) { k.URI(at, "a", "", wamp.Prefix) }, `a: missing; write a = "..."`},
		{"a URI that is empty", func(k Keys, at position.Place) { k.URI(at, "uri", "", wamp.Exact) }, `uri: "" is not a WAMP URI (match = "exact"); write components with dots between, like "com.example.weather"`},
		{"no URI", func(k Keys, at position.Place) { k.URI(at, "a", "com..x", wamp.Exact) }, `a: "com..x" is not a WAMP URI (match = "exact"); write components with dots between, like "com.example.weather"`},
		{"a pattern of MQTT", func(k Keys, at position.Place) { k.URI(at, "a", "com/#", wamp.Exact) }, `a: "com/#" is not a WAMP URI; write a = "com." with match = "prefix"`},

		{"a URL", func(k Keys, at position.Place) {
			if u := k.URL(at, "a", "tcp://h:1", "tls", "tcp"); u == nil || u.Host != "h:1" {
				k.Add(at, "a", "%v", u)
			}
		}, ""},
		{"no URL", func(k Keys, at position.Place) {
			for _, text := range []string{"", "%", "http://h"} {
				if u := k.URL(at, "a", text, "tls", "tcp"); u != nil {
					k.Add(at, "a", "%v", u)
				}
			}
		}, "a: missing; write a = \"tls://...\"\na: \"%\" is not a URL; write it like \"tls://...\"\na: \"http://h\": unknown scheme; use \"tls\" or \"tcp\""},

		{"a file", func(k Keys, at position.Place) { k.File(at, "a", values.Path(private)); k.File(at, "a", "") }, ""},
		{"no file", func(k Keys, at position.Place) { k.File(at, "a", values.Path(none)) }, "a: open " + none + noFile},
		{"the content of a file", func(k Keys, at position.Place) { k.File(at, "a", "a\nb") }, "a: this is the content of a file; store it in a file that only the router can read, and write the file's name here"},

		{"a secret", func(k Keys, at position.Place) {
			k.Secret(at, "a", values.NewSecret("", "file:"+private))
			k.Secret(at, "a", values.NewSecret("", ""))
		}, ""},
		{"no secret", func(k Keys, at position.Place) { k.Secret(at, "a", values.NewSecret("", "file:"+none)) }, "a: open " + none + noFile},
		{"an open secret", func(k Keys, at position.Place) {
			k.Secret(at, "a", values.NewSecret("", "file:"+open))
			k.Private(at, "b", open) // one warning for each file
			k.Private(at, "b", none)
		}, "warning: a: " + open + " holds a secret, but every user of this machine can read it; run chmod o-r on it"},
	} {
		if got := remarks(false, c.check); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.what, got, c.want)
		}
	}
	if got := remarks(true, func(k Keys, at position.Place) { k.File(at, "a", values.Path(none)) }); got != "warning: a: open "+none+noFile {
		t.Errorf("at a start: %s", got)
	}
}

// A ping interval of zero that is written means never. One that is not written means the default.
func TestPing(t *testing.T) {
	set, _ := position.Locate("f", table)
	unset, _ := position.Locate("f", "")
	for _, c := range []struct {
		at      position.Place
		d, want values.Duration
	}{{set, 0, -1}, {set, 7, 7}, {unset, 0, 0}, {unset, 7, 7}} {
		d := c.d
		if (Keys{}).Ping(c.at, &d); d != c.want {
			t.Errorf("%v became %v, want %v", c.d, d, c.want)
		}
	}
}

// A pattern in the notation of another system is explained.
func TestMeantPattern(t *testing.T) {
	for uri, want := range map[string][2]string{
		"com.example": {}, "com.x*": {"com.x", "prefix"}, "com.x**": {"com.x", "prefix"}, "*": {"", "prefix"}, "com.*": {"com.", "prefix"}, "com.**": {"com.", "prefix"}, "com.>": {"com.", "prefix"}, "com/#": {"com.", "prefix"},
		"com.*.x": {"com..x", "wildcard"}, "com/+/x": {"com..x", "wildcard"}, "com/+": {"com.", "wildcard"}, "com.<id>": {"com.", "wildcard"}, "com.<id>.x": {"com..x", "wildcard"}, "+/x/#": {".x.", "wildcard"},
		"com.<id": {}, "com.id>": {}, "a/b.c": {}, "a/x.*": {"a/x.", "prefix"}, "com.x*.y": {}, "com./x": {},
	} {
		if meant, how := meantPattern(uri); meant != want[0] || how != want[1] {
			t.Errorf("%q: %q, %q, want %q", uri, meant, how, want)
		}
	}
}

// Wildcard characters in a valid URI, and prefixes within a component, are most likely mistakes.
func TestLikelyMistakes(t *testing.T) {
	for _, c := range []struct {
		what  string
		check func(k Keys, at position.Place)
		warns bool
	}{
		{"a URI", func(k Keys, at position.Place) { k.Pattern(at, "a", "com.x", wamp.Exact) }, false},
		{"a wildcard", func(k Keys, at position.Place) { k.Pattern(at, "a", "com.*", wamp.Exact) }, true},
		{"an invalid URI", func(k Keys, at position.Place) { k.Pattern(at, "a", "com..*", wamp.Exact) }, false},
		{"a prefix", func(k Keys, at position.Place) { k.Prefix(at, "a", "com.x.", wamp.Prefix) }, false},
		{"a prefix within a component", func(k Keys, at position.Place) { k.Prefix(at, "a", "com.x", wamp.Prefix) }, true},
		{"no prefix", func(k Keys, at position.Place) { k.Prefix(at, "a", "com.x", wamp.Exact) }, false},
		{"all URIs", func(k Keys, at position.Place) { k.Prefix(at, "a", "", wamp.Prefix) }, false},
		{"a prefix with a wildcard", func(k Keys, at position.Place) { k.Prefix(at, "a", "com.x*", wamp.Prefix) }, false},
	} {
		if got := remarks(false, c.check); strings.HasPrefix(got, "warning: a: ") != c.warns || !c.warns && got != "" {
			t.Errorf("%s: %q", c.what, got)
		}
	}
}
