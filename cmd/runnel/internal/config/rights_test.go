package config

import (
	"slices"
	"strings"
	"testing"
)

const anyone = `
version = 1
[[realm]]
name = "realm1"
anonymous = "all"
[[realm.role]]
name = "all"
permission = [{ uri = "", match = "prefix", allow = ["publish", "subscribe", "call", "register"] }]
[[realm.role]]
name = "app"
permission = [
  { uri = "", match = "prefix", allow = ["publish", "subscribe", "call", "register"] },
  { uri = "runnel.", match = "prefix", allow = [] },
  { uri = "wamp.", match = "prefix", allow = [] },
]
[[realm.role]]
name = "viewer"
permission = [{ uri = "com.", match = "prefix", allow = ["subscribe"] }]
[[realm.role]]
name = "janitor"
permission = [{ uri = "wamp.session.", match = "prefix", allow = ["call"] }]
`

// TestOpenDoors: excessive rights of unauthenticated peers on other machines get a warning.
func TestOpenDoors(t *testing.T) {
	for listen, want := range map[string]string{
		`url = "tcp://127.0.0.1:1"`:                           "",
		`url = "tcp://[::1]:1"`:                               "",
		`url = "tcp://localhost:1"`:                           "",
		`url = "unix://a.sock"`:                               "",
		`url = "tcp://0.0.0.0:1"`:                             "administration of the router included",
		`url = "ws://gw.example.com:1/ws"`:                    "administration of the router included",
		"url = \"tcp://0.0.0.0:1\"\nanonymous = \"app\"":      "every URI but those of administration",
		"url = \"tcp://0.0.0.0:1\"\nanonymous = \"janitor\"":  "may administer the router",
		"url = \"tcp://0.0.0.0:1\"\nanonymous = \"viewer\"":   "",
		"url = \"tcp://0.0.0.0:1\"\nrole = \"all\"":           "administration of the router included",
		"url = \"tcp://[::]:1\"\nrole = \"viewer\"":           "",
		"url = \"tcp://127.0.0.1:1\"\nanonymous = \"viewer\"": "",

		"url = \"tcp://127.0.0.1:1\"\ntrusted_proxies = [\"127.0.0.1\"]":                         "through a proxy on this machine has the role",
		"url = \"unix://a.sock\"\ntrusted_proxies = [\"unix\"]":                                  "through a proxy on this machine has the role",
		"url = \"ws://localhost:1/ws\"\nhosts = [\"gw.example.com\"]":                            "through a proxy on this machine has the role",
		"url = \"ws://[::1]:1/ws\"\nhosts = [\"localhost\"]":                                     "",
		"url = \"tcp://127.0.0.1:1\"\ntrusted_proxies = [\"127.0.0.1\"]\nanonymous = \"viewer\"": "",
	} {
		c, err := Parse("test.toml", anyone+"[[listen]]\n"+listen+"\n")
		if err != nil {
			t.Errorf("%s: %v", listen, err)
			continue
		}
		c.Warnings = slices.DeleteFunc(c.Warnings, func(p Problem) bool { return p.Key != "listen.url" })
		if len(c.Warnings) != 0 && want == "" || want != "" && (len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Text, want)) {
			t.Errorf("%s: %v, want %q", listen, c.Warnings, want)
		}
	}
}

func TestListenerAnonymous(t *testing.T) {
	for listen, want := range map[string]string{
		"url = \"unix://a.sock\"\nanonymous = \"ap\"":                     `did you mean "app"`,
		"url = \"unix://a.sock\"\nanonymous = \"app\"\nrole = \"app\"":    "remove one of the two",
		"url = \"unix://a.sock\"\nanonymous = \"app\"":                    "",
		"url = \"tcp://127.0.0.1:1\"\norigins = [\"https://a.example/\"]": `write "a.example"`,
		"url = \"tcp://127.0.0.1:1\"\norigins = [\"null\"]":               "null for local files",
		"url = \"tcp://127.0.0.1:1\"\nhosts = [\"http://a.example\"]":     "the name alone",
		"url = \"tcp://127.0.0.1:1\"\ntrusted_proxies = [\"proxy\"]":      "10.0.0.0/8",
		"url = \"unix://a.sock\"\nhosts = [\"a.example\"]":                "only for",
		"url = \"unix://a.sock\"\ntrusted_proxies = [\"127.0.0.1\"]":      `write ["unix"]`,
		"url = \"tcp://127.0.0.1:1\"\ntrusted_proxies = [\"unix\"]":       "only for unix://",

		"url = \"unix://a.sock\"\ntrusted_proxies = [\"unix\", \"10.0.0.0/8\"]\nhosts = [\"a.example\"]\nconsole = true\nanonymous = \"app\"": "",
	} {
		_, err := Parse("test.toml", anyone+"[[listen]]\n"+listen+"\n")
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", listen, err, want)
		}
	}
}
