package setup

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"runnel/uplink"
)

// uplinkName is the name of a gateway's link to its centre.
const uplinkName = "central"

// text returns the text of the configuration.
func (a *Answers) text() string {
	var b document
	line := b.add
	line("# Written by \"runnel init %s\". docs/config.md describes every key. \"runnel check\" finds mistakes,", a.Kind)
	line("# and \"runnel reload\" applies changes. Files in conf.d/*.toml add to this one.")
	line("version = 1\n")
	line("[node]")
	line("id = %s # unique among linked routers", quoted(a.ID))
	line("data = %s # directory for queued events, retained events and other state", quoted(a.data()))
	line("\n# A realm is a routing domain: events and calls stay within it.")
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

// data returns the data directory: the service's, or "data" beside the configuration.
func (a *Answers) data() string {
	if a.system() {
		return "/var/lib/runnel"
	}
	return a.beside("data")
}

const localRoles = `
  # Programs of this machine that connect by TCP: all URIs except those of administration.
  [[realm.role]]
  name = "local"
  durable = true # may create durable subscriptions

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

  # Users who may open the Unix socket: all URIs.
  [[realm.role]]
  name = "operator"
  durable = true

    [[realm.role.permission]]
    uri = ""
    match = "prefix"
    allow = ["publish", "subscribe", "call", "register"]

  # Devices: they publish and register procedures.
  [[realm.role]]
  name = "sensor"

    [[realm.role.permission]]
    uri = %s
    match = "prefix"
    allow = ["publish", "register"]
`

const gatewayRole = `
  # Gateways that link to this centre. "runnel token new --role gateway" creates a token with which they enrol.
  [[realm.role]]
  name = "gateway"
  forward = true # they may name the origin of the events and calls that they forward
  # durable = true # keep commands for gateways that are offline: imports with store = "durable"

    [[realm.role.permission]]
    uri = %s
    match = "prefix"
    allow = ["publish", "subscribe", "call", "register"]

    # A link follows the subscriptions and registrations here.
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
	var b document
	line := b.add
	for _, listen := range a.Listen {
		line("\n# %s", a.purpose(listen))
		line("[[listen]]\nurl = %s", quoted(listen))
		if secure(listen) {
			line("certificate = %s\nkey = %s", quoted(a.Certificate), quoted(a.CertificateKey))
		}
		if local(listen) && !strings.HasPrefix(listen, "unix:") {
			line("console = true # a web page for this machine's browsers")
		}
		switch {
		case local(listen) && !a.localOnly():
			line("anonymous = \"local\" # not for a proxy of this machine: its clients would be local, too")
		case !local(listen) && a.OpenNetwork:
			line("anonymous = \"sensor\" # the role of peers that do not authenticate")
		}
	}
	line("\n# Operators: root, and members of the socket's group.")
	line("[[listen]]\nurl = %s\nmode = \"0660\"\nanonymous = \"operator\"", quoted("unix://"+a.socket()))
	return b.String()
}

// purpose returns the comment on a listener.
func (a *Answers) purpose(listen string) string {
	who := "Clients on the network, which must authenticate"
	switch {
	case strings.HasPrefix(listen, "unix:"):
		return "Programs of this machine, by Unix socket."
	case local(listen):
		return "Programs of this machine: RawSocket, and WebSocket at /ws."
	case a.OpenNetwork:
		who = "Every peer on the network, as a device or authenticated"
	case a.Kind == Centre:
		who = "Gateways and other clients on the network, which must authenticate"
	}
	if secure(listen) {
		return who + ": RawSocket and WebSocket over TLS."
	}
	return who + ".\n# This listener is not encrypted: use tls:// outside a trusted network."
}

// link returns the text of the gateway's uplink.
func (a *Answers) link() string {
	var b document
	line := b.add
	urls, _ := json.Marshal(a.Centres) // cannot fail for strings
	line("\n# The link to the centre. While it is down, exported events are queued on disk.")
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
	line("\n  # The centre receives the events of devices here.")
	line("  [[uplink.export]]\n  topic = %s\n  match = \"prefix\"\n  store = \"disk\" # memory, disk, durable", quoted(a.Prefix))
	line("\n  # The centre can call the procedures of devices here.")
	line("  [[uplink.export]]\n  procedure = %s\n  match = \"prefix\"", quoted(a.Prefix))
	line("\n  # Subscribers here receive the centre's events below this prefix.")
	line("  [[uplink.import]]\n  topic = %s\n  match = \"prefix\"", quoted(a.Prefix+"command."))
	return b.String()
}

// quoted returns text as a TOML string. Every JSON string is a valid TOML string.
func quoted(text string) string {
	b, _ := json.Marshal(text) // cannot fail for a string
	return string(b)
}

// sealMark begins the last line of a generated file. The checksum after it shows whether the file was edited: only an
// unedited file may be replaced without --force.
const sealMark = "# \"runnel init\" replaces this file without --force as long as it is unedited, which this checksum shows: "

// oldSealMark is the mark of files that earlier versions have written.
const oldSealMark = "# unchanged since it was written: "

// sealed appends a line with the checksum of the text.
func sealed(text string) string { return sealedBy(sealMark, text) }

func sealedBy(mark, text string) string { return text + mark + seal(text) + "\n" }

func seal(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))[:16] }

// unchanged reports whether the text is as sealed wrote it.
func unchanged(text string) bool {
	for _, mark := range []string{sealMark, oldSealMark} {
		if i := strings.LastIndex(text, mark); i >= 0 && sealedBy(mark, text[:i]) == text {
			return true
		}
	}
	return false
}

// document is a text that grows line by line.
type document struct{ strings.Builder }

func (d *document) add(format string, args ...any) {
	fmt.Fprintf(&d.Builder, format, args...)
	d.WriteByte('\n')
}
