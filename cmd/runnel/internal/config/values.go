package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"runnel/cmd/runnel/internal/config/values"
	"runnel/transport/serial"
)

// The values that are written as strings.
type (
	Size      = values.Size
	Duration  = values.Duration
	Mode      = values.Mode
	Match     = values.Match
	Level     = values.Level
	LogFormat = values.LogFormat
	text      = values.Text
)

// ParseMatch reads the name of a matching policy: exact, prefix or wildcard.
func ParseMatch(s string) (Match, error) { return values.ParseMatch(s) }

// OneOf writes a choice: "a", "b" or "c".
func OneOf(names ...string) string { return values.OneOf(names...) }

// Path is a file name. A relative one starts at the configuration file's directory.
type Path string

// Secret is a password, a ticket or the like: a literal, or file:PATH, env:NAME, cred:NAME (a systemd credential). It is read
// when it is needed. So it does not stay in memory, and does not get into a message by accident.
type Secret struct {
	text string
	dir  string // the base of relative paths
}

// NewSecret returns the secret that text stands for; relative paths start in the working directory.
func NewSecret(text string) Secret { return Secret{text: text} }

// String hides the secret.
func (s Secret) String() string {
	if s.text == "" {
		return ""
	}
	return "(secret)"
}

// Set reports whether there is a secret.
func (s Secret) Set() bool { return s.text != "" }

var errNoCredentials = errors.New("$CREDENTIALS_DIRECTORY is not set: not started by systemd")

// Value returns the secret itself, without the trailing newline of a file.
func (s Secret) Value() (string, error) {
	kind, name, _ := strings.Cut(s.text, ":")
	switch kind {
	case "file":
		return readSecret(absolute(s.dir, name))
	case "cred":
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			return "", errNoCredentials
		}
		return readSecret(filepath.Join(dir, filepath.Base(name)))
	case "env":
		value, ok := os.LookupEnv(name)
		if !ok {
			return "", fmt.Errorf("the environment variable %s is not set", name)
		}
		return value, nil
	}
	return s.text, nil
}

// file returns the file that holds the secret: the named one, or the configuration for a literal; "" for env and cred.
func (s Secret) file(config string) string {
	switch kind, name, _ := strings.Cut(s.text, ":"); kind {
	case "file":
		return absolute(s.dir, name)
	case "cred", "env":
		return ""
	}
	return config
}

func readSecret(path string) (string, error) {
	b, err := os.ReadFile(path)
	return strings.TrimRight(string(b), "\r\n"), err
}

// absolute makes a path that is relative to dir absolute.
func absolute(dir, path string) string {
	if path == "" || filepath.IsAbs(path) || serial.IsNetwork(path) {
		return path
	}
	path = filepath.Join(dir, path)
	if whole, err := filepath.Abs(path); err == nil { // dir may be relative itself, as in "-c gateway.toml"
		return whole
	}
	return path
}
