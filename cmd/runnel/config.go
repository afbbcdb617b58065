package main

import (
	_ "embed"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Config is the configuration file, as docs/config.md describes it. A field's zero value is its default. A field tagged
// "later" is a key that the file format has and this version can't serve: setting it is an error.
type Config struct {
	Name string // of the main file

	Version int      `toml:"version"`
	Node    Node     `toml:"node"`
	Log     Log      `toml:"log"`
	Limits  Limits   `toml:"limits"`
	Realms  []Realm  `toml:"realm"`
	Listens []Listen `toml:"listen"`
	Serials []Serial `toml:"serial"`
	Uplinks []Uplink `toml:"uplink"`

	Warnings Problems // of what is valid, but not wise
}

// Node is what this machine is.
type Node struct {
	ID   string `toml:"id"`   // default: the host name
	Data Path   `toml:"data"` // spools and state
}

// Log says what is logged, and how.
type Log struct {
	Level  Level     `toml:"level"`  // debug, info (default), warn, error
	Format LogFormat `toml:"format"` // text (default), json
}

// Limits bounds what sessions may take.
type Limits struct {
	MaxMessage       Size     `toml:"max_message"`       // the longest message taken from a peer
	MaxSessions      int      `toml:"max_sessions"`      // at a time, of all realms
	MaxSubscriptions int      `toml:"max_subscriptions"` // a session
	MaxRegistrations int      `toml:"max_registrations"` // a session
	MaxCalls         int      `toml:"max_calls"`         // a session's calls under way
	MaxRetained      Size     `toml:"max_retained"`      // a realm's retained events
	Outbox           Size     `toml:"outbox"`            // what may wait for one peer before those who write to it wait
	HelloTimeout     Duration `toml:"hello_timeout"`     // from the connection to HELLO
	AskTimeout       Duration `toml:"ask_timeout"`       // for what an authenticator or an authorizer answers
}

// Realm is a routing domain.
type Realm struct {
	Place      Place
	Name       string      `toml:"name"`
	Anonymous  string      `toml:"anonymous"` // the role of sessions that don't authenticate; "": refused
	Strict     bool        `toml:"strict"`
	Roles      []Role      `toml:"role"`
	Principals []Principal `toml:"principal"`
	Histories  []History   `toml:"history"`

	Authenticators map[string]string `toml:"authenticator"` // procedures that decide who may join, by method
}

// History has events kept for those who ask later.
type History struct {
	Place   Place
	URI     string   `toml:"uri"`
	Match   Match    `toml:"match"`
	Events  int      `toml:"events"` // how many are kept at most
	MaxSize Size     `toml:"max_size"`
	MaxAge  Duration `toml:"max_age"`
}

// Role is a set of permissions.
type Role struct {
	Place       Place
	Name        string       `toml:"name"`
	Authorizer  string       `toml:"authorizer"` // a procedure that decides where no permission does
	Permissions []Permission `toml:"permission"`
}

// Permission allows actions on the URIs that it matches; the most specific one decides.
type Permission struct {
	Place    Place
	URI      string   `toml:"uri"`
	Match    Match    `toml:"match"`
	Allow    []string `toml:"allow"` // publish, subscribe, call, register
	Disclose bool     `toml:"disclose"`
	Trust    *int     `toml:"trust"` // level of the role's calls and publications here
}

// Principal is somebody who authenticates, in one of the ways that are given.
type Principal struct {
	Place          Place
	Authid         string   `toml:"authid"`
	Role           string   `toml:"role"`
	Ticket         Secret   `toml:"ticket"`
	Wampcra        *CRA     `toml:"wampcra"`
	Scram          *SCRAM   `toml:"scram"`
	AuthorizedKeys []string `toml:"authorized_keys"` // for cryptosign
	UID            *int     `toml:"uid"`             // of the process at the other end of a Unix socket
	GID            *int     `toml:"gid"`
	Certificate    string   `toml:"certificate"` // of a TLS client: its CN or SHA-256
}

// CRA is what the router keeps for WAMP-CRA: the secret, or with a salt what is derived from it.
type CRA struct {
	Place      Place
	Secret     Secret `toml:"secret"`
	Salt       string `toml:"salt"`
	Iterations int    `toml:"iterations"`
	KeyLen     int    `toml:"keylen"`
}

// SCRAM is what the router keeps for WAMP-SCRAM: the keys that are derived from a password, or the password.
type SCRAM struct {
	Place      Place
	Secret     Secret `toml:"secret"`
	KDF        string `toml:"kdf"` // argon2id13 (default), pbkdf2, argon2id-13
	Salt       string `toml:"salt"`
	Iterations int    `toml:"iterations"`
	Memory     int    `toml:"memory"` // KiB
	StoredKey  string `toml:"stored_key"`
	ServerKey  string `toml:"server_key"`
}

// Listen is a place where peers connect.
type Listen struct {
	Place          Place
	URL            string   `toml:"url"`   // tcp, tls, unix, ws or wss
	Mode           Mode     `toml:"mode"`  // of a Unix socket
	Owner          string   `toml:"owner"` // of a Unix socket
	Group          string   `toml:"group"` // of a Unix socket
	Certificate    Path     `toml:"certificate"`
	Key            Path     `toml:"key"`
	ClientCA       Path     `toml:"client_ca"`
	Origins        []string `toml:"origins"` // of web pages that may connect
	MaxConnections int      `toml:"max_connections"`
	MaxMessage     Size     `toml:"max_message"`
	PingInterval   Duration `toml:"ping_interval"`
	Realm          string   `toml:"realm"` // the only one that peers may join here
	Authid         string   `toml:"authid"`
	Role           string   `toml:"role"` // of all who come here; "": the anonymous role
}

// Serial is a serial line.
type Serial struct {
	Place        Place
	Name         string   `toml:"name"`
	Device       Path     `toml:"device"`
	USB          *USB     `toml:"usb"`
	Baud         int      `toml:"baud"`
	DataBits     int      `toml:"data_bits"`
	StopBits     int      `toml:"stop_bits"`
	Parity       string   `toml:"parity"`
	Mode         string   `toml:"mode"`    // wamp (default); lines, modbus: later
	Framing      string   `toml:"framing"` // hdlc (default), none
	Realm        string   `toml:"realm"`
	Authid       string   `toml:"authid"`
	Role         string   `toml:"role"`
	Settle       Duration `toml:"settle"` // from opening the port to the first octet
	DTR          string   `toml:"dtr"`    // keep (default), on, off
	RTS          string   `toml:"rts"`
	MaxMessage   Size     `toml:"max_message"`
	PingInterval Duration `toml:"ping_interval"`

	// mode = "lines"
	Format  string   `toml:"format"`
	Columns []string `toml:"columns"`
	Pattern string   `toml:"pattern"`
	Topic   string   `toml:"topic"`
}

// USB identifies a USB serial port, whatever name the kernel gave it.
type USB struct {
	Place     Place
	VID       string `toml:"vid"`
	PID       string `toml:"pid"`
	Serial    string `toml:"serial"`
	Interface string `toml:"interface"`
}

// Uplink links a realm to a central router.
type Uplink struct {
	Place        Place
	Name         string   `toml:"name"`
	Realm        string   `toml:"realm"`
	URL          []string `toml:"url"`
	RemoteRealm  string   `toml:"remote_realm"`
	Serializer   string   `toml:"serializer"`
	Authid       string   `toml:"authid"`
	Ticket       Secret   `toml:"ticket"`
	Secret       Secret   `toml:"secret"`
	Key          Path     `toml:"key"`
	Certificate  Path     `toml:"certificate"`
	CA           Path     `toml:"ca"`
	PingInterval Duration `toml:"ping_interval"`
	ReconnectMin Duration `toml:"reconnect_min"` // bounds of the pause before trying again, at first and at last
	ReconnectMax Duration `toml:"reconnect_max"`
	QoS          *int     `toml:"qos" later:"true"`    // of MQTT
	Format       string   `toml:"format" later:"true"` // of MQTT
	Exports      []Share  `toml:"export"`
	Imports      []Share  `toml:"import"`
}

// Share is topics or procedures that cross an uplink.
type Share struct {
	Place     Place
	Topic     *string `toml:"topic"`
	Procedure *string `toml:"procedure"`
	Match     Match   `toml:"match"`
	Store     string  `toml:"store"` // memory (default); disk, durable: later

	// URIs have one prefix here where they have the other there.
	LocalPrefix  string `toml:"local_prefix"`
	RemotePrefix string `toml:"remote_prefix"`
}

// The files that Runnel looks for.
const (
	systemConfig = "/etc/runnel/runnel.toml"
	builtIn      = "built-in default"
)

//go:embed default.toml
var defaultConfig string

// loadConfig reads the file and the conf.d/*.toml beside it. Without a file it is /etc/runnel/runnel.toml, or the
// built-in default where there is none. The error is Problems, or that the file can't be read.
func loadConfig(file string) (*Config, error) {
	source, err := readSource(file)
	if err != nil {
		return nil, err
	}
	name, dir := file, filepath.Dir(file)
	if file == "" {
		name, dir = systemConfig, filepath.Dir(systemConfig)
	}
	if source == nil {
		name, source = builtIn, []byte(defaultConfig)
	}
	c, problems := &Config{Name: name}, Problems{}
	readConfig(c, name, string(source), &problems)
	for _, dropIn := range dropIns(dir) {
		b, err := os.ReadFile(dropIn)
		if err != nil {
			return nil, err
		}
		readConfig(c, dropIn, string(b), &problems)
	}
	c.check(&problems)
	return c, problems.err()
}

// parseConfig reads one configuration that stands in no file.
func parseConfig(name, source string) (*Config, error) {
	c, problems := &Config{Name: name}, Problems{}
	readConfig(c, name, source, &problems)
	c.check(&problems)
	return c, problems.err()
}

// nodeID is the node's name, by default the host's.
func (c *Config) nodeID() string {
	if c.Node.ID != "" {
		return c.Node.ID
	}
	name, err := os.Hostname()
	if err != nil {
		return "unnamed"
	}
	return name
}

// readSource returns the file's text, or nil for the built-in default.
func readSource(file string) ([]byte, error) {
	if file != "" {
		return os.ReadFile(file)
	}
	b, err := os.ReadFile(systemConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// dropIns lists the conf.d/*.toml of dir, sorted by name.
func dropIns(dir string) (files []string) {
	dir = filepath.Join(dir, "conf.d")
	entries, _ := os.ReadDir(dir) // most have none
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".toml" {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files
}
