package config

import (
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"runnel/edge/wamp"
	"runnel/transport"
	"runnel/uplink/nats/subject"
)

// Keys of uplinks to NATS servers.
var (
	natsOnly   = []string{"tls_first", "token", "nkey", "credentials", "stream", "stream_max_size", "stream_max_age", "replicas", "bucket"}
	notOfNATS  = []string{"remote_realm", "serializer", "authid", "ticket", "secret", "channel_binding", "fail_back", "remote", "qos", "client_id", "state_topic", "alpn", "discovery", "sparkplug", "protocol", "session_expiry"}
	natsLogins = []string{"username", "token", "nkey", "credentials"}
)

// natsSchemes are the URL schemes of NATS without TLS and with TLS.
var natsSchemes = []string{"nats", "tls+nats"}

// IsNATS reports whether the uplink leads to a NATS server.
func (u *Uplink) IsNATS() bool {
	return slices.ContainsFunc(u.URL, func(text string) bool {
		scheme, _, _ := strings.Cut(text, ":")
		return slices.Contains(natsSchemes, strings.ToLower(scheme))
	})
}

// nats checks the keys of an uplink to a NATS server.
func (k checker) nats(u *Uplink) {
	k.rejectKeys(u.Place, notOfNATS, "a NATS server")
	for _, text := range u.URL {
		k.natsURL(u.Place, text)
	}
	k.Choice(u.Place, "format", u.Format, "json", "cbor", "msgpack")
	k.natsLogin(u)
	if u.Key != "" && u.Certificate == "" {
		k.Add(u.Place, "certificate", "missing; write the key's certificate")
	}
	k.natsTLS(u)
	if u.PingInterval < 0 {
		k.Add(u.Place, "ping_interval", "pings to a NATS server cannot be turned off; write a time like \"20s\", or leave it out")
	}
	if u.MaxHops > mostHops {
		k.Add(u.Place, "max_hops", "must be 1 to %d", mostHops)
	}
	if u.Place.Has("replicas") && (u.Replicas < 1 || u.Replicas > 5) {
		k.Add(u.Place, "replicas", "must be 1 to 5")
	}
	k.natsName(u.Place, "stream", u.Stream)
	k.natsName(u.Place, "bucket", u.Bucket)
	for _, s := range slices.Concat(u.Exports, u.Imports) {
		k.rejectKeys(s.Place, mqttShareKeys, "a NATS server")
	}
	for _, s := range u.Exports {
		k.reportShare(s, s.subject(s.LocalPrefix, s.RemotePrefix))
	}
	for _, s := range u.Imports {
		k.reportShare(s, s.subject("", ""))
	}
}

// subject returns the reason why the URIs of a table have no subject at the NATS server, or nil. It applies the
// table's prefixes.
func (s Share) subject(local, remote string) error {
	uri := s.Topic
	if s.Procedure != nil {
		uri = s.Procedure
	}
	if uri == nil {
		return nil // share has reported it
	}
	match := wamp.Match(s.Match)
	text, ok := strings.CutPrefix(*uri, local)
	if !ok || !wamp.ValidURI(*uri, match, false) {
		return nil // shared has reported it
	}
	_, err := subject.Pattern(remote+text, match)
	return err
}

// natsLogin checks the keys of the uplink's login.
func (k checker) natsLogin(u *Uplink) {
	k.Secret(u.Place, "password", u.Password)
	k.Secret(u.Place, "token", u.Token)
	k.File(u.Place, "nkey", u.NKey)
	k.Private(u.Place, "nkey", string(u.NKey))
	k.File(u.Place, "credentials", u.Credentials)
	k.Private(u.Place, "credentials", string(u.Credentials))
	if u.Password.Set() != (u.Username != "") {
		key := "username"
		if u.Username != "" {
			key = "password"
		}
		k.Add(u.Place, key, "missing; a login needs a username and a password")
	}
	first := ""
	for _, key := range natsLogins {
		switch {
		case !u.Place.Has(key):
		case first != "":
			k.Add(u.Place, key, "%s is set as well; an uplink logs in by one of them", first)
		default:
			first = key
		}
	}
}

// natsTLS reports TLS keys of an uplink without TLS.
func (k checker) natsTLS(u *Uplink) {
	if slices.ContainsFunc(u.URL, func(text string) bool { _, secure := ParseNATS(text); return secure }) {
		return
	}
	for _, key := range []string{"ca", "certificate", "pin", "tls_first"} {
		if u.Place.Has(key) {
			k.Add(u.Place, key, "only tls+nats:// uses it; write such a url, or remove it")
		}
	}
}

// natsName reports a value that is not a valid name of a stream or of a bucket.
func (k checker) natsName(at Place, key, name string) {
	invalid := name == "" || len(name) > 64 || strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
	})
	if invalid && at.Has(key) {
		k.Add(at, key, "%.40q is not a name; write up to 64 letters, digits, \"-\" and \"_\"", name)
	}
}

func (k checker) natsURL(at Place, text string) {
	u := k.URL(at, "url", text, natsSchemes...)
	switch {
	case u == nil:
	case u.Hostname() == "":
		k.Add(at, "url", "%q names no server", transport.RedactURL(text))
	case u.User != nil:
		k.Add(at, "url", "%q contains a name or a password; write username and password, or token", transport.RedactURL(text))
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		k.Add(at, "url", "%q has more than a host and a port", transport.RedactURL(text))
	case u.Port() != "":
		k.farPort(at, text, u.Port())
	}
}

// ParseNATS returns the address of the server at a URL, and whether the connection uses TLS. The URL must have been
// checked.
func ParseNATS(text string) (address string, secure bool) {
	u, err := url.Parse(text)
	if err != nil {
		return text, true
	}
	if address = u.Host; u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), "4222")
	}
	return address, u.Scheme == "tls+nats"
}

// NATSSerializer returns the serializer of the messages at a NATS server. The default is JSON.
func (u *Uplink) NATSSerializer() wamp.Serializer {
	if s, ok := wamp.ParseSerializer(u.Format); ok {
		return s
	}
	return wamp.JSON
}

// Bounds of a stream that the link creates, if the configuration has none.
const (
	defaultStreamSize = 1 << 30
	defaultStreamAge  = 24 * time.Hour
)

// StreamBounds returns the bounds of the stream that the link creates: its size in bytes and the age of its events. 0: no limit.
func (u *Uplink) StreamBounds() (size int64, age time.Duration) {
	size, age = defaultStreamSize, defaultStreamAge
	if u.Place.Has("stream_max_size") {
		size = int64(u.StreamMaxSize)
	}
	if u.Place.Has("stream_max_age") {
		age = time.Duration(u.StreamMaxAge)
	}
	return size, age
}
