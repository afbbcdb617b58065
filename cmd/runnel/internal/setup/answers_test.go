package setup

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runnel/test/kit"
)

func TestChecks(t *testing.T) {
	pin := strings.Repeat("ab", 32)
	for _, c := range []struct {
		what      string
		check     func(string) error
		good, bad []string
	}{
		{"kind", checkKind, Kinds, []string{"", "router"}},
		{"id", checkID, []string{"gw-001", "a_b", strings.Repeat("a", 64)}, []string{"", strings.Repeat("a", 65), "a.b", "a b", "a/b", "{a}", "ä", "a\x7f"}},
		{"realm", checkURI, []string{"realm1", "com.a"}, []string{"", "com..a", "{node}"}},
		{"prefix", checkPrefix, []string{"com.example.", "com.example", "runnels."}, []string{"", ".", "com..a", "runnel.", "runnel", "wamp.a", "com.*", "{a}."}},
		{"pin", checkPin, []string{"", pin}, []string{"ab", pin[1:] + "g"}},
		{"centre", checkCentre,
			[]string{"tls://c:8443", "tcp://c:8080", "wss://c", "ws://c/ws", "unix:///r.sock"},
			[]string{"", "c:8443", "http://c", "tls://", "tls://c", "tcp://c", "wss://", "%"}},
		{"listener", checkListen, []string{"tcp://127.0.0.1:8080", "tls://0.0.0.0:8443", "unix:///r.sock", "systemd://main"}, []string{"", "8080", "http://a:1", "tcp://a", "ws://a"}},
		{"line", CheckLineName, []string{"a", "bus-1_b.c", strings.Repeat("a", 64)}, []string{"", ".a", "a/b", "a b", strings.Repeat("a", 65)}},
	} {
		for _, text := range c.good {
			if err := c.check(text); err != nil {
				t.Errorf("%s %q: %v", c.what, text, err)
			}
		}
		for _, text := range c.bad {
			if c.check(text) == nil {
				t.Errorf("%s %q is accepted", c.what, text)
			}
		}
	}
}

// asking is a Prompter that reads the answers.
func asking(answers string) *Prompter {
	return NewPrompter(strings.NewReader(answers), io.Discard, false)
}

func TestComplete(t *testing.T) {
	pin := strings.Repeat("ab", 32)
	here, err := filepath.Abs("ca.pem")
	kit.Must(t, err)
	for _, c := range []struct {
		what, input string
		given, want Answers
	}{
		{"defaults", "", Answers{ID: "n"}, Answers{Kind: Standalone, ID: "n", Realm: "realm1", Prefix: "com.example.", Listen: []string{"tcp://127.0.0.1:8080"}}},
		{"answers", "centre\nnode-7\nplant\ncom.plant\n", Answers{},
			Answers{Kind: Centre, ID: "node-7", Realm: "plant", Prefix: "com.plant.", Listen: []string{"tcp://127.0.0.1:8080", "tls://0.0.0.0:8443"}}},
		{"a gateway with a pin", "\n\ntls://c:8443\n" + pin + "\n", Answers{Kind: Gateway, ID: "n"},
			Answers{Kind: Gateway, ID: "n", Realm: "realm1", Prefix: "com.example.", Centres: []string{"tls://c:8443"}, Pin: pin, Listen: []string{"tcp://127.0.0.1:8080"}}},
		{"a gateway without TLS", "\n\ntcp://c:8080\n", Answers{Kind: Gateway, ID: "n"},
			Answers{Kind: Gateway, ID: "n", Realm: "realm1", Prefix: "com.example.", Centres: []string{"tcp://c:8080"}, Listen: []string{"tcp://127.0.0.1:8080"}}},
		{"a gateway with a CA", "\n\ntls://c:8443\n", Answers{Kind: Gateway, ID: "n", CA: "/ca.pem"},
			Answers{Kind: Gateway, ID: "n", Realm: "realm1", Prefix: "com.example.", Centres: []string{"tls://c:8443"}, CA: "/ca.pem", Listen: []string{"tcp://127.0.0.1:8080"}}},
		{"a CA in this directory", "\n\ntls://c:8443\n", Answers{Kind: Gateway, ID: "n", CA: "ca.pem"},
			Answers{Kind: Gateway, ID: "n", Realm: "realm1", Prefix: "com.example.", Centres: []string{"tls://c:8443"}, CA: here, Listen: []string{"tcp://127.0.0.1:8080"}}},
	} {
		a := c.given
		if err := a.Complete(asking(c.input)); err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		if a.Kind != c.want.Kind || a.ID != c.want.ID || a.Realm != c.want.Realm || a.Prefix != c.want.Prefix || a.Pin != c.want.Pin || a.CA != c.want.CA ||
			!slices.Equal(a.Listen, c.want.Listen) || !slices.Equal(a.Centres, c.want.Centres) {
			t.Errorf("%s: %+v", c.what, a)
		}
	}
}

func TestAnswersThatMakeNoSense(t *testing.T) {
	pin := strings.Repeat("ab", 32)
	base := Answers{Kind: Standalone, ID: "n", Realm: "realm1", Prefix: "com.example."}
	for what, change := range map[string]func(*Answers){
		"id":                          func(a *Answers) { a.ID = "a b" },
		"a centre of no gateway":      func(a *Answers) { a.Centres = []string{"tls://c:8443"} },
		"a pin of no gateway":         func(a *Answers) { a.Pin = pin },
		"a CA of no gateway":          func(a *Answers) { a.CA = "ca.pem" },
		"a wrong centre":              func(a *Answers) { a.Kind, a.Centres = Gateway, []string{"tls://c:8443", "http://c"} },
		"a wrong pin":                 func(a *Answers) { a.Kind, a.Centres, a.Pin = Gateway, []string{"tls://c:8443"}, "x" },
		"a pin without TLS":           func(a *Answers) { a.Kind, a.Centres, a.Pin = Gateway, []string{"tcp://c:8080"}, pin },
		"a wrong listener":            func(a *Answers) { a.Listen = []string{"http://a:1"} },
		"an open network without one": func(a *Answers) { a.OpenNetwork = true },
		"a network without --open":    func(a *Answers) { a.Listen = []string{"tcp://0.0.0.0:8080"} },
		"a gateway's network, not opened": func(a *Answers) {
			a.Kind, a.Centres, a.Listen = Gateway, []string{"tcp://c:1"}, []string{"tls://127.0.0.1:1"}
		},
	} {
		a := base
		change(&a)
		if err := a.Complete(asking("")); err == nil || !IsUsage(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	a := base
	a.Listen, a.OpenNetwork = []string{"tcp://0.0.0.0:8080"}, true
	if err := a.Complete(asking("")); err != nil {
		t.Errorf("an open network: %v", err)
	}
	a = base
	a.Kind, a.Listen = Centre, []string{"tls://0.0.0.0:8443"}
	if err := a.Complete(asking("")); err != nil {
		t.Errorf("a centre for the network: %v", err)
	}
}

func TestListeners(t *testing.T) {
	for _, c := range []struct {
		url            string
		loops, islocal bool
	}{
		{"tcp://127.0.0.1:8080", true, true}, {"ws://localhost:8080", true, true}, {"tcp://[::1]:1", true, true}, {"unix:///r.sock", true, true},
		{"tls://127.0.0.1:8443", true, false}, {"wss://localhost:8443", true, false}, {"tcp://0.0.0.0:1", false, false}, {"tcp://:1", false, false}, {"%", false, false},
	} {
		if loopback(c.url) != c.loops || local(c.url) != c.islocal {
			t.Errorf("%s: loopback %v, local %v", c.url, loopback(c.url), local(c.url))
		}
	}
	dir := t.TempDir()
	a := &Answers{file: filepath.Join(dir, "r.toml"), Listen: []string{
		"tcp://127.0.0.1:8080", "tcp://LOCALHOST:8080/", "tcp://0.0.0.0:8080", "tcp://:8080", "ws://127.0.0.1:8080", "unix://" + dir + "/runnel.sock", "unix://" + dir + "/a.sock", "unix://a.sock",
	}}
	if a.localOnly() {
		t.Error("a router for the network is for this machine only")
	}
	a.mergeListen()
	want := []string{"tcp://127.0.0.1:8080", "tcp://0.0.0.0:8080", "ws://127.0.0.1:8080", "unix://" + dir + "/a.sock"}
	if !slices.Equal(a.Listen, want) {
		t.Errorf("%q", a.Listen)
	}
	if a.Listen = want[:1]; !a.localOnly() {
		t.Error("a router for this machine is for the network")
	}
}

func TestPrompter(t *testing.T) {
	short := func(text string) error {
		if len(text) > 3 {
			return os.ErrInvalid
		}
		return nil
	}
	for _, c := range []struct {
		input, usual, want string
		fails              bool
	}{
		{"a\n", "u", "a", false}, {"  b \n", "u", "b", false}, {"\n", "u", "u", false}, {"", "u", "u", false}, {"c", "u", "c", false},
		{"long\nd\n", "u", "d", false}, {"long", "u", "", true}, {"", "usual", "", true},
	} {
		if got, err := asking(c.input).Text("q", c.usual, short); got != c.want || (err != nil) != c.fails {
			t.Errorf("%q: %q, %v", c.input, got, err)
		}
	}
	if got, err := NewPrompter(strings.NewReader("a\n"), io.Discard, true).Text("q", "u", short); got != "u" || err != nil {
		t.Errorf("--yes: %q, %v", got, err)
	}
	for input, want := range map[string]bool{"\n": true, "y\n": true, "YES\n": true, "n\n": false, "No\n": false, "": false, "y": true, "maybe\nn\n": false, "maybe\n\n": true, "maybe": false} {
		if got, err := asking(input).Confirm("q"); got != want || err != nil {
			t.Errorf("%q: %v, %v", input, got, err)
		}
	}
	if yes, err := NewPrompter(strings.NewReader("n\n"), io.Discard, true).Confirm("q"); !yes || err != nil {
		t.Error("--yes asks")
	}
}
