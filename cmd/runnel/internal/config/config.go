// Package config reads the configuration of Runnel from TOML files and checks it. Every problem names its file, line
// and key, and a remedy. It also derives the options of a router's parts, such as a realm. It opens no listener, port
// or link.
package config

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	"runnel/cmd/runnel/internal/account"
	"runnel/cmd/runnel/internal/config/profiles"
)

// Config is the configuration file, as docs/config.md describes it. A field's zero value is its default.
type Config struct {
	Name string // of the main file

	Version  int       `toml:"version"`
	Node     Node      `toml:"node"`
	Log      Log       `toml:"log"`
	Limits   Limits    `toml:"limits"`
	Realms   []Realm   `toml:"realm"`
	Listens  []Listen  `toml:"listen"`
	Serials  []Serial  `toml:"serial"`
	Uplinks  []Uplink  `toml:"uplink"`
	Webhooks []Webhook `toml:"webhook"`
	Metrics  Metrics   `toml:"metrics"`

	Warnings Problems // about valid values that are most likely mistakes

	dropInDir    bool   // the directory conf.d exists
	KeepsNothing bool   // another router uses the default data directory; set by the node
	Installation string // the id of the data directory; set by the node

	Fallback *Fallback // nil if the configuration comes from its files
	Absent   []Uplink  // uplinks that the node could not start; set by the node

	lost     []string // names of tables that are missing because of a syntax error
	mainFile string   // the file that Load was called with
	starting bool     // a node starts with it, and leaves out the parts that fail; see check.Keys.MayPass
	sources  Drafts   // the texts of all files
	profiles profiles.Catalogue
}

// Node describes this machine.
type Node struct {
	Place Place
	ID    string `toml:"id"`   // default: the host name
	Data  Path   `toml:"data"` // spools and state
}

// Log sets the level and the format of the log.
type Log struct {
	Level  Level     `toml:"level"`  // debug, info (default), warn, error
	Format LogFormat `toml:"format"` // text (default), json
}

// Limits bounds the resources of sessions.
type Limits struct {
	Place            Place
	MaxMessage       Size     `toml:"max_message"`       // longest message accepted from a peer
	MaxSessions      int      `toml:"max_sessions"`      // concurrent sessions of all realms
	MaxSubscriptions int      `toml:"max_subscriptions"` // per session
	MaxRegistrations int      `toml:"max_registrations"` // per session
	MaxCalls         int      `toml:"max_calls"`         // pending calls per session
	MaxRetained      Size     `toml:"max_retained"`      // retained events per realm
	Memory           Size     `toml:"memory"`            // all buffers and tables together; 0: derived from the machine's memory
	Outbox           Size     `toml:"outbox"`            // data queued for one peer before its senders wait
	HelloTimeout     Duration `toml:"hello_timeout"`     // from the connection to HELLO
	AskTimeout       Duration `toml:"ask_timeout"`       // for the answer of an authenticator or an authorizer
}

// The main file without -c, and the name of the built-in default in messages.
const (
	systemConfig = "/etc/runnel/runnel.toml"
	builtIn      = "built-in default"
)

//go:embed default.toml
var Default string

// UplinkCheck creates an uplink as the router would, without connecting it. Its error is the reason why that is impossible.
type UplinkCheck func(*Config, Uplink) error

// Load reads and checks a file and the conf.d/*.toml beside it. An empty name stands for /etc/runnel/runnel.toml, or for the
// built-in default if that file does not exist. check may be nil. The error is a Problems, or an error of reading a file.
func Load(file string, check UplinkCheck) (*Config, error) { return LoadDraft(file, nil, check) }

// LoadDraft is Load with drafts: files that are not written yet. A draft replaces the file of its name, or is added to the
// files of conf.d. So a command can check a file together with the others before it takes effect.
func LoadDraft(file string, drafts Drafts, check UplinkCheck) (*Config, error) {
	return loadFiles(file, drafts, check, false)
}

// loadFiles is LoadDraft. For a node that starts, a file of conf.d that cannot be read is an ordinary problem.
func loadFiles(file string, drafts Drafts, check UplinkCheck, starting bool) (*Config, error) {
	source, err := drafts.source(file)
	if err != nil {
		return nil, err
	}
	name, dir := File(file), filepath.Dir(File(file))
	if source == nil {
		name, source = builtIn, []byte(Default)
	}
	c, problems := &Config{Name: name, mainFile: File(file), starting: starting, sources: Drafts{File(file): string(source)}}, Problems{}
	c.profiles = catalogue(file, drafts, c.sources)
	readConfig(c, name, string(source), &problems)
	c.dropInDir = isDirectory(filepath.Join(dir, "conf.d"))
	for _, dropIn := range drafts.dropIns(dir) {
		b, err := drafts.read(dropIn)
		if err != nil && starting {
			problems = append(problems, Problem{File: dropIn, Text: err.Error() + "; the user that runs the router must be able to read this file"})
			continue
		}
		if err != nil {
			return nil, account.Unreadable(err)
		}
		c.sources[dropIn] = string(b)
		readConfig(c, dropIn, string(b), &problems)
	}
	c.check(&problems)
	c.machine(&problems, check)
	return c, problems.Err()
}

// Parse reads and checks a configuration from a string. name stands for the file in messages.
func Parse(name, source string) (*Config, error) {
	c, problems := &Config{Name: name}, Problems{}
	readConfig(c, name, source, &problems)
	c.check(&problems)
	return c, problems.Err()
}

// NodeID returns the node's name. The default is the host name.
func (c *Config) NodeID() string {
	if c.Node.ID != "" {
		return c.Node.ID
	}
	name, err := os.Hostname()
	if err != nil {
		return "unnamed"
	}
	return name
}

// RouterID returns the router's name in the path of events and calls that cross links. Two routers must not share a
// name: each would mistake the other's messages for its own messages that have come back in a loop. Copies of one
// image often have the same host name, so a node without a configured id appends a random number, which changes at
// each start.
func (c *Config) RouterID() string {
	if c.Node.ID != "" {
		return c.Node.ID
	}
	return fmt.Sprintf("%s-%06x", c.NodeID(), birth)
}

var birth = rand.Uint32N(1 << 24)

// readSource returns the file's text, or nil for the built-in default.
func readSource(file string) ([]byte, error) {
	if file != "" {
		b, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w; \"runnel check --print-default\" prints one to start from", err)
		}
		return b, account.Unreadable(err)
	}
	b, err := os.ReadFile(systemConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, account.Unreadable(err)
}

// dropIns lists the files conf.d/*.toml of dir, sorted by name.
func dropIns(dir string) (files []string) {
	dir = filepath.Join(dir, "conf.d")
	entries, _ := os.ReadDir(dir) // conf.d is optional
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".toml" {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files
}
