package config

import (
	"strings"
	"testing"
)

// No message repeats a secret, however wrongly it is written.
func TestProblemsTellNoSecret(t *testing.T) {
	const head = "version = 1\n[[realm]]\nname = \"realm1\"\nanonymous = \"a\"\n[[realm.role]]\nname = \"a\"\n"
	principal := head + "[[realm.principal]]\nauthid = \"x\"\nrole = \"a\"\n"
	link := head + "[[uplink]]\nname = \"central\"\n[[uplink.export]]\ntopic = \"a.b\"\n[[uplink]]\nname = \"other\"\n"
	for _, text := range []string{
		"ticket = hunter2", "ticket = 0xhunter2", "ticket = \"x\\xhunter2\"", "ticket = hun.ter2 = 3", "ticket = truehunter2",
		"ticket = [hunter2]", "wampcra = \"hunter2\"", "wampcra = hunter2", "scram = \"hunter2\"", "scram = [\"hunter2\"]",
		"scram = { stored_key = hunter2 }", "wampcra.secret = hunter2", "tickt = hunter2", "scram = { secret = hunter2", "ticket = +hunter2",
		"ticket = infhunter2", "ticket = \"\"\"hunter2", "ticket = 'hunter2", "ticket = \"hunter2",
	} {
		tellsNone(t, principal+text+"\n", "hunter")
	}
	for _, number := range []string{"12345678901234567890", "1234_5678_", "01234567", "12345678.", "1234-56-78", "12345678"} {
		tellsNone(t, principal+"ticket = "+number+"\n", number)
		tellsNone(t, principal+"scram = { server_key = "+number+" }\n", number)
	}
	key := strings.Repeat("c0ffee00", 8)
	for _, text := range []string{
		"url = \"ws://u:hun ter2@host\"", "url = \"http://u:hunter2@host\"", "url = \"wss://u:hunter2@\"", "url = \"wss://host?token=hunter%zz\"",
		"url = \"mqtt://u:hunter2@host\"", "password = hunter2", "key = \"" + key + "\"", "key = \"\"\"-----BEGIN PRIVATE KEY-----\nhunter2\"\"\"",
		"key = \"-----BEGIN PRIVATE KEY----- hunter2" + strings.Repeat("x", 300) + "\"", "secret = true",
	} {
		tellsNone(t, link+text+"\n", "hunter", "c0ffee", "ter2")
	}
}

func tellsNone(t *testing.T, source string, secrets ...string) {
	t.Helper()
	_, err := Parse("runnel.toml", source)
	if err == nil {
		t.Errorf("no problem in %s", source)
		return
	}
	for _, secret := range secrets {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s\nis told of: %v", source, err)
		}
	}
}
