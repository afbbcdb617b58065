package auth

import (
	"testing"

	"runnel/edge/wamp"
)

var sensor = NewRole("sensor", []Permission{
	{URI: "", Match: wamp.Prefix, Allow: Subscribe},
	{URI: "com.example.", Match: wamp.Prefix, Allow: Publish | Subscribe | Register, Disclose: true},
	{URI: "com.example.secret.", Match: wamp.Prefix},
	{URI: "com.example.secret.mine", Allow: Publish},
	{URI: "org..status", Match: wamp.Wildcard, Allow: Call},
	{URI: "net..status", Match: wamp.Wildcard, Allow: Call},
})

func TestMostSpecificDecides(t *testing.T) {
	for _, c := range []struct {
		action          Action
		uri             string
		allow, disclose bool
	}{
		{Subscribe, "se.other", true, false},
		{Publish, "se.other", false, false},
		{Publish, "com.example.weather", true, true},
		{Call, "com.example.weather", false, true},
		{Publish, "com.example.secret.a", false, false},
		{Publish, "com.example.secret.mine", true, false},
		{Subscribe, "com.example.secret.mine", false, false},
		{Call, "org.a.status", false, false}, // the prefix "" is more specific than any wildcard
	} {
		allow, disclose := sensor.Decide(c.action, []byte(c.uri))
		if allow != c.allow || disclose != c.disclose {
			t.Errorf("%v %s: allow %v, disclose %v", c.action, c.uri, allow, disclose)
		}
	}
}

func TestWildcardPermission(t *testing.T) {
	r := NewRole("r", []Permission{
		{URI: "org...status", Match: wamp.Wildcard, Allow: Call},
		{URI: "org.a..status", Match: wamp.Wildcard, Allow: Publish},
	})
	for _, c := range []struct {
		action Action
		uri    string
		allow  bool
	}{
		{Call, "org.b.x.status", true},
		{Call, "org.a.x.status", false}, // org.a..status is more specific
		{Publish, "org.a.x.status", true},
		{Call, "org.b.status", false},
	} {
		if allow, _ := r.Decide(c.action, []byte(c.uri)); allow != c.allow {
			t.Errorf("%v %s: allow %v", c.action, c.uri, allow)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		action        Action
		pattern       string
		match         wamp.Match
		allow, partly bool
	}{
		{Subscribe, "se.", wamp.Prefix, true, false},
		{Subscribe, "com.example.a", wamp.Prefix, true, false},
		{Subscribe, "com.", wamp.Prefix, true, true}, // com.example.secret. lies within
		{Subscribe, "com.example.secret.", wamp.Prefix, false, true},
		{Register, "com.", wamp.Prefix, false, true},
		{Register, "com.example..x", wamp.Wildcard, true, true},
		{Register, "com..x", wamp.Wildcard, false, true},
		{Register, "com.example.a", wamp.Exact, true, false},
	} {
		allow, partly := sensor.DecidePattern(c.action, c.pattern, c.match)
		if allow != c.allow || partly != c.partly {
			t.Errorf("%v %v %q: allow %v, partly %v", c.action, c.match, c.pattern, allow, partly)
		}
	}
}

func TestExplain(t *testing.T) {
	for uri, want := range map[string]Permission{
		"se.other":                {URI: "", Match: wamp.Prefix, Allow: Subscribe},
		"com.example.weather":     {URI: "com.example.", Match: wamp.Prefix, Allow: Publish | Subscribe | Register, Disclose: true},
		"com.example.secret.a":    {URI: "com.example.secret.", Match: wamp.Prefix},
		"com.example.secret.mine": {URI: "com.example.secret.mine", Allow: Publish},
	} {
		if p, ok := sensor.Explain(uri); !ok || p != want {
			t.Errorf("%s: %+v, %v", uri, p, ok)
		}
	}
	r := NewRole("r", []Permission{{URI: "org..status", Match: wamp.Wildcard, Allow: Call}})
	if p, ok := r.Explain("org.a.status"); !ok || p.URI != "org..status" {
		t.Errorf("%+v, %v", p, ok)
	}
	if p, ok := r.Explain("org.a"); ok {
		t.Errorf("%+v", p)
	}
}

func TestDecideDoesNotAllocate(t *testing.T) {
	uri := []byte("com.example.weather")
	if n := testing.AllocsPerRun(100, func() { sensor.Decide(Publish, uri) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestActionNames(t *testing.T) {
	for a := Publish; a <= Register; a <<= 1 {
		if b, ok := ParseAction(a.String()); !ok || a != b {
			t.Errorf("action %v does not read back", a)
		}
	}
	if _, ok := ParseAction("fly"); ok {
		t.Error(`"fly" is taken for an action`)
	}
}

func TestForward(t *testing.T) {
	r := NewRole("r", nil)
	if link := r.WithForward(); r.Forwards() || !link.Forwards() || link.Name() != "r" {
		t.Errorf("forwards %v and %v", r.Forwards(), link.Forwards())
	}
}

func TestDurable(t *testing.T) {
	r := NewRole("r", nil).WithForward()
	if durable := r.WithDurable(); r.Durable() || !durable.Durable() || !durable.Forwards() || durable.Name() != "r" {
		t.Errorf("durable %v and %v", r.Durable(), durable.Durable())
	}
}

func TestTrust(t *testing.T) {
	r := NewRole("r", []Permission{
		{URI: "com.", Match: wamp.Prefix, Trust: number(2)}, {URI: "com.a", Trust: number(0)}, {URI: "com.b"},
	})
	for uri, want := range map[string]int{"com.x": 2, "com.a": 0, "com.b": -1, "org.x": -1} {
		if level, ok := r.Trust([]byte(uri)); ok != (want >= 0) || ok && level != want {
			t.Errorf("%s: level %d, %v", uri, level, ok)
		}
	}
	if level, ok := NewRole("r", []Permission{{URI: "com.a", Trust: number(3)}}).Trust([]byte("com.a")); !ok || level != 3 {
		t.Errorf("level of the only permission: %d, %v", level, ok)
	}
	if _, ok := NewRole("r", []Permission{{URI: "com.a"}}).Trust([]byte("com.a")); ok {
		t.Error("a role without trust levels has one")
	}
}

// The wildcards here begin and end with an empty component.
func TestExplainPattern(t *testing.T) {
	r := NewRole("r", []Permission{
		{URI: "com.", Match: wamp.Prefix}, {URI: ".state", Match: wamp.Wildcard, Allow: Subscribe}, {URI: "com.a.", Match: wamp.Wildcard, Allow: Call},
	})
	for _, c := range []struct {
		pattern    string
		match      wamp.Match
		want       string // URI of the permission; "-": none
		ok, partly bool
	}{
		{"com.x", wamp.Exact, "com.", true, false},
		{"org", wamp.Exact, "", false, false},
		{"org.state", wamp.Exact, ".state", true, false},
		{".state", wamp.Wildcard, ".state", true, true},
		{"org.", wamp.Wildcard, "", false, true},
		{"com.a.", wamp.Wildcard, "com.", true, false},
		{"org.", wamp.Prefix, "", false, true},
	} {
		if p, ok, partly := r.ExplainPattern(c.pattern, c.match); p.URI != c.want || ok != c.ok || partly != c.partly {
			t.Errorf("%q %v: %q, %v, partly %v", c.pattern, c.match, p.URI, ok, partly)
		}
	}
}
