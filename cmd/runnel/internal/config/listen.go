package config

import (
	"errors"
	"io/fs"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"runnel/cmd/runnel/internal/config/values"
	"runnel/transport"
	"runnel/transport/systemd"
)

// Listen is an address at which peers connect.
type Listen struct {
	Place          Place
	URL            string   `toml:"url"`   // tcp, tls, unix, ws, wss, mqtt, mqtts or systemd
	Mode           Mode     `toml:"mode"`  // of a Unix socket
	Owner          string   `toml:"owner"` // of a Unix socket
	Group          string   `toml:"group"` // of a Unix socket
	Certificate    Path     `toml:"certificate"`
	Key            Path     `toml:"key"`
	ClientCA       Path     `toml:"client_ca"`
	Origins        []string `toml:"origins"`         // of web pages that may connect
	Hosts          []string `toml:"hosts"`           // host names that web clients use
	TrustedProxies []string `toml:"trusted_proxies"` // proxies whose client address is trusted
	MaxConnections int      `toml:"max_connections"`
	MaxMessage     Size     `toml:"max_message"`
	PingInterval   Duration `toml:"ping_interval"`
	PingTimeout    Duration `toml:"ping_timeout"`
	Compress       bool     `toml:"compress"` // WebSocket compression, for clients that offer it
	Cookie         *Cookie  `toml:"cookie"`   // for web clients
	Console        bool     `toml:"console"`  // the web console at /
	Rest           bool     `toml:"rest"`     // HTTP clients: /publish, /call and /events
	Static         Folders  `toml:"static"`   // files for web clients
	Format         string   `toml:"format"`   // of MQTT payloads: json or text
	Realm          string   `toml:"realm"`    // the only realm that peers may join here; "": any
	Authid         string   `toml:"authid"`
	Anonymous      string   `toml:"anonymous"` // the role of sessions that do not authenticate here; "": the realm's anonymous role
	Role           string   `toml:"role"`      // of every peer that connects here; "": the anonymous role

	// Elsewhere lists, for a listener "systemd:", the names of the sockets that other listeners take.
	Elsewhere []string

	files, pair digest // see fillDerived
}

// Cookie lets a web client reconnect without authenticating again.
type Cookie struct {
	Place  Place
	Name   string   `toml:"name"`
	MaxAge Duration `toml:"max_age"`
}

func (k checker) listen(l *Listen) {
	if l.URL == systemd.Scheme {
		k.Add(l.Place, "url", "%q has no colon; write %q, or %q with the name of a socket", l.URL, systemd.Scheme+":", systemd.Scheme+":NAME")
		return
	}
	u := k.URL(l.Place, "url", l.URL, "tcp", "tls", "unix", "ws", "wss", "mqtt", "mqtts", systemd.Scheme)
	if u == nil {
		return
	}
	if u.User != nil {
		k.Add(l.Place, "url", "%q contains a name or a password, which a listener does not use; remove them", transport.RedactURL(l.URL))
		return
	}
	if u.Scheme == systemd.Scheme {
		k.passed(l)
	} else {
		k.onlyFor(l.Place, u.Scheme, []string{"tls", "wss", "mqtts"}, "certificate", "key", "client_ca")
		k.onlyFor(l.Place, u.Scheme, []string{"unix"}, "mode", "owner", "group")
		k.webKeys(l, u.Scheme)
		k.onlyFor(l.Place, u.Scheme, []string{"tcp", "tls", "unix", "ws", "wss"}, "ping_timeout")
		k.onlyFor(l.Place, u.Scheme, []string{"mqtt", "mqtts"}, "format")
	}
	k.web(l)
	k.static(l)
	k.cookie(l.Cookie)
	switch u.Scheme {
	case systemd.Scheme:
	case "unix":
		l.URL = k.unix(l.Place, u)
	case "tls", "wss", "mqtts":
		k.tls(l)
		fallthrough
	default:
		k.address(l.Place, u)
	}
	k.Ping(l.Place, &l.PingInterval)
	k.anonymous(l)
	if l.mqtt() {
		k.mqttListener(l)
	} else if l.Role != "" || l.Realm != "" || l.Authid != "" {
		l.Realm = k.realmName(l.Place, "realm", l.Realm)
		k.identity(l.Place, l.Realm, l.Role, l.Authid)
	}
}

// tls checks the files of a listener that uses TLS.
func (k checker) tls(l *Listen) {
	k.Required(l.Place, "certificate", string(l.Certificate))
	k.Required(l.Place, "key", string(l.Key))
	k.File(l.Place, "certificate", l.Certificate)
	k.File(l.Place, "key", l.Key)
	k.File(l.Place, "client_ca", l.ClientCA)
	k.Private(l.Place, "key", string(l.Key))
	k.serverFiles(l)
}

// cookieName holds the characters that a cookie's name may contain: those of a bare TOML key.
const cookieName = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

func (k checker) cookie(c *Cookie) {
	if c == nil {
		return
	}
	if strings.Trim(c.Name, cookieName) != "" || len(c.Name) > 64 {
		k.Add(c.Place, "name", "%q: a cookie's name has at most 64 letters, digits, _ and -", c.Name)
	}
	if c.MaxAge != 0 && c.MaxAge < Duration(time.Minute) {
		k.Add(c.Place, "max_age", "shorter than a minute; remove [listen.cookie] if clients are to authenticate each time")
	}
}

// serverFiles checks that the certificate and the key can be read and belong together. file has reported missing files.
func (k checker) serverFiles(l *Listen) {
	if l.Key.IsContent() || l.Certificate.IsContent() || l.ClientCA.IsContent() {
		return
	}
	if _, err := transport.ServerFiles(string(l.Certificate), string(l.Key), string(l.ClientCA)); err != nil && !errors.Is(err, fs.ErrNotExist) &&
		l.Certificate != "" && l.Key != "" {
		k.Add(l.Place, "certificate", "%v", err)
		return
	}
	k.certificate(l.Place, l.Certificate, l.Key)
}

// address checks the host and port of a listener.
func (k checker) address(at Place, u *url.URL) {
	if _, port, err := net.SplitHostPort(u.Host); err != nil || port == "" {
		k.Add(at, "url", "%q has no port; write it like \"%s://127.0.0.1:8080\"", u, u.Scheme)
	} else {
		k.port(at, "url", u.String(), port)
	}
	if guest := strings.HasPrefix(u.Scheme, "mqtt"); guest && u.Path != "" && u.Path != "/" {
		k.Add(at, "url", "an %s listener has no path; MQTT over WebSocket is not supported", u.Scheme)
	} else if (u.Scheme == "tcp" || u.Scheme == "tls") && u.Path != "" && u.Path != "/" {
		k.Add(at, "url", "a %s listener has no path; WebSocket is at /ws of the same port", u.Scheme)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		k.Add(at, "url", "a listener's URL has neither a query nor a fragment; remove everything after %q", u.Scheme+"://"+u.Host+u.Path)
	}
}

// unix makes the socket's path absolute. unix:// alone stands for the default socket, chosen at start (see ListenURL).
func (k checker) unix(at Place, u *url.URL) string {
	if u.Host+u.Path == "" {
		return "unix://"
	}
	path := values.Absolute(filepath.Dir(at.File), u.Host+u.Path) // unix://runnel.sock is a relative path
	if len(path) > 107 {
		k.Add(at, "url", "the path is longer than 107 bytes, the limit of a Unix socket's address; choose a shorter one")
	}
	return "unix://" + path
}

// onlyFor reports keys that belong to other schemes.
func (k checker) onlyFor(at Place, scheme string, schemes []string, keys ...string) {
	for _, key := range keys {
		if at.Has(key) && !slices.Contains(schemes, scheme) {
			k.Add(at, key, "only for %s:// listeners; remove it", strings.Join(schemes, ":// and "))
		}
	}
}
