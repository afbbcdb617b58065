package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"runnel/edge/wamp"
	"runnel/test/kit"
)

// remarks reads a text as a configuration, and returns its problems and warnings as "key: text", one a line.
func remarks(t *testing.T, text string) (lines string) {
	t.Helper()
	c, _, err := load(t, text)
	var problems Problems
	errors.As(err, &problems)
	if c != nil {
		problems = append(problems, c.Warnings...)
	}
	for _, p := range problems {
		lines += p.Key + ": " + p.Text + "\n"
	}
	return lines
}

// Values just inside and just beyond each bound.
func TestBounds(t *testing.T) {
	dir := t.TempDir()
	kit.Certificates(t, dir, "127.0.0.1", "node")
	file := func(name string) string { return fmt.Sprintf("%q", filepath.Join(dir, name)) }
	tls := "certificate = " + file("node.pem") + "\nkey = " + file("node.key") + "\n"
	const listen = "[[listen]]\nurl = \"tcp://127.0.0.1:1\"\n"
	const node = "[node]\nid = \"n\"\ndata = \"DATA\"\n"
	const durable = "[[realm.durable]]\nuri = \"a.b\"\nname = \"a\"\n"
	const link = node + "[[uplink]]\nname = \"c\"\nurl = [\"tls://127.0.0.1:1\"]\n"
	const shared = "[[uplink.export]]\ntopic = \"a.b\"\n"
	const broker = node + "[[uplink]]\nname = \"c\"\nurl = [\"mqtts://127.0.0.1:1\"]\n"
	for _, c := range []struct {
		what, text string
		want       string // a remark; "" for none about key
		key        string
	}{
		{"the longest name of a cookie", listen + "[listen.cookie]\nname = \"" + strings.Repeat("a", 64) + "\"\n", "", "listen.cookie.name"},
		{"a longer one", listen + "[listen.cookie]\nname = \"" + strings.Repeat("a", 65) + "\"\n", "at most 64", "listen.cookie.name"},
		{"a cookie with a blank", listen + "[listen.cookie]\nname = \"a b\"\n", "at most 64", "listen.cookie.name"},
		{"a cookie for a minute", listen + "[listen.cookie]\nmax_age = \"1m\"\n", "", "listen.cookie.max_age"},
		{"a cookie without an age", listen + "[listen.cookie]\nname = \"a\"\n", "", "listen.cookie.max_age"},
		{"a cookie for less", listen + "[listen.cookie]\nmax_age = \"59s\"\n", "shorter than a minute", "listen.cookie.max_age"},
		{"the longest path", "[[listen]]\nurl = \"unix:///" + strings.Repeat("a", 106) + "\"\n", "", "listen.url"},
		{"a longer path", "[[listen]]\nurl = \"unix:///" + strings.Repeat("a", 107) + "\"\n", "longer than 107", "listen.url"},
		{"no port", "[[listen]]\nurl = \"tcp://127.0.0.1:\"\n", "has no port", "listen.url"},
		{"passed sockets", "[[listen]]\nurl = \"systemd:main\"\n", "", "listen.url"},
		{"passed sockets with an invalid name", "[[listen]]\nurl = \"systemd:a:b\"\n", "a:b", "listen.url"},
		{"passed sockets with a certificate", "[[listen]]\nurl = \"systemd:main\"\n" + tls, "", "listen.certificate"},
		{"passed sockets with a key only", "[[listen]]\nurl = \"systemd:main\"\nkey = " + file("node.key") + "\n", "missing", "listen.certificate"},
		{"passed sockets with an authority only", "[[listen]]\nurl = \"systemd:main\"\nclient_ca = " + file("ca.pem") + "\n", "missing", "listen.certificate"},
		{"passed sockets with a mode", "[[listen]]\nurl = \"systemd:main\"\nmode = \"0660\"\n", "systemd creates the socket", "listen.mode"},
		{"a certificate without its key", "[[listen]]\nurl = \"tls://127.0.0.1:1\"\ncertificate = " + file("node.pem") + "\n", "missing", "listen.key"},
		{"a certificate with another key", "[[listen]]\nurl = \"tls://127.0.0.1:1\"\ncertificate = " + file("node.pem") + "\nkey = " + file("ca.key") + "\n", "private key does not match", "listen.certificate"},

		{"a durable subscription", durable, "", "realm.durable"},
		{"without a name", strings.Replace(durable, "\"a\"", "\"\"", 1), "", "realm.durable.uri"},
		{"no window", durable + "window = 0\n", "", "realm.durable.window"},
		{"a window", durable + "window = 1\nmax_events = 0\n", "", "realm.durable"},
		{"the largest window", durable + "window = 4096\n", "", "realm.durable.window"},
		{"no events", durable + "max_events = -1\n", "out of range", "realm.durable.max_events"},
		{"a negative window", durable + "window = -1\n", "out of range", "realm.durable.window"},
		{"a window beyond all", durable + "window = 4097\n", "write 1 to", "realm.durable.window"},
		{"an invalid name", strings.Replace(durable, "\"a\"\n", "\"a b\"\n", 1), "a b", "realm.durable.name"},

		{"metrics here", "[metrics]\nurl = \"http://127.0.0.1:9100\"\n", "", "metrics.url"},
		{"metrics at localhost", "[metrics]\nurl = \"http://localhost:9100\"\n", "", "metrics.url"},
		{"metrics for everyone", "[metrics]\nurl = \"http://0.0.0.0:9100\"\n", "without a password", "metrics.url"},
		{"metrics at a name", "[metrics]\nurl = \"http://:9100\"\n", "without a password", "metrics.url"},
		{"metrics without a port", "[metrics]\nurl = \"http://127.0.0.1:\"\n", "has no port", "metrics.url"},

		{"the most hops", link + "max_hops = 16\n" + shared, "", "uplink.max_hops"},
		{"more hops", link + "max_hops = 17\n" + shared, "must be 1 to 16", "uplink.max_hops"},
		{"a binding of a secret", link + "channel_binding = \"tls-exporter\"\nauthid = \"a\"\nsecret = \"s\"\n" + shared, "", "uplink.channel_binding"},
		{"a binding of nothing", link + "channel_binding = \"tls-exporter\"\n" + shared, "nothing to bind", "uplink.channel_binding"},
		{"a binding of a certificate's key", link + "channel_binding = \"tls-exporter\"\n" + tls + shared, "nothing to bind", "uplink.channel_binding"},
		{"an unknown binding", link + "channel_binding = \"tls\"\nauthid = \"a\"\nsecret = \"s\"\n" + shared, "use", "uplink.channel_binding"},
		{"a certificate", link + tls + shared, "", "uplink.key"},
		{"no key", link + "certificate = " + file("node.pem") + "\n" + shared, "missing", "uplink.key"},
		{"another key", link + "certificate = " + file("node.pem") + "\nkey = " + file("ca.key") + "\n" + shared, "private key does not match", "uplink.key"},
		{"an authority that is none", link + "ca = " + file("ca.key") + "\n" + shared, "ca.key", "uplink.key"},
		{"a secret of no name", link + "secret = \"s\"\n" + shared, "missing", "uplink.authid"},
		{"a ticket of no name", link + "ticket = \"s\"\n" + shared, "missing", "uplink.authid"},

		{"the lowest quality", broker + "qos = 0\n" + shared, "", "uplink.qos"},
		{"the highest quality", broker + "qos = 2\n" + shared, "", "uplink.qos"},
		{"below", broker + "qos = -1\n" + shared, "out of range", "uplink.qos"},
		{"above", broker + "qos = 3\n" + shared, "use 0, 1 or 2", "uplink.qos"},
		{"the longest id", broker + "client_id = \"" + strings.Repeat("a", 128) + "\"\n" + shared, "", "uplink.client_id"},
		{"a longer id", broker + "client_id = \"" + strings.Repeat("a", 129) + "\"\n" + shared, "is not an id", "uplink.client_id"},
		{"an empty id", broker + "client_id = \"\"\n" + shared, "is not an id", "uplink.client_id"},
		{"discovery", broker + "discovery = \"homeassistant\"\nstate_topic = \"s/{node}\"\n" + shared, "", "uplink.discovery"},
		{"discovery below a pattern", broker + "discovery = \"a/#\"\nstate_topic = \"s\"\n" + shared, "not a prefix of topics", "uplink.discovery"},
		{"discovery without a state", broker + "discovery = \"homeassistant\"\n" + shared, "discovery needs it", "uplink.state_topic"},
		{"the longest protocol", broker + "alpn = [\"" + strings.Repeat("a", 255) + "\"]\n" + shared, "", "uplink.alpn"},
		{"a longer protocol", broker + "alpn = [\"" + strings.Repeat("a", 256) + "\"]\n" + shared, "is not a protocol", "uplink.alpn"},

		{"the shortest time for an acknowledgement", durable + "ack_wait = \"100ms\"\n", "", "realm.durable.ack_wait"},
		{"a shorter one", durable + "ack_wait = \"99ms\"\n", "out of range", "realm.durable.ack_wait"},
		{"the longest one", durable + "ack_wait = \"24h\"\n", "", "realm.durable.ack_wait"},
		{"a longer one", durable + "ack_wait = \"25h\"\n", "out of range", "realm.durable.ack_wait"},
		{"the default one", durable + "ack_wait = \"0s\"\n", "", "realm.durable.ack_wait"},

		{"passed sockets without a colon", "[[listen]]\nurl = \"systemd\"\n", "has no colon", "listen.url"},
		{"a listener with a path", "[[listen]]\nurl = \"tcp://127.0.0.1:1/ws\"\n", "a tcp listener has no path", "listen.url"},
		{"a listener with a slash", "[[listen]]\nurl = \"tcp://127.0.0.1:1/\"\n", "", "listen.url"},
		{"a TLS listener with a path", "[[listen]]\nurl = \"tls://127.0.0.1:1/ws\"\n" + tls, "a tls listener has no path", "listen.url"},
		{"a WebSocket listener with a path", "[[listen]]\nurl = \"ws://127.0.0.1:1/ws\"\n", "", "listen.url"},
		{"an MQTT listener with a path", "[[listen]]\nurl = \"mqtt://127.0.0.1:1/ws\"\n", "an mqtt listener has no path", "listen.url"},
		{"an MQTT listener with a slash", "[[listen]]\nurl = \"mqtt://127.0.0.1:1/\"\n", "", "listen.url"},
		{"the text format", "[[listen]]\nurl = \"mqtt://127.0.0.1:1\"\nformat = \"text\"\n", "", "listen.format"},
		{"the JSON format", "[[listen]]\nurl = \"mqtt://127.0.0.1:1\"\nformat = \"json\"\n", "", "listen.format"},
		{"another format", "[[listen]]\nurl = \"mqtt://127.0.0.1:1\"\nformat = \"xml\"\n", "text", "listen.format"},
		{"an MQTT listener with a role", "[[listen]]\nurl = \"mqtt://127.0.0.1:1\"\nrole = \"guest\"\n", "", "listen.role"},
		{"an MQTT listener with an unknown role", "[[listen]]\nurl = \"mqtt://127.0.0.1:1\"\nrole = \"none\"\n", "none", "listen.role"},
		{"an MQTT listener with a name alone", "[[listen]]\nurl = \"mqtt://127.0.0.1:1\"\nauthid = \"a\"\n", "", "listen.authid"},
		{"a listener with an unknown role", listen + "role = \"none\"\n", "none", "listen.role"},
		{"a listener with an unknown realm", listen + "realm = \"none\"\n", "none", "listen.realm"},
		{"the highest port", "[[listen]]\nurl = \"tcp://127.0.0.1:65535\"\n", "", "listen.url"},
		{"a higher port", "[[listen]]\nurl = \"tcp://127.0.0.1:65536\"\n", "is not a port", "listen.url"},
		{"any port", "[[listen]]\nurl = \"tcp://127.0.0.1:0\"\n", "", "listen.url"},
		{"a key as a file", "[[listen]]\nurl = \"tls://127.0.0.1:1\"\ncertificate = " + file("node.pem") + "\nkey = \"-----BEGIN PRIVATE KEY-----\"\n", "content", "listen.key"},

		{"all procedures", link + "[[uplink.export]]\nprocedure = \"\"\nmatch = \"prefix\"\n", "not all procedures can be shared", "uplink.export.procedure"},
		{"procedures with a prefix", link + "[[uplink.export]]\nprocedure = \"a.\"\nmatch = \"prefix\"\n", "", "uplink.export.procedure"},
		{"topic and procedure", link + "[[uplink.export]]\ntopic = \"a.b\"\nprocedure = \"a.b\"\n", "topic is set as well", "uplink.export.procedure"},
		{"neither", link + "[[uplink.export]]\nmatch = \"prefix\"\n", "missing", "uplink.export.topic"},
		{"no pings to a broker", broker + "ping_interval = \"off\"\n" + shared, "cannot be turned off", "uplink.ping_interval"},
		{"pings to a broker", broker + "ping_interval = \"20s\"\n" + shared, "", "uplink.ping_interval"},
		{"a broker's fragment", strings.Replace(broker, "mqtts://127.0.0.1:1", "mqtt+wss://127.0.0.1:1/a#b", 1) + shared, "has a fragment", "uplink.url"},
		{"a broker's port 0", strings.Replace(broker, "127.0.0.1:1", "127.0.0.1:0", 1) + shared, "cannot connect to port 0", "uplink.url"},
		{"a broker with a path", strings.Replace(broker, "127.0.0.1:1", "127.0.0.1:1/a", 1) + shared, "more than a host and a port", "uplink.url"},
		{"a broker without a name", strings.Replace(broker, "127.0.0.1:1", ":1", 1) + shared, "names no broker", "uplink.url"},

		{"the format of the log", "[log]\nformat = \"json\"\n", "", "log.format"},
		{"an unknown format of the log", "[log]\nformat = \"xml\"\n", "is not a log format", "log.format"},
		{"the widest mode", "[[listen]]\nurl = \"unix:///a\"\nmode = \"0777\"\n", "", "listen.mode"},
		{"a mode beyond", "[[listen]]\nurl = \"unix:///a\"\nmode = \"1000\"\n", "is not a file mode", "listen.mode"},
		{"a unit alone", "[limits]\noutbox = \"MB\"\n", "is not a size", "limits.outbox"},
	} {
		text := c.text
		if strings.HasPrefix(text, "[[realm.durable]]") {
			text += node
		}
		got := remarks(t, realm1+strings.ReplaceAll(text, "DATA", t.TempDir()))
		found := false
		for line := range strings.Lines(got) {
			found = found || strings.HasPrefix(line, c.key+":") && strings.Contains(line, c.want) || c.want == "" && strings.HasPrefix(line, c.key+".")
		}
		if found != (c.want != "") {
			t.Errorf("%s: %q about %s is %v in\n%s", c.what, c.want, c.key, found, got)
		}
	}
}

// An id from the environment is trimmed, and must be one component of a URI.
func TestIDFromTheEnvironment(t *testing.T) {
	for id, valid := range map[string]bool{
		"gw-1": true, " gw-1\n": true, strings.Repeat("a", longestID): true, strings.Repeat("a", longestID+1): false, "a\x07b": false, "a b": false, " ": false,
	} {
		t.Setenv("RUNNEL_TEST_ID", id)
		c, _, err := load(t, realm1+"[node]\nid = \"env:RUNNEL_TEST_ID\"\n")
		if (err == nil) != valid || valid && c.Node.ID != strings.TrimSpace(id) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// An id in the configuration follows the same rules. Without one, the node uses the host name.
func TestIDInTheConfiguration(t *testing.T) {
	const problem = "is not a valid id; use at most 128 letters"
	for id, valid := range map[string]bool{
		"": true, "gw-1": true, "plant.gw_1": true, "werk-süd": true, strings.Repeat("a", longestID): true, strings.Repeat("a", longestID+1): false,
		`a\u0007`: false, `a\u0000`: false, "a b": false, " ": false, `gw-1\n`: false, "a..b": false, "a#": false,
	} {
		_, _, err := load(t, realm1+"[node]\nid = \""+id+"\"\n")
		if (err == nil) != valid || !valid && !(strings.Contains(err.Error(), "node.id: ") && strings.Contains(err.Error(), problem)) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// Adapters may be the same device if the identity of one covers that of the other.
func TestLinesThatMayShareAPort(t *testing.T) {
	line := func(name, usb string) string {
		return "[[serial]]\nname = \"" + name + "\"\nusb = { " + usb + " }\nmode = \"lines\"\nformat = \"json\"\ntopic = \"a.b\"\n"
	}
	const one = "vid = \"2341\", pid = \"0043\""
	for _, c := range []struct{ a, b, want string }{
		{one, one + ", serial = \"7\"", "may use the same port"}, {one + ", serial = \"7\"", one, "may use the same port"}, {one, one, "already uses this port"},
		{one + ", serial = \"7\"", one + ", serial = \"8\"", ""}, {one + ", serial = \"7\"", one + ", serial = \"7\", interface = \"00\"", "may use the same port"},
		{one, "vid = \"2341\", pid = \"0044\"", ""}, {one, "vid = \"0403\", pid = \"0043\"", ""}, {one + ", serial = \"7\"", one + ", interface = \"00\"", ""},
		{"vid = \"2a41\", pid = \"0043\"", "vid = \"2A41\", pid = \"0043\", serial = \"7\"", "may use the same port"},
	} {
		got := remarks(t, realm1+line("a", c.a)+line("b", c.b))
		if c.want != "" && !strings.Contains(got, "serial.usb: the serial line \"a\" at ") || !strings.Contains(got, c.want) || c.want == "" && strings.Contains(got, "same port") {
			t.Errorf("%s and %s: %s", c.a, c.b, got)
		}
	}
}

// A role that no session can have is most likely a mistake.
func TestRolesThatAreGiven(t *testing.T) {
	const head = "version = 1\n[[realm]]\nname = \"realm1\"\nanonymous = \"guest\"\n[[realm.role]]\nname = \"guest\"\n[[realm.role]]\nname = \"app\"\n" +
		"permission = [{ uri = \"a\", allow = [\"call\"] }]\n[[realm]]\nname = \"realm2\"\nanonymous = \"guest\"\n[[realm.role]]\nname = \"guest\"\n"
	const says = "no session can have the role \"app\""
	for text, want := range map[string]bool{
		"": true,
		"[[listen]]\nurl = \"tcp://127.0.0.1:1\"\n":                                                                                                   true,
		"[[listen]]\nurl = \"tcp://127.0.0.1:1\"\nanonymous = \"app\"\n":                                                                              false,
		"[[listen]]\nurl = \"tcp://127.0.0.1:1\"\nrole = \"app\"\nrealm = \"realm1\"\n":                                                               false,
		"[[listen]]\nurl = \"tcp://127.0.0.1:1\"\nanonymous = \"app\"\nrealm = \"realm1\"\n":                                                          false,
		"[[listen]]\nurl = \"tcp://127.0.0.1:1\"\nanonymous = \"guest\"\nrealm = \"realm1\"\n":                                                        true,
		"[[listen]]\nurl = \"tcp://127.0.0.1:1\"\nanonymous = \"app\"\nrealm = \"realm2\"\n":                                                          true,
		"[[serial]]\nname = \"a\"\nrealm = \"realm1\"\nrole = \"app\"\ndevice = \"/dev/x\"\nmode = \"lines\"\nformat = \"json\"\ntopic = \"a.b\"\n":   false,
		"[[serial]]\nname = \"a\"\nrealm = \"realm1\"\nrole = \"guest\"\ndevice = \"/dev/x\"\nmode = \"lines\"\nformat = \"json\"\ntopic = \"a.b\"\n": true,
	} {
		if got := remarks(t, head+text); strings.Contains(got, says) != want {
			t.Errorf("%s: %v, %s", text, !want, got)
		}
	}
}

// A listener leaves the sockets that systemd passes by name to the listener of that name.
func TestSocketsOfOthers(t *testing.T) {
	c, err := Parse("test.toml", realm1+"[[listen]]\nurl = \"systemd:\"\n[[listen]]\nurl = \"systemd:main\"\n[[listen]]\nurl = \"tcp://127.0.0.1:1\"\n")
	if err != nil || len(c.Listens) != 3 || len(c.Listens[0].Elsewhere) != 1 || c.Listens[0].Elsewhere[0] != "main" || c.Listens[1].Elsewhere != nil || c.Listens[2].Elsewhere != nil {
		t.Errorf("%v, %+v", err, c)
	}
}

// A role may do everything only if one permission covers all URIs and all actions.
func TestPower(t *testing.T) {
	prefix := Match(wamp.Prefix)
	all := []string{"publish", "subscribe", "call", "register"}
	for _, c := range []struct {
		p    Permission
		want string
	}{
		{Permission{Match: prefix, Allow: all}, "may do everything, administration of the router included"},
		{Permission{Match: prefix, Allow: all[:2]}, ""}, {Permission{Match: prefix, Allow: all[:3]}, "may administer the router"}, {Permission{Match: prefix}, ""},
		{Permission{URI: "com.", Match: prefix, Allow: all}, ""}, {Permission{URI: "", Match: Match(wamp.Wildcard), Allow: all}, ""}, {Permission{URI: "runnel.reload", Allow: []string{"call"}}, "may administer the router"},
	} {
		if got := (&Role{Name: "a", Permissions: []Permission{c.p}}).power(); got != c.want {
			t.Errorf("%+v: %q", c.p, got)
		}
	}
}

// A loopback listener behind a proxy serves clients of other machines.
func TestProxied(t *testing.T) {
	for _, c := range []struct {
		l    Listen
		want bool
	}{
		{Listen{URL: "tcp://127.0.0.1:1"}, false}, {Listen{URL: "tls://127.0.0.1:1"}, true}, {Listen{URL: "wss://127.0.0.1:1"}, true}, {Listen{URL: "%"}, false},
		{Listen{URL: "ws://127.0.0.1:1", TrustedProxies: []string{"127.0.0.1"}}, true}, {Listen{URL: "ws://127.0.0.1:1", Hosts: []string{"gw.example"}}, true}, {Listen{URL: "ws://127.0.0.1:1", Hosts: []string{"localhost"}}, false},
	} {
		if c.l.proxied() != c.want {
			t.Errorf("%+v: %v", c.l, !c.want)
		}
	}
}

// Credentials are read when a client is made, the strongest method first.
func TestAuthMethods(t *testing.T) {
	dir := t.TempDir()
	key := kit.Write(t, dir, "key", strings.Repeat("00", 32))
	here, gone := NewSecret(kit.Write(t, dir, "word", "hunter2")), NewSecret("file:"+filepath.Join(dir, "none"))
	for _, c := range []struct {
		what           string
		ticket, secret Secret
		key            string
		methods        int
	}{
		{"none", Secret{}, Secret{}, "", 0}, {"all", here, here, key, 4}, {"a ticket", here, Secret{}, "", 1}, {"a secret", Secret{}, here, "", 2},
		{"a ticket that is missing", gone, Secret{}, "", -1}, {"a secret that is missing", Secret{}, gone, "", -1}, {"a key that is missing", here, here, filepath.Join(dir, "none"), -1}, {"a key that is none", here, here, string(kit.Write(t, dir, "bad", "x")), -1},
	} {
		list, err := AuthMethods("a", c.ticket, c.secret, Path(c.key))
		if (err != nil) != (c.methods < 0) || err == nil && len(list) != c.methods {
			t.Errorf("%s: %d methods, %v", c.what, len(list), err)
		}
	}
	if got := fmt.Sprint(here, Secret{}); got != "(secret) " {
		t.Errorf("%q", got)
	}
}

// Patterns in the notation of other routers and brokers are recognized, and translated.
func TestForeignPatterns(t *testing.T) {
	for uri, want := range map[string]string{
		"com.a.*": "\"com.a.\"", "com/a/#": "\"com.a.\"", "com/+/b": "\"com..b\"", "com.a*": "\"com.a\"", "com.<x>.b": "\"com..b\"", "com.<x>": "\"com.\"", "com.a": "", "com.<x": "", "com.x>": "", "a/b.c/+": "",
	} {
		got := remarks(t, strings.Replace(realm1, "name = \"guest\"\n", "name = \"guest\"\n[[realm.role.permission]]\nuri = \""+uri+"\"\nallow = [\"call\"]\n", 1))
		if want != "" && !strings.Contains(got, want) || (want == "") != !strings.Contains(got, "realm.role.permission.uri") {
			t.Errorf("%s, want %s: %s", uri, want, got)
		}
	}
}

// Sizes end at the largest number, and only at a unit that follows a number.
func TestLargestSize(t *testing.T) {
	for text, valid := range map[string]bool{"9223372036854775807": true, "9223372036854775808": false, "8796093022207MiB": true, "8796093022208MiB": false, "1 b": true, "b": false, "-1": false} {
		got := remarks(t, realm1+"[limits]\noutbox = \""+text+"\"\n")
		if strings.Contains(got, "is not a size") == valid {
			t.Errorf("%s: %s", text, got)
		}
	}
}
