package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runnel/cmd/runnel/internal/config/directory"
	"runnel/cmd/runnel/internal/config/line"
	"runnel/edge/auth"
	"runnel/test/kit"
	"runnel/transport/serial"
)

// The tables of an uplink become rules, in their order. Events are kept on disk only with a data directory.
func TestRules(t *testing.T) {
	c, _, err := load(t, realm1+`[node]
id = "n"
data = "`+t.TempDir()+`"
[[uplink]]
name = "c"
url = ["nats://127.0.0.1:1"]
[[uplink.export]]
topic = "a.b"
[[uplink.export]]
topic = "a.c"
store = "memory"
interest = false
[[uplink.export]]
procedure = "a.d"
[[uplink.import]]
topic = "a.e"
interest = true
`)
	kit.Must(t, err)
	text := func(onDisk bool) string {
		exports, imports := c.Uplinks[0].NATSRules(onDisk)
		var lines []string
		for _, r := range append(exports, imports...) {
			lines = append(lines, fmt.Sprintf("%s%s %v %v", r.Topic, r.Procedure, r.Store, r.Static))
		}
		return strings.Join(lines, ", ")
	}
	if got, want := text(true), "a.b disk false, a.c memory true, a.d memory false, a.e memory false"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := text(false), "a.b memory false, a.c memory true, a.d memory false, a.e memory false"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A realm has the durable subscriptions of its own webhooks.
func TestWebhookSubscriptions(t *testing.T) {
	c := &Config{Webhooks: []Webhook{{Realm: "a"}, {Realm: "b"}, {Realm: "a"}}}
	for realm, want := range map[string]int{"a": 2, "b": 1, "c": 0} {
		if got := len(webhookSubscriptions(c, realm)); got != want {
			t.Errorf("realm %s has %d, want %d", realm, got, want)
		}
	}
}

// The socket without a path is the service's, or one of this user, whose directory is created.
func TestListenURLOfThisUser(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "user")
	want := "unix://" + filepath.Join(dir, "runnel", "runnel.sock")
	writable := directory.Writable(filepath.Dir(SystemSocket)) == nil
	if writable {
		want = "unix://" + SystemSocket
	}
	t.Setenv("XDG_RUNTIME_DIR", dir)
	if got, err := ListenURL("unix://"); got != want || err != nil {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "runnel")); (err != nil) != writable {
		t.Errorf("the directory of the socket: %v", err)
	}
	for _, dir := range []string{"", filepath.Join(kit.Write(t, t.TempDir(), "file", ""), "x")} {
		t.Setenv("XDG_RUNTIME_DIR", dir)
		if got, err := ListenURL("unix://"); (err == nil) != writable {
			t.Errorf("in %q: %s, %v", dir, got, err)
		}
	}
}

// A realm's own principal takes precedence over one of the fleet with the same authid.
func TestPrincipalsOfTheFleet(t *testing.T) {
	for _, c := range []struct {
		own   []Principal
		fleet []auth.Principal
		none  bool
		fails bool
	}{
		{nil, nil, true, false},
		{nil, []auth.Principal{{Authid: "a", Role: "r", Ticket: "t"}}, false, false},
		{[]Principal{{Authid: "a", Role: "r", Ticket: NewSecret("t")}}, []auth.Principal{{Authid: "a", Role: "other", Ticket: "u"}}, false, false},
		{[]Principal{{Authid: "a", Role: "r", Ticket: NewSecret("env:RUNNEL_TEST_NONE")}}, nil, true, true},
	} {
		made, err := principals(Realm{Name: "x", Principals: c.own}, c.fleet)
		if (made == nil) != c.none || (err != nil) != c.fails || err != nil && !strings.HasPrefix(err.Error(), "principal a of realm x: ticket: ") {
			t.Errorf("%+v: %v, %v", c, made, err)
		}
	}
	t.Setenv("RUNNEL_TEST_EMPTY", "")
	for what, p := range map[string]Principal{
		"ticket is empty":   {Authid: "a", Role: "r", Ticket: NewSecret("env:RUNNEL_TEST_EMPTY")},
		"authorized_keys: ": {Authid: "a", Role: "r", AuthorizedKeys: []string{"x"}},
	} {
		if err := tryPrincipal(p); err == nil || !strings.HasPrefix(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := tryPrincipal(Principal{Authid: "a", Role: "r", Ticket: NewSecret("t")}); err != nil {
		t.Error(err)
	}
}

// A line is found by its port.
func TestLineAt(t *testing.T) {
	c := &Config{Serials: make([]Serial, 3)}
	c.Serials[0].USB = &line.USB{VID: "1", PID: "2"}
	c.Serials[1].Device, c.Serials[2].Device = "/dev/none-a", "/dev/none-b"
	ports := []serial.Info{{Device: "/dev/none-c", USB: serial.USB{VID: "1", PID: "2"}}}
	for device, want := range map[string]int{"/dev/none-a": 1, "/dev/none-b": 2, "/dev/none-c": 0} {
		if got := c.LineAt(device, ports); got != &c.Serials[want] {
			t.Errorf("%s: %+v", device, got)
		}
	}
	if got := c.LineAt("/dev/none-c", nil); got != nil {
		t.Errorf("a port that is missing: %+v", got)
	}
}

// A router's id differs from that of another machine with the same host name, unless it is configured.
func TestRouterID(t *testing.T) {
	host, err := os.Hostname()
	kit.Must(t, err)
	first, second := new(Config), new(Config)
	if id := first.RouterID(); first.NodeID() != host || !strings.HasPrefix(id, host+"-") || second.RouterID() != id {
		t.Errorf("%s, %s, then %s", first.NodeID(), id, second.RouterID())
	}
	if c := (&Config{Node: Node{ID: "gw-1"}}); c.NodeID() != "gw-1" || c.RouterID() != "gw-1" {
		t.Errorf("%s, %s", c.NodeID(), c.RouterID())
	}
}

// A draft replaces the file of its name, or is added to the files of conf.d. Drafts elsewhere are not read.
func TestDraftsOfConfD(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "conf.d")
	kit.Must(t, os.Mkdir(conf, 0o700))
	kit.Write(t, conf, "b.toml", "on disk")
	kit.Write(t, conf, "b.toml.off", "")
	d := Drafts{filepath.Join(conf, "a.toml"): "draft", filepath.Join(conf, "b.toml"): "draft", filepath.Join(dir, "c.toml"): "", filepath.Join(conf, "d", "e.toml"): ""}
	if got := fmt.Sprint(d.dropIns(dir)); got != fmt.Sprint([]string{filepath.Join(conf, "a.toml"), filepath.Join(conf, "b.toml")}) {
		t.Error(got)
	}
	for name, want := range map[string]string{"a.toml": "draft", "b.toml": "draft"} {
		if b, err := d.read(filepath.Join(conf, name)); string(b) != want || err != nil {
			t.Errorf("%s: %s, %v", name, b, err)
		}
	}
	if b, err := (Drafts{}).read(filepath.Join(conf, "b.toml")); string(b) != "on disk" || err != nil {
		t.Errorf("%s, %v", b, err)
	}
}
