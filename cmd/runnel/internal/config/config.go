// Package config reads the configuration of Runnel from TOML files and checks it. Every problem names its file, line and
// key, and a remedy. The package also says what the parts of a router take from the configuration, such as the options of a
// realm or of a serial line. It opens no listener, port or link.
package config

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
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
	Metrics Metrics  `toml:"metrics"`

	Warnings Problems // of what is valid, but not wise

	dropInDir    bool   // there is a conf.d for more files
	KeepsNothing bool   // another router has the usual data directory; set by the node
	Installation string // the id of the data directory; set by the node

	Fallback *Fallback // nil: the configuration is that of its files
	Absent   []Uplink  // uplinks that the node could not start; set by the node

	mainFile string // by which Load found the files
	sources  Drafts // the texts of all files
}

// Node is what this machine is.
type Node struct {
	Place Place
	ID    string `toml:"id"`   // default: the host name
	Data  Path   `toml:"data"` // spools and state
}

// Log says what is logged, and how.
type Log struct {
	Level  Level     `toml:"level"`  // debug, info (default), warn, error
	Format LogFormat `toml:"format"` // text (default), json
}

// Limits bounds what sessions may take.
type Limits struct {
	Place            Place
	MaxMessage       Size     `toml:"max_message"`       // the longest message taken from a peer
	MaxSessions      int      `toml:"max_sessions"`      // at a time, of all realms
	MaxSubscriptions int      `toml:"max_subscriptions"` // a session
	MaxRegistrations int      `toml:"max_registrations"` // a session
	MaxCalls         int      `toml:"max_calls"`         // a session's calls under way
	MaxRetained      Size     `toml:"max_retained"`      // a realm's retained events
	Memory           Size     `toml:"memory"`            // all buffers and tables together; 0: what the machine has
	Outbox           Size     `toml:"outbox"`            // what may wait for one peer before those who write to it wait
	HelloTimeout     Duration `toml:"hello_timeout"`     // from the connection to HELLO
	AskTimeout       Duration `toml:"ask_timeout"`       // for what an authenticator or an authorizer answers
}

// The files that Runnel looks for.
const (
	systemConfig = "/etc/runnel/runnel.toml"
	builtIn      = "built-in default"
)

//go:embed default.toml
var Default string

// UplinkCheck makes an uplink as the router would, without connecting it, and returns what prevents that.
type UplinkCheck func(*Config, Uplink) error

// Load reads the file and the conf.d/*.toml beside it. Without a file it is /etc/runnel/runnel.toml, or the
// built-in default where there is none. The check of uplinks may be nil. The error is Problems, or that the file can't be
// read.
func Load(file string, check UplinkCheck) (*Config, error) { return LoadDraft(file, nil, check) }

// LoadDraft is Load with files that are not written yet: a draft stands in for the file of its name, or joins the files of
// conf.d. So a file can be checked together with the others before it takes effect.
func LoadDraft(file string, drafts Drafts, check UplinkCheck) (*Config, error) {
	source, err := drafts.source(file)
	if err != nil {
		return nil, err
	}
	name, dir := File(file), filepath.Dir(File(file))
	if source == nil {
		name, source = builtIn, []byte(Default)
	}
	c, problems := &Config{Name: name, mainFile: File(file), sources: Drafts{File(file): string(source)}}, Problems{}
	readConfig(c, name, string(source), &problems)
	c.dropInDir = isDirectory(filepath.Join(dir, "conf.d"))
	for _, dropIn := range drafts.dropIns(dir) {
		b, err := drafts.read(dropIn)
		if err != nil {
			return nil, err
		}
		c.sources[dropIn] = string(b)
		readConfig(c, dropIn, string(b), &problems)
	}
	c.check(&problems)
	c.machine(&problems, check)
	return c, problems.err()
}

// Parse reads one configuration that stands in no file.
func Parse(name, source string) (*Config, error) {
	c, problems := &Config{Name: name}, Problems{}
	readConfig(c, name, source, &problems)
	c.check(&problems)
	return c, problems.err()
}

// NodeID is the node's name, by default the host's.
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

// RouterID is what the router calls itself on the way of what crosses links. Two of them must not be called the same, or what
// comes from the one would seem to the other to have come round in a circle. Host names often are the same, where an image
// was copied; so without an id of its own the node gets a number for as long as it runs.
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
		return b, err
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
