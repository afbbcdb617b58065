package values

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Secret is a password, a ticket or the like: a literal, or file:PATH, env:NAME, cred:NAME (a systemd credential). It
// is read only when it is needed, so it neither stays in memory nor gets into a message by accident.
type Secret struct {
	text string
	dir  string // the base of relative paths
}

// NewSecret returns the secret that text stands for. Relative paths start in the directory dir; "" is the working directory.
func NewSecret(dir, text string) Secret { return Secret{text, dir} }

// Replace replaces parts of the text that stands for the secret.
func (s *Secret) Replace(r *strings.Replacer) { s.text = r.Replace(s.text) }

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
		return readSecret(Absolute(s.dir, name))
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

// File returns the file that holds the secret: the named one, or the configuration for a literal; "" for env and cred.
func (s Secret) File(config string) string {
	switch kind, name, _ := strings.Cut(s.text, ":"); kind {
	case "file":
		return Absolute(s.dir, name)
	case "cred", "env":
		return ""
	}
	return config
}

func readSecret(path string) (string, error) {
	b, err := os.ReadFile(path)
	return strings.TrimRight(string(b), "\r\n"), err
}
