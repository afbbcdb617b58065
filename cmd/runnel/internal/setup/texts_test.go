package setup

import (
	"bytes"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runnel/cmd/runnel/internal/config"
	"runnel/test/kit"
	"runnel/transport/serial"
	"runnel/transport/serial/detect"
	"runnel/transport/serial/modbus"
)

// contains checks that a text has some parts and lacks others.
func contains(t *testing.T, what, text string, want, not []string) {
	t.Helper()
	for _, part := range want {
		if !strings.Contains(text, part) {
			t.Errorf("%s: no %q in\n%s", what, part, text)
		}
	}
	for _, part := range not {
		if strings.Contains(text, part) {
			t.Errorf("%s: %q in\n%s", what, part, text)
		}
	}
}

// Each listener is described by its peers, and only those that need it get a certificate or a role.
func TestTextOfListeners(t *testing.T) {
	const console, local, sensor, certificate = "console = true", "anonymous = \"local\"", "anonymous = \"sensor\"", "certificate = "
	for _, c := range []struct {
		what      string
		a         Answers
		want, not []string
	}{
		{"this machine's only", Answers{Listen: []string{"tcp://127.0.0.1:8080"}}, []string{"# Programs of this machine: RawSocket", console}, []string{local, sensor, certificate}},
		{"a socket", Answers{Listen: []string{"unix:///run/a.sock"}}, []string{"by Unix socket."}, []string{console, local, sensor}},
		{"a centre", Answers{Kind: Centre, Listen: []string{"tcp://127.0.0.1:8080", "tls://0.0.0.0:8443"}},
			[]string{console, local, "# Gateways and other clients on the network, which must authenticate: RawSocket and WebSocket over TLS.", certificate}, []string{sensor, "not encrypted"}},
		{"a standalone router on the network", Answers{Kind: Standalone, Listen: []string{"tcp://0.0.0.0:8080"}},
			[]string{"# Clients on the network, which must authenticate.\n# This listener is not encrypted"}, []string{console, local, sensor, certificate, "Gateways"}},
		{"an open network", Answers{Kind: Centre, OpenNetwork: true, Listen: []string{"tcp://127.0.0.1:8080", "tcp://0.0.0.0:8080"}},
			[]string{local, sensor, "# Every peer on the network"}, []string{certificate, "Gateways"}},
	} {
		c.a.Certificate = "c.pem"
		c.a.file = "/etc/runnel/runnel.toml"
		contains(t, c.what, c.a.listeners(), append(c.want, "# Operators: root"), c.not)
	}
	open := Answers{OpenNetwork: true, Listen: []string{"tcp://127.0.0.1:8080", "tcp://0.0.0.0:8080"}}
	if text := open.listeners(); strings.Count(text, "anonymous = \"sensor\"") != 1 || strings.Count(text, "anonymous = \"local\"") != 1 {
		t.Errorf("a role for the wrong listener:\n%s", text)
	}
}

func TestTextOfTheLink(t *testing.T) {
	for _, c := range []struct {
		what      string
		a         Answers
		want, not []string
	}{
		{"the same realm", Answers{Remote: "realm1"}, nil, []string{"remote_realm", "pin =", "ca ="}},
		{"none named", Answers{}, nil, []string{"remote_realm"}},
		{"another realm", Answers{Remote: "plant", Pin: "ab"}, []string{"remote_realm = \"plant\"", "pin = \"ab\""}, []string{"ca ="}},
		{"an authority", Answers{CA: "/ca.pem"}, []string{"ca = \"/ca.pem\""}, []string{"pin ="}},
	} {
		c.a.Realm, c.a.ID, c.a.file, c.a.Centres = "realm1", "gw-1", "/etc/runnel/runnel.toml", []string{"tls://a:1", "tls://b:2"}
		contains(t, c.what, c.a.link(), append(c.want, "url = [\"tls://a:1\", \"tls://b:2\"]", "authid = \"gw-1\""), c.not)
	}
	centre, gateway := Answers{Kind: Centre, Prefix: "com."}, Answers{Kind: Gateway, Prefix: "com."}
	if len(centre.roles()) <= len(gateway.roles()) {
		t.Error("a centre has no role for gateways")
	}
}

// The address at which other machines reach a listener.
func TestReachedAt(t *testing.T) {
	host, err := os.Hostname()
	kit.Must(t, err)
	named := strings.Contains(host, ".")
	for _, c := range []struct{ listen, want string }{
		{"tls://192.0.2.7:8443", "tls://192.0.2.7:8443"}, {"tls://centre.example:8443", "tls://centre.example:8443"},
	} {
		u, err := url.Parse(c.listen)
		kit.Must(t, err)
		if name, address := reachedAt(u); name != c.want || address != "" {
			t.Errorf("%s: %s, %s", c.listen, name, address)
		}
	}
	if host == "localhost" {
		return // this machine has no name
	}
	if !named {
		host += ".local"
	}
	for _, listen := range []string{"tls://0.0.0.0:8443", "tls://:8443", "tls://[::]:8443"} {
		u, err := url.Parse(listen)
		kit.Must(t, err)
		name, address := reachedAt(u)
		ip := ownAddress()
		if name != "tls://"+host+":8443" || ip == "" && address != "" || ip != "" && address != "tls://"+net.JoinHostPort(ip, "8443") {
			t.Errorf("%s: %s, %s", listen, name, address)
		}
	}
}

// Gateways use the first listener with TLS, else the first for the network.
func TestListenerForGateways(t *testing.T) {
	for _, c := range []struct {
		listen []string
		want   string
	}{
		{[]string{"tcp://127.0.0.1:1", "tcp://0.0.0.0:2", "tls://0.0.0.0:3", "wss://0.0.0.0:4"}, "tls://0.0.0.0:3"},
		{[]string{"tcp://127.0.0.1:1", "tcp://0.0.0.0:2"}, "tcp://0.0.0.0:2"}, {[]string{"tls://0.0.0.0:2", "tcp://0.0.0.0:3"}, "tls://0.0.0.0:2"},
		{[]string{"tcp://127.0.0.1:1", "unix:///r.sock"}, ""}, {nil, ""},
	} {
		i := &Init{Answers: Answers{Listen: c.listen}}
		got := ""
		if u := i.forGateways(); u != nil {
			got = u.String()
		}
		if got != c.want {
			t.Errorf("%q: %s", c.listen, got)
		}
	}
}

// A gateway's key goes into the centre's realm.
func TestRealmAtTheCentre(t *testing.T) {
	for remote, want := range map[string]string{"": "name = \"realm1\"", "plant": "name = \"plant\""} {
		var out bytes.Buffer
		i := &Init{Answers: Answers{Kind: Gateway, ID: "gw-1", Realm: "realm1", Remote: remote}, Out: &out}
		i.printNextSteps("ssh-ed25519 AAAA", "")
		contains(t, remote, out.String(), []string{"[[realm]]\n" + want, "authorized_keys = [\"ssh-ed25519 AAAA\"]"}, nil)
	}
}

// A router with the machine's configuration is a service where systemd runs.
func TestNextCommand(t *testing.T) {
	own := booted
	defer func() { booted = own }()
	dir := t.TempDir()
	for _, c := range []struct{ file, booted, want string }{
		{"/tmp/r.toml", dir, "runnel run -c /tmp/r.toml"}, {config.File(""), dir, "sudo systemctl restart runnel"}, {config.File(""), dir + "-", "runnel run"},
	} {
		booted = c.booted
		if got := (&Init{Answers: Answers{file: c.file}}).NextCommand(); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// The first far address to which there is a route decides.
func TestAddressTowards(t *testing.T) {
	for _, c := range []struct {
		far  []string
		want string
	}{{[]string{"127.0.0.1:9"}, "127.0.0.1"}, {[]string{"no address", "127.0.0.1:9", "no address"}, "127.0.0.1"}, {[]string{"no address"}, ""}} {
		if got := addressTowards(c.far...); got != c.want {
			t.Errorf("%q: %q", c.far, got)
		}
	}
}

// A pin is asked for only if the centre's certificate is not known otherwise.
func TestPinIsAskedFor(t *testing.T) {
	pin, other := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	ca := kit.Write(t, t.TempDir(), "ca.pem", "")
	for _, c := range []struct {
		what, centre string
		given        Answers
		pin          string
	}{
		{"TLS", "tls://c:8443", Answers{}, pin}, {"no TLS", "tcp://c:8080", Answers{}, ""}, {"an authority", "tls://c:8443", Answers{CA: ca}, ""}, {"a pin", "wss://c:8443", Answers{Pin: other}, other},
	} {
		a := c.given
		a.Kind, a.ID = Gateway, "n"
		if err := a.completeLink(asking(c.centre + "\n" + pin + "\n")); err != nil || a.Pin != c.pin || a.Centres[0] != c.centre {
			t.Errorf("%s: %+v, %v", c.what, a, err)
		}
	}
	for what, input := range map[string]string{"a centre": "nonsense", "a pin": "tls://c:8443\nnonsense"} {
		a := Answers{Kind: Gateway, ID: "n"}
		if err := a.completeLink(asking(input)); err == nil {
			t.Errorf("%s that is none", what)
		}
	}
}

// A question shows its default.
func TestQuestion(t *testing.T) {
	fine := func(string) error { return nil }
	for _, c := range []struct{ usual, input, want string }{{"u", "a\n", "q [u]: "}, {"", "a\n", "q: "}, {"u", "", "q [u]: \n"}, {"u", "a", "q [u]: "}} {
		var out bytes.Buffer
		if _, err := NewPrompter(strings.NewReader(c.input), &out, false).Text("q", c.usual, fine); err != nil || out.String() != c.want {
			t.Errorf("%q, %v", &out, err)
		}
	}
}

func TestIDs(t *testing.T) {
	for id, valid := range map[string]bool{"!~": true, strings.Repeat("a", 64): true, strings.Repeat("a", 65): false, "a\x20": false, "a\x7f": false, "": false} {
		if err := checkID(id); (err == nil) != valid {
			t.Errorf("%q: %v", id, err)
		}
	}
	if id := defaultID(); checkID(id) != nil || strings.Contains(id, ".") {
		t.Error(id)
	}
	host, err := os.Hostname()
	kit.Must(t, err)
	names := ownNames("n-1")
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	if len(slices.Compact(sorted)) != len(names) || slices.Contains(names, "") || !slices.Contains(names, host) || !slices.Contains(names, "n-1") || !slices.Contains(names, "127.0.0.1") {
		t.Errorf("%q", names)
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil && ip.IsLinkLocalUnicast() {
			t.Errorf("%s changes", name)
		}
	}
	if got := len(ownNames(host)); got != len(names)-1 {
		t.Errorf("the host name occurs twice, among %d names", got)
	}
}

// A file is written wholly or not at all.
func TestFilesThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken")
	kit.Must(t, os.Mkdir(taken, 0o755))
	if err := writeFile(taken, nil, 0o600); err == nil {
		t.Error("a directory is replaced by a file")
	}
	if err := writeNew(filepath.Join(dir, "none", "file"), nil, 0o600); err == nil {
		t.Error("a file in no directory")
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("%d files are left", len(left))
	}
	if PrintPorts(failing{}, nil) == nil || PrintPorts(failing{}, []serial.Info{{Device: "a"}}) == nil || PrintPortsJSON(failing{}, []serial.Info{{Device: "a"}}) == nil {
		t.Error("the error of the output is lost")
	}
}

// Equal addresses are recognized in different notations.
func TestEqualAddresses(t *testing.T) {
	dir := t.TempDir()
	a := Answers{file: filepath.Join(dir, "runnel.toml")}
	for _, c := range []struct {
		one, other string
		same       bool
	}{
		{"tcp://localhost:1", "tcp://127.0.0.1:1", true}, {"tcp://:1", "tcp://0.0.0.0:1", true}, {"ws://A:1/", "ws://a:1", true}, {"tcp://a:1", "tls://a:1", false}, {"tcp://a:1", "tcp://a:2", false},
		{"unix://r.sock", "unix://" + filepath.Join(dir, "r.sock"), true}, {"unix:///r.sock", "unix://r.sock", false},
	} {
		if (a.canonical(c.one) == a.canonical(c.other)) != c.same {
			t.Errorf("%s and %s: %s, %s", c.one, c.other, a.canonical(c.one), a.canonical(c.other))
		}
	}
	// A URL without a path is that of the user's socket.
	t.Setenv("XDG_RUNTIME_DIR", dir)
	if at, err := config.ListenURL("unix://"); err != nil || a.canonical("unix://") != a.canonical(at) {
		t.Errorf("%s, not %s, %v", a.canonical("unix://"), at, err)
	}
}

// A line with a profile has the profile's settings, except for settings that the device was detected with.
func TestTextOfALineWithAProfile(t *testing.T) {
	scale, err := config.FindProfile("", "a-and-d")
	kit.Must(t, err)
	heard := detect.Guess{Kind: detect.Known, Sure: true, Octets: 100, Profile: "a-and-d", Sample: "ST,\t+1\n2"}
	for _, c := range []struct {
		what      string
		line      Line
		want, not []string
	}{
		{"named", Line{Name: "Scale.1", Profile: scale, Port: serial.Config{Device: "/dev/ttyS9"}}, []string{"profile = \"a-and-d\"", "topic = \"com.example.scale_1"}, []string{"Detected", "baud", "parity", "data_bits", "mode", "slave"}},
		{"with its own topic", Line{Profile: scale, Topic: "com.mine", Slave: 7}, []string{"topic = \"com.mine\"", "slave = 7"}, nil},
		{"heard as shipped", Line{Profile: scale, Detected: heard, Port: serial.Config{Baud: 2400, Parity: serial.Even, DataBits: 7}}, []string{"# Detected from 100 bytes", "#   ST, +1 2\n"}, []string{"baud", "parity", "data_bits"}},
		{"heard otherwise", Line{Profile: scale, Detected: heard, Port: serial.Config{Baud: 9600}}, []string{"baud = 9600", "parity = \"none\"", "data_bits = 8"}, nil},
		{"named with a rate", Line{Profile: scale, Port: serial.Config{Baud: 9600}}, []string{"baud = 9600"}, []string{"parity", "data_bits"}},
		{"a bus", Line{Detected: detect.Guess{Kind: detect.Modbus, Octets: 9, Requests: []modbus.Request{{Slave: 3, Count: 1}, {Slave: 4, Address: 7, Count: 2}}}},
			[]string{"slave = 3\ntable = \"" + modbus.TableNames[0] + "\"\naddress = 0\n\n", "address = 7\ncount = 2\n"}, []string{"slave = 1", "count = 1"}},
		{"a bus of which only answers were heard", Line{Detected: detect.Guess{Kind: detect.Modbus, Octets: 9}}, []string{"slave = 1\n"}, []string{"count"}},
	} {
		contains(t, c.what, c.line.Text(), c.want, c.not)
	}
	if !(&Line{Profile: scale}).Lines() {
		t.Error("a scale publishes no readings")
	}
	profiles, _ := config.Profiles("")
	for _, p := range profiles {
		if (&Line{Profile: &p}).Lines() != (p.Mode() != "wamp") {
			t.Errorf("%s: %s", p.Name, p.Mode())
		}
	}
}

// A listener that is written twice, or that every configuration has, occurs once.
func TestListenersOccurOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "runnel.toml")
	one := Answers{Kind: Standalone, ID: "n", Listen: []string{"tcp://127.0.0.1:8080"}, file: file}
	c, _, err := written(t, Init{Answers: Answers{Kind: Standalone, ID: "n", Listen: []string{"tcp://127.0.0.1:8080", "tcp://localhost:8080", "unix://" + one.socket()}}, File: file})
	if err != nil || len(c.Listens) != 2 {
		t.Errorf("%v, %+v", err, c)
	}
}

// A gateway that cannot resolve the centre's name gets an address, if the centre has one.
func TestAddressOfTheCentre(t *testing.T) {
	host, err := os.Hostname()
	kit.Must(t, err)
	const says = "If a gateway cannot resolve the name, an address works as well"
	for listen, want := range map[string]bool{"tls://0.0.0.0:8443": ownAddress() != "" && host != "localhost", "tls://192.0.2.7:8443": false} {
		var out bytes.Buffer
		i := &Init{Answers: Answers{Kind: Centre, Listen: []string{listen}, file: "/tmp/r.toml"}, File: "/tmp/r.toml", Out: &out}
		i.tellCentre("ab")
		if strings.Contains(out.String(), says) != want {
			t.Errorf("%s: %s", listen, &out)
		}
	}
}

func TestFraming(t *testing.T) {
	for want, c := range map[string]serial.Config{"8N1": {}, "7E1": {DataBits: 7, Parity: serial.Even}, "8O1": {DataBits: 8, Parity: serial.Odd}} {
		if got := Framing(c); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}
