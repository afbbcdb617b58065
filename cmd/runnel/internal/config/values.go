package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"runnel/edge/wamp"
	"runnel/transport/serial"
)

// text is a configuration value with its own notation in a string.
type text interface{ parse(s string) error }

// Size is a number of bytes: "64MB", "64MiB", "512kB" or a bare number.
type Size int64

var sizeUnits = []struct {
	name string
	size int64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"b", 1},
}

func (z *Size) parse(s string) error {
	number, unit := strings.TrimSpace(s), int64(1)
	for _, u := range sizeUnits {
		if n := len(number) - len(u.name); n > 0 && strings.EqualFold(number[n:], u.name) {
			number, unit = strings.TrimSpace(number[:n]), u.size
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return fmt.Errorf("%q is not a size; write it like \"512kB\", \"64MB\" or \"64MiB\"", s)
	}
	*z = Size(n * unit)
	return nil
}

// Duration is a time span: "10s", "1m30s", "250ms".
type Duration time.Duration

func (d *Duration) parse(s string) error {
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a duration; write it like \"250ms\", \"10s\" or \"1m30s\"", s)
	}
	*d = Duration(v)
	return nil
}

// Mode is a file's permission bits: "0660".
type Mode os.FileMode

func (m *Mode) parse(s string) error {
	v, err := strconv.ParseUint(s, 8, 32)
	if err != nil || v > 0o777 {
		return fmt.Errorf("%q is not a file mode; write it in octal, like \"0660\"", s)
	}
	*m = Mode(v)
	return nil
}

// Match is the matching policy of a URI.
type Match wamp.Match

func (m *Match) parse(s string) error {
	v, ok := wamp.ParseMatch(s)
	if !ok {
		return fmt.Errorf("%q is not a matching policy; use %s", s, OneOf("exact", "prefix", "wildcard"))
	}
	*m = Match(v)
	return nil
}

// ParseMatch reads the name of a matching policy: exact, prefix or wildcard.
func ParseMatch(s string) (m Match, err error) {
	err = m.parse(s)
	return m, err
}

// String makes the policy readable in messages.
func (m Match) String() string { return wamp.Match(m).String() }

// Level is the log level: debug, info, warn or error.
type Level slog.Level

func (l *Level) parse(s string) error {
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, s) {
		return fmt.Errorf("%q is not a log level; use %s", s, OneOf("debug", "info", "warn", "error"))
	}
	return (*slog.Level)(l).UnmarshalText([]byte(s))
}

// LogFormat is the format of the log: text or json.
type LogFormat string

func (f *LogFormat) parse(s string) error {
	if s != "text" && s != "json" {
		return fmt.Errorf("%q is not a log format; use %s", s, OneOf("text", "json"))
	}
	*f = LogFormat(s)
	return nil
}

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

// OneOf writes a choice: "a", "b" or "c".
func OneOf(names ...string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = strconv.Quote(name)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	return strings.Join(quoted[:len(quoted)-1], ", ") + " or " + quoted[len(quoted)-1]
}
