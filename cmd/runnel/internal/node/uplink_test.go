package node

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport"
	"runnel/uplink"
	"runnel/uplink/spool"
)

// A password in an uplink's URL is neither logged nor reported.
func TestUplinkPassword(t *testing.T) {
	n := &Node{log: slog.Default(), router: edge.NewRouter(edge.Options{})}
	opts, err := n.uplinkOptions(&config.Config{}, &link{config: config.Uplink{URL: []string{"wss://joe:secret@proxy.example/ws", "unix:///run/a.sock"}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := opts.Remote[0].URL + " " + opts.Remote[1].URL; got != "wss://...@proxy.example/ws unix:///run/a.sock" {
		t.Errorf("shown is %s", got)
	}
}

// Without a data directory a queue is in memory, and an uplink that needs more is an error.
func TestQueueWithoutDirectory(t *testing.T) {
	read := func(store string) *config.Config {
		c, err := config.Parse("test.toml", planRealm+"[node]\nid = \"x\"\n"+linkTo(site(t, "centre"))+store)
		kit.Must(t, err)
		c.KeepsNothing = true
		return c
	}
	n := &Node{log: quiet}
	for store, want := range map[string]string{
		"": "", "store = \"memory\"\n": "",
		"store = \"disk\"\n":    "uplink c: store = \"disk\": there is no data directory; ",
		"store = \"durable\"\n": "uplink c: store = \"durable\": there is no data directory; ",
	} {
		c := read(store)
		s, err := n.openSpool(c, c.Uplinks[0])
		if err == nil {
			if s.OnDisk() {
				t.Errorf("%q: the queue is on disk", store)
			}
			s.Close()
		}
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %q", store, err, want)
		}
	}

	next := read("store = \"disk\"\n")
	running, err := New(read(""), Options{Log: quiet, Load: func() (*config.Config, error) { return next, nil }})
	kit.Must(t, err)
	run(t, running)
	if _, err := running.Reload(); err == nil || !strings.HasPrefix(err.Error(), "uplink c: its queue is in memory, ") {
		t.Errorf("a queue in memory cannot be moved to a disk: %v", err)
	}
	next = read("match = \"prefix\"\n") // no class: it may stay in memory
	if changes, err := running.Reload(); err != nil || !slices.Equal(changes, []string{"uplink c started again"}) {
		t.Errorf("changes %q, %v", changes, err)
	}
}

// The rules of an uplink follow its exports and imports. Topics have a class of storage, and procedures none.
func TestRules(t *testing.T) {
	c, err := config.Parse("test.toml", planRealm+linkTo(site(t, "centre"))+"match = \"prefix\"\nremote_prefix = \"r.\"\ninterest = false\n"+
		"[[uplink.export]]\ntopic = \"c.d\"\nstore = \"durable\"\n[[uplink.export]]\nprocedure = \"p.q\"\n")
	kit.Must(t, err)
	for onDisk, class := range map[bool]spool.Class{true: spool.Disk, false: spool.Memory} {
		want := []uplink.Rule{
			{Topic: "a.b", Match: wamp.Prefix, RemotePrefix: "r.", Static: true, Store: class},
			{Topic: "c.d", Store: spool.Durable}, {Procedure: "p.q"},
		}
		if got := config.Rules(c.Uplinks[0].Exports, onDisk); !slices.Equal(got, want) {
			t.Errorf("on disk %v:\ngot  %+v\nwant %+v", onDisk, got, want)
		}
	}
}

// An uplink to a broker has a client id of its own and its login from files.
func TestBrokerOptions(t *testing.T) {
	dir := t.TempDir()
	broker := "[[uplink]]\nname = \"m\"\nurl = \"mqtts://broker.example\"\nusername = \"joe\"\npassword = \"file:" + dir + "/password\"\n"
	share := "[[uplink.export]]\ntopic = \"a.b\"\n[[uplink.import]]\ntopic = \"c.d\"\n"
	for more, id := range map[string]string{"": "runnel-x-m", "client_id = \"own\"\n": "own"} {
		kit.Write(t, dir, "password", "secret")
		c, err := config.Parse("test.toml", planRealm+"[node]\nid = \"x\"\n"+broker+more+share)
		kit.Must(t, err)
		c.KeepsNothing = true
		n := &Node{log: quiet, router: edge.NewRouter(edge.Options{Log: quiet})}
		o, err := n.mqttOptions(c, &link{config: c.Uplinks[0]})
		kit.Must(t, err)
		if o.ClientID != id || o.Username != "joe" || o.Password != "secret" || len(o.Export) != 1 || o.Export[0].Store != spool.Memory || len(o.Import) != 1 || len(o.Brokers) != 1 {
			t.Errorf("%q: %+v", more, o)
		}
		kit.Must(t, CheckUplink(c, c.Uplinks[0]))
		kit.Must(t, os.Remove(filepath.Join(dir, "password")))
		if err := CheckUplink(c, c.Uplinks[0]); err == nil || !strings.HasPrefix(err.Error(), "uplink m: read password: ") {
			t.Errorf("a password that is missing: %v", err)
		}
	}
}

// A broker is reached over TCP, TLS with the protocols of alpn, or WebSocket.
func TestDialBroker(t *testing.T) {
	begins := func(t *testing.T, scheme string, alpn []string) (string, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		kit.Must(t, err)
		defer l.Close()
		first := make(chan string, 1)
		go func() {
			conn, err := l.Accept()
			if err != nil {
				first <- err.Error()
				return
			}
			defer conn.Close()
			b := make([]byte, 4096)
			n, _ := conn.Read(b)
			first <- string(b[:n])
		}()
		dial := dialBroker(config.ParseBroker(scheme+"://"+l.Addr().String()), alpn, transport.DialOptions{})
		conn, err := dial(t.Context())
		if err == nil {
			defer conn.Close()
			_, err = conn.Write([]byte("CONNECT"))
		}
		return kit.Receive(t, "the first bytes", first), err
	}
	for scheme, want := range map[string]string{"mqtt": "CONNECT", "mqtts": "\x16\x03\x01", "mqtt+ws": "GET /mqtt HTTP/1.1\r\n", "mqtt+wss": "\x16\x03\x01"} {
		for _, alpn := range [][]string{nil, {"x-amzn-mqtt-ca"}} {
			got, err := begins(t, scheme, alpn)
			if !strings.HasPrefix(got, want) || (err == nil) != (scheme == "mqtt") {
				t.Errorf("%s: the link sends %.40q; %v", scheme, got, err)
			}
			if offers := strings.Contains(got, "x-amzn-mqtt-ca"); offers != (scheme == "mqtts" && alpn != nil) {
				t.Errorf("%s, alpn %q: the link offers it: %v", scheme, alpn, offers)
			}
		}
	}
}
