package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"runnel/cmd/runnel/internal/config/values"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport"
	"runnel/uplink/nats"
)

const natsServer = realm1 + "[[realm.role.permission]]\nuri = \"\"\nmatch = \"prefix\"\nallow = [\"publish\"]\n" + "[[uplink]]\nname = \"a\"\nurl = [\"nats://one\", \"tls+nats://two:4223\"]\n"

// A fault in an uplink to a NATS server is reported at its key, with the remedy.
func TestNATSProblems(t *testing.T) {
	const share = "[[uplink.export]]\ntopic = \"a.b\"\n"
	dir := t.TempDir()
	seed := filepath.Join(dir, "link.nk")
	if err := os.WriteFile(seed, []byte("SU\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, want string }{
		{"remote_realm = \"x\"\n" + share, `uplink.remote_realm: an uplink to a NATS server has no remote_realm; remove it`},
		{"qos = 1\n" + share, `uplink.qos: an uplink to a NATS server has no qos`},
		{"format = \"flat\"\n" + share, `uplink.format: "flat" is not known; use "json", "cbor" or "msgpack"`},
		{"username = \"x\"\n" + share, `uplink.password: missing`},
		{"password = \"x\"\n" + share, `uplink.username: missing`},
		{"token = \"x\"\nnkey = \"" + seed + "\"\n" + share, `uplink.nkey: token is set as well; an uplink logs in by one of them`},
		{"nkey = \"" + seed + "\"\n" + share, `link.nk holds a secret, but every user of this machine can read it`},
		{"credentials = \"" + seed + ".none\"\n" + share, `uplink.credentials: open`},
		{"token = \"file:" + seed + ".none\"\n" + share, `uplink.token: open`},
		{"key = \"" + seed + "\"\n" + share, `uplink.certificate: missing; write the key's certificate`},
		{"tls_first = true\n" + share, ""},
		{"replicas = 6\n" + share, `uplink.replicas: must be 1 to 5`},
		{"replicas = 0\n" + share, `uplink.replicas: must be 1 to 5`},
		{"stream = \"a b\"\n" + share, `uplink.stream: "a b" is not a name`},
		{"bucket = \"\"\n" + share, `uplink.bucket: "" is not a name`},
		{"ping_interval = \"0s\"\n" + share, `uplink.ping_interval: pings to a NATS server cannot be turned off`},
		{"max_hops = 17\n" + share, `uplink.max_hops: must be 1 to 16`},
		{"[[uplink.export]]\ntopic = \"com.exam\"\nmatch = \"prefix\"\n", `uplink.export.topic: the prefix "com.exam" does not end at a dot, and NATS matches whole components; write "com.exam."`},
		{"[[uplink.import]]\nprocedure = \"com.exam\"\nmatch = \"prefix\"\n", `uplink.import.procedure: the prefix "com.exam" does not end at a dot`},
		{"[[uplink.export]]\ntopic = \"a.b\"\nmqtt_topic = \"x\"\n", `uplink.export.mqtt_topic: an uplink to a NATS server has no mqtt_topic`},
		{"[[uplink.import]]\ntopic = \"a.b\"\nstore = \"disk\"\n", `uplink.import.store: an import can only be "durable"`},
		{"[[uplink.export]]\ntopic = \"a.b\"\nlocal_prefix = \"a.\"\nremote_prefix = \"site.\"\n", ""},
		{"stream_max_size = \"1GiB\"\nstream_max_age = \"0s\"\nbucket = \"state-1\"\nstream = \"A_1\"\nreplicas = 3\nmax_message = \"64KiB\"\n" + share, ""},
		{"[[uplink.import]]\ntopic = \"a..c\"\nmatch = \"wildcard\"\nstore = \"durable\"\nmax_age = \"1h\"\n[[uplink.export]]\nprocedure = \"p.\"\nmatch = \"prefix\"\ninterest = false\n", ""},
	} {
		got := remarks(t, natsServer+c.text)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %s; want %s", c.text, got, c.want)
		}
	}
	for url, want := range map[string]string{
		"nats://":         "names no server",
		"nats://u:pw@h":   "contains a name or a password; write username and password, or token",
		"nats://h/x":      "has more than a host and a port",
		"nats://h:0":      "cannot connect to port 0",
		"nats://h:70000":  "is not a port",
		"nats://h":        "",
		"tls+nats://[::]": "",
	} {
		got := remarks(t, strings.Replace(natsServer+share, "nats://one", url, 1))
		if want == "" && got != "" || !strings.Contains(got, want) || strings.Contains(got, "pw") {
			t.Errorf("%s: got %s; want %s", url, got, want)
		}
	}
	got := remarks(t, realm1+"[[uplink]]\nname = \"a\"\nurl = [\"tcp://a:1\"]\nstream = \"x\"\n"+share+
		"[[uplink]]\nname = \"b\"\nurl = [\"mqtt://a:1\"]\ntoken = \"x\"\n"+share+
		"[[uplink]]\nname = \"d\"\nurl = [\"nats://a\"]\ntls_first = true\n"+share+
		"[[uplink]]\nname = \"c\"\nurl = [\"nats://a\", \"mqtt://a\"]\n"+share)
	for _, want := range []string{"an uplink to a router has no stream", "an uplink to an MQTT broker has no token", "uplink.tls_first: only tls+nats:// uses it", "unknown scheme"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s; want %s", got, want)
		}
	}
}

func TestNATSValues(t *testing.T) {
	c, _, err := load(t, natsServer+"format = \"cbor\"\nstream_max_size = \"1MiB\"\n[[uplink.export]]\ntopic = \"a\"\n")
	if err != nil {
		t.Fatal(err)
	}
	u := c.Uplinks[0]
	size, age := u.StreamBounds()
	if !u.IsNATS() || u.IsMQTT() || u.NATSSerializer() != wamp.CBOR || size != 1<<20 || age != 24*time.Hour {
		t.Error(u.NATSSerializer(), size, age)
	}
	for text, want := range map[string]string{
		"nats://a": "a:4222 false", "tls+nats://a:1": "a:1 true", "NATS://[::1]": "[::1]:4222 false",
	} {
		address, secure := ParseNATS(text)
		if got := fmt.Sprint(address, " ", secure); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}

// A new file of credentials needs a new uplink.
func TestNATSCredentialsChange(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "link.creds")
	read := func(content string) Uplink {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		c, _, err := load(t, natsServer+"credentials = \""+file+"\"\n[[uplink.export]]\ntopic = \"a\"\n")
		if err != nil {
			t.Fatal(err)
		}
		return c.Uplinks[0]
	}
	one, same, other := read("a"), read("a"), read("b")
	if !one.Same(same) || one.Same(other) || !strings.Contains(one.ChangeReason(other), "a secret, a key or a CA file has changed") {
		t.Error(one.ChangeReason(other))
	}
}

// The logins and servers of an uplink are those of its keys. A login file that cannot be read is an error.
func TestReachNATS(t *testing.T) {
	dir := t.TempDir()
	seed := Path(kit.Write(t, dir, "seed", "SUSEED\n"))
	creds := Path(kit.Write(t, dir, "creds", " CREDS \n"))
	password := values.NewSecret(dir, "file:"+kit.Write(t, dir, "password", "secret"))
	for _, c := range []struct {
		what string
		u    Uplink
		want nats.Options // without Servers
	}{
		{"none", Uplink{}, nats.Options{}},
		{"a password", Uplink{Username: "u", Password: password}, nats.Options{Username: "u", Password: "secret"}},
		{"a token", Uplink{Token: password}, nats.Options{Token: "secret"}},
		{"an NKey", Uplink{NKey: seed}, nats.Options{Seed: "SUSEED"}},
		{"credentials", Uplink{Credentials: creds}, nats.Options{Creds: "CREDS"}},
	} {
		c.u.URL = []string{"nats://one", "tls+nats://two:4223"}
		var o nats.Options
		if err := c.u.ReachNATS(&o, transport.DialOptions{}); err != nil || len(o.Servers) != 2 || o.Servers[0].TLS != nil || o.Servers[1].TLS == nil || o.Servers[1].TLS.ServerName != "two" {
			t.Errorf("%s: %+v, %v", c.what, o.Servers, err)
		}
		if o.Username != c.want.Username || o.Password != c.want.Password || o.Token != c.want.Token || o.Seed != c.want.Seed || o.Creds != c.want.Creds {
			t.Errorf("%s: %q, %q, %q, %q, %q", c.what, o.Username, o.Password, o.Token, o.Seed, o.Creds)
		}
	}
	for what, u := range map[string]Uplink{
		"a password": {Password: values.NewSecret(dir, "file:none")}, "a token": {Token: values.NewSecret(dir, "file:none")},
		"an NKey": {NKey: Path(filepath.Join(dir, "none"))}, "credentials": {Credentials: Path(filepath.Join(dir, "none"))},
	} {
		if err := u.ReachNATS(new(nats.Options), transport.DialOptions{}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
