package mqtt

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"runnel/edge/client"
	"runnel/test/kit"
)

// service is a section of docs/brokers.md, with a mosquitto that has the service's rules, and the expected messages.
type service struct {
	heading  string
	user     string // for the ACL
	acl      string
	tls      bool // with client certificates, which name the user
	password bool // with a password
	port     int  // with TLS
	watch    string
	out      []crossed
	in       []crossed
}

// crossed is an event and its message.
type crossed struct {
	uri     string
	payload client.Payload // of an event that goes out
	topic   string
	message string // as a pattern, of one that goes out
	heard   string // of an incoming call
}

var reading = client.Kwargs(map[string]any{"t": 21.5})

var services = []service{
	{
		heading: "AWS IoT Core", user: "client", tls: true, watch: "dt/#",
		acl: "topic write dt/gw-001/#\ntopic readwrite $aws/things/gw-001/#\ntopic read cmd/gw-001/#\n",
		out: []crossed{{uri: "com.example.meter.voltage", payload: client.Args(230.1), topic: "dt/gw-001/meter/voltage", message: `\{"ts":\d{13},"voltage":230.1\}`}},
		in:  []crossed{{topic: "cmd/gw-001/lamp", message: `{"on":true}`, heard: "com.example.command.lamp [] map[on:true] false"}},
	},
	{
		heading: "Azure IoT Hub", user: "EXAMPLE.azure-devices.net/gw-001/?api-version=2021-04-12", password: true, watch: "devices/gw-001/messages/events/#",
		acl: "topic write devices/gw-001/messages/events/#\ntopic read devices/gw-001/messages/devicebound/#\n",
		out: []crossed{{
			uri: "com.example.meter", payload: reading, topic: "devices/gw-001/messages/events/$.ct=application%2Fjson&$.ce=utf-8&uri=com.example.meter",
			message: `\{"time":"[^"]+Z","t":21.5\}`,
		}},
		in: []crossed{{
			topic: "devices/gw-001/messages/devicebound/%24.to=%2Fdevices%2Fgw-001", message: `{"on":true}`,
			heard: "com.example.devicebound.%2524%2Eto=%252Fdevices%252Fgw-001 [] map[on:true] false",
		}},
	},
	{
		heading: "ThingsBoard", user: "ACCESS_TOKEN", watch: "v1/devices/me/#",
		acl: "topic write v1/devices/me/telemetry\ntopic write v1/devices/me/attributes\ntopic read v1/devices/me/rpc/request/+\ntopic write v1/devices/me/rpc/response/+\n",
		out: []crossed{
			{uri: "com.example.meter", payload: reading, topic: "v1/devices/me/telemetry", message: `\{"ts":\d{13},"values":\{"t":21.5\}\}`},
			{uri: "com.example.attributes", payload: reading, topic: "v1/devices/me/attributes", message: `\{"t":21.5\}`},
			{uri: "com.example.rpc.response.7", payload: reading, topic: "v1/devices/me/rpc/response/7", message: `\{"t":21.5\}`},
		},
		in: []crossed{{topic: "v1/devices/me/rpc/request/7", message: `{"method":"on"}`, heard: "com.example.rpc.request.7 [] map[method:on] false"}},
	},
	{
		heading: "Home Assistant", user: "gateway", password: true, watch: "runnel/#",
		acl: "topic write homeassistant/#\ntopic readwrite runnel/gw-001/#\n",
		out: []crossed{{uri: "com.example.meter", payload: reading, topic: "runnel/gw-001/meter", message: `\{"t":21.5\}`}},
		in:  []crossed{{topic: "runnel/gw-001/set/lamp", message: "ON", heard: "com.example.command.lamp [ON] map[] false"}},
	},
	{
		heading: "Telegraf, Node-RED, InfluxDB", watch: "sensors/#",
		out: []crossed{{uri: "com.example.meter", payload: reading, topic: "sensors/meter", message: `\{"time":\d{13},"t":21.5\}`}},
	},
}

// The configurations in the documentation work with a broker that has the services' rules.
func TestServices(t *testing.T) {
	for _, s := range services {
		t.Run(s.heading, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			b := s.broker(t, dir)
			config := s.config(t, b, dir)
			w := watch(t, b, s.watch, 1, clientArgs...)
			g := &gateway{t: t, file: filepath.Join(dir, "runnel.toml")}
			write(t, g.file, config)
			g.restart()
			g.up(1)
			c := g.join()
			here := listen(t, c, "com.example.", client.SubscribeOptions{})
			for _, e := range s.out {
				say(t, c, e.uri, client.PublishOptions{}, e.payload)
				want := regexp.MustCompile("^" + regexp.QuoteMeta(e.topic) + `\|1\|0\|` + e.message + "$")
				kit.Eventually(t, e.topic, func() bool { return slices.ContainsFunc(w.lines(), want.MatchString) }, func() string { return fmt.Sprint(w.lines(), g.Process) })
			}
			for _, e := range s.in {
				tell(t, b, e.topic, e.message+"\n", clientArgs...)
				here.receives(t, e.heard)
			}
		})
	}
}

// password is the password of all users, where the service needs one.
const password = "open sesame"

var clientArgs = []string{"-u", "admin", "-P", password} // of the test's own clients

// broker starts a mosquitto with the service's rules.
func (s *service) broker(t *testing.T, dir string) *broker {
	t.Helper()
	acl := filepath.Join(dir, "acl")
	text := "user admin\ntopic readwrite #\ntopic readwrite $aws/#\n"
	if s.acl != "" {
		text += "user " + s.user + "\n" + s.acl
	} else {
		text = "topic readwrite #\n" + text
	}
	write(t, acl, text)
	config := "acl_file " + acl + "\n"
	if s.tls {
		kit.Certificates(t, dir, "127.0.0.1", "broker", "client")
		s.port = kit.FreePort(t)
		config += fmt.Sprintf("allow_anonymous true\nlistener %d 127.0.0.1\ncafile %s/ca.pem\ncertfile %[2]s/broker.pem\nkeyfile %[2]s/broker.key\nrequire_certificate true\nuse_identity_as_username true\n", s.port, dir)
		return mosquitto(t, config)
	}
	if !s.password {
		return mosquitto(t, open+config)
	}
	passwords := filepath.Join(dir, "passwords")
	write(t, passwords, "")
	for _, user := range []string{"admin", s.user} {
		if out, err := exec.Command("mosquitto_passwd", "-b", passwords, user, password).CombinedOutput(); err != nil {
			t.Fatalf("%s %v", out, err)
		}
	}
	return mosquitto(t, "allow_anonymous false\npassword_file "+passwords+"\n"+config)
}

var urlLine = regexp.MustCompile(`(?m)^url = .*$`)

// config returns the configuration in the documentation, with the test's broker, and writes the files that it names.
func (s *service) config(t *testing.T, b *broker, dir string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/brokers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## "+s.heading+"\n")
	_, block, _ := strings.Cut(section, "```toml\n")
	block, _, closed := strings.Cut(block, "```")
	if !found || !closed {
		t.Fatalf("docs/brokers.md has no configuration of %s", s.heading)
	}
	url := b.url()
	if s.tls {
		url = fmt.Sprintf("mqtts://127.0.0.1:%d", s.port)
		for from, to := range map[string]string{"ca.pem": "AmazonRootCA1.pem", "client.pem": "gw-001.pem", "client.key": "gw-001.key"} {
			if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, file := range []string{"azure.token", "home.password"} {
		write(t, filepath.Join(dir, file), password+"\n")
	}
	block = urlLine.ReplaceAllString(block, fmt.Sprintf("url = [%q]", url))
	block = strings.NewReplacer("/var/lib/runnel", filepath.Join(dir, "data"), "/etc/runnel", dir).Replace(block)
	return "version = 1\n" + block + kit.OpenRealm + "\n[[listen]]\nurl = \"tcp://127.0.0.1:0\"\n"
}
