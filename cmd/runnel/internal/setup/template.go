package setup

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"runnel/uplink"
)

// uplinkName is the name of a gateway's link to its centre.
const uplinkName = "central"

// text makes the configuration.
func (a *Answers) text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Written by \"runnel init %s\". docs/config.md describes every key; \"runnel check\" names mistakes;", a.Kind)
	line("# \"runnel reload\" applies a change. Files in conf.d/*.toml add to this one.")
	line("version = 1\n")
	line("[node]")
	line("id = %s # no two routers that are linked may have the same", quoted(a.ID))
	line("data = %s # events that wait for a link, retained events, state", quoted(a.data()))
	line("\n# A realm is a routing domain: its sessions see each other, and no others.")
	line("[[realm]]\nname = %s", quoted(a.Realm))
	if a.localOnly() {
		line("anonymous = \"local\" # the role of programs of this machine, which do not authenticate")
	}
	b.WriteString(a.roles())
	b.WriteString(a.listeners())
	if a.Kind == Gateway {
		b.WriteString(a.link())
	}
	line("\n# \"runnel serial add DEVICE\" adds a serial line as a file of conf.d.")
	return b.String()
}

// data is the directory for state: the service's, or one beside the configuration.
func (a *Answers) data() string {
	if a.system() {
		return "/var/lib/runnel"
	}
	return a.beside("data")
}

// localOnly reports whether only programs of this machine reach the router. Then sessions that don't authenticate have a
// role by the realm; else by the listener.
func (a *Answers) localOnly() bool {
	return !slices.ContainsFunc(a.Listen, func(listen string) bool { return !loopback(listen) })
}

func loopback(listen string) bool {
	u, err := url.Parse(listen)
	if err != nil || u.Scheme == "unix" {
		return err == nil
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

const localRoles = `
  # Programs of this machine that connect by TCP: all URIs but those of administration.
  [[realm.role]]
  name = "local"

    [[realm.role.permission]]
    uri = ""
    match = "prefix"
    allow = ["publish", "subscribe", "call", "register"]

    [[realm.role.permission]]
    uri = "runnel."
    match = "prefix"
    allow = []

    [[realm.role.permission]]
    uri = "wamp.session.kill"
    match = "prefix"
    allow = []

    [[realm.role.permission]]
    uri = "wamp.subscription.remove_subscriber"
    allow = []

    [[realm.role.permission]]
    uri = "wamp.registration.remove_callee"
    allow = []

  # Users who may open the Unix socket: everything.
  [[realm.role]]
  name = "operator"

    [[realm.role.permission]]
    uri = ""
    match = "prefix"
    allow = ["publish", "subscribe", "call", "register"]

  # Devices: they publish and offer procedures.
  [[realm.role]]
  name = "sensor"

    [[realm.role.permission]]
    uri = %s
    match = "prefix"
    allow = ["publish", "register"]
`

const gatewayRole = `
  # Gateways that link to this centre. "runnel token new --role gateway" makes a token with which they enrol.
  [[realm.role]]
  name = "gateway"
  forward = true # they may say where what they pass on has come from

    [[realm.role.permission]]
    uri = %s
    match = "prefix"
    allow = ["publish", "subscribe", "call", "register"]

    # A link follows what is subscribed and registered here.
    [[realm.role.permission]]
    uri = "wamp.subscription."
    match = "prefix"
    allow = ["call", "subscribe"]

    [[realm.role.permission]]
    uri = "wamp.registration."
    match = "prefix"
    allow = ["call", "subscribe"]

    [[realm.role.permission]]
    uri = "wamp.subscription.remove_subscriber"
    allow = []

    [[realm.role.permission]]
    uri = "wamp.registration.remove_callee"
    allow = []

    # A link reports the events that its queue had to drop.
    [[realm.role.permission]]
    uri = %s
    allow = ["publish"]
`

func (a *Answers) roles() string {
	text := fmt.Sprintf(localRoles, quoted(a.Prefix))
	if a.Kind == Centre {
		text += fmt.Sprintf(gatewayRole, quoted(a.Prefix), quoted(uplink.GapTopic))
	}
	return text
}

func (a *Answers) listeners() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	for _, listen := range a.Listen {
		switch {
		case loopback(listen):
			line("\n# Programs of this machine: RawSocket, and WebSocket at /ws.")
		case secure(listen):
			line("\n# Gateways, and clients that authenticate, from other machines: RawSocket and WebSocket over TLS.")
		default:
			line("\n# Clients that authenticate, from other machines. Nothing is encrypted here: use tls:// beyond a network of your own.")
		}
		line("[[listen]]\nurl = %s", quoted(listen))
		if secure(listen) {
			line("certificate = %s\nkey = %s", quoted(a.Certificate), quoted(a.CertificateKey))
		}
		if loopback(listen) && !a.localOnly() {
			line("anonymous = \"local\"")
		}
	}
	line("\n# Operators: root, and members of the socket's group.")
	line("[[listen]]\nurl = %s\nmode = \"0660\"\nanonymous = \"operator\"", quoted("unix://"+a.socket()))
	return b.String()
}

// link makes the gateway's uplink.
func (a *Answers) link() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	urls, _ := json.Marshal(a.Centres) // strings: it cannot fail
	line("\n# The link to the centre. While it is down, exported events wait on disk.")
	line("[[uplink]]\nname = %s\nrealm = %s", quoted(uplinkName), quoted(a.Realm))
	line("url = %s # tried in this order", strings.ReplaceAll(string(urls), ",", ", "))
	if a.Remote != "" && a.Remote != a.Realm {
		line("remote_realm = %s", quoted(a.Remote))
	}
	line("authid = %s\nkey = %s", quoted(a.ID), quoted(filepath.Base(a.keyFile())))
	if a.Pin != "" {
		line("pin = %s # the SHA-256 of the centre's certificate or public key", quoted(a.Pin))
	}
	if a.CA != "" {
		line("ca = %s", quoted(a.CA))
	}
	line("\n  # What devices publish here reaches the centre.")
	line("  [[uplink.export]]\n  topic = %s\n  match = \"prefix\"\n  store = \"disk\" # memory, disk, durable", quoted(a.Prefix))
	line("\n  # What is registered here can be called at the centre.")
	line("  [[uplink.export]]\n  procedure = %s\n  match = \"prefix\"", quoted(a.Prefix))
	line("\n  # What is published at the centre below this prefix reaches the subscribers here.")
	line("  [[uplink.import]]\n  topic = %s\n  match = \"prefix\"", quoted(a.Prefix+"command."))
	return b.String()
}

// quoted writes a TOML string; JSON's are a part of them.
func quoted(text string) string {
	b, _ := json.Marshal(text) // a string: it cannot fail
	return string(b)
}

// sealMark begins the last line of a file as it was written: a configuration that nobody has changed may be replaced.
const sealMark = "# unchanged since it was written: "

// sealed adds to the text a line by which changes are found.
func sealed(text string) string { return text + sealMark + seal(text) + "\n" }

func seal(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))[:16] }

// unchanged reports whether the text is as sealed wrote it.
func unchanged(text string) bool {
	i := strings.LastIndex(text, sealMark)
	return i >= 0 && sealed(text[:i]) == text
}
