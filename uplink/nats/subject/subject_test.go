package subject

import (
	"strings"
	"testing"

	"runnel/edge/wamp"
)

func TestOf(t *testing.T) {
	for uri, want := range map[string]string{
		"com.example.weather":  "com.example.weather",
		"com.example.50%":      "com.example.50%",
		"com.example.%2A":      "com.example.%252A",
		"com.example.%%25x":    "com.example.%%2525x",
		"com.*.>":              "com.%2A.%3E",
		"a*b>c":                "a%2Ab%3Ec",
		"$JS.API.STREAM.NAMES": "%24JS.API.STREAM.NAMES",
		"_INBOX.x":             "%5FINBOX.x",
		"%24JS.x":              "%2524JS.x",
		"com.%24.$x._y":        "com.%24.$x._y",
		"com.grüße":            "com.grüße",
	} {
		got, err := Of(uri)
		if err != nil || got != want {
			t.Errorf("Of(%q) = %q, %v; want %q", uri, got, err, want)
		}
		if back, ok := URI(got); !ok || back != uri {
			t.Errorf("URI(%q) = %q, %v; want %q", got, back, ok, uri)
		}
	}
	for _, uri := range []string{"", "a b", "a..b", "a.", ".a", "a#", "a\r\nPUB x", strings.Repeat("a", wamp.MaxURI+1)} {
		if got, err := Of(uri); err == nil {
			t.Errorf("Of(%q) = %q; want an error", uri, got)
		}
	}
}

func TestURIRefusesForeignSubjects(t *testing.T) {
	for _, subject := range []string{"", "$SYS.ACCOUNT.x", "_INBOX.abc.1", "a..b", "a.#", "a\xff", "a b", "%24JS.", "x.\x00"} {
		if uri, ok := URI(subject); ok {
			t.Errorf("URI(%q) = %q; want none", subject, uri)
		}
	}
}

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		uri   string
		match wamp.Match
		want  string
	}{
		{"", wamp.Prefix, ">"},
		{"com.", wamp.Prefix, "com.>"},
		{"com.*.", wamp.Prefix, "com.%2A.>"},
		{"com..x", wamp.Wildcard, "com.*.x"},
		{"", wamp.Wildcard, "*"},
		{"..", wamp.Wildcard, "*.*.*"},
		{"com.x", wamp.Exact, "com.x"},
	} {
		if got, err := Pattern(c.uri, c.match); err != nil || got != c.want {
			t.Errorf("Pattern(%q, %v) = %q, %v; want %q", c.uri, c.match, got, err, c.want)
		}
	}
	for _, m := range []wamp.Match{wamp.Exact, wamp.Prefix, wamp.Wildcard} {
		if got, err := Pattern("com.a b", m); err == nil {
			t.Errorf("Pattern of an invalid URI, %v: %q", m, got)
		}
	}
	_, err := Pattern("com.exam", wamp.Prefix)
	if err == nil || !strings.Contains(err.Error(), `write "com.exam."`) {
		t.Errorf("a prefix not at a dot: %v", err)
	}
}

// A "%" that does not begin an escape of this package stands for itself.
func TestEscapes(t *testing.T) {
	for subject, want := range map[string]string{
		"a%": "a%", "a%2": "a%2", "a%2a": "a%2a", "a%2A": "a*", "a%3E": "a>", "a%252A": "a%2A", "a%24": "a%24", "%24a": "$a", "%5Fa": "_a", "%2Aa": "*a", "a%41": "a%41",
	} {
		uri, ok := URI(subject)
		if !ok || uri != want {
			t.Errorf("URI(%q) = %q, %v; want %q", subject, uri, ok, want)
		}
		if back, err := Of(uri); err != nil || back != subject {
			t.Errorf("Of(%q) = %q, %v; want %q", uri, back, err, subject)
		}
	}
}

// The key of a URI keeps letters, digits and some signs. Other texts are no keys.
func TestKeys(t *testing.T) {
	for uri, want := range map[string]string{
		"com.az.AZ.09": "com.az.AZ.09", "a-b_c/d": "a-b_c/d", "a=b": "a=3Db", "a:b@[`{": "a=3Ab=40=5B=60=7B", "ü": "=C3=BC",
	} {
		key := Key(uri)
		if back, ok := OfKey(key); key != want || !ok || back != uri {
			t.Errorf("Key(%q) = %q, want %q; it comes back as %q, %v", uri, key, want, back, ok)
		}
	}
	for _, key := range []string{"", "a=", "a=3", "a=3G", "a=G3", "a=3d", "a=61", "a..b", "a=20b", "=C3", "a b"} {
		if uri, ok := OfKey(key); ok {
			t.Errorf("OfKey(%q) = %q", key, uri)
		}
	}
}

// matches reports whether a subject matches a pattern, as a NATS server decides.
func matches(pattern, subject string) bool {
	p, s := strings.Split(pattern, "."), strings.Split(subject, ".")
	for i, token := range p {
		switch {
		case token == ">":
			return len(s) > i
		case i >= len(s) || token != "*" && token != s[i]:
			return false
		}
	}
	return len(p) == len(s)
}

func FuzzSubject(f *testing.F) {
	f.Add("com.example.x", "com.", uint8(1))
	f.Add("$SYS.%24.*", "$SYS.", uint8(1))
	f.Add("a.>.%25", "a..", uint8(2))
	f.Fuzz(func(t *testing.T, uri, pattern string, m uint8) {
		match := wamp.Match(m % 3)
		if back, ok := URI(uri); ok {
			if _, err := Of(back); err != nil {
				t.Errorf("URI(%q) = %q, which has no subject: %v", uri, back, err)
			}
		}
		if back, ok := OfKey(uri); ok && Key(back) != uri {
			t.Errorf("OfKey(%q) = %q, whose key is %q", uri, back, Key(back))
		}
		s, err := Of(uri)
		if err != nil {
			return
		}
		if strings.ContainsAny(s, " *>\r\n\t\x00") || s[0] == '$' || s[0] == '_' {
			t.Errorf("Of(%q) = %q", uri, s)
		}
		if back, ok := URI(s); strings.ToValidUTF8(uri, "") == uri && (!ok || back != uri) {
			t.Errorf("URI(Of(%q)) = %q, %v", uri, back, ok)
		}
		if back, ok := OfKey(Key(uri)); strings.ToValidUTF8(uri, "") == uri && (!ok || back != uri) {
			t.Errorf("OfKey(Key(%q)) = %q, %v", uri, back, ok)
		}
		p, err := Pattern(pattern, match)
		if err == nil && match.Matches(pattern, uri) != matches(p, s) {
			t.Errorf("%q matches %q (%v): %v; subject %q, pattern %q", pattern, uri, match, match.Matches(pattern, uri), s, p)
		}
	})
}
