package config

import (
	"strings"
	"testing"
)

const webhookRealm = "version = 1\n[[realm]]\nname = \"realm1\"\n[[realm.role]]\nname = \"guest\"\n[[webhook]]\n"

func TestWebhookProblems(t *testing.T) {
	const valid = "name = \"erp\"\ntopic = \"a.b\"\nurl = \"https://h/x\"\nrole = \"guest\"\n"
	for text, want := range map[string]string{
		valid:                                                              "",
		strings.Replace(valid, "erp", "e r", 1):                            "webhook.name: the name",
		strings.Replace(valid, "a.b", "a..b", 1):                           "webhook.topic: ",
		strings.Replace(valid, "https", "ftp", 1):                          "webhook.url: ",
		strings.Replace(valid, "//h", "//u:p@h", 1):                        "write the header's value as authorization instead",
		strings.Replace(valid, "guest", "gest", 1):                         `did you mean "guest"?`,
		valid + "timeout = \"0s\"\n":                                       "webhook.timeout: must be greater than zero",
		valid + "ca = \"/no/such\"\n":                                      "webhook.ca: ",
		strings.Replace(valid, "https", "http", 1) + "ca = \"/no/such\"\n": "webhook.ca: only for https://",
		valid + "tpic = \"x\"\n":                                           `did you mean "topic"?`,
		valid + "[[webhook]]\n" + valid:                                    "webhook.name: ",
	} {
		_, err := Parse("runnel.toml", webhookRealm+text)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s%v; want %q", text, err, want)
		}
	}
}

func TestWebhookTarget(t *testing.T) {
	for url, want := range map[string]string{
		"http://h/x?a=1": "h:80 h /x?a=1 false", "https://h": "h:443 h / true", "https://[::1]:8443/a%20b": "[::1]:8443 [::1]:8443 /a%20b true",
		"http://h/a b?c=d e": "h:80 h /a%20b?c=d%20e false",
	} {
		address, host, path, secure := Webhook{URL: url}.Target()
		got := strings.Join([]string{address, host, path, map[bool]string{true: "true", false: "false"}[secure]}, " ")
		if got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}
